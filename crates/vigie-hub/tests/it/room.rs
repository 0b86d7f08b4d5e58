//! What a hub holds for one peer while its store takes nothing.

use crate::peer::{Agent, assemble};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use vigie_model::limits::PAYLOAD_BYTES_MAX;
use vigie_model::{AgentRecord, Digest, MachineId, RecordNo, StoredKind, Stream, SystemClock, UnixNanos};
use vigie_store::{Committer, Options, Store};
use vigie_wire::Frame;
use vigie_wire::frame::{BlockHead, BlockStart, Records};
use vigie_wire::limits::FRAME_BYTES_MAX;

/// An agent of a hub whose store stands still for as long as its committer is not run.
async fn at_a_standstill() -> (Agent, Committer, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (store, committer) = Store::open(dir.path(), Options::default()).unwrap();
    let hub = assemble(store, Arc::new(SystemClock::default()));
    let agent = Agent::connect(&hub, MachineId([1; 16]), 1, 1).await;
    (agent, committer, dir)
}

/// Sends until the hub takes no more, or all of it. Gives how many it took. The time does not pass: it jumps when there
/// is nothing left to do.
async fn taken(agent: &mut Agent, frames: impl Iterator<Item = Frame>) -> usize {
    let mut count = 0;
    for frame in frames {
        match tokio::time::timeout(Duration::from_secs(1), agent.send(frame)).await {
            Ok(()) => count += 1,
            Err(_) => break,
        }
    }
    count
}

#[tokio::test(start_paused = true)]
async fn large_records_wait_in_few_megabytes() {
    let (mut agent, committer, _dir) = at_a_standstill().await;
    let note = |_| {
        let payload = vec![7; PAYLOAD_BYTES_MAX - 1024];
        AgentRecord { observed: UnixNanos(1), stream: Stream::NOTES, kind: 1, version: 1, payload }
    };
    let frame = |at: u64| {
        let records: Vec<_> = (0..4).map(note).collect();
        Frame::Records(Records { first_n: RecordNo(1 + 4 * at), records })
    };
    let frames = taken(&mut agent, (0..64).map(frame)).await;
    // What waits, what is being read, and one that waits for room.
    assert!((1..=5).contains(&frames), "{frames} frames of {FRAME_BYTES_MAX} bytes were taken");
    // And nothing is lost by it.
    tokio::time::resume();
    committer.spawn_thread().unwrap();
    agent.until(Frame::Ack { n: RecordNo(4 * frames as u64) }).await;
}

#[tokio::test(start_paused = true)]
async fn blocks_of_no_bytes_cost_room_too() {
    let (mut agent, _committer, _dir) = at_a_standstill().await;
    let (digest, kind) = (Digest::of_data(b""), StoredKind::DATA);
    let head = BlockHead { digest, kind, codec: 0, raw_len: 0, stored_len: 0 };
    let frame = Frame::BlockStart(BlockStart { head, piece: Bytes::new() });
    let frames = taken(&mut agent, std::iter::repeat_n(frame, 100_000)).await;
    assert!(frames < 40_000, "{frames} blocks were taken");
}
