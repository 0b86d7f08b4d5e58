//! As much of a hub as an agent needs: it welcomes, acknowledges and has nothing to tell.

use bytes::Bytes;
use std::sync::{Arc, Mutex};
use vigie_agent::MemoryDial;
use vigie_model::{MachineId, UnixNanos};
use vigie_wire::frame::{CloseCode, Failure, FailureCode, LastRecord, Welcome};
use vigie_wire::{Calls, Frame, Link, MachineCard, TREE};

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
}

/// Begins one; it ends with the dial.
pub(crate) fn hub(last: Option<LastRecord>) -> (Arc<MemoryDial>, Arc<Mutex<Seen>>) {
    let card =
        MachineCard { id: MACHINE, name: "m".into(), certificate: [0; 32], not_after: UnixNanos(i64::MAX) };
    let (dial, mut links) = MemoryDial::new(card, HUB);
    let seen = Arc::new(Mutex::new(Seen { last, ..Seen::default() }));
    tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            while let Some(link) = links.recv().await {
                // The end of a session is the agent's affair.
                let _ended = serve(link, &seen).await;
            }
        }
    });
    (Arc::new(dial), seen)
}

async fn serve(link: Link, seen: &Mutex<Seen>) -> Result<(), vigie_wire::WireError> {
    let (mut reader, mut writer) = link.split();
    let Some(Frame::Hello(hello)) = reader.next().await? else { return Ok(()) };
    let last = seen.lock().unwrap().last;
    let (block_credit, record_credit) = (1 << 30, 1 << 30);
    let welcome = Welcome { version: 1, features: Vec::new(), hub: HUB, last, block_credit, record_credit };
    writer.queue(&Frame::Welcome(welcome))?;
    let mut calls = Calls::new();
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
            Some(Frame::Records(records)) => {
                let observed = records.records.last().map_or(UnixNanos(0), |record| record.observed);
                let n = vigie_model::RecordNo(records.first_n.0 + records.records.len() as u64 - 1);
                seen.lock().unwrap().last = Some(LastRecord { incarnation: hello.incarnation, n, observed });
                writer.queue(&Frame::Ack { n })?;
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
