//! How fast to probe one target: as fast as canaries come through, and slower as soon as they do not.
//!
//! Loss alone is no reason: a lossy line loses as much at any pace. So the pace falls to what came through, and if
//! that did not help it rises again, and that much loss is borne from then on. It rises again, too, if what counted as
//! lost was only late.

use std::collections::VecDeque;
use std::time::Duration;

use super::Moment;
use super::bucket::Bucket;
use super::limits::{
    CANARIES_COUNTED, CANARIES_TO_COMPARE, CLEAN_CANARIES, GROWTH_DOUBLES, GROWTH_FIRST, GROWTH_MAX,
    LOSS_BORNE, LOSS_BORNE_LIMITED, LOSS_LIMIT, MISSED_KEPT, RATE_MAX, RATE_MIN,
};

/// The pace towards one target.
#[derive(Debug)]
pub(crate) struct Pace {
    bucket: Bucket,
    rate: f64,
    /// Nothing was lost yet beyond what is borne: the pace doubles.
    searching: bool,
    /// What came through when too much was lost.
    ceiling: f64,
    cuts: u32,
    cut_at: Moment,
    borne: f64,
    /// The cut before this pace, until it is known whether it helped.
    before: Option<Cut>,
    /// Why there was the last cut, until another pace proves itself.
    reason: Option<Why>,
    counted: Counted,
    pending: VecDeque<(u32, Moment)>,
    /// Canaries that counted as lost.
    missed: VecDeque<(u32, Moment)>,
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    rate: f64,
    loss: f64,
}

/// What a cut was made for, to undo it should those canaries turn up after all.
#[derive(Debug, Clone, Copy)]
struct Why {
    rate: f64,
    ceiling: f64,
    searching: bool,
    /// They were sent from then on, until then.
    sent: (Moment, Moment),
    /// Those sent before then counted as lost though they were still waited for.
    awaited: Moment,
    missed: u32,
    late: u32,
}

/// What was seen at the present pace.
#[derive(Debug, Default)]
struct Counted {
    since: Moment,
    probes: u32,
    heard: u32,
    lost: u32,
}

impl Why {
    fn concerns(&self, sent: Moment) -> bool {
        self.sent.0 <= sent && sent < self.sent.1
    }
}

impl Pace {
    pub(crate) fn new(rate: f64) -> Self {
        Pace {
            bucket: Bucket::new(rate),
            rate,
            searching: true,
            ceiling: f64::INFINITY,
            cuts: 0,
            cut_at: Moment::ZERO,
            borne: LOSS_BORNE,
            before: None,
            reason: None,
            counted: Counted::default(),
            pending: VecDeque::new(),
            missed: VecDeque::new(),
        }
    }

    /// Probes a second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// When the next probe may go out.
    pub(crate) fn next(&self) -> Moment {
        self.bucket.next()
    }

    /// Whether the right pace is still being looked for.
    pub(crate) fn searching(&self) -> bool {
        self.searching && self.rate < RATE_MAX / 4.0
    }

    /// Whether a limit was met, and the pace that was found for it.
    pub(crate) fn limited(&self) -> Option<f64> {
        (self.cuts > 0 && self.ceiling.is_finite()).then_some(self.rate)
    }

    /// From now on exactly this pace, whatever is lost.
    pub(crate) fn pin(&mut self, rate: f64, now: Moment) {
        self.bucket = Bucket::starting(rate, now);
        self.rate = rate;
    }

    /// A probe goes out.
    pub(crate) fn sent(&mut self, canary: Option<u32>, now: Moment) {
        self.bucket.take(now);
        if self.counted.probes == 0 {
            self.counted.since = now;
        }
        self.counted.probes += 1;
        if let Some(serial) = canary {
            self.pending.push_back((serial, now));
        }
    }

    /// A canary was heard.
    pub(crate) fn heard(&mut self, serial: u32, overdue: Duration, now: Moment) {
        match take(&mut self.pending, serial) {
            Some(sent) if sent >= self.counted.since => {
                self.counted.heard += 1;
                self.consider(overdue, now);
            }
            Some(sent) => {
                if self.reason.is_some_and(|why| sent < why.awaited) {
                    self.excuse(sent, now);
                }
            }
            None => self.late(serial, now),
        }
    }

    /// A canary was not heard in time.
    pub(crate) fn lost(&mut self, serial: u32, overdue: Duration, now: Moment) {
        let Some(sent) = take(&mut self.pending, serial) else { return };
        if self.missed.len() >= MISSED_KEPT {
            self.missed.pop_front();
        }
        self.missed.push_back((serial, sent));
        if sent >= self.counted.since {
            self.counted.lost += 1;
            self.consider(overdue, now);
        } else if let Some(why) = self.reason.as_mut().filter(|why| why.concerns(sent) && sent >= why.awaited)
        {
            why.missed += 1;
        }
    }

    /// A canary that counted as lost was only late.
    fn late(&mut self, serial: u32, now: Moment) {
        let Some(sent) = take(&mut self.missed, serial) else { return };
        if sent >= self.counted.since {
            self.counted.lost = self.counted.lost.saturating_sub(1);
            self.counted.heard += 1;
        }
        self.excuse(sent, now);
    }

    /// A canary was never sent after all.
    pub(crate) fn withdraw(&mut self, serial: u32) {
        let _never_sent = take(&mut self.pending, serial);
    }

    /// One of those for which the pace was cut came after all: with half of them, there was no reason.
    fn excuse(&mut self, sent: Moment, now: Moment) {
        let Some(why) = self.reason.as_mut().filter(|why| why.concerns(sent)) else { return };
        why.late += 1;
        if why.late * 2 < why.missed {
            return;
        }
        let Why { rate, ceiling, searching, .. } = *why;
        self.cuts = self.cuts.saturating_sub(1);
        (self.ceiling, self.searching) = (ceiling, searching);
        (self.before, self.reason) = (None, None);
        self.change(rate, now);
    }

    /// Slower, faster or on as before, by what was seen at this pace.
    fn consider(&mut self, overdue: Duration, now: Moment) {
        let seen = self.counted.heard + self.counted.lost;
        if seen < CLEAN_CANARIES {
            return;
        }
        let loss = f64::from(self.counted.lost) / f64::from(seen);
        let surely = loss - 2.0 * (loss * (1.0 - loss) / f64::from(seen)).sqrt();
        let late = self.awaited(overdue, now);
        if surely > self.borne {
            // What is heard is heard at once, what is lost only after its timeout: the late ones count, too.
            let bad = f64::from(self.counted.lost + late);
            self.slow(bad / (f64::from(seen + late) + 2.0), (late, overdue), now);
        } else if f64::from(self.counted.lost + late) / f64::from(seen + late) <= self.borne + 0.03 {
            self.quicken(loss, seen, now);
        } else if seen >= CANARIES_COUNTED {
            self.begin(now);
        }
    }

    /// Canaries of this pace that should have been heard by now.
    fn awaited(&self, overdue: Duration, now: Moment) -> u32 {
        let is_late = |sent: Moment| sent >= self.counted.since && sent + overdue < now;
        self.pending.iter().filter(|(_, sent)| is_late(*sent)).count() as u32
    }

    fn slow(&mut self, loss: f64, (late, overdue): (u32, Duration), now: Moment) {
        let seen = self.counted.heard + self.counted.lost;
        if let Some(before) = self.before
            && before.loss <= LOSS_LIMIT
        {
            if seen < CANARIES_TO_COMPARE {
                return;
            }
            if loss >= before.loss * 0.75 {
                // A smaller pace that loses the same: the line is bad, not the pace.
                self.borne = (loss * 1.4).min(0.9);
                self.ceiling = f64::INFINITY;
                self.cuts = self.cuts.saturating_sub(1);
                (self.before, self.reason) = (None, None);
                return self.change(before.rate, now);
            }
        }
        let took = now.saturating_sub(self.counted.since).as_secs_f64();
        let real = (f64::from(self.counted.probes) / took.max(1e-3)).clamp(RATE_MIN, self.rate.max(RATE_MIN));
        self.before = Some(Cut { rate: self.rate, loss });
        self.reason = Some(Why {
            rate: self.rate,
            ceiling: self.ceiling,
            searching: self.searching,
            sent: (self.counted.since, now),
            awaited: now.saturating_sub(overdue),
            missed: self.counted.lost + late,
            late: 0,
        });
        self.ceiling = real * (1.0 - loss).max(0.05);
        self.cuts += 1;
        self.cut_at = now;
        self.searching = false;
        self.change(self.ceiling * 0.9, now);
    }

    fn quicken(&mut self, loss: f64, seen: u32, now: Moment) {
        if let Some(before) = self.before {
            if seen < CANARIES_TO_COMPARE {
                return;
            }
            if loss < before.loss / 2.0 {
                // It was the pace: from now on less is borne.
                self.borne = LOSS_BORNE_LIMITED;
            }
            self.before = None;
        }
        let took = now.saturating_sub(self.counted.since);
        let real = f64::from(self.counted.probes) / took.as_secs_f64().max(1e-6);
        if real < self.rate / 3.0 {
            // This machine is the limit: a higher pace would only be a number.
            self.searching = false;
            return self.begin(now);
        }
        let more = if self.searching {
            self.rate * 2.0
        } else if self.rate < self.ceiling * 0.9 {
            (self.rate * 1.25).min(self.ceiling * 0.9)
        } else {
            // Feels its way, less boldly with every time that it went wrong.
            let growth = self.growth(now) / f64::from(self.cuts.clamp(1, 8));
            self.rate * (1.0 + growth * took.as_secs_f64().min(1.0))
        };
        self.change(more, now);
    }

    /// How much faster it may become in a second.
    fn growth(&self, now: Moment) -> f64 {
        let clean = now.saturating_sub(self.cut_at).as_secs_f64() / GROWTH_DOUBLES.as_secs_f64();
        (GROWTH_FIRST * clean.min(16.0).exp2()).min(GROWTH_MAX)
    }

    fn change(&mut self, rate: f64, now: Moment) {
        self.rate = rate.clamp(RATE_MIN, RATE_MAX);
        self.bucket.set(self.rate, now);
        self.begin(now);
    }

    fn begin(&mut self, now: Moment) {
        self.counted = Counted { since: now, ..Counted::default() };
    }
}

/// Takes a canary out; when it was sent.
fn take(canaries: &mut VecDeque<(u32, Moment)>, serial: u32) -> Option<Moment> {
    let at = canaries.iter().position(|(other, _)| *other == serial)?;
    canaries.remove(at).map(|(_, sent)| sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_millis(100);

    /// Sends at the pace for a time, every eighth a canary, through a line that lets `through` of them pass.
    fn run(pace: &mut Pace, from: Moment, seconds: u64, mut through: impl FnMut(f64) -> bool) -> Moment {
        let end = from + Duration::from_secs(seconds);
        let mut waiting: VecDeque<(Moment, u32, bool)> = VecDeque::new();
        let mut now = from;
        let mut serial = 0;
        while now < end {
            now = now.max(pace.next());
            while let Some((at, serial, heard)) = waiting.pop_front_if(|(at, ..)| *at <= now) {
                match heard {
                    true => pace.heard(serial, TURN, at),
                    false => pace.lost(serial, TURN, at),
                }
            }
            serial += 1;
            let canary = serial % 8 == 0;
            let passes = through(now.as_secs_f64());
            if canary {
                waiting.push_back((now + TURN, serial, passes));
            }
            pace.sent(canary.then_some(serial), now);
        }
        now
    }

    #[test]
    fn nothing_lost_doubles() {
        let mut pace = Pace::new(2000.0);
        run(&mut pace, Moment::ZERO, 1, |_| true);
        assert!(pace.rate > 30_000.0, "{}", pace.rate);
        assert_eq!(pace.limited(), None);
    }

    #[test]
    fn a_limit_is_found_and_kept() {
        let mut pace = Pace::new(2000.0);
        let mut tokens = (0.0, 5.0f64);
        let now = run(&mut pace, Moment::ZERO, 30, |now| {
            tokens = (now, (tokens.1 + (now - tokens.0) * 500.0).min(5.0));
            let pass = tokens.1 >= 1.0;
            tokens.1 -= f64::from(u8::from(pass));
            pass
        });
        assert!((350.0..600.0).contains(&pace.rate), "{} at {now:?}", pace.rate);
        assert!(pace.limited().is_some());
    }

    #[test]
    fn what_was_only_late_is_no_reason_to_be_slow() {
        let mut pace = Pace::new(20_000.0);
        for serial in 0..32 {
            pace.sent(Some(serial), Moment::from_millis(u64::from(serial)));
        }
        let given_up = Moment::from_millis(200);
        (0..32).for_each(|serial| pace.lost(serial, TURN, given_up));
        assert!(pace.rate < 10_000.0, "{}", pace.rate);
        let arrived = Moment::from_millis(300);
        (0..8).for_each(|serial| pace.heard(serial, TURN, arrived));
        assert!(pace.rate < 10_000.0, "a quarter of them is no excuse: {}", pace.rate);
        (8..16).for_each(|serial| pace.heard(serial, TURN, arrived));
        assert!((pace.rate - 20_000.0).abs() < 1.0, "{}", pace.rate);
        assert_eq!(pace.limited(), None);
    }

    #[test]
    fn a_limit_that_goes_away_does_not_hold_the_pace_for_long() {
        let mut pace = Pace::new(2000.0);
        let mut last = 0.0;
        let now = run(&mut pace, Moment::ZERO, 2, |now| {
            let passes = now - last >= 1.0 / 500.0;
            if passes {
                last = now;
            }
            passes
        });
        assert!(pace.rate < 1000.0, "{}", pace.rate);
        run(&mut pace, now, 30, |_| true);
        assert!(pace.rate > 5000.0, "{}", pace.rate);
    }

    #[test]
    fn plain_loss_is_borne() {
        let mut rng = fastrand::Rng::with_seed(1);
        for loss in [0.05, 0.0975, 0.3] {
            let mut pace = Pace::new(2000.0);
            run(&mut pace, Moment::ZERO, 8, |_| rng.f64() >= loss);
            assert!(pace.rate > 10_000.0, "{} at {loss}", pace.rate);
        }
    }
}
