//! What a flush says that does not come to its end.

use crate::peer::{Agent, on_disk};
use std::time::Duration;
use vigie_hub::FlushEnd;
use vigie_model::{AgentRecord, RecordNo, Stream, UnixNanos};
use vigie_store::disk::{SimDisk, SimFault};
use vigie_wire::frame::{CloseCode, Records};
use vigie_wire::{FLUSH, Frame};

/// How long a flush waits in vain.
const A_WHILE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_full_disk_is_said_to_be_the_cause() {
    let disk = SimDisk::new(1);
    let hub = on_disk(&disk);
    let machine = hub.enrol_machine("m").await.unwrap();
    let flush = async |within| hub.flush(Some(machine), within).await.remove(0).1;
    assert_eq!(flush(A_WHILE).await, FlushEnd::Away(None), "it never came, and the hub knows of no cause");

    let mut agent = Agent::connect(&hub, machine, 1, 1).await;
    agent.tell(1).await;
    disk.fault(SimFault::Room(0));
    let note =
        AgentRecord { observed: UnixNanos(1), stream: Stream::NOTES, kind: 1, version: 1, payload: vec![7] };
    agent.send(Frame::Records(Records { first_n: RecordNo(3), records: vec![note] })).await;
    assert_eq!(agent.until_closed().await.code, CloseCode::DiskFull);
    agent.left().await;
    let FlushEnd::Away(Some(why)) = flush(A_WHILE).await else { panic!("the cause is not said") };
    assert!(why.contains("disk is full") && why.contains("make room"), "{why}");

    // It comes again, is asked, and answers nothing.
    let mut agent = Agent::connect(&hub, machine, 1, 1).await;
    let asked = async {
        while !matches!(agent.next().await, Frame::Request(request) if request.capability == FLUSH) {}
    };
    let (end, ()) = tokio::join!(flush(A_WHILE), asked);
    let FlushEnd::TimedOut(Some(why)) = end else { panic!("the cause is not said: {end:?}") };
    assert!(why.contains("disk is full"), "{why}");

    disk.make_room();
    agent.tell(3).await;
    assert_eq!(flush(A_WHILE).await, FlushEnd::TimedOut(None), "there is room again");
}
