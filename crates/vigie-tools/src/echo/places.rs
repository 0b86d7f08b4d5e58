//! How many clients there may be, in all and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places for clients.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    most_of_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A client's place; given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    owner: IpAddr,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    All,
    OfAddress,
}

impl Places {
    pub(super) fn new(most: usize, most_of_address: usize) -> Self {
        Places(Arc::new(Shared { most, most_of_address, taken: Mutex::default() }))
    }

    pub(super) fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let owner = owner(address);
        let mut taken = self.lock();
        let of = taken.of.get(&owner).copied().unwrap_or(0);
        if taken.all >= self.0.most {
            return Err(Full::All);
        }
        if of >= self.0.most_of_address {
            return Err(Full::OfAddress);
        }
        taken.all += 1;
        taken.of.insert(owner, of + 1);
        Ok(Place { places: self.clone(), owner })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Counts are whole again after each change, whoever panicked beside it.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        match taken.of.get_mut(&self.owner) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.of.remove(&self.owner)),
        }
    }
}

/// Who counts as one: an IPv4 address, or the /64 that a host of IPv6 may use as it likes (RFC 6177).
pub(super) fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_there_is_and_places_come_back() {
        let places = Places::new(3, 2);
        let take = |address: &str| places.take(address.parse().unwrap());
        let first = take("192.0.2.1").unwrap();
        let second = take("::ffff:192.0.2.1").unwrap();
        assert_eq!(take("192.0.2.1").unwrap_err(), Full::OfAddress);
        let third = take("2001:db8::1").unwrap();
        assert_eq!(take("198.51.100.1").unwrap_err(), Full::All);
        drop(first);
        let again = take("192.0.2.1").unwrap();
        drop((second, third, again));
        assert!(places.lock().of.is_empty());
        assert_eq!(places.lock().all, 0);
    }
}
