//! What clients get, honest and other ones.

use crate::world::{World, status_and_body};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vigie_health::answers::OnSecondaire;
use vigie_health::limits::CONNECTION_LIFE;
use vigie_health::{Role, State};

async fn up() -> World {
    let world = World::start(&[], OnSecondaire::Down).await;
    world.until(State::Up).await;
    world
}

#[tokio::test]
async fn silence_a_line_and_http_on_one_port() {
    let world = up().await;
    assert_eq!(world.ask(b"").await, "up ready\n");
    assert_eq!(world.ask(b"web/s1\n").await, "up ready\n");
    assert_eq!(world.ask(b"web/s1").await, "up ready\n");
    assert_eq!(world.get("/ready").await.0, 200);
    world.role("web", Some(Role::Secondaire), 7);
    assert_eq!(world.ask(b"\n").await, "down ready # role=secondaire group=web epoch=7\n");
    let (status, body) = world.get("/principal").await;
    assert_eq!(status, 503);
    assert!(body.starts_with("{\"ok\":false,\"why\":\"secondaire in web\","), "{body}");
    assert_eq!(world.get("/secondaire?group=web").await.0, 200);
    assert_eq!(world.get("/secondaire?group=db").await.0, 404);
    assert_eq!(world.get("/secondaire?group=%zz").await.0, 400);
    assert_eq!(world.get("/metrics").await.0, 404);
    world.role("db", Some(Role::Principal), 2);
    assert_eq!(world.get("/principal").await.0, 404);
    assert_eq!(world.get("/principal?group=db").await.0, 200);
    assert_eq!(world.ask(b"db/s9\n").await, "up ready # role=principal group=db epoch=2\n");
}

#[tokio::test]
async fn methods_and_headers() {
    let world = up().await;
    let get = world.ask(b"GET /ready HTTP/1.0\r\n\r\n").await.to_lowercase();
    assert!(get.contains("\r\ncache-control: no-store\r\n"), "{get}");
    assert!(get.contains("\r\ncontent-type: application/json\r\n"), "{get}");
    let head = world.ask(b"HEAD /ready HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(status_and_body(&head), (200, String::new()));
    let options = world.ask(b"OPTIONS /principal HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(status_and_body(&options), (503, String::new()));
    assert!(options.to_lowercase().contains("\r\nallow: get, head, options\r\n"), "{options}");
    for method in ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"] {
        let said = world.ask(format!("{method} /ready HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
        assert_eq!(status_and_body(&said).0, 405, "{method}");
        assert!(said.to_lowercase().contains("\r\nallow: get, head, options\r\n"), "{said}");
    }
    let said = world.ask(b"GET /ready HTTP/1.1\r\nno colon\r\n\r\n").await;
    assert_eq!(status_and_body(&said).0, 400);
}

#[tokio::test]
async fn a_request_in_pieces_is_put_together() {
    let world = up().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    for piece in ["G", "E", "T /ready HT", "TP/1.1\r\nHost: x\r\n", "\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        // Longer than the silence after which an agent's client is answered.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(status_and_body(&said).0, 200);
}

#[tokio::test]
async fn what_is_neither_gets_nothing() {
    let world = up().await;
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], &[0; 2000], &[b'x'; 2000], "été\n".as_bytes()] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut said = Vec::new();
        // Closed, or reset over what was not read.
        let _ = stream.read_to_end(&mut said).await;
        assert_eq!(said, b"", "{bytes:?}");
    }
}

#[tokio::test]
async fn slow_and_many_clients_hold_up_nobody_and_are_let_go() {
    let world = up().await;
    // All places of this address: half a request, and nothing more. They come from another loopback address than
    // the honest client.
    let mut slow = Vec::new();
    for _ in 0..400 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut stream = socket.connect(world.address).await.unwrap();
        // Closed at once, when there were too many already.
        let _ = stream.write_all(b"GET /ready HTTP/1.1\r\nX: ").await;
        slow.push(stream);
    }
    assert_eq!(world.ask(b"").await, "up ready\n");
    assert_eq!(world.get("/ready").await.0, 200);
    let began = Instant::now();
    for mut stream in slow {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    assert!(began.elapsed() < CONNECTION_LIFE * 4, "they were held for {:?}", began.elapsed());
}

#[tokio::test]
async fn unknown_is_neither_up_nor_down() {
    let world = World::start(&["exec:3 cannot look".to_owned()], OnSecondaire::Down).await;
    assert_eq!(world.ask(b"").await, "\n");
    let (status, body) = world.get("/ready").await;
    assert_eq!(status, 503);
    assert!(body.contains("not known yet"), "{body}");
    assert_eq!(world.get("/live").await.0, 200);
}
