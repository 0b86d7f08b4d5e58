//! Many clients at once, most of them bad.

use crate::world::World;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vigie_model::{EdgeName, FileEvent, Instant, NodeType, files::Created};
use vigie_web::limits::{CONNECTIONS_MAX, FOLLOWERS_MAX, STREAMS_MAX};
use vigie_web::messages::{LogQuery, TreeQuery};

/// Far longer than any answer takes, and shorter than any limit that would let others in by and by.
const SOON: Duration = Duration::from_secs(8);

async fn connect(world: &World, begin: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.server.tcp().unwrap()).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    stream
}

fn get(path: &str) -> String {
    format!("GET /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// The first bytes of an answer.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let n = tokio::time::timeout(SOON, stream.read(&mut bytes)).await.expect("no answer in time").unwrap();
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

async fn assert_answers(world: &World) {
    let mut asking = connect(world, &get("status")).await;
    let answer = head(&mut asking).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn clients_that_ask_nothing_keep_nobody_out() {
    let world = World::start().await;
    let half_body = "POST /api/v1/flush HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
    for begin in ["", "GET /api/v1/status HTTP/1.1\r\nHost: loc", half_body] {
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX + 20 {
            idle.push(connect(&world, begin).await);
        }
        assert_answers(&world).await;
        // The first that came was the first that had to go.
        let gone = tokio::time::timeout(SOON, idle[0].read(&mut [0; 16])).await.expect("nobody had to go");
        assert!(!matches!(gone, Ok(n) if n > 0), "{gone:?}");
    }
}

#[tokio::test]
async fn followers_that_do_not_read_are_few_and_keep_nobody_out() {
    let world = World::start().await;
    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS_MAX {
        let mut follower = connect(&world, &get("log?follow=true")).await;
        assert!(head(&mut follower).await.starts_with("HTTP/1.1 200"));
        followers.push(follower);
    }
    let answer = head(&mut connect(&world, &get("log?follow=true")).await).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 10") && answer.contains("\"kind\":\"unavailable\""), "{answer}");
    assert_answers(&world).await;
    let (_, mut lines) = world.client.log(&LogQuery { follow: true, ..LogQuery::default() }).await.unwrap();
    assert!(lines.next().await.unwrap().is_some(), "the owner of the socket is let in");
}

#[tokio::test]
async fn trees_that_nobody_reads_are_few_and_keep_nobody_out() {
    let mut world = World::start().await;
    // More than all buffers between a hub and a client that does not read.
    for n in 0..60 {
        let bytes = vec![n; 250_000];
        let file = crate::world::node(100 + n);
        let name = EdgeName::Entry(crate::world::name(format!("big{n}").as_bytes()));
        let meta = crate::world::meta(NodeType::File, bytes.len() as u64);
        let created = Created { parent: crate::world::ROOT, name, node: file, meta, pending: true };
        world.tell(FileEvent::Created(created)).await;
        world.write(file, &bytes).await;
    }
    let tree = get("tree?machine=web01&path=/srv");
    let mut readers = Vec::new();
    for _ in 0..STREAMS_MAX {
        let mut reader = connect(&world, &tree).await;
        assert!(head(&mut reader).await.starts_with("HTTP/1.1 200"));
        readers.push(reader);
    }
    assert_answers(&world).await;
    let query = TreeQuery { machine: "web01".into(), path: crate::world::path("/srv"), at: Instant::Now };
    world.client.tree(&query).await.expect("the owner of the socket is let in");
    // One more has to wait until another is done.
    let mut waits = connect(&world, &tree).await;
    drop(readers.pop());
    assert!(head(&mut waits).await.starts_with("HTTP/1.1 200"));
}
