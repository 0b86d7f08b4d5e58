//! Room for peers that have proved nothing yet: bounded in all, and for each address, so that one host
//! that opens connections and says nothing does not keep a fleet out.

use crate::limits::{STRANGERS_EACH_MAX, STRANGERS_MAX};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who holds how many places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    place: IpAddr,
}

impl Slots {
    /// A place for a peer at this address, unless there is none left.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Slot> {
        let place = network(address);
        let mut held = self.lock();
        let mine = held.get(&place).copied().unwrap_or(0);
        if mine >= STRANGERS_EACH_MAX || held.values().sum::<usize>() >= STRANGERS_MAX {
            return None;
        }
        held.insert(place, mine + 1);
        Some(Slot { slots: self.clone(), place })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Each change is one insertion or removal: no panic leaves half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut held = self.slots.lock();
        match held.get_mut(&self.place) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&self.place)),
        }
    }
}

/// What counts as one host: an IPv4 address, or the /64 network that an IPv6 host can use as it likes.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_cannot_take_all_places_and_places_come_back() {
        let slots = Slots::default();
        let one: Vec<_> = (1..=STRANGERS_EACH_MAX as u128)
            .map(|host| slots.take(IpAddr::V6((0x2001_0db8 << 96 | host).into())).unwrap())
            .collect();
        assert!(slots.take(IpAddr::V6((0x2001_0db8_u128 << 96 | 999).into())).is_none());
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        let other = slots.take(mapped).unwrap();
        assert_eq!(other.place, "10.0.0.1".parse::<IpAddr>().unwrap());
        drop((one, other));
        assert!(slots.lock().is_empty());
    }

    #[test]
    fn all_networks_together_are_bounded() {
        let slots = Slots::default();
        let take = |i: usize| slots.take(IpAddr::from([10, 0, (i >> 8) as u8, i as u8]));
        let all: Vec<_> = (0..STRANGERS_MAX).map(|i| take(i).unwrap()).collect();
        assert!(take(STRANGERS_MAX).is_none());
        drop(all);
        assert!(take(STRANGERS_MAX).is_some());
    }
}
