//! Many addresses in a few bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses in ascending order, never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Neighbours, from the first to the last.
    V4(Ipv4Addr, Ipv4Addr),
    /// Neighbours, and the interface of link-local ones, else 0.
    V6(Ipv6Addr, Ipv6Addr, u32),
    /// Every combination of four sets of numbers.
    Octets(Box<[Octets; 4]>),
}

/// Numbers of one place of an IPv4 address: ascending, each once, never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Octets(Vec<u8>);

impl Block {
    /// One address.
    #[must_use]
    pub fn one(address: IpAddr, scope: u32) -> Self {
        match address {
            IpAddr::V4(v4) => Block::V4(v4, v4),
            IpAddr::V6(v6) => Block::V6(v6, v6, scope),
        }
    }

    /// The network of an address: all that share its first `bits` bits. `None` if it has fewer.
    #[must_use]
    pub fn network(address: IpAddr, bits: u32, scope: u32) -> Option<Self> {
        match address {
            IpAddr::V4(v4) => {
                let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                let first = u32::from(v4) & !host;
                (bits <= 32).then(|| Block::V4(first.into(), (first | host).into()))
            }
            IpAddr::V6(v6) => {
                let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                let first = u128::from(v6) & !host;
                (bits <= 128).then(|| Block::V6(first.into(), (first | host).into(), scope))
            }
        }
    }

    /// How many addresses; all of IPv6 counts as one fewer than it has.
    #[must_use]
    pub fn count(&self) -> u128 {
        match self {
            Block::V4(first, last) => u128::from(u32::from(*last) - u32::from(*first)) + 1,
            Block::V6(first, last, _) => (u128::from(*last) - u128::from(*first)).saturating_add(1),
            Block::Octets(octets) => octets.iter().map(|set| set.0.len() as u128).product(),
        }
    }

    /// The address of this place; `index` is below `count`.
    #[must_use]
    pub fn nth(&self, index: u128) -> IpAddr {
        match self {
            Block::V4(first, _) => Ipv4Addr::from(u32::from(*first).wrapping_add(index as u32)).into(),
            Block::V6(first, _, _) => Ipv6Addr::from(u128::from(*first).wrapping_add(index)).into(),
            Block::Octets(octets) => {
                let mut rest = index;
                let mut address = [0; 4];
                for (place, set) in octets.iter().enumerate().rev() {
                    let count = set.0.len() as u128;
                    address[place] = set.0[(rest % count) as usize];
                    rest /= count;
                }
                Ipv4Addr::from(address).into()
            }
        }
    }

    /// Whether an address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Block::V4(first, last), IpAddr::V4(v4)) => (first..=last).contains(&&v4),
            (Block::V6(first, last, _), IpAddr::V6(v6)) => (first..=last).contains(&&v6),
            (Block::Octets(octets), IpAddr::V4(v4)) => {
                v4.octets().iter().zip(octets.iter()).all(|(octet, set)| set.0.binary_search(octet).is_ok())
            }
            _ => false,
        }
    }

    /// The interface, for IPv6 link-local addresses, else 0.
    #[must_use]
    pub fn scope(&self) -> u32 {
        if let Block::V6(_, _, scope) = self { *scope } else { 0 }
    }
}

/// In any order; `None` for none at all.
impl Octets {
    /// The set of these numbers, unless there are none.
    #[must_use]
    pub fn new(mut numbers: Vec<u8>) -> Option<Self> {
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.is_empty() { None } else { Some(Octets(numbers)) }
    }
}
