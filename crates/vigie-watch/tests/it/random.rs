//! Anything may happen, in any order and at any moment: after a flush, what was recorded is what is there.

use crate::driver::Rig;
use std::time::Duration;
use vigie_watch::ReadJob;
use vigie_watch::fakes::FakeFs;

/// A small generator, so that a seed means the same for ever (SplitMix64, Steele et al. 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A path at most four names deep, of few names, so that they meet. Some lie outside the root.
    fn path(&mut self) -> Vec<u8> {
        let mut path = if self.one_in(12) { b"/outside".to_vec() } else { b"/data".to_vec() };
        for _ in 0..=self.below(4) {
            path.push(b'/');
            path.push(b'a' + self.below(5) as u8);
        }
        path
    }
}

/// One operation; most that are impossible just now fail, and that is fine.
pub(crate) fn operate(random: &mut Random, fs: &FakeFs) {
    let (a, b) = (random.path(), random.path());
    let bytes = random.next().to_le_bytes();
    let bytes = &bytes[..random.below(9) as usize];
    let what = random.below(24);
    // A change through a name outside the root goes unseen: nothing that is known of inotify can mend that.
    let writes = matches!(what, 4..=10 | 21 | 22);
    if writes && a.starts_with(b"/outside") && !fs.snapshot(&a).is_empty() {
        return;
    }
    let _ = match what {
        0..=3 => fs.mkdir_all(&a),
        4..=7 => fs.write(&a, bytes),
        8 => fs.append(&a, bytes),
        9 => fs.append_open(&a, bytes),
        10 => fs.truncate(&a, random.below(6)),
        11 => fs.unlink(&a),
        12 => fs.rmdir(&a),
        13 => fs.remove_all(&a),
        14..=16 => fs.rename(&a, &b),
        17 => fs.exchange(&a, &b),
        18 => fs.link(&a, &b),
        19 => fs.symlink(bytes, &a),
        20 => fs.mkfifo(&a),
        21 if random.one_in(3) => fs.chmod(&a, 0o200 | random.below(64) as u32),
        21 => fs.chmod(&a, 0o600 | random.below(64) as u32),
        22 => fs.setxattr(&a, b"user.x", bytes),
        _ => fs.write_unnamed(&a, bytes),
    };
}

/// What an agent may do between two operations of its users: anything but keep up.
fn live(random: &mut Random, rig: &mut Rig, held: &mut Vec<ReadJob>) {
    rig.clock.forward(Duration::from_micros(random.below(3_000)));
    match random.below(8) {
        0 => rig.idle(),
        1 => {
            rig.engine.step();
        }
        2 => {
            for fact in rig.engine.take(random.below(5) as usize) {
                rig.replica.apply(&fact);
            }
        }
        3 => held.extend(rig.engine.next_read()),
        4 if !held.is_empty() => {
            let job = held.swap_remove(random.below(held.len() as u64) as usize);
            // The fact of a content comes after those that were taken, as an agent sends it.
            rig.read(job);
        }
        5 => rig.clock.forward(Duration::from_millis(random.below(60))),
        _ => {}
    }
}

/// Of what is there and not recorded, and of what is recorded and not there, it is known that it could not be seen.
pub(crate) fn assert_nothing_looks_gone(rig: &Rig, what: &str) {
    let (truth, tree) = (rig.fs.snapshot(b"/data"), rig.replica.tree("/data"));
    let unseen = rig.replica.unseen("/data");
    for path in
        truth.keys().filter(|p| !tree.contains_key(*p)).chain(tree.keys().filter(|p| !truth.contains_key(*p)))
    {
        let hidden = |dir: &String| path.starts_with(format!("{dir}/").as_bytes());
        let path = String::from_utf8_lossy(path);
        assert!(unseen.iter().any(hidden), "{what}: {path}, unseen: {unseen:?}\n{}", rig.replica.tail());
    }
    let is_closed = |path: &Vec<u8>| truth.get(path).is_some_and(|n| n.meta.mode & 0o400 == 0);
    for dir in &unseen {
        assert!(is_closed(&dir.clone().into_bytes()), "{what}: {dir} is unseen\n{}", rig.replica.tail());
    }
}

/// Lets everything below the root be read again.
fn open_all(fs: &FakeFs) {
    for (path, node) in fs.snapshot(b"/data") {
        if node.meta.mode & 0o400 == 0 {
            fs.chmod(&[b"/data/", &path[..]].concat(), node.meta.mode | 0o400).unwrap();
        }
    }
}

/// How an engine that begins anew comes to know what is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restarts {
    None,
    Told,
    FromSnapshot,
}

fn run(seed: u64, queue_max: usize, restarts: Restarts) {
    let mut random = Random(seed);
    let mut early = Random(seed ^ 0xffff);
    let prepare = |fs: &FakeFs| {
        fs.mkdir_all(b"/outside").unwrap();
        (0..early.below(60)).for_each(|_| operate(&mut early, fs));
    };
    let mut rig = Rig::with_queue(queue_max, prepare, |_| {});
    let mut held = Vec::new();
    for round in 0..6 {
        for _ in 0..random.below(60) {
            operate(&mut random, &rig.fs);
            live(&mut random, &mut rig, &mut held);
        }
        if restarts != Restarts::None && random.one_in(2) {
            held.clear();
            let mut away = Random(random.next());
            let meanwhile = |fs: &FakeFs| (0..away.below(30)).for_each(|_| operate(&mut away, fs));
            match restarts {
                Restarts::FromSnapshot => rig.restart_from_snapshot(meanwhile),
                _ => rig.restart(meanwhile),
            }
            // Nor does anyone wait for the comparison.
            for _ in 0..random.below(40) {
                operate(&mut random, &rig.fs);
                live(&mut random, &mut rig, &mut held);
            }
        }
        for job in held.drain(..) {
            rig.read(job);
        }
        rig.flush();
        assert_nothing_looks_gone(&rig, &format!("seed {seed}, round {round}"));
        open_all(&rig.fs);
        rig.flush();
        rig.assert_same(&format!("seed {seed}, round {round}"));
        // A queue that is too short may overflow by the engine's own doing, when it ends watches.
        let open = &rig.replica.gaps;
        assert!(open.is_empty() || queue_max < 100, "seed {seed}: a gap stays open: {open:?}");
    }
    rig.settle();
    assert!(rig.replica.gaps.is_empty(), "seed {seed}: a gap stays open: {:?}", rig.replica.gaps);
    let before = rig.replica.log.len();
    rig.settle();
    rig.assert_same(&format!("seed {seed}, at the end"));
    assert_eq!(rig.replica.log.len(), before, "seed {seed}: facts about nothing\n{}", rig.replica.tail());
}

/// `VIGIE_SEEDS=from..to` runs others.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("VIGIE_SEEDS").unwrap_or_default();
    let range = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    range.unwrap_or(0..150)
}

#[test]
fn whatever_happens_is_recorded() {
    seeds().for_each(|seed| run(seed, 16_384, Restarts::None));
}

#[test]
fn whatever_happens_is_recorded_though_the_queue_overflows() {
    seeds().for_each(|seed| run(seed, 8 + (seed % 30) as usize, Restarts::None));
}

#[test]
fn whatever_happens_is_recorded_across_restarts() {
    seeds().for_each(|seed| run(seed, 16_384, Restarts::Told));
}

#[test]
fn whatever_happens_is_recorded_across_clean_stops() {
    seeds().for_each(|seed| run(seed, 16_384, Restarts::FromSnapshot));
}
