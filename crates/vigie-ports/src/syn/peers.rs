//! Who is being asked: from which address, and by which secret its answers are known.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;

use crate::here::{scoped, source};
use crate::plan::Scoped;

/// Peers kept at most; of more, the longest known are forgotten, and looked up again if need be.
const PEERS_MAX: usize = 65_536;

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

    /// The sequence number of an attempt at a port, and back: the same operation. Nobody who does not see the SYN can
    /// make up an answer to it.
    pub(super) fn seal(&self, place: Scoped, port: u16, number: u32) -> u32 {
        number ^ self.secret.hash_one((place, port)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_opened_by_itself_and_only_there() {
        let peers = Peers::default();
        let here = (IpAddr::from([127, 0, 0, 1]), 0);
        let sealed = peers.seal(here, 80, 5);
        assert_eq!(peers.seal(here, 80, sealed), 5);
        assert_ne!(peers.seal(here, 81, sealed), 5);
        assert_ne!(peers.seal((here.0, 1), 80, sealed), 5, "another interface");
        assert_ne!(Peers::default().seal(here, 80, sealed), 5, "another scan has another secret");
    }
}
