//! Crashes at random moments. What was acknowledged is there afterwards, whole and readable; of what was
//! not, a prefix at most. And each sync is needed: without any one kind of them, some crash shows it.

use crate::support::*;
use std::collections::BTreeMap;
use std::path::Path;
use vigie_model::*;
use vigie_store::disk::{SimDisk, SimFault, SyncSite};
use vigie_store::{Batch, MemIndex, NewRecord, Store};

const SEEDS: u64 = 1000;
const ROUNDS: u64 = 6;
const ROOT: NodeId = NodeId([1; 16]);

/// What must be there.
#[derive(Default)]
struct Model {
    /// Records that were acknowledged, or seen after a restart, in order.
    records: Vec<(Origin, AgentRecord)>,
    /// Batches that were handed over and not answered with success, in order.
    doubtful: Vec<Vec<NewRecord>>,
    /// Blocks that a content which is there names.
    raw: BTreeMap<Digest, Vec<u8>>,
    next_node: u32,
}

impl Model {
    /// A batch that makes a file, in one of the ways in which files come: with its block, with a block that
    /// came before, or as blocks without any record yet.
    fn batch(&mut self, disk: &SimDisk, facts: &mut Facts, store: &Store) -> Batch {
        if facts.n == 0 {
            facts.add(root("/r", ROOT));
        }
        let kind = disk.roll() % 8;
        let len = [10, 300, 3000][(disk.roll() % 3) as usize];
        let raw: Vec<u8> = (0..len).map(|_| disk.roll() as u8).collect();
        if kind == 0 {
            return Batch { blocks: vec![block(&raw)], records: Vec::new() };
        }
        self.next_node += 1;
        let node = NodeId(u128::from(self.next_node + 1000).to_be_bytes());
        let at = format!("f{}", self.next_node);
        facts.add(file(ROOT, &at, node));
        let known = self.raw.values().next().filter(|_| kind == 1).cloned();
        let known = known.filter(|raw| store.has(&[(BlockKind::Data, Digest::of_data(raw))]).unwrap()[0]);
        let (raw, blocks) = match known {
            Some(raw) => (raw, Vec::new()),
            None => (raw.clone(), vec![block(&raw)]),
        };
        facts.add(content(node, whole(&raw)));
        self.raw.insert(Digest::of_data(&raw), raw);
        facts.batch(blocks)
    }

    /// Compares a store that was just opened with what must be there, and takes over what was doubtful.
    fn check(&mut self, store: &Store) -> Result<(), String> {
        let found = store.records(Seq(1), usize::MAX).map_err(|e| e.to_string())?;
        let found: Vec<_> = found.into_iter().map(|r| (r.origin, r.fact)).collect();
        if found.len() < self.records.len() || found[..self.records.len()] != self.records[..] {
            return Err(format!(
                "{} records were acknowledged, {} are there",
                self.records.len(),
                found.len()
            ));
        }
        let mut rest = &found[self.records.len()..];
        for batch in std::mem::take(&mut self.doubtful) {
            let batch: Vec<_> = batch.into_iter().map(|r| (r.origin, r.fact)).collect();
            let Some(after) = rest.strip_prefix(&batch[..]) else { break };
            rest = after;
        }
        if !rest.is_empty() {
            return Err(format!("{} records are there that nobody wrote", rest.len()));
        }
        self.records = found;
        self.check_index(store)?;
        let report = store.verify(&mut |_| true).map_err(|e| e.to_string())?;
        if report.is_whole() { Ok(()) } else { Err(format!("{report:?}")) }
    }

    /// Every row that the records must have made.
    fn check_index(&self, store: &Store) -> Result<(), String> {
        let tail = *store.tail().borrow();
        for (at, (origin, fact)) in self.records.iter().enumerate() {
            let by_origin = store.by_origin(origin).map_err(|e| e.to_string())?;
            if by_origin.map(|record| record.seq) != Some(Seq(at as u64 + 1)) {
                return Err(format!("record {origin:?} is not found by its origin"));
            }
            match FileEvent::decode(fact).map_err(|e| e.to_string())? {
                FileEvent::Created(created) if created.parent == ROOT => {
                    let at = path(&format!("/r/{}", String::from_utf8_lossy(created.name.as_bytes())));
                    if store.lookup(MACHINE, &at, tail).map_err(|e| e.to_string())? != Some(created.node) {
                        return Err(format!("{at} is not in the tree"));
                    }
                }
                FileEvent::Content(stored) => {
                    let version = store.node(MACHINE, stored.node, tail).map_err(|e| e.to_string())?;
                    if version.and_then(|v| v.state.content) != Some(stored.content.clone()) {
                        return Err(format!("node {} has lost its content", stored.node));
                    }
                    let bytes = read(store, &stored.content).map_err(|e| e.to_string())?;
                    if Some(&bytes) != self.raw.get(&stored.content.digest) {
                        return Err(format!("node {} has other bytes", stored.node));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// One history: several lives of a store, each ended by a death, a loss of power, or a clean stop.
fn simulate(seed: u64, skip: Option<SyncSite>) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    disk.skip_sync(skip);
    let index = MemIndex::default();
    let mut model = Model::default();
    for round in 0..=ROUNDS {
        let is_last = round == ROUNDS;
        if !is_last && !one_in(&disk, 4) {
            let span = [12, 30, 80][(disk.roll() % 3) as usize];
            disk.fault(SimFault::DieAt(1 + disk.roll() % span));
        }
        let lived = block_on(live(&disk, &index, &mut model, is_last));
        match (lived, is_dead(&disk)) {
            (Ok(()), _) => {}
            (Err(_), true) => {}
            (Err(why), false) => return Err(format!("round {round}: {why}")),
        }
        match disk.roll() % 3 {
            0 => disk.restart(),
            _ => {
                disk.crash();
                index.lose_power(|| one_in(&disk, 3));
            }
        }
    }
    Ok(())
}

fn one_in(disk: &SimDisk, times: u64) -> bool {
    disk.roll().is_multiple_of(times)
}

fn is_dead(disk: &SimDisk) -> bool {
    use vigie_store::disk::Disk;
    disk.list(Path::new("/")).is_err()
}

async fn live(disk: &SimDisk, index: &MemIndex, model: &mut Model, is_last: bool) -> Result<(), String> {
    let opened = Store::open(Path::new(SIM_DIR), sim_options(disk, index));
    let (store, committer) = opened.map_err(|e| format!("cannot open: {e}"))?;
    model.check(&store)?;
    if is_last {
        return Ok(());
    }
    let committer = tokio::spawn(committer.run());
    let mut facts = Facts::after(&store);
    if one_in(disk, 3) && facts.n > 0 {
        facts = Facts { incarnation: Incarnation(disk.roll()), n: 0, ..facts };
    }
    for _ in 0..disk.roll() % 8 {
        let together = 1 + disk.roll() % 3;
        let mut waiting = Vec::new();
        for _ in 0..together {
            let batch = model.batch(disk, &mut facts, &store);
            let (store, records) = (store.clone(), batch.records.clone());
            waiting.push((records, tokio::spawn(async move { store.commit(batch).await })));
        }
        for (records, answer) in waiting {
            match answer.await.map_err(|e| e.to_string())? {
                Ok(_) => model.records.extend(records.into_iter().map(|r| (r.origin, r.fact))),
                Err(_) => model.doubtful.push(records),
            }
        }
        if !model.doubtful.is_empty() {
            break;
        }
    }
    if is_dead(disk) {
        committer.abort(); // The dead close nothing.
        return Ok(());
    }
    store.close();
    committer.await.map_err(|e| e.to_string())
}

#[test]
fn what_was_acknowledged_survives_every_crash() {
    for seed in 0..SEEDS {
        if let Err(why) = simulate(seed, None) {
            panic!("seed {seed}: {why}");
        }
    }
}

#[test]
fn every_sync_is_needed() {
    for site in SyncSite::ALL {
        let found = (0..SEEDS).find(|seed| simulate(*seed, Some(site)).is_err());
        assert!(found.is_some(), "{SEEDS} histories without any sync of {site:?} lost nothing");
    }
}
