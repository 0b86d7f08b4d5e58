//! Machines with a valid certificate that want more than theirs.

use crate::peer::{Agent, WITHIN, card, now, start};
use bytes::Bytes;
use vigie_model::machines::Enrolled;
use vigie_model::{RecordNo, Seq};
use vigie_wire::frame::{CloseCode, Records, RefuseCode, Request};
use vigie_wire::{Frame, Peer, memory_pair};

#[tokio::test]
async fn a_machine_cannot_say_who_is_who() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let victim = hub.enrol_machine("victim").await.unwrap();
    let thief = hub.enrol_machine("thief").await.unwrap();
    let recorded = hub.store().sizes().records;

    let mut agent = Agent::connect(&hub, thief, 1, 1).await;
    let forged = Enrolled { machine: thief, name: "victim".into() }.encode(now());
    agent.send(Frame::Records(Records { first_n: RecordNo(1), records: vec![forged] })).await;
    let close = loop {
        match agent.next().await {
            Frame::Close(close) => break close,
            Frame::Ack { n } => panic!("record {n} was acknowledged"),
            _ => {}
        }
    };
    assert_eq!(close.code, CloseCode::Protocol, "{}", close.reason);
    assert_eq!(hub.store().machine_named("victim").unwrap(), Some(victim));
    assert_eq!(*hub.store().tail().borrow(), Seq(recorded));
    assert!(running.shutdown(WITHIN).await);
}

#[tokio::test]
async fn what_is_no_frame_is_answered_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    let mut agent = Agent::connect(&hub, machine, 1, 1).await;
    // Its window has no room for any answer.
    let (capability, body) = ("x".to_owned(), Bytes::new());
    let request = Frame::Request(Request { id: 1, capability, deadline: WITHIN, window: 1, body });
    agent.send(request.clone()).await;
    let Frame::Close(close) = agent.next().await else { panic!("it goes on") };
    assert_eq!(close.code, CloseCode::Protocol);
    assert!(close.reason.contains("window"), "{}", close.reason);

    // And before the session.
    let card = Peer::Machine(card(machine));
    let (hub_end, our_end, _) = memory_pair(card, Peer::Hub { hub: hub.machine() });
    hub.serve(hub_end);
    let (mut reader, mut writer) = our_end.split();
    writer.send(&request).await.unwrap();
    writer.flush().await.unwrap();
    let answer = tokio::time::timeout(WITHIN, reader.next()).await.expect("in time").unwrap();
    let Some(Frame::Refuse(refuse)) = answer else { panic!("{answer:?}") };
    assert_eq!(refuse.code, RefuseCode::Malformed, "{}", refuse.reason);
    drop((reader, writer, agent));
    assert!(running.shutdown(WITHIN).await);
}
