//! When to ask a silent peer whether it is there, and when to give it up. Time is a value: a monotonic
//! clock of the caller.

use crate::limits::{DEAD_AFTER, PING_AFTER};
use std::time::Duration;

/// Watches over one direction of a link: the peer's.
#[derive(Clone, Debug)]
pub struct Keepalive {
    heard: Duration,
    asked: Duration,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing before this moment.
    Wait(Duration),
    /// Send a `Ping`.
    Ping,
    /// The peer is gone: end the session.
    Dead,
}

impl Keepalive {
    /// A session that begins at `now`.
    pub fn new(now: Duration) -> Self {
        Keepalive { heard: now, asked: now }
    }

    /// A whole frame came, of any kind. Bytes that do not make a frame are no sign of life.
    pub fn heard(&mut self, now: Duration) {
        self.heard = now;
    }

    /// What is to be done; a `Ping` is told once, and is then taken as sent.
    pub fn poll(&mut self, now: Duration) -> Pulse {
        if now >= self.heard + DEAD_AFTER {
            return Pulse::Dead;
        }
        let due = self.heard.max(self.asked) + PING_AFTER;
        if now >= due {
            self.asked = now;
            return Pulse::Ping;
        }
        Pulse::Wait(due.min(self.heard + DEAD_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_peer_is_asked_thrice_and_given_up() {
        let mut keepalive = Keepalive::new(s(100));
        assert_eq!(keepalive.poll(s(100)), Pulse::Wait(s(115)));
        assert_eq!(keepalive.poll(s(115)), Pulse::Ping);
        assert_eq!(keepalive.poll(s(115)), Pulse::Wait(s(130)));
        assert_eq!(keepalive.poll(s(131)), Pulse::Ping);
        assert_eq!(keepalive.poll(s(131)), Pulse::Wait(s(145)));
        assert_eq!(keepalive.poll(s(145)), Pulse::Dead);
    }

    #[test]
    fn a_frame_starts_the_silence_anew() {
        let mut keepalive = Keepalive::new(s(0));
        assert_eq!(keepalive.poll(s(15)), Pulse::Ping);
        keepalive.heard(s(16));
        assert_eq!(keepalive.poll(s(44)), Pulse::Ping);
        keepalive.heard(s(44));
        assert_eq!(keepalive.poll(s(58)), Pulse::Wait(s(59)));
        assert_eq!(keepalive.poll(s(88)), Pulse::Ping);
        assert_eq!(keepalive.poll(s(89)), Pulse::Dead);
    }
}
