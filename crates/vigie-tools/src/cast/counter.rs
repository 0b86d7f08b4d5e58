//! What became of the datagrams of one stream. No clock, no socket: numbers and times go in, counts come out.
//!
//! The numbers below `base` are decided: each has come, or is lost. Those of the window from `base` on are not, and a bit
//! says which of them have come. A number that comes above the window moves it.

use crate::limits::{CAST_JUMP_MAX, CAST_WINDOW};

const WORDS: usize = CAST_WINDOW as usize / 64;

/// Counts the datagrams of one stream.
#[derive(Clone, Debug)]
pub struct Counter {
    bits: Box<[u64; WORDS]>,
    first: u64,
    base: u64,
    /// One above the highest number that has come.
    next: u64,
    counts: Counts,
    /// Numbers in a row that were lost, up to `base`.
    burst: u64,
    /// Numbers from the first on that did not come before any that did: lost, or sent before anybody listened.
    leading: u64,
    is_leading: bool,
    lowest: u64,
    last: Option<Transit>,
}

/// When the last datagram was sent and came, each by its own clock.
#[derive(Clone, Copy, Debug)]
struct Transit {
    sent_ns: u64,
    came_ns: u64,
}

/// What has been counted so far. Nothing in here is an estimate but the jitter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Datagrams that came, copies included.
    pub received: u64,
    /// Numbers that came, in time.
    pub unique: u64,
    /// Copies of what had come already.
    pub duplicated: u64,
    /// Numbers that came after a higher one (RFC 4737, section 3.3).
    pub reordered: u64,
    /// How far the farthest of them was behind the highest.
    pub reorder_extent_max: u64,
    /// Numbers that did not come while the window was there for them.
    pub lost: u64,
    /// Numbers below the first one that came, when the start of the stream was not heard: sent before, or lost.
    pub before: u64,
    /// Datagrams that came when theirs had been decided: each is lost already, or a copy.
    pub late: u64,
    /// Datagrams whose numbers are so far ahead that they cannot be of this stream.
    pub strange: u64,
    /// How often numbers were lost in a row, by how many: 1, 2, 3 to 4, 5 to 8, and so on.
    pub bursts: [u64; BURSTS],
    /// The longest of these rows.
    pub burst_max: u64,
    /// Interarrival jitter, in nanoseconds (RFC 3550, section 6.4.1).
    pub jitter_ns: f64,
}

/// The last of them holds all that are longer.
pub const BURSTS: usize = 16;

impl Counter {
    /// Counts from this number on.
    pub fn new(first: u64) -> Self {
        Counter {
            bits: Box::new([0; WORDS]),
            first,
            base: first,
            next: first,
            counts: Counts::default(),
            burst: 0,
            leading: 0,
            is_leading: true,
            lowest: u64::MAX,
            last: None,
        }
    }

    /// A datagram has come.
    pub fn add(&mut self, number: u64, sent_ns: u64, came_ns: u64) {
        if number > self.next.saturating_add(CAST_JUMP_MAX) {
            self.counts.strange += 1;
            return;
        }
        self.counts.received += 1;
        self.add_transit(Transit { sent_ns, came_ns });
        if number < self.base {
            self.counts.late += 1;
            return;
        }
        if number - self.base >= CAST_WINDOW {
            self.decide_up_to(number - CAST_WINDOW + 1);
        }
        let (word, bit) = place(number);
        if self.bits[word] & bit != 0 {
            self.counts.duplicated += 1;
            return;
        }
        self.bits[word] |= bit;
        self.lowest = self.lowest.min(number);
        self.counts.unique += 1;
        if number < self.next {
            self.counts.reordered += 1;
            let behind = self.next - 1 - number;
            self.counts.reorder_extent_max = self.counts.reorder_extent_max.max(behind);
        } else {
            self.next = number + 1;
        }
    }

    /// RFC 3550: `J += (|D| - J) / 16`, D being by how much longer this one was on its way than the one before. The
    /// clocks of both sides need not agree.
    fn add_transit(&mut self, now: Transit) {
        if let Some(last) = self.last.replace(now) {
            let apart = |a: u64, b: u64| a as f64 - b as f64;
            let difference = apart(now.came_ns, last.came_ns) - apart(now.sent_ns, last.sent_ns);
            self.counts.jitter_ns += (difference.abs() - self.counts.jitter_ns) / 16.0;
        }
    }

    /// What has been counted, with everything decided up to the end: to `end`, if the sender has said how many there were,
    /// else to the highest number that came. Whoever heard the start misses what did not come before the first.
    pub fn finish(mut self, end: Option<u64>, is_from_start: bool) -> Counts {
        self.decide_up_to(self.end(end));
        self.end_burst();
        if is_from_start {
            self.counts.lost += self.leading;
            self.burst = self.leading;
            self.end_burst();
        } else {
            self.counts.before = self.leading;
        }
        self.counts
    }

    /// What has been counted so far. What has not come by now counts as lost; rows of losses only up to the window.
    pub fn so_far(&self, end: Option<u64>, is_from_start: bool) -> Counts {
        let come: u64 = self.bits.iter().map(|word| u64::from(word.count_ones())).sum();
        let end = self.end(end);
        let undecided = if self.is_leading { self.lowest.min(end).saturating_sub(self.base) } else { 0 };
        let before = self.leading + undecided;
        let mut counts = self.counts.clone();
        counts.lost += end - self.base - come - undecided;
        *(if is_from_start { &mut counts.lost } else { &mut counts.before }) += before;
        counts
    }

    /// Whether it counts from this number on.
    pub fn is_from(&self, number: u64) -> bool {
        self.first == number
    }

    /// Whether every number below `end` has come.
    pub fn is_complete(&self, end: u64) -> bool {
        self.counts.unique >= end.saturating_sub(self.first)
    }

    /// Where the stream ends, as far as is known: no sender can make it absurd.
    fn end(&self, end: Option<u64>) -> u64 {
        let plausible = end.filter(|&end| end <= self.next.saturating_add(CAST_JUMP_MAX));
        plausible.unwrap_or(0).max(self.next)
    }

    fn decide_up_to(&mut self, new_base: u64) {
        let within = new_base.saturating_sub(self.base).min(CAST_WINDOW);
        for number in self.base..self.base + within {
            let (word, bit) = place(number);
            if self.bits[word] & bit != 0 {
                self.bits[word] &= !bit;
                self.is_leading = false;
                self.end_burst();
            } else {
                self.lose(1);
            }
        }
        self.base += within;
        if new_base > self.base {
            self.lose(new_base - self.base);
            self.base = new_base;
        }
    }

    fn lose(&mut self, numbers: u64) {
        if self.is_leading {
            self.leading += numbers;
            return;
        }
        self.counts.lost += numbers;
        self.burst += numbers;
    }

    fn end_burst(&mut self) {
        let length = std::mem::take(&mut self.burst);
        if length > 0 {
            // 1 is in the first, 2 in the second, 3 and 4 in the third.
            let class = (64 - (length - 1).leading_zeros()) as usize;
            self.counts.bursts[class.min(BURSTS - 1)] += 1;
            self.counts.burst_max = self.counts.burst_max.max(length);
        }
    }
}

/// Where the bit of a number is.
fn place(number: u64) -> (usize, u64) {
    let at = number % CAST_WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, VecDeque};

    fn counted(numbers: &[u64], end: u64) -> Counts {
        let mut counter = Counter::new(0);
        numbers.iter().for_each(|&n| counter.add(n, 0, 0));
        counter.finish(Some(end), true)
    }

    #[test]
    fn each_kind_of_trouble_is_counted_as_what_it_is() {
        let c = counted(&[0, 1, 2, 3], 4);
        assert_eq!((c.received, c.unique, c.lost, c.duplicated, c.reordered, c.late), (4, 4, 0, 0, 0, 0));
        let c = counted(&[0, 2, 1, 1, 5], 8);
        assert_eq!((c.received, c.unique, c.duplicated, c.reordered), (5, 4, 1, 1));
        assert_eq!((c.lost, c.reorder_extent_max, c.burst_max), (4, 1, 2));
        assert_eq!(&c.bursts[..3], &[0, 2, 0], "3 and 4; 6 and 7");
        assert_eq!(counted(&[], 3).lost, 3);
        assert_eq!(counted(&[], 0), Counts::default());
    }

    #[test]
    fn whoever_comes_late_misses_nothing_that_was_before() {
        for first in [0, 3] {
            let mut counter = Counter::new(first);
            [7, 9, 6, 10].into_iter().for_each(|n| counter.add(n, 0, 0));
            for counts in [counter.so_far(None, false), counter.clone().finish(None, false)] {
                assert_eq!((counts.lost, counts.before, counts.reordered), (1, 6 - first, 1));
            }
            for counts in [counter.so_far(Some(12), true), counter.finish(Some(12), true)] {
                assert_eq!((counts.lost, counts.before), (7 - first + 1, 0));
            }
        }
        let mut counter = Counter::new(0);
        (9..2 * CAST_WINDOW).for_each(|n| counter.add(n, 0, 0));
        for counts in [counter.so_far(None, false), counter.finish(None, false)] {
            assert_eq!((counts.lost, counts.before), (0, 9));
        }
    }

    #[test]
    fn bursts_are_classed_by_powers_of_two() {
        for (length, class) in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (1 << 40, BURSTS - 1)]
        {
            let mut counter = Counter::new(0);
            counter.is_leading = false;
            counter.lose(length);
            counter.end_burst();
            assert_eq!(counter.counts.bursts[class], 1, "{length}");
        }
    }

    #[test]
    fn what_comes_behind_the_window_is_late() {
        let c = counted(&[0, 1, CAST_WINDOW + 2, 2, 1, CAST_WINDOW + 1], CAST_WINDOW + 3);
        assert_eq!((c.late, c.unique, c.reordered), (2, 4, 1));
        assert_eq!(c.lost, CAST_WINDOW - 1);
        assert_eq!(c.burst_max, CAST_WINDOW - 1);
    }

    #[test]
    fn a_leap_that_no_network_makes_is_none() {
        let mut counter = Counter::new(0);
        counter.add(3, 0, 0);
        counter.add(u64::MAX, 0, 0);
        counter.add(CAST_JUMP_MAX + 5, 0, 0);
        assert_eq!(counter.so_far(Some(u64::MAX), true).lost, 3, "an end that cannot be is none");
        counter.add(CAST_JUMP_MAX + 4, 0, 0);
        let c = counter.finish(None, true);
        assert_eq!((c.strange, c.received, c.lost), (2, 2, CAST_JUMP_MAX + 3));
    }

    #[test]
    fn jitter_is_that_of_rfc_3550() {
        let mut counter = Counter::new(0);
        // Sent every 20 ms; on their way for 5, 5, 21 and 5 ms, by a clock that is an hour ahead.
        for (n, way) in [5, 5, 21, 5].into_iter().enumerate() {
            let sent = n as u64 * 20_000_000;
            counter.add(n as u64, sent, 3_600_000_000_000 + sent + way * 1_000_000);
        }
        // |D| is 0, 16 and 16 ms.
        let expected = 1_000_000.0 + (16_000_000.0 - 1_000_000.0) / 16.0;
        assert!((counter.finish(None, true).jitter_ns - expected).abs() < 1.0);
    }

    /// SplitMix64: the same seed, the same relay.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ z >> 31) % n
        }

        fn percent(&mut self, percent: u64) -> bool {
            self.below(100) < percent
        }
    }

    /// What a relay lets through, in its order.
    fn relayed(dice: &mut Dice, sent: u64, loss: u64) -> Vec<u64> {
        let mut out = Vec::new();
        let mut held: VecDeque<(u64, u64)> = VecDeque::new();
        for n in 0..sent {
            let copies = if dice.percent(2) { 2 } else { 1 };
            for _ in 0..copies {
                if dice.percent(loss) {
                    continue;
                }
                if dice.percent(10) {
                    held.push_back((n + 1 + dice.below(300), n));
                } else {
                    out.push(n);
                }
            }
            held.retain(|&(due, number)| {
                due > n || {
                    out.push(number);
                    false
                }
            });
        }
        out.extend(held.iter().map(|&(_, number)| number));
        out
    }

    /// The truth, by the plainest of means.
    fn truth(came: &[u64], sent: u64) -> (u64, u64, u64, u64) {
        let (mut seen, mut highest) = (BTreeSet::new(), None);
        let (mut duplicated, mut reordered) = (0, 0);
        for &n in came {
            if !seen.insert(n) {
                duplicated += 1;
            } else if highest.is_some_and(|h| n < h) {
                reordered += 1;
            }
            highest = highest.max(Some(n));
        }
        let longest = (0..sent).fold((0, 0), |(longest, row), n| {
            let row = if seen.contains(&n) { 0 } else { row + 1 };
            (u64::max(longest, row), row)
        });
        (sent - seen.len() as u64, duplicated, reordered, longest.0)
    }

    #[test]
    fn counts_are_the_truth_of_any_relay() {
        for seed in 0..200 {
            let mut dice = Dice(seed);
            let loss = [0, 1, 5, 20][seed as usize % 4];
            let sent = 1 + dice.below(4000) + if seed % 50 == 0 { 3 * CAST_WINDOW } else { 0 };
            let came = relayed(&mut dice, sent, loss);
            let mut counter = Counter::new(0);
            came.iter().for_each(|&n| counter.add(n, 0, 0));
            let so_far = counter.so_far(Some(sent), true);
            let c = counter.finish(Some(sent), true);
            assert_eq!((so_far.lost, so_far.duplicated), (c.lost, c.duplicated), "seed {seed}");
            assert_eq!((c.lost, c.duplicated, c.reordered, c.burst_max), truth(&came, sent), "seed {seed}");
            assert_eq!((c.received, c.late), (came.len() as u64, 0), "seed {seed}");
            assert_eq!(c.unique + c.lost, sent, "seed {seed}");
            assert_eq!(c.unique + c.duplicated, c.received, "seed {seed}");
        }
    }
}
