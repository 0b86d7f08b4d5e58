//! Names to addresses, by the resolver of this machine.

use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::here::scoped;
use crate::limits::{ADDRESSES_OF_NAME_MAX, LOOK_UP_SLOW, LOOK_UPS_SLOW_MAX, RESOLVERS};
use crate::plan::Scoped;

/// What names resolved to.
#[derive(Debug, Clone, Default)]
pub struct Resolved(HashMap<String, Found>);

/// Addresses with their interfaces, or why there are none.
type Found = Result<Vec<Scoped>, String>;

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
    pub(super) fn of(&self, name: &str) -> Result<&[Scoped], Unresolved> {
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
impl FromIterator<(String, Result<Vec<Scoped>, String>)> for Resolved {
    fn from_iter<T: IntoIterator<Item = (String, Result<Vec<Scoped>, String>)>>(names: T) -> Self {
        Resolved(names.into_iter().collect())
    }
}

/// Resolves all names, several at a time; blocks until the last has its answer or, once `stop` is set, until those
/// under way have theirs: the system's resolver cannot be interrupted. Where no server answers, the rest is not asked.
#[must_use]
pub fn resolve(names: &[String], stop: &AtomicBool) -> Resolved {
    let look_up = |name: &str| {
        let began = Instant::now();
        (look_up(name), began.elapsed())
    };
    resolve_by(look_up, names, stop)
}

/// The same by a look-up that says how long it took.
fn resolve_by(
    look_up: impl Fn(&str) -> (Found, Duration) + Sync,
    names: &[String],
    stop: &AtomicBool,
) -> Resolved {
    let slow_in_row = AtomicUsize::new(0);
    let ask = |name: &str| {
        if slow_in_row.load(Ordering::Relaxed) >= LOOK_UPS_SLOW_MAX {
            return Err(format!(
                "not looked up: {LOOK_UPS_SLOW_MAX} others in a row got no answer from any server"
            ));
        }
        let (found, took) = look_up(name);
        if found.is_err() && took >= LOOK_UP_SLOW {
            slow_in_row.fetch_add(1, Ordering::Relaxed);
        } else {
            slow_in_row.store(0, Ordering::Relaxed);
        }
        found
    };
    let next = AtomicUsize::new(0);
    let results = Mutex::new(HashMap::new());
    std::thread::scope(|scope| {
        for _ in 0..RESOLVERS.min(names.len()) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                    let addresses = ask(name);
                    if let Ok(mut results) = results.lock() {
                        results.insert(name.clone(), addresses);
                    }
                }
            });
        }
    });
    Resolved(results.into_inner().unwrap_or_default())
}

fn look_up(name: &str) -> Found {
    let found = (name, 0).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        // The library's own preface says what ours says already.
        text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
    })?;
    let mut addresses: Vec<Scoped> = Vec::new();
    for address in found {
        let (address, scope) = scoped(address);
        let pair = (address.to_canonical(), scope);
        if !addresses.contains(&pair) && addresses.len() < ADDRESSES_OF_NAME_MAX {
            addresses.push(pair);
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 20,000 names are looked up, where a look-up ends like this.
    fn looked_up(ends: impl Fn(usize) -> (Found, Duration) + Sync) -> (usize, Resolved) {
        let names: Vec<String> = (0..20_000).map(|n| format!("n{n}.invalid")).collect();
        let asked = AtomicUsize::new(0);
        let look_up = |_: &str| ends(asked.fetch_add(1, Ordering::Relaxed));
        let resolved = resolve_by(look_up, &names, &AtomicBool::new(false));
        assert!(names.iter().all(|name| resolved.0.contains_key(name)), "nobody is forgotten");
        (asked.into_inner(), resolved)
    }

    #[test]
    fn where_no_server_answers_not_everybody_is_waited_for() {
        let nobody = || Err("Temporary failure in name resolution".to_owned());
        let (asked, resolved) = looked_up(|_| (nobody(), Duration::from_secs(10)));
        assert!(asked < LOOK_UPS_SLOW_MAX + RESOLVERS, "{asked}");
        let not =
            |found: &&Found| found.as_ref().is_err_and(|why| why.starts_with("not looked up: 48 others"));
        assert_eq!(resolved.0.values().filter(not).count(), 20_000 - asked);
        // A server that says no, or is slow only now and then, is asked about everybody.
        assert_eq!(looked_up(|_| (nobody(), Duration::from_millis(1))).0, 20_000);
        let now_and_then = |n| (nobody(), Duration::from_secs(if n % 4 == 0 { 0 } else { 10 }));
        assert_eq!(looked_up(now_and_then).0, 20_000);
        assert_eq!(looked_up(|_| (Ok(vec![]), Duration::from_secs(10))).0, 20_000, "slow, but there");
    }
}
