//! Who is being asked: from which address, and by which secret its answers are known.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;

use crate::here::{scoped, source};
use crate::plan::Scoped;

/// Peers kept at most; of more, the longest known are forgotten, and looked up again if need be.
const PEERS_MAX: usize = 65_536;

/// Rounds of the network: with four, even whoever may ask for seals and openings learns nothing from them (Luby and
/// Rackoff).
const ROUNDS: u8 = 4;

/// All targets that were asked lately.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_place: HashMap<Scoped, Peer>,
    secret: RandomState,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// Its number in the group.
    pub(super) target: u32,
    /// From where this machine speaks to it.
    pub(super) source: IpAddr,
}

impl Peers {
    /// The peer at an address, by what is known or else by the routes.
    pub(super) fn at(&mut self, to: SocketAddr, target: u32) -> Result<Peer, Errno> {
        if let Some(peer) = self.by_place.get(&scoped(to)).filter(|peer| peer.target == target) {
            return Ok(*peer);
        }
        let source = source(to).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        if self.by_place.len() >= PEERS_MAX {
            self.by_place.retain(|_, peer| target.wrapping_sub(peer.target) < PEERS_MAX as u32 / 2);
        }
        let peer = Peer { target, source };
        self.by_place.insert(scoped(to), peer);
        Ok(peer)
    }

    /// Whose address it is.
    pub(super) fn known(&self, place: Scoped) -> Option<Peer> {
        self.by_place.get(&place).copied()
    }

    /// The sequence number of an attempt at a port: a permutation of numbers that only this scan knows (a Feistel
    /// network). Nobody who does not see the SYN can make up an answer to it, and an answer to a number beside it is
    /// one to no attempt at all.
    pub(super) fn seal(&self, place: Scoped, port: u16, number: u32) -> u32 {
        let (left, right) = (0..ROUNDS).fold(halves(number), |(left, right), round| {
            (right, left ^ self.mixed(place, port, round, right))
        });
        whole(left, right)
    }

    /// The number that was sealed.
    pub(super) fn open(&self, place: Scoped, port: u16, sealed: u32) -> u32 {
        let (left, right) = (0..ROUNDS).rev().fold(halves(sealed), |(left, right), round| {
            (right ^ self.mixed(place, port, round, left), left)
        });
        whole(left, right)
    }

    fn mixed(&self, place: Scoped, port: u16, round: u8, half: u16) -> u16 {
        self.secret.hash_one((place, port, round, half)) as u16
    }
}

fn halves(number: u32) -> (u16, u16) {
    ((number >> 16) as u16, number as u16)
}

fn whole(left: u16, right: u16) -> u32 {
    u32::from(left) << 16 | u32::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_opened_by_its_own_secret_and_only_there() {
        let peers = Peers::default();
        let here = (IpAddr::from([127, 0, 0, 1]), 0);
        for number in [0, 5, 0xffff, 0x1_0000, u32::MAX] {
            let sealed = peers.seal(here, 80, number);
            assert_eq!(peers.open(here, 80, sealed), number);
            assert_ne!(peers.open(here, 81, sealed), number);
            assert_ne!(peers.open((here.0, 1), 80, sealed), number, "another interface");
            assert_ne!(Peers::default().open(here, 80, sealed), number, "another scan has another secret");
        }
    }

    #[test]
    fn a_number_beside_it_is_none_that_was_sent() {
        // By chance, one of them is below it once in 100,000 runs.
        let sent = 1 << 10;
        let (peers, here) = (Peers::default(), (IpAddr::from([127, 0, 0, 1]), 0));
        let sealed = peers.seal(here, 80, 5);
        for wrong in
            (0..32).map(|bit| sealed ^ 1 << bit).chain([sealed.wrapping_add(16), sealed.wrapping_sub(16)])
        {
            assert!(peers.open(here, 80, wrong) > sent);
        }
    }
}
