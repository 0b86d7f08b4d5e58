//! Who may ask, and what happens to who asks badly: raw bytes, as curl and browsers send them.

use crate::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use vigie_web::messages::ErrorBody;

/// Sends bytes on TCP, and gives the whole answer.
async fn tcp(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.server.tcp().unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same on the socket.
async fn socket(world: &World, request: &str) -> String {
    let mut stream = UnixStream::connect(world.socket()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn web_pages_and_other_hosts_are_refused() {
    let world = World::start().await;
    let status = "/api/v1/status";
    assert!(tcp(&world, &get(status, "Host: localhost\r\n")).await.starts_with("HTTP/1.1 200"));
    for headers in [
        "Host: example.org\r\n",
        "Host: 127.0.0.1.example.org\r\n",
        "Host: localhost\r\nOrigin: http://localhost\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
    ] {
        let answer = tcp(&world, &get(status, headers)).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{headers}: {answer}");
        assert!(answer.contains("\"kind\":\"forbidden\""), "{answer}");
    }
    let page = socket(&world, &get(status, "Host: x\r\nOrigin: http://evil.example\r\n")).await;
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    assert!(socket(&world, &get(status, "Host: x\r\n")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn every_refusal_is_json_with_a_kind() {
    let world = World::start().await;
    let host = "Host: localhost\r\n";
    for (request, code, kind) in [
        (get("/api/v1/nothing", host), 404, "not-found"),
        (get("/api/v1/flush", host), 400, "usage"),
        (get("/api/v1/ls?machine=web01", host), 400, "usage"),
        (get("/api/v1/ls?machine=web01&path=/srv&oops=1", host), 400, "usage"),
        (get("/api/v1/ls?machine=web01&path=srv", host), 400, "usage"),
        (get("/api/v1/ls?machine=web01&path=/srv&at=yesterday", host), 400, "usage"),
        (get("/api/v1/log?n=many", host), 400, "usage"),
        (get("/api/v1/cat?machine=web01&path=/srv/none", host), 404, "not-found"),
    ] {
        let answer = socket(&world, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{request}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: ErrorBody = serde_json::from_str(body).unwrap();
        assert_eq!(serde_json::to_value(body.error.kind).unwrap(), kind, "{request}");
    }
    let huge = "x".repeat(100_000);
    let post = format!(
        "POST /api/v1/flush HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{huge}",
        huge.len()
    );
    assert!(socket(&world, &post).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_client_that_goes_stops_the_work_for_it() {
    let world = World::start().await;
    let mut stream = UnixStream::connect(world.socket()).await.unwrap();
    let request = "GET /api/v1/log?follow=true HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut some = [0; 16];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    // The follower ends by itself: nothing is left to be cut off.
    assert!(world.server.shutdown(std::time::Duration::from_secs(10)).await);
}
