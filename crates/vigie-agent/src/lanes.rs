//! Parcels on their way out: offered, packed as far as they are needed, and written in order.
//!
//! There are two lanes. Small live changes take one, everything else the other, so a change that someone
//! has just made never waits behind a first transfer or a large file. Within a lane order is kept, because a
//! list goes behind what it names and a record behind its blocks.

use crate::packers::Packers;
use crate::packing::{Address, BUNDLED_BYTES_MAX, Load, Loaded, Packed, PackedBlock, pack_load};
use crate::parcel::{Commit, Parcel, RawBlock, ReadingId};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{HashSet, VecDeque};
use vigie_model::{BlockKind, Digest};
use vigie_wire::frame::{Need, Offer};

/// Blocks of at most this size in the live lane are sent without asking: the answer would take longer than
/// the block. So much is also packed on the spot: the way to another thread and back would take longer, too.
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

/// See the module.
pub(crate) struct Lanes {
    packers: Packers,
    /// The hub takes bundles.
    bundles: bool,
    live: Lane,
    bulk: Lane,
    packing: FuturesUnordered<BoxFuture<'static, Option<Packed>>>,
    /// Work that waits for a thread; that of the live lane goes before all other.
    to_pack: VecDeque<Load>,
    offers: VecDeque<(u64, Vec<(Address, usize)>)>,
    next_offer_id: u64,
    /// Readings of which something was written in this session, and not yet the record.
    under_way: HashSet<ReadingId>,
    /// Readings that lost blocks with an earlier link.
    broken: HashSet<ReadingId>,
}

impl Lanes {
    pub(crate) fn new(packers: Packers) -> Self {
        Lanes {
            packers,
            bundles: false,
            live: Lane::default(),
            bulk: Lane::default(),
            packing: FuturesUnordered::new(),
            to_pack: VecDeque::new(),
            offers: VecDeque::new(),
            next_offer_id: 0,
            under_way: HashSet::new(),
            broken: HashSet::new(),
        }
    }

    /// Whether the hub of this link takes bundles.
    pub(crate) fn bundle(&mut self, bundles: bool) {
        self.bundles = bundles;
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
        let (live, bulk): (Vec<_>, Vec<_>) = parcels.into_iter().partition(|((way, _), _)| *way == Way::Live);
        let bundles = self.bundles;
        let (live, live_bytes) = self.loads(live);
        if live_bytes <= UNASKED_BYTES_MAX {
            live.into_iter().for_each(|load| self.note_packed(pack_load(load, bundles)));
        } else {
            live.into_iter().rev().for_each(|load| self.to_pack.push_front(load));
        }
        let (bulk, _) = self.loads(bulk);
        self.to_pack.extend(bulk);
        self.start_packing();
    }

    /// Takes the blocks that are wanted out of these parcels, cut into pieces of work; and their raw bytes, all told.
    fn loads(&mut self, parcels: Vec<(Address, Option<Vec<bool>>)>) -> (Vec<Load>, usize) {
        let (mut loads, mut load) = (Vec::new(), Load::new());
        let (mut all_bytes, mut bytes) = (0, 0);
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
            let small = wanted.is_some()
                && waiting.parcel.alone
                && blocks.iter().all(|b| b.kind == BlockKind::Data && b.raw.len() <= BUNDLED_BYTES_MAX);
            load.push(Loaded { address: (way, number), blocks, small });
            if bytes >= PACK_BYTES_AIM {
                loads.push(std::mem::take(&mut load));
                all_bytes += std::mem::take(&mut bytes);
            }
        }
        if !load.is_empty() {
            loads.push(load);
        }
        (loads, all_bytes + bytes)
    }

    fn start_packing(&mut self) {
        let bundles = self.bundles;
        while self.packing.len() < self.packers.width() {
            let Some(load) = self.to_pack.pop_front() else { return };
            self.packing.push(self.packers.run(move || pack_load(load, bundles)));
        }
    }

    fn note_packed(&mut self, packed: Packed) {
        for ((way, number), blocks) in packed {
            let lane = self.lane(way);
            if let Some(at) = lane.position(number) {
                lane.parcels[at].stage = Stage::Packed(blocks);
            }
        }
    }

    /// Waits until some parcels are packed; never returns while nothing is being packed. Cancel-safe.
    pub(crate) async fn packed(&mut self) {
        let done = match self.packing.next().await {
            None => return std::future::pending().await,
            Some(done) => done,
        };
        self.start_packing();
        // Where the work panicked, its parcels stay as they are until the link breaks and they are given up.
        if let Some(packed) = done {
            self.note_packed(packed);
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
        self.to_pack.clear();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::cpu::Cpu;
    use crate::ledger::Ledger;
    use vigie_model::bundle::BundleBuilder;
    use vigie_model::{AgentRecord, NodeId, Stream, UnixNanos};

    fn commit(node: u8) -> Commit {
        let fact = AgentRecord {
            observed: UnixNanos(0),
            stream: Stream::FILES,
            kind: 5,
            version: 1,
            payload: vec![],
        };
        let node = NodeId([node; 16]);
        Commit { node, fact, entry: Ledger::default().open(node) }
    }

    /// A parcel of one reading; a large block is asked for in either lane.
    fn parcel(reading: u64, list: Option<&[u8]>, data: &[&[u8]], end: Option<u8>) -> Parcel {
        Parcel {
            reading: ReadingId(reading),
            generation: 0,
            list: list.map(|raw| RawBlock::new(BlockKind::List, raw.to_vec())),
            data: data.iter().map(|raw| RawBlock::new(BlockKind::Data, raw.to_vec())).collect(),
            commit: end.map(commit),
            end: end.is_some(),
            alone: list.is_none(),
            _hold: Budget::new(usize::MAX, Cpu::Inline).hold(0),
        }
    }

    fn lanes() -> Lanes {
        Lanes::new(Packers::start(Cpu::Inline).unwrap())
    }

    /// Everything that can be written now, in order: digests of blocks, or the node of a record.
    async fn written(lanes: &mut Lanes) -> Vec<String> {
        while !lanes.packing.is_empty() {
            lanes.packed().await;
        }
        let mut out = Vec::new();
        for way in [Way::Live, Way::Bulk] {
            while let Some(next) = lanes.next(way) {
                out.push(match next {
                    Outgoing::Block(block) => block.head.digest.to_string(),
                    Outgoing::Content(commit) => format!("record {}", commit.node.0[0]),
                });
            }
        }
        out
    }

    fn data(raw: &[u8]) -> String {
        Digest::of_data(raw).to_string()
    }

    #[tokio::test]
    async fn small_live_changes_are_sent_unasked_and_overtake_all_else() {
        let mut lanes = lanes();
        lanes.push(Way::Bulk, parcel(1, None, &[b"scan"], Some(1)));
        lanes.push(Way::Live, parcel(2, None, &[b"edit"], Some(2)));
        let offer = lanes.next_offer().unwrap();
        assert_eq!(offer.blocks, [(BlockKind::Data, Digest::of_data(b"scan"))]);
        lanes.answer(&Need::new(offer.id, [true])).unwrap();
        let expected = [data(b"edit"), "record 2".into(), data(b"scan"), "record 1".into()];
        assert_eq!(written(&mut lanes).await, expected);
    }

    #[tokio::test]
    async fn what_the_hub_has_is_not_sent() {
        let mut lanes = lanes();
        lanes.push(Way::Bulk, parcel(1, None, &[b"known"], Some(1)));
        lanes.push(Way::Bulk, parcel(2, None, &[b"new"], Some(2)));
        let offer = lanes.next_offer().unwrap();
        lanes.answer(&Need::new(offer.id, [false, true])).unwrap();
        assert_eq!(written(&mut lanes).await, ["record 1".into(), data(b"new"), "record 2".into()]);
    }

    #[tokio::test]
    async fn small_files_go_in_bundles_where_the_hub_takes_them() {
        let large = vec![3; BUNDLED_BYTES_MAX + 1];
        let files: [&[u8]; 4] = [b"one", b"two", &large, b"four"];
        for takes in [false, true] {
            let mut lanes = lanes();
            lanes.bundle(takes);
            for (i, raw) in files.iter().enumerate() {
                lanes.push(Way::Bulk, parcel(i as u64, None, &[raw], Some(i as u8)));
            }
            // A chunk of a larger file waits for its list, and may be the last of it that is sent with this link.
            lanes.push(Way::Bulk, parcel(9, Some(b"list"), &[b"chunk"], None));
            let offer = lanes.next_offer().unwrap();
            lanes.answer(&Need::new(offer.id, vec![true; offer.blocks.len()])).unwrap();
            let mut expected = match takes {
                true => {
                    let mut bundle = BundleBuilder::default();
                    for raw in [files[0], files[1], files[3]] {
                        bundle.push(Digest::of_data(raw), raw);
                    }
                    vec![bundle.finish().0.to_string()]
                }
                false => vec![data(files[0])],
            };
            let alone = |raw| (!takes).then(|| data(raw));
            expected.push("record 0".into());
            expected.extend(alone(files[1]));
            expected.extend(["record 1".into(), data(files[2]), "record 2".into()]);
            expected.extend(alone(files[3]));
            expected.push("record 3".into());
            assert_eq!(written(&mut lanes).await, expected);
            let offer = lanes.next_offer().unwrap();
            lanes.answer(&Need::new(offer.id, [true])).unwrap();
            assert_eq!(written(&mut lanes).await, [data(b"chunk"), Digest::of_list(b"list").to_string()]);
        }
    }

    #[tokio::test]
    async fn a_list_that_is_lacking_has_its_chunks_offered_and_goes_behind_them() {
        let mut lanes = lanes();
        lanes.push(Way::Bulk, parcel(1, Some(b"old list"), &[b"a", b"b"], None));
        lanes.push(Way::Bulk, parcel(1, Some(b"new list"), &[b"c", b"d"], None));
        lanes.push(Way::Bulk, parcel(1, None, &[], Some(1)));
        let lists = lanes.next_offer().unwrap();
        assert_eq!(lists.blocks.len(), 2, "only the lists are offered at first");
        lanes.answer(&Need::new(lists.id, [false, true])).unwrap();
        let chunks = lanes.next_offer().unwrap();
        let expected = [(BlockKind::Data, Digest::of_data(b"c")), (BlockKind::Data, Digest::of_data(b"d"))];
        assert_eq!(chunks.blocks, expected);
        lanes.answer(&Need::new(chunks.id, [false, true])).unwrap();
        let expected = [data(b"d"), Digest::of_list(b"new list").to_string(), "record 1".into()];
        assert_eq!(written(&mut lanes).await, expected);
    }

    #[tokio::test]
    async fn answers_that_fit_no_offer_are_refused() {
        let mut lanes = lanes();
        assert!(lanes.answer(&Need::new(1, [true])).is_err());
        lanes.push(Way::Bulk, parcel(1, None, &[b"x"], Some(1)));
        let offer = lanes.next_offer().unwrap();
        assert!(lanes.answer(&Need::new(offer.id, [true; 9])).is_err());
        lanes.push(Way::Bulk, parcel(2, None, &[b"y"], Some(2)));
        let offer = lanes.next_offer().unwrap();
        assert!(lanes.answer(&Need::new(offer.id + 1, [true])).is_err());
    }

    #[tokio::test]
    async fn a_broken_link_loses_no_content() {
        let mut lanes = lanes();
        // Half-written, its record still to come; packed and not written; not even offered.
        lanes.push(Way::Bulk, parcel(1, Some(b"list"), &[b"chunk"], None));
        lanes.push(Way::Bulk, parcel(2, None, &[b"packed"], Some(2)));
        for _ in 0..2 {
            let Some(offer) = lanes.next_offer() else { break };
            lanes.answer(&Need::new(offer.id, vec![true; offer.blocks.len()])).unwrap();
        }
        while !lanes.packing.is_empty() {
            lanes.packed().await;
        }
        assert!(lanes.next(Way::Bulk).is_some(), "the chunk is written");
        lanes.push(Way::Bulk, parcel(3, None, &[b"waiting"], Some(3)));

        let abandoned: Vec<u8> = lanes.reset().iter().map(|commit| commit.node.0[0]).collect();
        assert_eq!(abandoned, [2], "packed bytes are gone, so the file is read again");
        let late = lanes.push(Way::Bulk, parcel(1, None, &[], Some(1)));
        assert_eq!(late.map(|commit| commit.node.0[0]), Some(1), "its first blocks may be lost");
        let offer = lanes.next_offer().unwrap();
        lanes.answer(&Need::new(offer.id, [true])).unwrap();
        assert_eq!(written(&mut lanes).await, [data(b"waiting"), "record 3".into()]);
    }

    #[tokio::test]
    async fn a_link_that_breaks_behind_a_bundle_loses_none_of_its_files() {
        let mut lanes = lanes();
        lanes.bundle(true);
        let files: [&[u8]; 3] = [b"one", b"two", b"three"];
        for (i, raw) in files.iter().enumerate() {
            lanes.push(Way::Bulk, parcel(i as u64, None, &[raw], Some(i as u8)));
        }
        let offer = lanes.next_offer().unwrap();
        lanes.answer(&Need::new(offer.id, [true; 3])).unwrap();
        lanes.packed().await;
        let first = lanes.next(Way::Bulk);
        assert!(matches!(first, Some(Outgoing::Block(b)) if b.head.kind == vigie_model::StoredKind::Bundle));
        assert!(matches!(lanes.next(Way::Bulk), Some(Outgoing::Content(commit)) if commit.node.0[0] == 0));
        let abandoned: Vec<u8> = lanes.reset().iter().map(|commit| commit.node.0[0]).collect();
        assert_eq!(abandoned, [1, 2], "their blocks went with the first one's");

        // The next hub takes no bundles.
        lanes.bundle(false);
        for (i, raw) in files.iter().enumerate().skip(1) {
            lanes.push(Way::Bulk, parcel(10 + i as u64, None, &[raw], Some(i as u8)));
        }
        let offer = lanes.next_offer().unwrap();
        lanes.answer(&Need::new(offer.id, [true; 2])).unwrap();
        let expected = [data(b"two"), "record 1".into(), data(b"three"), "record 2".into()];
        assert_eq!(written(&mut lanes).await, expected);
    }

    #[tokio::test]
    async fn a_new_incarnation_begins_with_empty_lanes() {
        let mut lanes = lanes();
        lanes.push(Way::Live, parcel(1, None, &[b"a"], Some(1)));
        lanes.push(Way::Bulk, parcel(2, None, &[b"b"], Some(2)));
        assert_eq!(lanes.clear().len(), 2);
        assert!(lanes.next_offer().is_none());
        assert!(written(&mut lanes).await.is_empty());
    }
}
