//! Clients that mean harm, or are broken.

use crate::{Client, Served};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

#[tokio::test]
async fn garbage_is_passed_over_and_costs_no_role() {
    let served = Served::start(None, None).await;
    let mut client = Client::connect(&served).await;
    assert_eq!(client.line().await.unwrap(), "principal");
    client.says(b"Hello !!\n\xff\xfb\x01\r\nGET / HTTP/1.1\r\n\r\n").await;
    client.says(&[b'x'; 5000]).await;
    client.says(b"\nvigie/1\n").await;
    assert_eq!(client.line().await.unwrap(), "principal epoch=1 reason=first");
    served.stop().await;
}

#[tokio::test]
async fn a_flood_holds_up_nobody_and_its_end_is_noticed() {
    let served = Served::start(None, None).await;
    let mut flood = TcpStream::connect(served.address).await.unwrap();
    let mut second = Client::connect(&served).await;
    assert_eq!(second.line().await.unwrap(), "secondaire");
    // Until the server's patience, and with it every buffer, is full.
    let write = async {
        loop {
            let chunk =
                tokio::time::timeout(std::time::Duration::from_millis(300), flood.write_all(&[b'z'; 65_536]));
            match chunk.await {
                Ok(written) => written.unwrap(),
                Err(_) => return,
            }
        }
    };
    crate::soon(write).await;
    let mut third = Client::connect(&served).await;
    assert_eq!(third.line().await.unwrap(), "secondaire");
    // Much of what it said is never read; that it went is known at once.
    drop(flood);
    assert_eq!(second.line().await.unwrap(), "principal");
    served.stop().await;
}

#[tokio::test]
async fn clients_that_vanish_at_once_leave_nothing_behind() {
    let mut served = Served::start(None, None).await;
    for _ in 0..200 {
        let socket = TcpSocket::new_v4().unwrap();
        // A reset in place of a farewell.
        socket.set_zero_linger().unwrap();
        drop(socket.connect(served.address).await.unwrap());
    }
    let mut last = Client::connect(&served).await;
    while last.line().await.unwrap() != "principal" {}
    for _ in 0..200 {
        served.gone().await;
    }
    served.stop().await;
}

#[tokio::test]
async fn there_are_as_many_clients_as_there_may_be_and_the_next_is_turned_away() {
    let served = Served::on("127.0.0.1:0".parse().unwrap(), None, None, 2);
    let mut first = Client::connect(&served).await;
    let mut second = Client::connect(&served).await;
    assert_eq!(first.line().await.unwrap(), "principal");
    assert_eq!(second.line().await.unwrap(), "secondaire");
    let mut third = Client::connect(&served).await;
    assert_eq!(third.line().await, None);
    drop(first);
    assert_eq!(second.line().await.unwrap(), "principal");
    assert_eq!(Client::connect(&served).await.line().await.unwrap(), "secondaire");
    served.stop().await;
}

#[tokio::test]
async fn a_half_closed_connection_is_a_closed_one() {
    let served = Served::start(None, None).await;
    let mut half = Client::connect(&served).await;
    assert_eq!(half.line().await.unwrap(), "principal");
    let mut second = Client::connect(&served).await;
    assert_eq!(second.line().await.unwrap(), "secondaire");
    half.0.get_mut().shutdown().await.unwrap();
    assert_eq!(second.line().await.unwrap(), "principal");
    assert_ne!(half.address(), second.address());
    served.stop().await;
}
