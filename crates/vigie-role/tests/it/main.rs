//! Plain lines over real TCP: the server with clients of every kind, and the client with servers of every kind.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod hostile;
mod join;
mod serve;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vigie_role::BootClock;
use vigie_role::plain::server::{Config, Notice, ServeError, Server};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends with its test.
struct Served {
    address: SocketAddr,
    notices: mpsc::Receiver<Notice>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    async fn start(state: Option<&Path>, heartbeat: Option<Duration>) -> Served {
        Served::on("127.0.0.1:0".parse().unwrap(), state, heartbeat, 10_000)
    }

    fn on(
        listen: SocketAddr,
        state: Option<&Path>,
        heartbeat: Option<Duration>,
        clients_max: usize,
    ) -> Served {
        let state = state.map(Path::to_owned);
        let server = Server::bind(Config { listen, state, heartbeat, clients_max }).unwrap();
        let (told, notices) = mpsc::channel(100_000);
        let (address, stop) = (server.address(), CancellationToken::new());
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { server.run(&BootClock::default(), told, stop).await }
        });
        Served { address, notices, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        soon(self.task).await.unwrap().unwrap();
    }

    /// Waits for the end of a client.
    async fn gone(&mut self) -> String {
        loop {
            if let Some(Notice::Gone { why, .. }) = soon(self.notices.recv()).await {
                return why;
            }
        }
    }
}

/// A client of lines.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(served: &Served) -> Client {
        Client(BufReader::new(TcpStream::connect(served.address).await.unwrap()))
    }

    /// The next line, or nothing when the connection is over.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match soon(self.0.read_line(&mut line)).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.strip_suffix('\n').unwrap().to_owned()),
        }
    }

    async fn says(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    fn address(&self) -> SocketAddr {
        self.0.get_ref().local_addr().unwrap()
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}
