//! Parcels on their way out: offered, packed as far as they are needed, and written in order.
//!
//! There are two lanes. Small live changes take one, everything else the other, so a change that someone
//! has just made never waits behind a first transfer or a large file. Within a lane order is kept, because a
//! list goes behind what it names and a record behind its blocks.

use crate::cpu::Cpu;
use crate::parcel::{Commit, Parcel, RawBlock, ReadingId};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{HashSet, VecDeque};
use vigie_model::{BlockKind, Digest};
use vigie_store::compress;
use vigie_wire::frame::{BlockHead, Need, Offer};

/// Blocks of at most this size in the live lane are sent without asking: the answer would take longer than
/// the block.
const UNASKED_BYTES_MAX: usize = 16 * 1024;
/// Blocks in one offer, about.
const OFFER_BLOCKS_AIM: usize = 512;
/// Raw bytes that one piece of packing work takes on, about.
const PACK_BYTES_AIM: usize = 512 * 1024;

/// Which way a parcel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// Small live changes.
    Live,
    /// All else.
    Bulk,
}

/// A block as it will be sent.
#[derive(Debug)]
pub(crate) struct PackedBlock {
    pub(crate) head: BlockHead,
    pub(crate) stored: Bytes,
}

/// What is to be written next.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Block(PackedBlock),
    Content(Commit),
}

#[derive(Debug)]
enum Stage {
    /// To be offered: its list first, where it has one.
    New,
    /// Its list is lacking, so its data is to be offered.
    ListLacking,
    /// Offered; the answer is under way.
    Asked { list: bool },
    /// Being packed.
    Packing,
    /// Ready to be written.
    Packed(VecDeque<PackedBlock>),
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    parcel: Parcel,
    stage: Stage,
}

#[derive(Debug, Default)]
struct Lane {
    parcels: VecDeque<Waiting>,
    first: u64,
    /// Parcels before this one are past the stage of offers.
    next_offer: usize,
}

/// Which parcel of which lane.
type Address = (Way, u64);

/// The stored blocks of some parcels.
type Packed = Vec<(Address, VecDeque<PackedBlock>)>;

/// See the module.
pub(crate) struct Lanes {
    cpu: Cpu,
    live: Lane,
    bulk: Lane,
    packing: FuturesUnordered<BoxFuture<'static, Option<Packed>>>,
    offers: VecDeque<(u64, Vec<(Address, usize)>)>,
    next_offer_id: u64,
    /// Readings of which something was written in this session, and not yet the record.
    under_way: HashSet<ReadingId>,
    /// Readings that lost blocks with an earlier link.
    broken: HashSet<ReadingId>,
}

impl Lanes {
    pub(crate) fn new(cpu: Cpu) -> Self {
        Lanes {
            cpu,
            live: Lane::default(),
            bulk: Lane::default(),
            packing: FuturesUnordered::new(),
            offers: VecDeque::new(),
            next_offer_id: 0,
            under_way: HashSet::new(),
            broken: HashSet::new(),
        }
    }

    fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Live => &mut self.live,
            Way::Bulk => &mut self.bulk,
        }
    }

    /// Takes a parcel into its lane. Gives its record back when it can never be written.
    pub(crate) fn push(&mut self, way: Way, mut parcel: Parcel) -> Option<Commit> {
        if self.broken.contains(&parcel.reading) {
            if parcel.end {
                self.broken.remove(&parcel.reading);
            }
            return parcel.commit.take();
        }
        let lane = self.lane(way);
        let number = lane.first + lane.parcels.len() as u64;
        lane.parcels.push_back(Waiting { number, parcel, stage: Stage::New });
        None
    }

    /// The next offer to write, if anything is to be offered. Parcels that need no answer go on to packing.
    pub(crate) fn next_offer(&mut self) -> Option<Offer> {
        let mut blocks = Vec::new();
        let mut asked = Vec::new();
        let mut unasked = Vec::new();
        for way in [Way::Live, Way::Bulk] {
            let lane = self.lane(way);
            while blocks.len() < OFFER_BLOCKS_AIM && lane.next_offer < lane.parcels.len() {
                let at = lane.next_offer;
                lane.next_offer += 1;
                let waiting = &mut lane.parcels[at];
                if !matches!(waiting.stage, Stage::New | Stage::ListLacking) {
                    continue;
                }
                let asks_list = matches!(waiting.stage, Stage::New) && waiting.parcel.list.is_some();
                let subject: Vec<(BlockKind, Digest)> = if asks_list {
                    waiting.parcel.list.iter().map(|b| (b.kind, b.digest)).collect()
                } else {
                    waiting.parcel.data.iter().map(|b| (b.kind, b.digest)).collect()
                };
                let small = waiting.parcel.data.iter().all(|b| b.raw.len() <= UNASKED_BYTES_MAX);
                if !asks_list && (subject.is_empty() || way == Way::Live && small) {
                    unasked.push((way, waiting.number));
                    continue;
                }
                waiting.stage = Stage::Asked { list: asks_list };
                asked.push(((way, waiting.number), subject.len()));
                blocks.extend(subject);
            }
        }
        self.pack(unasked.into_iter().map(|address| (address, None)).collect());
        if blocks.is_empty() {
            return None;
        }
        self.next_offer_id += 1;
        self.offers.push_back((self.next_offer_id, asked));
        Some(Offer { id: self.next_offer_id, blocks })
    }

    /// Takes the answer to the oldest offer. The error says why it can't be one.
    pub(crate) fn answer(&mut self, need: &Need) -> Result<(), String> {
        let Some((id, asked)) = self.offers.pop_front() else {
            return Err("the hub answered an offer that was never made".into());
        };
        let count = asked.iter().map(|(_, count)| count).sum();
        if need.id != id || !need.answers(count) {
            return Err(format!("the hub's answer {} does not fit offer {id}", need.id));
        }
        let mut bit = 0;
        let mut to_pack = Vec::new();
        for ((way, number), count) in asked {
            let wanted: Vec<bool> = (bit..bit + count).map(|i| need.wants(i)).collect();
            bit += count;
            let lane = self.lane(way);
            let Some(at) = lane.position(number) else { continue };
            let waiting = &mut lane.parcels[at];
            match waiting.stage {
                Stage::Asked { list: true } if wanted == [true] => {
                    waiting.stage = Stage::ListLacking;
                    lane.next_offer = lane.next_offer.min(at);
                }
                Stage::Asked { list: true } => waiting.stage = Stage::Packed(VecDeque::new()),
                Stage::Asked { list: false } => to_pack.push(((way, number), Some(wanted))),
                _ => return Err(format!("the hub answered offer {id} twice")),
            }
        }
        self.pack(to_pack);
        Ok(())
    }

    /// Sends parcels to be packed: the blocks that are wanted (all, without an answer) and the list.
    fn pack(&mut self, parcels: Vec<(Address, Option<Vec<bool>>)>) {
        let mut load: Vec<(Address, Vec<RawBlock>)> = Vec::new();
        let mut bytes = 0;
        for ((way, number), wanted) in parcels {
            let lane = self.lane(way);
            let Some(at) = lane.position(number) else { continue };
            let waiting = &mut lane.parcels[at];
            let data = std::mem::take(&mut waiting.parcel.data).into_iter().enumerate();
            let wants = |i: usize| wanted.as_ref().is_none_or(|wanted| wanted[i]);
            let mut blocks: Vec<RawBlock> = data.filter(|(i, _)| wants(*i)).map(|(_, block)| block).collect();
            blocks.extend(waiting.parcel.list.take());
            if blocks.is_empty() {
                waiting.stage = Stage::Packed(VecDeque::new());
                continue;
            }
            waiting.stage = Stage::Packing;
            bytes += blocks.iter().map(|block| block.raw.len()).sum::<usize>();
            load.push(((way, number), blocks));
            if bytes >= PACK_BYTES_AIM {
                self.packing.push(self.cpu.run(pack_load(std::mem::take(&mut load))));
                bytes = 0;
            }
        }
        if !load.is_empty() {
            self.packing.push(self.cpu.run(pack_load(load)));
        }
    }

    /// Waits until some parcels are packed; never returns while nothing is being packed. Cancel-safe.
    pub(crate) async fn packed(&mut self) {
        match self.packing.next().await {
            None => std::future::pending().await,
            // The work panicked; its parcels stay where they are until the next session offers them again.
            Some(None) => {}
            Some(Some(packed)) => {
                for ((way, number), blocks) in packed {
                    let lane = self.lane(way);
                    if let Some(at) = lane.position(number) {
                        lane.parcels[at].stage = Stage::Packed(blocks);
                    }
                }
            }
        }
    }

    /// What could be written next in this lane, without taking it: the stored bytes it costs, or `None`
    /// when the lane's first parcel is not ready. A record costs nothing here.
    pub(crate) fn next_cost(&mut self, way: Way) -> Option<u64> {
        loop {
            let first = self.lane(way).parcels.front()?;
            let Stage::Packed(blocks) = &first.stage else { return None };
            match blocks.front() {
                Some(block) => return Some(block.stored.len() as u64),
                None if first.parcel.commit.is_some() => return Some(0),
                None => self.pop(way),
            }
        }
    }

    fn pop(&mut self, way: Way) {
        let lane = self.lane(way);
        if let Some(Waiting { parcel, .. }) = lane.parcels.pop_front() {
            lane.first += 1;
            lane.next_offer = lane.next_offer.saturating_sub(1);
            if parcel.end {
                self.under_way.remove(&parcel.reading);
            }
        }
    }

    /// Takes what [`Self::next_cost`] spoke of.
    pub(crate) fn next(&mut self, way: Way) -> Option<Outgoing> {
        self.next_cost(way)?;
        let lane = self.lane(way);
        let first = lane.parcels.front_mut()?;
        let reading = first.parcel.reading;
        let Stage::Packed(blocks) = &mut first.stage else { return None };
        if let Some(block) = blocks.pop_front() {
            self.under_way.insert(reading);
            return Some(Outgoing::Block(block));
        }
        let commit = first.parcel.commit.take()?;
        self.pop(way);
        Some(Outgoing::Content(commit))
    }

    /// The link is gone, and with it what was written of readings whose record was not: those must be read
    /// again: their commits are given back. All else is offered anew.
    pub(crate) fn reset(&mut self) -> Vec<Commit> {
        self.packing = FuturesUnordered::new();
        self.offers.clear();
        self.broken.extend(self.under_way.drain());
        let mut abandoned = Vec::new();
        for lane in [&mut self.live, &mut self.bulk] {
            let first = lane.first;
            let parcels = std::mem::take(&mut lane.parcels);
            *lane = Lane { first: first + parcels.len() as u64, ..Lane::default() };
            for Waiting { mut parcel, stage, .. } in parcels {
                // Raw bytes were given up when packing began, so only what waited before can go on.
                let intact = matches!(stage, Stage::New | Stage::ListLacking | Stage::Asked { .. });
                if !intact {
                    self.broken.insert(parcel.reading);
                }
                if self.broken.contains(&parcel.reading) {
                    if parcel.end {
                        self.broken.remove(&parcel.reading);
                    }
                    abandoned.extend(parcel.commit.take());
                    continue;
                }
                let number = lane.first + lane.parcels.len() as u64;
                lane.parcels.push_back(Waiting { number, parcel, stage: Stage::New });
            }
        }
        abandoned
    }

    /// Drops everything, because a new incarnation begins; gives the commits that go with it.
    pub(crate) fn clear(&mut self) -> Vec<Commit> {
        let mut abandoned = self.reset();
        for lane in [&mut self.live, &mut self.bulk] {
            let commits = lane.parcels.drain(..).filter_map(|mut waiting| waiting.parcel.commit.take());
            abandoned.extend(commits);
            lane.next_offer = 0;
        }
        self.broken.clear();
        abandoned
    }
}

impl Lane {
    fn position(&self, number: u64) -> Option<usize> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        (at < self.parcels.len()).then_some(at)
    }
}

fn pack_load(load: Vec<(Address, Vec<RawBlock>)>) -> impl FnOnce() -> Packed + Send + 'static {
    move || {
        load.into_iter()
            .map(|(address, blocks)| (address, blocks.into_iter().map(pack_block).collect()))
            .collect()
    }
}

fn pack_block(block: RawBlock) -> PackedBlock {
    let RawBlock { kind, digest, raw } = block;
    let raw_len = raw.len() as u32;
    let (codec, stored) = compress::pack(kind, &raw);
    let head = BlockHead { digest, kind, codec: codec.number(), raw_len, stored_len: stored.len() as u32 };
    PackedBlock { head, stored: stored.into() }
}
