//! What a network does to datagrams: it loses some, doubles some, and lets some overtake others. This one tells what it did.

use anyhow::{Context, Result};
use std::collections::{HashSet, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// How many more pass a datagram that is held back.
const HELD_FOR: u64 = 50;

/// Silence after which the sender is taken to be done.
const DONE: Duration = Duration::from_secs(2);

/// What it did to datagrams that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) sent: u64,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) reordered: u64,
}

/// A relay to one listener.
pub(super) struct Relay {
    pub(super) socket: UdpSocket,
    pub(super) to: SocketAddr,
    /// In per cent.
    pub(super) loss: u64,
    pub(super) duplicates: u64,
    pub(super) reordered: u64,
    pub(super) seed: u64,
}

impl Relay {
    /// Passes on until nothing more comes.
    pub(super) fn run(self) -> Result<Truth> {
        self.socket.set_read_timeout(Some(DONE)).context("cannot set a limit")?;
        let mut dice = Dice(self.seed);
        let mut held: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
        let mut account = Account::default();
        let (mut buffer, mut turn) = ([0; 2048], 0);
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let datagram = &buffer[..length];
            account.sent += u64::from(number(datagram).is_some());
            turn += 1;
            if datagram.starts_with(b"VC1e") {
                // Nothing comes any more that could overtake them.
                turn += HELD_FOR;
                self.pass_due(&mut held, turn, &mut account)?;
            }
            let copies = if dice.percent(self.duplicates) { 2 } else { 1 };
            for _ in 0..copies {
                if dice.percent(self.loss) {
                    continue;
                }
                if dice.percent(self.reordered) {
                    held.push_back((turn + HELD_FOR, datagram.to_vec()));
                } else {
                    self.pass(datagram, &mut account)?;
                }
            }
            self.pass_due(&mut held, turn, &mut account)?;
        }
        Ok(account.truth())
    }

    fn pass_due(&self, held: &mut VecDeque<(u64, Vec<u8>)>, turn: u64, account: &mut Account) -> Result<()> {
        while let Some((_, datagram)) = held.pop_front_if(|(due, _)| *due <= turn) {
            self.pass(&datagram, account)?;
        }
        Ok(())
    }

    fn pass(&self, datagram: &[u8], account: &mut Account) -> Result<()> {
        if let Some(number) = number(datagram) {
            account.pass(number);
        }
        match self.socket.send_to(datagram, self.to) {
            // The listener has heard all that it waited for.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            sent => sent.map(drop).context("the relay cannot send"),
        }
    }
}

/// The number of a datagram that counts, by the documented form of them.
fn number(datagram: &[u8]) -> Option<u64> {
    let digits = datagram.strip_prefix(b"VC1d ")?.get(9..25)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// What passed, by the plainest of means.
#[derive(Default)]
struct Account {
    sent: u64,
    seen: HashSet<u64>,
    highest: u64,
    duplicated: u64,
    reordered: u64,
}

impl Account {
    fn pass(&mut self, number: u64) {
        if !self.seen.insert(number) {
            self.duplicated += 1;
        } else if number < self.highest {
            self.reordered += 1;
        }
        self.highest = self.highest.max(number);
    }

    fn truth(&self) -> Truth {
        let lost = self.sent - self.seen.len() as u64;
        Truth { sent: self.sent, lost, duplicated: self.duplicated, reordered: self.reordered }
    }
}

/// SplitMix64: the same seed, the same network.
struct Dice(u64);

impl Dice {
    fn percent(&mut self, percent: u64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % 100 < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_where_they_are_documented_to_be() {
        let datagram = |kind| format!("VC1{kind} 0badcafe 000000000000002a 18abcdef01234567 ...");
        assert_eq!(number(datagram('d').as_bytes()), Some(42));
        assert_eq!(number(datagram('e').as_bytes()), None);
        assert_eq!(number(b"VC1d 0bad"), None);
    }
}
