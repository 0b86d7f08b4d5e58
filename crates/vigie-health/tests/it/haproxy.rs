//! HAProxy, with a configuration of its own, asked over its stats socket.

use crate::eventually;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;

/// Where Debian puts it; its directory is not on everybody's path.
const PROGRAM: &str = "/usr/sbin/haproxy";

/// A running HAProxy.
pub(crate) struct Haproxy {
    child: Child,
    dir: tempfile::TempDir,
}

/// One row of `show stat`, by the names of its columns.
pub(crate) type Row = HashMap<String, String>;

impl Haproxy {
    /// Starts it with these back ends and waits until it answers.
    pub(crate) async fn start(backends: &str) -> Haproxy {
        let dir = tempfile::tempdir().unwrap();
        let (config, socket) = (dir.path().join("haproxy.cfg"), dir.path().join("stats.sock"));
        let text = format!(
            "global\n  stats socket {} level admin\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n\
             timeout check 5s\n{backends}\n",
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("-f").arg(&config).arg("-db").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child =
            command.spawn().unwrap_or_else(|e| panic!("needs HAProxy (cargo xtask setup): {PROGRAM}: {e}"));
        let mut haproxy = Haproxy { child, dir };
        eventually("HAProxy answers", || {
            let ended = haproxy.child.try_wait().unwrap();
            assert!(ended.is_none(), "HAProxy ended: {}", haproxy.log());
            let socket = socket.clone();
            async move { ask(&socket, "show info").await.map_err(|e| e.to_string()) }
        })
        .await;
        haproxy
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// What `show stat` says of a server.
    pub(crate) async fn row(&self, backend: &str, server: &str) -> Row {
        let text = ask(&self.dir.path().join("stats.sock"), "show stat").await.unwrap();
        let mut lines = text.trim_start_matches("# ").lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        // No text of these tests has a comma or a quote, so the cells need no decoder.
        lines
            .map(|line| {
                names.iter().map(|n| (*n).to_owned()).zip(line.split(',').map(str::to_owned)).collect()
            })
            .find(|row: &Row| row["pxname"] == backend && row["svname"] == server)
            .unwrap_or_else(|| panic!("no {backend}/{server}: {text}"))
    }

    /// Waits until the server's row has all of these values.
    pub(crate) async fn until(&self, server: &str, wanted: &[(&str, &str)]) {
        let (backend, name) = server.split_once('/').unwrap();
        eventually(&format!("{server} has {wanted:?}"), || async {
            let row = self.row(backend, name).await;
            if wanted.iter().all(|(column, value)| row[*column] == *value) {
                return Ok(());
            }
            let columns = ["status", "weight", "check_status", "agent_status", "last_agt", "slim"];
            Err(columns.map(|column| format!("{column}={}", row[column])).join(" "))
        })
        .await;
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- HAProxy ---\n{}", self.log());
        }
    }
}

async fn ask(socket: &Path, command: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("{command}\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// A server that takes connections and closes them: what checks of TCP are content with.
pub(crate) struct Bystander {
    pub(crate) address: SocketAddr,
    accepting: JoinSet<()>,
}

impl Bystander {
    pub(crate) async fn start() -> Bystander {
        Bystander::start_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Bystander {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            loop {
                // Whoever has gone already was content as well.
                drop(listener.accept().await);
            }
        });
        Bystander { address, accepting }
    }

    /// Returns once connections are refused.
    pub(crate) async fn close(mut self) {
        self.accepting.shutdown().await;
    }
}
