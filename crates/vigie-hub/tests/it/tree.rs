//! The tree that an agent is told holds all that was acknowledged.

use crate::held::Held;
use crate::peer::{Agent, WITHIN, assemble, now};
use bytes::Bytes;
use std::sync::Arc;
use vigie_model::files::Created;
use vigie_model::{
    BytePath, EdgeName, FileEvent, FileTime, KnownEdge, MachineId, Metadata, NodeId, NodeType, RecordNo, Seq,
    SystemClock,
};
use vigie_store::{IndexMedium, MemIndex, Options, Store};
use vigie_wire::frame::{Records, Request};
use vigie_wire::limits::REPLY_WINDOW_BYTES;
use vigie_wire::{Frame, TREE};

const ROOT: NodeId = NodeId([3; 16]);

fn created() -> FileEvent {
    let mtime = FileTime { secs: 1, nanos: 0 };
    let node_type = NodeType::Directory;
    let meta =
        Metadata { node_type, mode: 0o755, uid: 0, gid: 0, mtime, ctime: mtime, size: 0, xattrs: vec![] };
    let name = EdgeName::Root(BytePath::new(&b"/srv"[..]).unwrap());
    FileEvent::Created(Created { parent: NodeId::ROOTS, name, node: ROOT, meta, pending: false })
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
