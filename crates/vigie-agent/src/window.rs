//! How much may be on its way to the hub's disk.
//!
//! What is under way cannot be overtaken: a live change that is written now becomes durable after all of it, and so
//! does a sign of life. The hub's credit bounds it for the fastest of links; here it is held as small as the link and
//! the hub's disk at the moment allow, by the rule of LEDBAT (RFC 6817): the time that something needs when nothing
//! queues before it is the least that was seen lately, and what it needs beyond that is queueing. Too much of it, and
//! the window shrinks; little, and it grows.

use std::collections::VecDeque;
use std::time::Duration;
use vigie_wire::limits::{WRITE_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX};

/// Bytes that the window never goes below: a few small blocks. At 1 Mbit/s they take a quarter of a second.
const SIZE_MIN: u64 = 32 * 1024;
/// Bytes that a session begins with: half a second at 1 Mbit/s.
const SIZE_FIRST: u64 = 64 * 1024;
/// What is queued for the link at once, as a part of the window.
const QUEUE_PART: u64 = 16;
/// Queueing that is fine: much less than what people notice, enough for the hub to find the next batch when one is
/// durable.
const QUEUEING_AIM: Duration = Duration::from_millis(15);
/// How long the least time counts: links and disks change.
const LEAST_FOR: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Window {
    size: u64,
    /// Bytes written, all told, and of these durable.
    written: u64,
    durable: u64,
    blocks: Track,
    records: Track,
    /// The least time from writing to durable of this span and of the one before, and when this one began.
    least: [Option<Duration>; 2],
    span_began: Duration,
    /// The window shrinks once for all that was written before this point: it shows the effect only behind it.
    shrunk_at: u64,
    /// It was what held something back, so that a larger one would be used.
    is_limit: bool,
}

/// What the hub gives credit back for, in the order in which it was written.
#[derive(Debug, Default)]
struct Track {
    /// In the unit of the credit: bytes, or records.
    written: u64,
    durable: u64,
    marks: VecDeque<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Where it ends in its track.
    end: u64,
    /// What it cost, and where that ended in all that was written.
    bytes: u64,
    bytes_end: u64,
    at: Duration,
}

impl Window {
    pub(crate) fn new() -> Self {
        Window {
            size: SIZE_FIRST,
            written: 0,
            durable: 0,
            blocks: Track::default(),
            records: Track::default(),
            least: [None; 2],
            span_began: Duration::ZERO,
            shrunk_at: 0,
            is_limit: false,
        }
    }

    /// Bytes that may be written now. All of the window when nothing is under way, and what is larger may go then, too.
    pub(crate) fn room(&mut self) -> u64 {
        let room = self.size.saturating_sub(self.under_way());
        self.is_limit |= room == 0;
        room
    }

    /// Whether a block of so many bytes may be written now.
    pub(crate) fn has_room(&mut self, bytes: u64) -> bool {
        let has_room = self.under_way() == 0 || bytes <= self.room();
        self.is_limit |= !has_room;
        has_room
    }

    /// Bytes queued for the link beyond which nothing more is queued: what is queued can't be overtaken, and on a link
    /// that is fast, little at a time costs more system calls than the data are worth.
    pub(crate) fn queue_bytes(&self) -> usize {
        let part = usize::try_from(self.size / QUEUE_PART).unwrap_or(usize::MAX);
        part.clamp(WRITE_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX)
    }

    fn under_way(&self) -> u64 {
        self.written - self.durable
    }

    /// A block was written, whatever its lane.
    pub(crate) fn wrote_block(&mut self, bytes: u64, now: Duration) {
        self.written += bytes;
        self.blocks.wrote(bytes, bytes, self.written, now);
    }

    /// Some records were written, of so many bytes together.
    pub(crate) fn wrote_records(&mut self, count: u64, bytes: u64, now: Duration) {
        self.written += bytes;
        self.records.wrote(count, bytes, self.written, now);
    }

    /// So many bytes of blocks, and so many records, have become durable in the order of their writing.
    pub(crate) fn became_durable(&mut self, block_bytes: u64, records: u64, now: Duration) {
        let (mut bytes, mut last) = (0, None::<Mark>);
        for mark in self.blocks.became_durable(block_bytes).chain(self.records.became_durable(records)) {
            bytes += mark.bytes;
            last = last.filter(|last| last.bytes_end > mark.bytes_end).or(Some(mark));
        }
        self.durable += bytes;
        if let Some(last) = last {
            let took = now.saturating_sub(last.at);
            let queueing = took.saturating_sub(self.least(took, now));
            self.adapt(last.bytes_end, bytes, queueing);
        }
    }

    /// Takes a time into account; gives the least one lately.
    fn least(&mut self, took: Duration, now: Duration) -> Duration {
        if now.saturating_sub(self.span_began) > LEAST_FOR {
            self.least = [None, self.least[0]];
            self.span_began = now;
        }
        let least = self.least[0].map_or(took, |least| least.min(took));
        self.least[0] = Some(least);
        self.least[1].map_or(least, |before| before.min(least))
    }

    fn adapt(&mut self, end: u64, bytes: u64, queueing: Duration) {
        if queueing > QUEUEING_AIM {
            if end > self.shrunk_at {
                // A link that has become slow is met at once; one that is merely full, without losing its speed.
                let kept = if queueing > 2 * QUEUEING_AIM { self.size / 2 } else { self.size / 4 * 3 };
                self.size = kept.max(SIZE_MIN);
                self.shrunk_at = self.written;
            }
        } else if self.is_limit {
            // By what came through while nothing queued: twice as much within one round, less as it fills up.
            let left = (QUEUEING_AIM - queueing).as_micros() as u64;
            self.size = self.size.saturating_add(bytes * left / QUEUEING_AIM.as_micros() as u64);
        }
        self.is_limit = false;
    }
}

impl Track {
    fn wrote(&mut self, amount: u64, bytes: u64, bytes_end: u64, at: Duration) {
        self.written += amount;
        self.marks.push_back(Mark { end: self.written, bytes, bytes_end, at });
    }

    /// What is durable now, with so much more of it. More than was written is not believed.
    fn became_durable(&mut self, amount: u64) -> impl Iterator<Item = Mark> {
        self.durable = self.durable.saturating_add(amount).min(self.written);
        std::iter::from_fn(|| self.marks.pop_front_if(|mark| mark.end <= self.durable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 10_000;

    /// A hub at the end of a link.
    struct Line {
        window: Window,
        /// Bytes a second that the link carries, and the time it needs besides.
        rate: u64,
        base: Duration,
        now: Duration,
        free_at: Duration,
        /// When blocks become durable, and when they were written.
        under_way: VecDeque<(Duration, Duration)>,
    }

    impl Line {
        fn new(rate: u64, base: Duration) -> Self {
            let (now, under_way) = (Duration::ZERO, VecDeque::new());
            Line { window: Window::new(), rate, base, now, free_at: now, under_way }
        }

        /// Sends as much as the window lets it for so long. Gives the bytes that arrived in the second half, and the
        /// longest time that one took there.
        fn send(&mut self, time: Duration) -> (u64, Duration) {
            let (half, end) = (self.now + time / 2, self.now + time);
            let (mut arrived, mut longest) = (0, Duration::ZERO);
            while self.now < end {
                while self.window.has_room(BLOCK) {
                    self.window.wrote_block(BLOCK, self.now);
                    let takes = Duration::from_nanos(BLOCK * 1_000_000_000 / self.rate);
                    self.free_at = self.free_at.max(self.now) + takes;
                    self.under_way.push_back((self.free_at + self.base, self.now));
                }
                let (at, written) = self.under_way.pop_front().unwrap();
                self.now = at;
                self.window.became_durable(BLOCK, 0, at);
                if at > half {
                    arrived += BLOCK;
                    longest = longest.max(at - written);
                }
            }
            (arrived, longest)
        }
    }

    #[test]
    fn any_link_is_filled_and_little_queues_before_it() {
        for (rate, base_ms) in [(125_000, 40), (1_000_000, 5), (60_000_000, 4), (125_000_000, 30)] {
            let base = Duration::from_millis(base_ms);
            let (arrived, longest) = Line::new(rate, base).send(Duration::from_secs(20));
            let possible = rate * 10;
            assert!(arrived * 10 > possible * 8, "{arrived} of {possible} bytes at {rate} bytes/s, {base:?}");
            let block = Duration::from_nanos(4 * BLOCK * 1_000_000_000 / rate);
            let most = base + 3 * QUEUEING_AIM + block;
            assert!(longest < most, "{longest:?} at {rate} bytes/s behind {base:?}");
        }
    }

    #[test]
    fn a_link_that_becomes_slow_is_noticed() {
        let mut line = Line::new(60_000_000, Duration::from_millis(5));
        let time = Duration::from_secs(10);
        line.send(time);
        let queue = line.window.queue_bytes();
        assert!(queue > 2 * WRITE_BUFFER_BYTES, "on a fast link more is gathered: {queue}");
        line.rate = 1_000_000;
        let (_, longest) = line.send(time);
        assert!(longest < Duration::from_millis(90), "{longest:?}");
        assert_eq!(line.window.queue_bytes(), WRITE_BUFFER_BYTES, "urgent frames wait for no more");
    }

    #[test]
    fn what_is_larger_than_the_window_goes_alone() {
        let mut window = Window::new();
        assert!(window.has_room(10 * SIZE_FIRST));
        window.wrote_block(10 * SIZE_FIRST, Duration::ZERO);
        assert!(!window.has_room(1));
        window.became_durable(10 * SIZE_FIRST, 0, Duration::from_millis(1));
        assert!(window.has_room(10 * SIZE_FIRST));
    }

    #[test]
    fn records_take_room_until_they_are_durable() {
        let mut window = Window::new();
        window.wrote_records(3, SIZE_FIRST, Duration::ZERO);
        assert_eq!(window.room(), 0);
        window.became_durable(0, 2, Duration::ZERO);
        assert_eq!(window.room(), 0, "they travelled in one frame");
        window.became_durable(0, 1, Duration::ZERO);
        assert!(window.room() >= SIZE_FIRST);
    }

    #[test]
    fn a_hub_that_gives_back_more_than_it_got_is_not_believed() {
        let mut window = Window::new();
        window.wrote_block(10, Duration::ZERO);
        window.became_durable(u64::MAX, u64::MAX, Duration::ZERO);
        window.wrote_block(SIZE_FIRST, Duration::ZERO);
        assert!(!window.has_room(1));
    }
}
