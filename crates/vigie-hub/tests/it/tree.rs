//! The tree that an agent is told: it holds all that was acknowledged, and is told once at a time.

use crate::held::Held;
use crate::peer::{Agent, WITHIN, assemble, now};
use bytes::Bytes;
use std::sync::Arc;
use vigie_model::files::Created;
use vigie_model::{
    BytePath, EdgeName, FileEvent, FileTime, KnownEdge, MachineId, Metadata, Name, NodeId, NodeType,
    RecordNo, Seq, SystemClock,
};
use vigie_store::{IndexMedium, MemIndex, Options, Store};
use vigie_wire::frame::{Records, Request};
use vigie_wire::limits::{CALL_BODY_BYTES_MAX, REPLY_PART_COST_BYTES, REPLY_WINDOW_BYTES};
use vigie_wire::{Frame, TREE};

const ROOT: NodeId = NodeId([3; 16]);

fn directory(parent: NodeId, name: EdgeName, node: NodeId) -> FileEvent {
    let mtime = FileTime { secs: 1, nanos: 0 };
    let node_type = NodeType::Directory;
    let meta =
        Metadata { node_type, mode: 0o755, uid: 0, gid: 0, mtime, ctime: mtime, size: 0, xattrs: vec![] };
    FileEvent::Created(Created { parent, name, node, meta, pending: false })
}

fn created() -> FileEvent {
    directory(NodeId::ROOTS, EdgeName::Root(BytePath::new(&b"/srv"[..]).unwrap()), ROOT)
}

#[tokio::test]
async fn what_is_acknowledged_and_not_yet_in_the_index_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let index = MemIndex::default();
    let options = Options { index: IndexMedium::Memory(index.clone()), ..Options::default() };
    let (store, committer) = Store::open(dir.path(), options).unwrap();
    committer.spawn_thread().unwrap();
    let hub = assemble(store, Arc::new(SystemClock::default()));
    let mut agent = Agent::connect(&hub, MachineId([1; 16]), 1, 1).await;
    agent.tell(1).await;
    hub.store().tail().wait_for(|tail| *tail >= Seq(2)).await.unwrap();

    let held = Held::hold(&index);
    let records = vec![created().encode(now())];
    agent.send(Frame::Records(Records { first_n: RecordNo(3), records })).await;
    agent.until(Frame::Ack { n: RecordNo(3) }).await;
    let (capability, window) = (TREE.to_owned(), REPLY_WINDOW_BYTES);
    agent
        .send(Frame::Request(Request { id: 1, capability, deadline: WITHIN, window, body: Bytes::new() }))
        .await;
    // The answer to this comes behind the taking of that.
    agent.send(Frame::Ping { token: 7 }).await;
    agent.until(Frame::Pong { token: 7 }).await;
    tokio::task::yield_now().await;
    held.let_go();

    let mut told = Vec::new();
    loop {
        let Frame::Reply(reply) = agent.next().await else { continue };
        let part = reply.result.unwrap();
        let mut decoder = minicbor::Decoder::new(&part);
        while decoder.position() < part.len() {
            told.push(decoder.decode::<KnownEdge>().unwrap().node);
        }
        if !reply.more {
            break;
        }
    }
    assert_eq!(told, [ROOT]);
}

#[tokio::test]
async fn one_tree_is_told_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (store, committer) = Store::open(dir.path(), Options::default()).unwrap();
    committer.spawn_thread().unwrap();
    let hub = assemble(store, Arc::new(SystemClock::default()));
    let mut agent = Agent::connect(&hub, MachineId([1; 16]), 1, 1).await;
    // More than the smallest window lets pass.
    let child = |at: u32| {
        let name = Name::new(format!("{at:0>200}").into_bytes()).unwrap();
        directory(ROOT, name.into(), NodeId([&at.to_be_bytes()[..], &[5; 12]].concat().try_into().unwrap()))
    };
    let last = 8_000;
    let facts = std::iter::once(created()).chain((2..=last).map(child));
    let records: Vec<_> = facts.map(|fact| fact.encode(now())).collect();
    for (at, records) in records.chunks(2_000).enumerate() {
        let first_n = RecordNo(1 + 2_000 * at as u64);
        agent.send(Frame::Records(Records { first_n, records: records.to_vec() })).await;
    }
    agent.until(Frame::Ack { n: RecordNo(last.into()) }).await;

    let window = CALL_BODY_BYTES_MAX as u64 + REPLY_PART_COST_BYTES;
    let request = |id| {
        let (capability, body) = (TREE.to_owned(), Bytes::new());
        Frame::Request(Request { id, capability, deadline: WITHIN, window, body })
    };
    agent.send(request(1)).await;
    agent.send(request(2)).await;
    let mut got = 0;
    while got < window / 4 * 3 {
        let Frame::Reply(reply) = agent.next().await else { continue };
        assert_eq!(reply.id, 1, "two trees are told at once");
        got += reply.result.unwrap().len() as u64 + REPLY_PART_COST_BYTES;
    }
    agent.send(Frame::Cancel { id: 1 }).await;
    while !matches!(agent.next().await, Frame::Reply(reply) if reply.id == 2) {}
}
