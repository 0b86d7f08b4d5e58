//! What clients are told.

use crate::{Client, Served};
use std::time::Duration;
use vigie_role::plain::server::{Config, ServeError, Server};

#[tokio::test]
async fn the_first_is_principal_and_when_it_goes_the_next_is() {
    let served = Served::start(None, None).await;
    let mut first = Client::connect(&served).await;
    assert_eq!(first.line().await.unwrap(), "principal");
    let mut second = Client::connect(&served).await;
    assert_eq!(second.line().await.unwrap(), "secondaire");
    let mut third = Client::connect(&served).await;
    assert_eq!(third.line().await.unwrap(), "secondaire");
    drop(first);
    assert_eq!(second.line().await.unwrap(), "principal");
    drop(second);
    assert_eq!(third.line().await.unwrap(), "principal");
    // An end in good order closes what is open.
    served.stop().await;
    assert_eq!(third.line().await, None);
}

#[tokio::test]
async fn who_asks_is_told_epoch_and_reason() {
    let served = Served::start(None, None).await;
    let mut first = Client::connect(&served).await;
    let mut second = Client::connect(&served).await;
    assert_eq!(first.line().await.unwrap(), "principal");
    assert_eq!(second.line().await.unwrap(), "secondaire");
    second.says(b"vigie/1\r\n").await;
    assert_eq!(second.line().await.unwrap(), "secondaire epoch=1 reason=joined");
    drop(first);
    assert_eq!(second.line().await.unwrap(), "principal epoch=2 reason=connection-lost");
    served.stop().await;
}

#[tokio::test]
async fn the_epoch_outlives_the_server() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("roles");
    for life in 1..=3 {
        let served = Served::start(Some(&state), None).await;
        let mut client = Client::connect(&served).await;
        assert_eq!(client.line().await.unwrap(), "principal");
        client.says(b"vigie/1\n").await;
        let long = client.line().await.unwrap();
        assert!(long.starts_with(&format!("principal epoch={life} reason=first")), "{long}");
        // What the client was told is on the disk.
        let kept = std::fs::read_to_string(state.join("epoch")).unwrap();
        assert!(kept.contains(&format!(" {life:020} ")), "{kept}");
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            state: Some(state.clone()),
            heartbeat: None,
            clients_max: 1,
        };
        assert!(matches!(Server::bind(config), Err(ServeError::Epoch(_))), "one server for a directory");
        served.stop().await;
    }
}

#[tokio::test]
async fn an_epoch_that_cannot_be_kept_is_not_granted() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("roles");
    let served = Served::start(Some(&state), None).await;
    // A directory in the way of the file that is to be renamed over.
    std::fs::create_dir(state.join("epoch")).unwrap();
    std::fs::write(state.join("epoch/full"), "").unwrap();
    let mut client = Client::connect(&served).await;
    assert_eq!(client.line().await, None, "it is closed without having been told anything");
    assert!(matches!(crate::soon(served.task).await.unwrap(), Err(ServeError::Epoch(_))));
}

#[tokio::test]
async fn a_thousand_disconnections_promote_in_the_order_of_joining() {
    let served = Served::start(None, None).await;
    let mut clients = Vec::new();
    for at in 0..1000 {
        let mut client = Client::connect(&served).await;
        let expected = if at == 0 { "principal" } else { "secondaire" };
        assert_eq!(client.line().await.unwrap(), expected);
        clients.push(client);
    }
    let mut clients = clients.into_iter();
    drop(clients.next());
    for mut next in clients {
        assert_eq!(next.line().await.unwrap(), "principal");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_a_heartbeat_is_cut_off() {
    let mut served = Served::start(None, Some(Duration::from_secs(1))).await;
    let mut frozen = Client::connect(&served).await;
    frozen.says(b"vigie/1\n").await;
    let mut lively = Client::connect(&served).await;
    assert_eq!(lively.line().await.unwrap(), "secondaire");
    lively.says(b"vigie/1\n").await;
    assert_eq!(lively.line().await.unwrap(), "secondaire epoch=1 reason=joined");
    let promoted = async {
        loop {
            match lively.line().await.unwrap().as_str() {
                "ping" => lively.says(b"pong\n").await,
                role => return role.to_owned(),
            }
        }
    };
    assert_eq!(promoted.await, "principal epoch=2 reason=connection-lost");
    assert_eq!(served.gone().await, "it did not answer a heartbeat");
    served.stop().await;
}
