//! A network that is none: a target behind delay, jitter, loss and limits, all by a seed, and a clock that jumps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use super::course::{Ask, Course, Ended, Wanted};
use super::{Answer, Moment, Outcome, Took};
use crate::finding::{Reason, State};

/// What a port does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Accept,
    Reset,
    Nothing,
    /// An ICMP error, one a second after six, as Linux has it.
    Reject,
}

/// The way there and back.
#[derive(Debug, Clone, Copy)]
struct Way {
    one_way: Duration,
    jitter: f64,
    loss: f64,
    /// SYNs that pass a second, and at once.
    limit: Option<(f64, f64)>,
}

#[derive(Debug)]
struct Net {
    way: Way,
    does: BTreeMap<u16, Does>,
    other: Does,
    rng: fastrand::Rng,
    tokens: Tokens,
    errors: Tokens,
    sent: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tokens {
    at: f64,
    left: f64,
}

impl Tokens {
    fn take(&mut self, now: Moment, rate: f64, burst: f64) -> bool {
        let now = now.as_secs_f64();
        self.left = (self.left + (now - self.at) * rate).min(burst);
        self.at = now;
        let passes = self.left >= 1.0;
        self.left -= f64::from(u8::from(passes));
        passes
    }
}

impl Way {
    fn of(rtt_ms: f64, loss: f64) -> Way {
        Way { one_way: Duration::from_secs_f64(rtt_ms / 2000.0), jitter: 0.1, loss, limit: None }
    }
}

impl Net {
    fn new(way: Way, does: &[(u16, Does)], other: Does, seed: u64) -> Net {
        let full = Tokens { at: 0.0, left: 6.0 };
        Net {
            way,
            does: does.iter().copied().collect(),
            other,
            rng: fastrand::Rng::with_seed(seed),
            tokens: full,
            errors: full,
            sent: 0,
        }
    }

    fn hop(&mut self) -> Option<Duration> {
        (self.rng.f64() >= self.way.loss)
            .then(|| self.way.one_way.mul_f64(1.0 + self.rng.f64() * self.way.jitter))
    }

    /// What comes back for a probe, and when.
    fn probe(&mut self, port: u16, now: Moment) -> Option<(Moment, State, Reason)> {
        self.sent += 1;
        if let Some((rate, burst)) = self.way.limit
            && !self.tokens.take(now, rate, burst)
        {
            return None;
        }
        let there = now + self.hop()?;
        let (state, reason) = match self.does.get(&port).copied().unwrap_or(self.other) {
            Does::Accept => (State::Open, Reason::SynAck),
            Does::Reset => (State::Closed, Reason::Reset),
            Does::Nothing => return None,
            Does::Reject if !self.errors.take(there, 1.0, 6.0) => return None,
            Does::Reject => (State::Filtered, Reason::Icmp { version: 4, kind: 3, code: 13 }),
        };
        Some((there + self.hop()?, state, reason))
    }
}

fn wanted(ports: std::ops::RangeInclusive<u16>, seed: u64) -> Wanted {
    let ports: Vec<u16> = ports.collect();
    Wanted { ports: Arc::from(ports), on_link: false, timeout: None, retries: None, seed, any: false }
}

/// An answer on its way: when it arrives, its port and attempt, when that was sent, what it says.
type Coming = (Moment, u16, u32, Moment, State, Reason);

/// Scans; what was found, and how long it took on the clock.
fn scan(net: &mut Net, wanted: Wanted) -> (Ended, Moment) {
    let mut course = Course::new(wanted);
    let mut now = Moment::from_millis(5);
    let mut coming: BinaryHeap<Reverse<Coming>> = BinaryHeap::new();
    loop {
        let next = match course.ask(now) {
            Ask::Done => break,
            Ask::Wait(at) => at.max(now),
            Ask::Send => {
                let sent = course.send(now).expect("it asked to send");
                let answer = net.probe(sent.port, now).filter(|(at, ..)| *at < sent.until);
                if let Some((at, state, reason)) = answer {
                    coming.push(Reverse((at, sent.port, sent.serial, now, state, reason)));
                }
                continue;
            }
        };
        now = match coming.peek() {
            Some(Reverse((at, ..))) if *at <= next => *at,
            _ => next,
        };
        while let Some(Reverse((at, port, serial, sent, state, reason))) =
            coming.peek().copied().filter(|c| c.0.0 <= now)
        {
            coming.pop();
            let answer = Answer { state, reason, took: Took::Known(at - sent), by_other: false };
            course.hear(port, serial, &Outcome::Answer(answer), now);
        }
        assert!(now < Moment::from_secs(3600), "it never ends");
    }
    (course.end(), now)
}

fn open(ended: &Ended) -> Vec<u16> {
    ended.findings.iter().filter(|finding| finding.state == State::Open).map(|finding| finding.port).collect()
}

fn states(ended: &Ended) -> Vec<(u16, State)> {
    ended.findings.iter().map(|finding| (finding.port, finding.state)).collect()
}

/// A hundred ports spread over all.
fn listeners() -> Vec<(u16, Does)> {
    (0..100).map(|n| (22 + n * 653, Does::Accept)).collect()
}

fn ports_of(listeners: &[(u16, Does)]) -> Vec<u16> {
    listeners.iter().map(|(port, _)| *port).collect()
}

#[test]
fn complete_and_the_same_whatever_the_delay_and_the_loss() {
    let listeners = listeners();
    for other in [Does::Reset, Does::Nothing] {
        for rtt_ms in [0.1, 20.0, 100.0, 250.0] {
            for loss in [0.0, 0.01, 0.05] {
                let mut first = None;
                for seed in 0..3 {
                    let mut net = Net::new(Way::of(rtt_ms, loss), &listeners, other, seed);
                    let (ended, took) = scan(&mut net, wanted(1..=65_535, seed * 7));
                    let what = format!(
                        "{other:?}, {rtt_ms} ms, loss {loss}, seed {seed}, {took:?}, {} probes",
                        net.sent
                    );
                    assert_eq!(open(&ended), ports_of(&listeners), "{what}");
                    let same = *first.get_or_insert_with(|| states(&ended)) == states(&ended);
                    assert!(same, "{what}: another result");
                    assert!(took < Duration::from_secs(if loss > 0.01 { 60 } else { 20 }), "{what}");
                    println!("{what} {:?}", ended.notes);
                }
            }
        }
    }
}

#[test]
fn a_limit_in_the_way_is_met_and_everything_found() {
    let listeners: Vec<_> = listeners().into_iter().take(10).collect();
    for other in [Does::Reset, Does::Nothing] {
        for seed in 0..3 {
            let way = Way { limit: Some((500.0, 5.0)), ..Way::of(1.0, 0.0) };
            let mut net = Net::new(way, &listeners, other, seed);
            let (ended, took) = scan(&mut net, wanted(1..=6000, seed));
            let what = format!("{other:?}, seed {seed}, {took:?}, {} probes, {:?}", net.sent, ended.notes);
            assert_eq!(open(&ended), ports_of(&listeners), "{what}");
            let other = ended.findings.iter().filter(|finding| finding.state != State::Open);
            let wanted = if other.clone().any(|finding| finding.state == State::Closed) {
                State::Closed
            } else {
                State::Filtered
            };
            assert!(other.clone().all(|finding| finding.state == wanted), "{what}");
            assert!(ended.notes.iter().any(|note| note.contains("limits the rate")), "{what}");
            println!("{what}");
        }
    }
}

#[test]
fn nothing_at_all_is_said_to_be_unknown() {
    let mut net = Net::new(Way::of(1.0, 0.0), &[], Does::Nothing, 1);
    let (ended, _) = scan(&mut net, wanted(1..=1000, 1));
    assert_eq!(net.sent, 2000, "two passes");
    assert_eq!(ended.loss, crate::report::Loss::Unknown);
    assert!(ended.findings.iter().all(|finding| finding.state == State::Filtered));
}

#[test]
fn few_rejected_ports_are_told_from_silent_ones() {
    let does: Vec<_> =
        (1..=12).map(|port| (port, Does::Reject)).chain([(20, Does::Accept), (21, Does::Nothing)]).collect();
    let mut net = Net::new(Way::of(0.2, 0.0), &does, Does::Reset, 3);
    let (ended, _) = scan(&mut net, wanted(1..=100, 3));
    for finding in &ended.findings {
        let expected = match finding.port {
            1..=12 => Reason::Icmp { version: 4, kind: 3, code: 13 },
            20 => Reason::SynAck,
            21 => Reason::NoResponse,
            _ => Reason::Reset,
        };
        assert_eq!(finding.reason, expected, "{}", finding.port);
    }
}

#[test]
fn a_target_that_goes_away_is_not_said_to_be_filtered() {
    // Everything passes for a while, then nothing ever again.
    let listeners = listeners();
    let mut net =
        Net::new(Way { limit: Some((0.0, 3000.0)), ..Way::of(20.0, 0.0) }, &listeners, Does::Reset, 1);
    net.tokens.left = 3000.0;
    let (ended, _) = scan(&mut net, wanted(1..=65_535, 1));
    assert!(ended.findings.iter().all(|finding| finding.state != State::Filtered));
    assert!(ended.findings.iter().any(|finding| finding.state == State::Unknown));
    assert!(ended.notes.iter().any(|note| note.contains("stopped answering")), "{:?}", ended.notes);
}

#[test]
fn a_tarpit_is_not_believed() {
    let mut net = Net::new(Way::of(1.0, 0.0), &[], Does::Accept, 1);
    let (ended, _) = scan(&mut net, wanted(1..=1000, 1));
    assert!(ended.findings.iter().all(|finding| finding.reason == Reason::Tarpit));
}
