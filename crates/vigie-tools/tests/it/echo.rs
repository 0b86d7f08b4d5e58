//! Many clients, slow clients, and a stop.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vigie_tools::echo::answer::Language;
use vigie_tools::echo::client::{ExchangeError, Peer};
use vigie_tools::echo::server::{Config, Notice, Server, Totals};
use vigie_tools::limits::{ECHO_WRITE_TIMEOUT, STOP_DEADLINE};

struct Echo {
    tcp: SocketAddr,
    udp: SocketAddr,
    notices: mpsc::Receiver<Notice>,
    stop: CancellationToken,
    serving: JoinHandle<Totals>,
}

async fn start(change: impl FnOnce(&mut Config)) -> Echo {
    let any = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let mut config = Config {
        tcp: any,
        udp: any,
        language: Language::English,
        clients_max: 10_000,
        clients_per_address_max: 10_000,
        idle: Duration::from_secs(600),
    };
    change(&mut config);
    let server = Server::bind(config).await.unwrap();
    let (tell, notices) = mpsc::channel(65_536);
    let (tcp, udp, stop) = (server.tcp().unwrap(), server.udp().unwrap(), CancellationToken::new());
    let serving = tokio::spawn(server.run(tell, stop.clone()));
    Echo { tcp, udp, notices, stop, serving }
}

impl Echo {
    async fn gone(&mut self) -> (u64, String) {
        loop {
            if let Notice::Gone { messages, why, .. } = self.notices.recv().await.unwrap() {
                return (messages, why);
            }
        }
    }
}

#[tokio::test]
async fn three_hundred_clients_are_answered_at_once_each_with_its_own() {
    let echo = start(|_| {}).await;
    let address = echo.tcp.to_string();
    let mut peers = Vec::new();
    for _ in 0..300 {
        peers.push(Peer::tcp(&address).await.unwrap());
    }
    let asking = peers.into_iter().enumerate().map(|(n, mut peer)| {
        tokio::spawn(async move {
            for round in 0..5 {
                let message = format!("{n}/{round}\n");
                let reply = peer.exchange(message.as_bytes(), Duration::from_secs(30)).await.unwrap();
                let text = String::from_utf8(reply.bytes).unwrap();
                assert!(text.ends_with(&format!(" : {message}")), "{text}");
            }
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    echo.stop.cancel();
    let totals = echo.serving.await.unwrap();
    assert_eq!(totals, Totals { clients: 300, answers: 1500, refused: 0, cut: 0 });
}

#[tokio::test]
async fn a_client_that_never_reads_stops_being_read_and_holds_up_nobody() {
    let mut echo = start(|_| {}).await;
    let mut greedy = TcpStream::connect(echo.tcp).await.unwrap();
    // As much as the kernel takes on both sides; then nobody reads any more.
    let flood = vec![0; 1 << 20];
    let mut taken = 0;
    while let Ok(written) = tokio::time::timeout(Duration::from_secs(1), greedy.write(&flood)).await {
        taken += written.unwrap();
        assert!(taken < 1 << 28, "it reads on although nobody takes its answers");
    }
    let mut other = Peer::tcp(&echo.tcp.to_string()).await.unwrap();
    assert!(other.exchange(b"a\n", Duration::from_secs(30)).await.is_ok());
    // It reads again, and nothing is missing: the answer of each read is a whole one.
    let mut answers = vec![0; 1 << 16];
    let length = greedy.read(&mut answers).await.unwrap();
    assert!(answers[..length].starts_with(b"Data received at "));
    tokio::time::pause();
    tokio::time::advance(ECHO_WRITE_TIMEOUT + Duration::from_secs(1)).await;
    let (_, why) = echo.gone().await;
    assert_eq!(why, "it did not read its answer");
}

#[tokio::test]
async fn whoever_does_not_take_its_last_answer_is_left_behind() {
    let echo = start(|_| {}).await;
    let mut greedy = TcpStream::connect(echo.tcp).await.unwrap();
    let flood = vec![b'a'; 1 << 20];
    while tokio::time::timeout(Duration::from_millis(500), greedy.write(&flood)).await.is_ok() {}
    tokio::time::pause();
    echo.stop.cancel();
    tokio::time::advance(STOP_DEADLINE).await;
    assert_eq!(echo.serving.await.unwrap().cut, 1);
}

#[tokio::test]
async fn whoever_says_nothing_is_sent_away() {
    let mut echo = start(|config| config.idle = Duration::from_millis(50)).await;
    let mut idle = TcpStream::connect(echo.tcp).await.unwrap();
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(echo.gone().await, (0, "it said nothing for too long".to_owned()));
}

#[tokio::test]
async fn a_closed_half_is_still_answered() {
    let mut echo = start(|_| {}).await;
    let mut client = TcpStream::connect(echo.tcp).await.unwrap();
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(" : last words"), "{answer}");
    assert_eq!(echo.gone().await, (1, "it closed the connection".to_owned()));
}

#[tokio::test]
async fn datagrams_of_every_size_are_answered_and_answers_are_not() {
    let echo = start(|_| {}).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(echo.udp).await.unwrap();
    let mut answer = vec![0; 65_536];
    for length in [0, 1, 1400, 9000, 65_000, 65_507] {
        socket.send(&vec![b'a'; length]).await.unwrap();
        let got = socket.recv(&mut answer).await.unwrap();
        let text = std::str::from_utf8(&answer[..got]).unwrap();
        assert!(text.starts_with("Data received at "), "{length}: {text}");
        assert_eq!(text.ends_with('…'), length == 65_507, "{length}");
    }
    socket.send(b"Data received at noon : a").await.unwrap();
    socket.send(b"next").await.unwrap();
    let got = socket.recv(&mut answer).await.unwrap();
    assert!(answer[..got].ends_with(b" : next"));
}

#[tokio::test]
async fn replies_without_newline_and_in_pieces_are_put_together() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 16];
        let _ = stream.read(&mut buffer).await.unwrap();
        stream.write_all(b"in ").await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(b"pieces").await.unwrap();
        let _ = stream.read(&mut buffer).await.unwrap();
    });
    let mut peer = Peer::tcp(&address).await.unwrap();
    let reply = peer.exchange(b"a\n", Duration::from_secs(30)).await.unwrap();
    assert_eq!(reply.bytes, b"in pieces");
    let closed = peer.exchange(b"a\n", Duration::from_secs(30)).await.unwrap_err();
    assert!(matches!(closed, ExchangeError::Closed), "{closed}");
    serving.await.unwrap();
}
