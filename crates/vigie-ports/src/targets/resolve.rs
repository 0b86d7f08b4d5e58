//! Names to addresses, by the resolver of this machine.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::limits::{ADDRESSES_OF_NAME_MAX, RESOLVERS};

/// What names resolved to.
#[derive(Debug, Clone, Default)]
pub struct Resolved(HashMap<String, Result<Vec<(IpAddr, u32)>, String>>);

/// A name without an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot resolve {name}: {reason}")]
pub struct Unresolved {
    /// The name.
    pub name: String,
    /// What the resolver said.
    pub reason: String,
}

impl Resolved {
    /// The addresses of a name, in the order of the resolver (RFC 6724), with the interfaces of link-local ones.
    pub(super) fn of(&self, name: &str) -> Result<&[(IpAddr, u32)], Unresolved> {
        let unresolved = |reason: &str| Unresolved { name: name.to_owned(), reason: reason.to_owned() };
        match self.0.get(name) {
            Some(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Some(Ok(_)) => Err(unresolved("it has no address")),
            Some(Err(reason)) => Err(unresolved(reason)),
            None => Err(unresolved("it was not looked up")),
        }
    }
}

/// For names whose addresses are known from elsewhere.
impl FromIterator<(String, Result<Vec<(IpAddr, u32)>, String>)> for Resolved {
    fn from_iter<T: IntoIterator<Item = (String, Result<Vec<(IpAddr, u32)>, String>)>>(names: T) -> Self {
        Resolved(names.into_iter().collect())
    }
}

/// Resolves all names, several at a time; blocks until the last has its answer or, once `stop` is set, until those
/// under way have theirs: the system's resolver cannot be interrupted.
#[must_use]
pub fn resolve(names: &[String], stop: &AtomicBool) -> Resolved {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(HashMap::new());
    std::thread::scope(|scope| {
        for _ in 0..RESOLVERS.min(names.len()) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                    let addresses = look_up(name);
                    if let Ok(mut results) = results.lock() {
                        results.insert(name.clone(), addresses);
                    }
                }
            });
        }
    });
    Resolved(results.into_inner().unwrap_or_default())
}

fn look_up(name: &str) -> Result<Vec<(IpAddr, u32)>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        // The library's own preface says what ours says already.
        text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
    })?;
    let mut addresses: Vec<(IpAddr, u32)> = Vec::new();
    for address in found {
        let scope = if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
        let pair = (address.ip().to_canonical(), scope);
        if !addresses.contains(&pair) && addresses.len() < ADDRESSES_OF_NAME_MAX {
            addresses.push(pair);
        }
    }
    Ok(addresses)
}
