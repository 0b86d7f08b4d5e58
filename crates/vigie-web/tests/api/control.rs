//! `GET status`, `POST flush`, `POST invite`, `POST verify`

use crate::world::{MACHINE, World};
use vigie_web::client::{Client, ClientError, Place};
use vigie_web::messages::{ErrorKind, FlushOutcome, FlushRequest, InviteRequest, VerifyLine};

#[tokio::test]
async fn status_says_who_speaks() {
    let world = World::start().await;
    let status = world.client.status().await.unwrap();
    assert_eq!(status, serde_json::json!({"part": "hub", "version": "test"}));
}

#[tokio::test]
async fn flush_finds_machines_by_name_and_id() {
    let world = World::start().await;
    let flush = async |machine: Option<&str>, timeout_ms| {
        let request = FlushRequest { machine: machine.map(str::to_owned), timeout_ms };
        world.client.flush(&request).await
    };
    for name in ["web01", &MACHINE.to_string()] {
        assert_eq!(flush(Some(name), None).await.unwrap().machines[0].machine, MACHINE.to_string());
    }
    let all = flush(None, Some(0)).await.unwrap();
    assert_eq!((all.is_complete(), all.machines[0].outcome), (false, FlushOutcome::TimedOut));
    for (machine, timeout, kind) in
        [(Some("nobody"), None, ErrorKind::NotFound), (None, Some(u64::MAX), ErrorKind::Usage)]
    {
        match flush(machine, timeout).await {
            Err(ClientError::Refused(error)) => assert_eq!(error.kind, kind),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn invitations_have_a_name_and_an_end() {
    let world = World::start().await;
    let invite = async |name: &str, valid_secs| {
        world.client.invite(&InviteRequest { name: name.into(), valid_secs }).await
    };
    assert_eq!(invite("web02", 60).await.unwrap().token, "token-for-web02");
    for (name, valid) in [("bad name", 60), ("web02", 0), ("web02", u64::MAX)] {
        match invite(name, valid).await {
            Err(ClientError::Refused(error)) => assert_eq!(error.kind, ErrorKind::Usage),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn verify_ends_with_its_result() {
    let world = World::start().await;
    let mut lines = world.client.verify().await.unwrap();
    let mut last = None;
    while let Some(line) = lines.next().await.unwrap() {
        last = Some(line);
    }
    match last {
        Some(VerifyLine::Result(result)) => {
            assert!(result.is_sound());
            assert_eq!((result.blocks, result.records), (1, 11));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_there_is_told_from_a_refusal() {
    let world = World::empty().await;
    let nobody = Client::new(Place::Socket(world.dir.path().join("no.sock")));
    assert!(nobody.status().await.unwrap_err().is_unreachable());
    let http = Client::new(format!("http://{}", world.server.tcp().unwrap()).parse().unwrap());
    assert_eq!(http.status().await.unwrap()["part"], "hub");
}
