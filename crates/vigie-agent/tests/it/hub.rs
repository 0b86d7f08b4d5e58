//! As much of a hub as an agent needs: it welcomes, takes what it lacks, acknowledges and has nothing to tell.

use bytes::Bytes;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, Weak};
use vigie_agent::MemoryDial;
use vigie_model::{Digest, FileEvent, MachineId, StoredKind, UnixNanos};
use vigie_store::{Codec, NewBlock};
use vigie_wire::frame::{CloseCode, Failure, FailureCode, LastRecord, Need, Records, Welcome};
use vigie_wire::{BlockAssembler, Calls, FEATURES, Frame, Link, MachineCard, TREE, WireBlock};

pub(crate) const MACHINE: MachineId = MachineId([7; 16]);
const HUB: MachineId = MachineId([8; 16]);

/// What it has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// The newest record.
    pub(crate) last: Option<LastRecord>,
    /// How often its tree was asked for.
    pub(crate) trees: u32,
    /// How often it will still say that it cannot tell it.
    pub(crate) failing: u32,
    /// What agents said last, session by session.
    pub(crate) last_words: Vec<Option<CloseCode>>,
    /// Whether it has all features, in each of the sessions to come; it has in all others.
    pub(crate) featured: Vec<bool>,
    /// How many more links are cut when the first block came whole.
    pub(crate) cuts: u32,
    /// What came in each session, bundle or block.
    pub(crate) came: Vec<Vec<StoredKind>>,
    /// Blocks that are durable: some record came behind them.
    pub(crate) blocks: HashSet<Digest>,
    /// Contents that are durable.
    pub(crate) contents: HashSet<Digest>,
}

/// What a session brought that no record came behind; it goes with its link.
#[derive(Default)]
struct Fresh {
    assembler: BlockAssembler,
    blocks: HashSet<Digest>,
    /// The credit that they cost.
    bytes: u64,
}

/// Begins one; it ends with the dial.
pub(crate) fn hub(last: Option<LastRecord>) -> (Arc<MemoryDial>, Arc<Mutex<Seen>>) {
    let card =
        MachineCard { id: MACHINE, name: "m".into(), certificate: [0; 32], not_after: UnixNanos(i64::MAX) };
    let (dial, mut links) = MemoryDial::new(card, HUB);
    let seen = Arc::new(Mutex::new(Seen { last, ..Seen::default() }));
    let dial = Arc::new(dial);
    tokio::spawn({
        let (seen, dial) = (Arc::clone(&seen), Arc::downgrade(&dial));
        async move {
            while let Some(link) = links.recv().await {
                // The end of a session is the agent's affair.
                let _ended = serve(link, &seen, &dial).await;
            }
        }
    });
    (dial, seen)
}

async fn serve(link: Link, seen: &Mutex<Seen>, dial: &Weak<MemoryDial>) -> Result<(), vigie_wire::WireError> {
    let (mut reader, mut writer) = link.split();
    let Some(Frame::Hello(hello)) = reader.next().await? else { return Ok(()) };
    let (last, featured) = {
        let mut seen = seen.lock().unwrap();
        seen.came.push(Vec::new());
        let featured = seen.featured.get(seen.came.len() - 1).copied();
        (seen.last, featured.unwrap_or(true))
    };
    let (block_credit, record_credit) = (1 << 30, 1 << 30);
    let features = if featured { FEATURES.map(String::from).into() } else { Vec::new() };
    let welcome = Welcome { version: 1, features, hub: HUB, last, block_credit, record_credit };
    writer.queue(&Frame::Welcome(welcome))?;
    let mut calls = Calls::new();
    let mut fresh = Fresh::default();
    loop {
        writer.flush().await?;
        let frame = tokio::select! {
            frame = reader.next() => frame?,
            frame = calls.next_frame() => {
                writer.queue(&frame)?;
                continue;
            }
        };
        match frame {
            Some(Frame::Offer(offer)) => {
                let seen = seen.lock().unwrap();
                let lacks = |digest| !seen.blocks.contains(digest) && !fresh.blocks.contains(digest);
                let need = Need::new(offer.id, offer.blocks.iter().map(|(_, digest)| lacks(digest)));
                writer.queue(&Frame::Need(need))?;
            }
            Some(Frame::BlockStart(start)) => {
                let whole = fresh.assembler.start(start).unwrap();
                if whole.is_some_and(|block| fresh.take(block, seen)) {
                    dial.upgrade().unwrap().cut();
                    return Ok(());
                }
            }
            Some(Frame::BlockMore(piece)) => {
                let whole = fresh.assembler.more(&piece).unwrap();
                if whole.is_some_and(|block| fresh.take(block, seen)) {
                    dial.upgrade().unwrap().cut();
                    return Ok(());
                }
            }
            Some(Frame::Records(records)) => {
                fresh.commit(&records, &mut seen.lock().unwrap());
                let observed = records.records.last().map_or(UnixNanos(0), |record| record.observed);
                let n = vigie_model::RecordNo(records.first_n.0 + records.records.len() as u64 - 1);
                seen.lock().unwrap().last = Some(LastRecord { incarnation: hello.incarnation, n, observed });
                writer.queue(&Frame::Ack { n })?;
                let (blocks, records) = (std::mem::take(&mut fresh.bytes), records.records.len() as u64);
                writer.queue(&Frame::Credit { blocks, records })?;
            }
            Some(Frame::Close(close)) => {
                seen.lock().unwrap().last_words.push(Some(close.code));
                return Ok(());
            }
            None => {
                seen.lock().unwrap().last_words.push(None);
                return Ok(());
            }
            Some(other) => {
                let Ok(Some(call)) = calls.take(other) else { continue };
                assert_eq!(call.capability(), TREE);
                let mut seen = seen.lock().unwrap();
                seen.trees += 1;
                if let Some(left) = seen.failing.checked_sub(1) {
                    seen.failing = left;
                    tokio::spawn(call.fail(Failure::new(FailureCode::Failed, "not now")));
                } else {
                    tokio::spawn(call.finish(Bytes::new()));
                }
            }
        }
    }
}

impl Fresh {
    /// Takes a block; whether the link is to be cut now.
    fn take(&mut self, block: WireBlock, seen: &Mutex<Seen>) -> bool {
        let WireBlock { head, stored } = block;
        let codec = Codec::from_number(head.codec).unwrap();
        let block = NewBlock::verify(head.kind, codec, head.raw_len, stored, head.digest).unwrap();
        self.bytes += u64::from(head.stored_len);
        self.blocks.extend(block.blocks().map(|(_, digest)| digest));
        let mut seen = seen.lock().unwrap();
        seen.came.last_mut().unwrap().push(head.kind);
        let cuts = seen.cuts > 0;
        seen.cuts = seen.cuts.saturating_sub(1);
        cuts
    }

    /// These records and all blocks before them are durable.
    fn commit(&mut self, records: &Records, seen: &mut Seen) {
        seen.blocks.extend(self.blocks.drain());
        for record in &records.records {
            let Ok(FileEvent::Content(stored)) = FileEvent::decode(record) else { continue };
            let Some((_, root)) = stored.content.root_block() else { continue };
            assert!(seen.blocks.contains(&root), "content {root} was stated but never sent");
            seen.contents.insert(root);
        }
    }
}
