//! What comes while the store stands still waits in pieces that it takes.

use crate::held::Held;
use crate::peer::{Agent, assemble};
use std::sync::Arc;
use vigie_model::limits::PAYLOAD_BYTES_MAX;
use vigie_model::{AgentRecord, MachineId, RecordNo, Seq, Stream, SystemClock, UnixNanos};
use vigie_store::{IndexMedium, MemIndex, Options, Store};
use vigie_wire::Frame;
use vigie_wire::frame::Records;

#[tokio::test]
async fn records_that_wait_make_no_batch_that_the_store_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let index = MemIndex::default();
    let options = Options { index: IndexMedium::Memory(index.clone()), ..Options::default() };
    let (store, committer) = Store::open(dir.path(), options).unwrap();
    committer.spawn_thread().unwrap();
    let hub = assemble(store, Arc::new(SystemClock::default()));
    let mut agent = Agent::connect(&hub, MachineId([1; 16]), 1, 1).await;
    agent.tell(1).await;
    hub.store().tail().wait_for(|tail| *tail >= Seq(2)).await.unwrap();

    // The committer goes a few groups ahead of the index, and then no further.
    let held = Held::hold(&index);
    let last = RecordNo(62);
    let mut held = Some(held);
    for n in 3..=last.0 {
        // More than this the hub does not take in while nothing is durable.
        if n == 11 {
            held.take().unwrap().let_go();
        }
        let (observed, payload) = (UnixNanos(1), vec![7; PAYLOAD_BYTES_MAX]);
        let note = AgentRecord { observed, stream: Stream::NOTES, kind: 1, version: 1, payload };
        agent.send(Frame::Records(Records { first_n: RecordNo(n), records: vec![note] })).await;
    }
    agent.until(Frame::Ack { n: last }).await;
}
