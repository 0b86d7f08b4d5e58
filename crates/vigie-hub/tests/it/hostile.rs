//! Machines with a valid certificate that want more than theirs.

use crate::peer::{Agent, WITHIN, now, start};
use vigie_model::machines::Enrolled;
use vigie_model::{RecordNo, Seq};
use vigie_wire::Frame;
use vigie_wire::frame::{CloseCode, Records};

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
