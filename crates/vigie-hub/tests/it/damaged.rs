//! Blocks that the hub had, and has no longer.

use crate::peer::{Agent, WITHIN, now, start};
use vigie_model::files::ContentStored;
use vigie_model::{
    BlockKind, Content, Digest, DigestKind, FileEvent, FileTime, NodeId, RecordNo, StoredKind,
};
use vigie_store::ReadError;
use vigie_wire::Frame;
use vigie_wire::frame::{BlockHead, BlockStart, CloseCode, Need, Offer, Records};

const RAW: &[u8] = b"what the file says";

fn content() -> Content {
    let (mtime, ctime) = (FileTime { secs: 1, nanos: 0 }, FileTime { secs: 1, nanos: 0 });
    let (digest, digest_kind, size, mode) =
        (Digest::of_data(RAW), DigestKind::Whole, RAW.len() as u64, 0o600);
    Content { digest, digest_kind, size, mtime, ctime, mode, torn: false, racy: false, pending: false }
}

fn record(n: u64) -> Frame {
    let stored = ContentStored { node: NodeId([n as u8; 16]), content: content() };
    let records = vec![FileEvent::Content(stored).encode(now())];
    Frame::Records(Records { first_n: RecordNo(n), records })
}

fn block() -> Frame {
    let (digest, len) = (Digest::of_data(RAW), RAW.len() as u32);
    let head = BlockHead { digest, kind: StoredKind::DATA, codec: 0, raw_len: len, stored_len: len };
    Frame::BlockStart(BlockStart { head, piece: RAW.into() })
}

/// Offers the block; whether the hub needs it.
async fn offer(agent: &mut Agent, needed: bool) {
    agent.send(Frame::Offer(Offer { id: 1, blocks: vec![(BlockKind::Data, Digest::of_data(RAW))] })).await;
    agent.until(Frame::Need(Need::new(1, [needed]))).await;
}

#[tokio::test]
async fn what_is_found_damaged_between_answer_and_record_is_asked_for_in_the_next_session() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    let mut agent = Agent::connect(&hub, machine, 1, 1).await;
    agent.send(block()).await;
    agent.send(record(1)).await;
    agent.until(Frame::Ack { n: RecordNo(1) }).await;
    let mut tail = hub.store().tail();
    let recorded = hub.store().last_of(machine).unwrap().unwrap().seq;
    tail.wait_for(|tail| *tail >= recorded).await.unwrap();

    offer(&mut agent, false).await;
    let packs = dir.path().join("store/packs");
    let pack = std::fs::read_dir(packs).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&pack).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let read = hub.store().content(&content()).next();
    assert!(matches!(read, Some(Err(ReadError::Damaged { .. }))), "{read:?}");
    agent.send(record(2)).await;
    let close = agent.until_closed().await;
    assert_eq!(close.code, CloseCode::Protocol, "{}", close.reason);
    assert!(close.reason.contains("found damaged"), "{}", close.reason);

    // The record was not taken, so its number is free.
    let mut agent = Agent::connect(&hub, machine, 1, 2).await;
    offer(&mut agent, true).await;
    agent.send(block()).await;
    agent.send(record(2)).await;
    agent.until(Frame::Ack { n: RecordNo(2) }).await;
    let recorded = hub.store().last_of(machine).unwrap().unwrap().seq;
    tail.wait_for(|tail| *tail >= recorded).await.unwrap();
    let read: Result<Vec<_>, _> = hub.store().content(&content()).collect();
    assert_eq!(read.unwrap().concat(), RAW);
    drop(agent);
    assert!(running.shutdown(WITHIN).await);
}
