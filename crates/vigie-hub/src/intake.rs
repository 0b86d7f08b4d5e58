//! The incoming side of a session: checks each frame against the rules of the protocol and passes on what
//! must become durable.

use crate::flow::{Item, What};
use crate::hub::Hub;
use crate::roles::Seat;
use crate::room::{self, Room};
use crate::serve::{self, Turn};
use crate::session::{CreditLeft, Ended, Outgoing};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vigie_model::{RecordNo, StoredKind};
use vigie_role::notice::NOTICE;
use vigie_wire::frame::{CloseCode, Need, Offer, Records};
use vigie_wire::{
    BUNDLES, BlockAssembler, Calls, Frame, FrameReader, Keepalive, MachineCard, Pulse, WireBlock,
};

/// What blocks weigh that are verified together: enough to be worth a hand-over to another thread.
const VERIFY_BYTES_AIM: usize = 256 * 1024;

/// The incoming side of a session.
pub(crate) struct Intake {
    pub(crate) hub: Hub,
    pub(crate) card: MachineCard,
    pub(crate) seat: Seat,
    pub(crate) calls: Calls,
    /// Where frames of calls go to be written.
    pub(crate) call_frames: mpsc::Sender<Frame>,
    pub(crate) turn: Turn,
    pub(crate) out: Outgoing,
    pub(crate) credit: Arc<CreditLeft>,
    /// Blocks that were asked for and have not come, or were not opened yet. A guess: small blocks come unasked, and an agent may have
    /// lost what it offered.
    pub(crate) asked: Arc<AtomicU64>,
    pub(crate) items: mpsc::Sender<Item>,
    pub(crate) room: Room,
    /// The feature was agreed on.
    pub(crate) bundles: bool,
    /// The number that the next record must have.
    pub(crate) next: RecordNo,
    pub(crate) stop: CancellationToken,
    pub(crate) assembler: BlockAssembler,
    pub(crate) unverified: Unverified,
    pub(crate) pulse: Keepalive,
}

/// Blocks that came whole and wait to be verified together.
#[derive(Debug, Default)]
pub(crate) struct Unverified {
    blocks: Vec<WireBlock>,
    bytes: usize,
}

impl Intake {
    /// Runs until the link or the session ends.
    pub(crate) async fn run(mut self, reader: &mut FrameReader) -> Ended {
        loop {
            match self.turn(reader).await {
                Ok(()) => {}
                Err(ended) => return ended,
            }
        }
    }

    async fn turn(&mut self, reader: &mut FrameReader) -> Result<(), Ended> {
        let blocks_wait = !self.unverified.blocks.is_empty();
        let wait = self.until_pulse().await?;
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.stopped()),
            () = pass_on(&mut self.calls, &self.call_frames) => Ok(()),
            frame = reader.next() => match frame {
                Ok(Some(frame)) => {
                    self.pulse.heard(self.hub.clock().monotonic());
                    self.take(frame).await
                }
                Ok(None) => Err(Ended::ByPeer(None)),
                Err(why) => Err(why.into()),
            },
            // Nothing more has arrived: what there is need not wait for company.
            () = std::future::ready(()), if blocks_wait => self.verify().await,
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    fn stopped(&self) -> Ended {
        if self.hub.stopping().is_cancelled() {
            Ended::closed(CloseCode::Shutdown, "the hub stops")
        } else {
            Ended::closed(CloseCode::Replaced, "a newer connection of this machine took over")
        }
    }

    /// Asks a silent peer whether it is there, and whether its certificate still holds. Gives how long to wait before looking again.
    async fn until_pulse(&mut self) -> Result<Duration, Ended> {
        if self.hub.clock().wall() > self.card.not_after {
            return Err(Ended::closed(
                CloseCode::CertificateExpired,
                "the machine's certificate has expired",
            ));
        }
        loop {
            let now = self.hub.clock().monotonic();
            match self.pulse.poll(now) {
                Pulse::Wait(until) => return Ok(until.saturating_sub(now)),
                Pulse::Ping => self.out.send(Frame::Ping { token: 0 }).await,
                Pulse::Dead => return Err(Ended::closed(CloseCode::Idle, "nothing was heard for too long")),
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> Result<(), Ended> {
        match frame {
            Frame::Records(records) => self.take_records(records).await,
            Frame::BlockStart(start) => {
                if start.head.kind == StoredKind::Bundle && !self.bundles {
                    let why = format!("a bundle came without the feature `{BUNDLES}`");
                    return Err(Ended::violation(why));
                }
                self.pay(|credit| &credit.block_bytes, u64::from(start.head.stored_len))?;
                let whole = self.assembler.start(start).map_err(|e| Ended::violation(e.to_string()))?;
                self.take_block(whole).await
            }
            Frame::BlockMore(piece) => {
                let whole = self.assembler.more(&piece).map_err(|e| Ended::violation(e.to_string()))?;
                self.take_block(whole).await
            }
            Frame::Offer(offer) => self.answer_offer(offer).await,
            Frame::Ping { token } => {
                self.out.send(Frame::Pong { token }).await;
                Ok(())
            }
            Frame::Notice(notice) if notice.name == NOTICE => {
                // A later agent may say what this version does not know: it goes on without.
                if let Err(why) = self.seat.heard(&notice.body).await {
                    tracing::debug!(machine = self.card.name, "{why}");
                }
                Ok(())
            }
            Frame::Pong { .. } | Frame::Notice(_) => Ok(()),
            Frame::Close(close) => Err(Ended::ByPeer(Some(close))),
            other => {
                let call = self.calls.take(other).map_err(|other| {
                    Ended::violation(format!("{} is not a frame for a hub", other.kind().name()))
                })?;
                if let Some(call) = call {
                    serve::spawn(self.hub.clone(), self.card.clone(), self.turn.clone(), call);
                }
                Ok(())
            }
        }
    }

    async fn take_records(&mut self, records: Records) -> Result<(), Ended> {
        if records.first_n != self.next {
            let (got, next) = (records.first_n, self.next);
            return Err(Ended::violation(format!("record {got} came where {next} was due")));
        }
        self.pay(|credit| &credit.records, records.records.len() as u64)?;
        self.next = records.last_n().next();
        // The record of a content must not overtake its blocks.
        self.verify().await?;
        let weight = records.records.iter().map(room::of_record).sum();
        self.pass_on(weight, || What::Records(records.first_n, records.records)).await
    }

    async fn take_block(&mut self, whole: Option<WireBlock>) -> Result<(), Ended> {
        let Some(block) = whole else { return Ok(()) };
        self.unverified.bytes += room::of_block(&block);
        self.unverified.blocks.push(block);
        if self.unverified.bytes >= VERIFY_BYTES_AIM { self.verify().await } else { Ok(()) }
    }

    async fn verify(&mut self) -> Result<(), Ended> {
        let Unverified { blocks, bytes } = std::mem::take(&mut self.unverified);
        if blocks.is_empty() {
            return Ok(());
        }
        self.pass_on(bytes, || What::Blocks(self.hub.cpu().verify(blocks))).await
    }

    /// Passes something on once there is room for it; it is not made before.
    async fn pass_on(&self, weight: usize, what: impl FnOnce() -> What) -> Result<(), Ended> {
        let room = self.room.take(weight).await;
        // The flow ends before the intake only when it failed, and then its reason is the session's.
        let sent = self.items.send(Item { what: what(), room }).await;
        sent.map_err(|_| Ended::internal("the way to the store ended"))
    }

    /// Takes credit for what came; a peer that sends more than it was granted is no peer of ours.
    fn pay(&self, which: impl Fn(&CreditLeft) -> &AtomicU64, price: u64) -> Result<(), Ended> {
        let left = which(&self.credit);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(price))
            .map(|_| ())
            .map_err(|_| Ended::violation("more was sent than had been granted"))
    }

    async fn answer_offer(&mut self, offer: Offer) -> Result<(), Ended> {
        let had = self.hub.store().has(&offer.blocks).map_err(Ended::store)?;
        let lacking = had.iter().filter(|had| !**had).count() as u64;
        self.asked.fetch_add(lacking, Ordering::Relaxed);
        let need = Need::new(offer.id, had.into_iter().map(|had| !had));
        self.out.send(Frame::Need(need)).await;
        Ok(())
    }
}

/// Hands one frame of a call to the writer. It is taken only when there is a place for it, so that the intake never
/// stops for a long reply. Cancel-safe.
async fn pass_on(calls: &mut Calls, writer: &mpsc::Sender<Frame>) {
    let place = writer.reserve().await;
    let frame = calls.next_frame().await;
    // Without its writer the session is over: that shows elsewhere.
    if let Ok(place) = place {
        place.send(frame);
    }
}
