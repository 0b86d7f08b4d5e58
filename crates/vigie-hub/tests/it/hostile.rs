//! Machines with a valid certificate that want more than theirs.

use crate::peer::{Agent, WITHIN, card, now, start};
use bytes::Bytes;
use vigie_model::bundle::BundleBuilder;
use vigie_model::files::GapOpened;
use vigie_model::limits::BLOCK_BYTES_MAX;
use vigie_model::machines::Enrolled;
use vigie_model::{BlockKind, BytePath, Digest, FileEvent, GapCause, RecordNo, Seq, StoredKind};
use vigie_store::Health;
use vigie_wire::frame::{BlockHead, BlockStart, CloseCode, Records, RefuseCode, Request};
use vigie_wire::limits::PIECE_BYTES_AIM;
use vigie_wire::{BUNDLES, Frame, Peer, memory_pair};

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

/// It decompresses to what its digest says, and yet the store takes no block that long: the peer is at fault, not the hub.
#[tokio::test]
async fn a_block_that_is_longer_stored_than_any_may_be_is_a_violation() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    let recorded = hub.store().sizes();
    let raw = vec![7; BLOCK_BYTES_MAX];
    // RFC 8878, made by hand: a frame in a single segment, of its length, of blocks that are not compressed.
    let mut stored = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    stored.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    let pieces = raw.chunks(1024);
    let last = pieces.len() - 1;
    for (i, piece) in pieces.enumerate() {
        let head = (piece.len() as u32) << 3 | u32::from(i == last);
        stored.extend_from_slice(&head.to_le_bytes()[..3]);
        stored.extend_from_slice(piece);
    }
    let digest = Digest::of_data(&raw);
    let (raw_len, stored_len) = (raw.len() as u32, stored.len() as u32);
    let head = BlockHead { digest, kind: StoredKind::DATA, codec: 1, raw_len, stored_len };

    let mut agent = Agent::connect(&hub, machine, 1, 1).await;
    let mut pieces = stored.chunks(PIECE_BYTES_AIM).map(Bytes::copy_from_slice);
    agent.send(Frame::BlockStart(BlockStart { head, piece: pieces.next().unwrap() })).await;
    for piece in pieces {
        // Nobody has to read on behind a violation.
        if agent.try_send(Frame::BlockMore(piece)).await.is_err() {
            break;
        }
    }
    let close = agent.until_closed().await;
    assert_eq!(close.code, CloseCode::Protocol, "{}", close.reason);
    assert!(close.reason.contains("stored form is larger"), "{}", close.reason);
    assert_eq!((hub.store().health(), hub.store().sizes().blocks), (Health::Ok, recorded.blocks));
    let mut again = Agent::connect(&hub, machine, 2, 2).await;
    again.tell(1).await;
    drop((agent, again));
    assert!(running.shutdown(WITHIN).await);
}

/// A bundle is what its blocks are, and nothing else: not with another block, not with other lengths, not without any.
#[tokio::test]
async fn a_bundle_that_is_not_what_it_is_said_to_be_is_a_violation() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    let mut builder = BundleBuilder::default();
    for raw in [b"one", b"two"] {
        builder.push(Digest::of_data(raw), raw);
    }
    let (digest, whole) = builder.finish();
    let send = |raw: Vec<u8>, life: u64| {
        let (hub, len) = (hub.clone(), raw.len() as u32);
        let head = BlockHead { digest, kind: StoredKind::Bundle, codec: 0, raw_len: len, stored_len: len };
        async move {
            let mut agent = Agent::connect_with(&hub, machine, life, life as u8, &[BUNDLES]).await;
            agent.send(Frame::BlockStart(BlockStart { head, piece: raw.into() })).await;
            agent
        }
    };
    let moved = [&b"onetwo"[..], &[2, 0, 0, 0, 4, 0, 0, 0, 2, 0]].concat();
    let other = [&b"onetwO"[..], &whole[6..]].concat();
    let endless = [&b"onetwo"[..], &[3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 2, 0]].concat();
    for (life, bad) in [moved, other, endless, vec![0, 0], vec![], vec![0xff; 300]].into_iter().enumerate() {
        let close = send(bad.clone(), 1 + life as u64).await.until_closed().await;
        assert_eq!(close.code, CloseCode::Protocol, "{bad:?}: {}", close.reason);
    }
    assert_eq!(hub.store().sizes().blocks, 0);
    let mut agent = send(whole, 99).await;
    agent.tell(1).await;
    let names = [b"one", b"two"].map(|raw| (BlockKind::Data, Digest::of_data(raw)));
    assert_eq!(hub.store().has(&names).unwrap(), [true, true]);
    drop(agent);
    assert!(running.shutdown(WITHIN).await);
}

#[tokio::test]
async fn a_bundle_is_taken_only_where_the_feature_was_agreed_on() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    let raw = b"the only file";
    let mut builder = BundleBuilder::default();
    builder.push(Digest::of_data(raw), raw);
    let (digest, whole) = builder.finish();
    let len = whole.len() as u32;
    let head = BlockHead { digest, kind: StoredKind::Bundle, codec: 0, raw_len: len, stored_len: len };
    let bundle = Frame::BlockStart(BlockStart { head, piece: whole.into() });
    for features in [&[][..], &["another"]] {
        let mut agent = Agent::connect_with(&hub, machine, 1, 1, features).await;
        agent.send(bundle.clone()).await;
        let close = agent.until_closed().await;
        assert_eq!(close.code, CloseCode::Protocol, "{}", close.reason);
        assert!(close.reason.contains("`bundles`"), "{}", close.reason);
    }
    assert_eq!(hub.store().sizes().blocks, 0);
    let mut agent = Agent::connect_with(&hub, machine, 1, 1, &["another", BUNDLES]).await;
    agent.send(bundle).await;
    agent.tell(1).await;
    assert_eq!(hub.store().has(&[(BlockKind::Data, Digest::of_data(raw))]).unwrap(), [true]);
    drop(agent);
    assert!(running.shutdown(WITHIN).await);
}

/// The hub remembers gaps for as long as they are open.
#[tokio::test]
async fn gaps_opened_without_end_are_a_violation() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    let opened = |i: u64| {
        let root = BytePath::normalise(format!("/{i}/{}", "d/".repeat(1_000)).as_bytes()).unwrap();
        FileEvent::GapOpened(GapOpened { root, cause: GapCause::FirstScan, since: None }).encode(now())
    };
    // Over two connections: what an earlier one left open counts.
    let mut agent = Agent::connect(&hub, machine, 1, 1).await;
    for i in 0..400 {
        agent.send(Frame::Records(Records { first_n: RecordNo(i + 1), records: vec![opened(i)] })).await;
    }
    agent.until(Frame::Ack { n: RecordNo(400) }).await;
    agent.leave().await;
    let mut agent = Agent::connect(&hub, machine, 1, 2).await;
    for i in 400..600 {
        let frame = Frame::Records(Records { first_n: RecordNo(i + 1), records: vec![opened(i)] });
        // Nobody has to read on behind a violation.
        if agent.try_send(frame).await.is_err() {
            break;
        }
    }
    let close = agent.until_closed().await;
    assert_eq!(close.code, CloseCode::Protocol, "{}", close.reason);
    assert!(close.reason.contains("gaps of 4"), "{}", close.reason);
    let open = hub.store().gaps(machine).unwrap().len();
    assert!((400..600).contains(&open), "{open}");

    // Another machine is none the worse for it.
    let other = hub.enrol_machine("other").await.unwrap();
    let mut agent = Agent::connect(&hub, other, 1, 3).await;
    agent.tell(1).await;
    drop(agent);
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
