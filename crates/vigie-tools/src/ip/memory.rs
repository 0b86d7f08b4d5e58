//! What need not be asked again yet: an answer that is young, and a service that asked to be left alone. Kept in a small
//! file between runs.

use crate::limits::{IP_ANSWER_LIFE, IP_LEFT_ALONE, IP_LEFT_ALONE_MAX, IP_MEMORY_BYTES_MAX, IP_MEMORY_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// What is remembered, by what was asked and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory(BTreeMap<String, Entry>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Seconds since 1970.
    asked: u64,
    address: Option<IpAddr>,
    /// Not to be asked before this, in seconds since 1970.
    not_before: Option<u64>,
}

/// What the memory says of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recall {
    /// Ask it.
    Unknown,
    /// It said this so long ago.
    Young(IpAddr, Duration),
    /// It asked to be left alone, for so long from now.
    LeaveAlone(Duration),
}

impl Memory {
    /// Reads it. What is not there, or damaged, is as if nothing had been asked yet.
    pub fn load(path: &Path) -> Memory {
        let mut text = String::new();
        let read =
            fs::File::open(path).and_then(|file| file.take(IP_MEMORY_BYTES_MAX).read_to_string(&mut text));
        read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Writes it, as a whole or not at all, for this user's eyes only.
    ///
    /// # Errors
    /// Those of the file system. Nothing is lost but what would be asked again.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(dir)?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(path).map(drop).map_err(|e| e.error)
    }

    pub(super) fn recall(&self, what: &str, now: u64) -> Recall {
        let Some(entry) = self.0.get(what) else { return Recall::Unknown };
        if let Some(left) = entry.not_before.and_then(|time| time.checked_sub(now)).filter(|&left| left > 0) {
            // A clock that was wrong must not silence a service for years.
            return Recall::LeaveAlone(Duration::from_secs(left).min(IP_LEFT_ALONE_MAX));
        }
        let age = now.checked_sub(entry.asked).map(Duration::from_secs);
        match (entry.address, age) {
            (Some(address), Some(age)) if age < IP_ANSWER_LIFE => Recall::Young(address, age),
            _ => Recall::Unknown,
        }
    }

    pub(super) fn answered(&mut self, what: &str, address: IpAddr, now: u64) {
        self.keep(what, Entry { asked: now, address: Some(address), not_before: None });
    }

    /// A service asked to be left alone, for as long as it says.
    pub(super) fn refused(&mut self, what: &str, pause: Option<Duration>, now: u64) {
        let pause = pause.unwrap_or(IP_LEFT_ALONE).min(IP_LEFT_ALONE_MAX);
        let not_before = Some(now.saturating_add(pause.as_secs()));
        self.keep(what, Entry { asked: now, address: None, not_before });
    }

    fn keep(&mut self, what: &str, entry: Entry) {
        self.0.insert(what.to_owned(), entry);
        while self.0.len() > IP_MEMORY_MAX {
            let oldest = self.0.iter().min_by_key(|(_, entry)| entry.asked).map(|(what, _)| what.clone());
            oldest.and_then(|what| self.0.remove(&what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn young_answers_are_remembered_and_wishes_respected() {
        let mut memory = Memory::default();
        let address: IpAddr = "9.9.9.9".parse().unwrap();
        assert_eq!(memory.recall("a", 1000), Recall::Unknown);
        memory.answered("a", address, 1000);
        assert_eq!(memory.recall("a", 1010), Recall::Young(address, Duration::from_secs(10)));
        assert_eq!(memory.recall("a", 1000 + IP_ANSWER_LIFE.as_secs()), Recall::Unknown);
        assert_eq!(memory.recall("a", 999), Recall::Unknown, "the clock was set back");
        memory.refused("a", Some(Duration::from_secs(30)), 1000);
        assert_eq!(memory.recall("a", 1010), Recall::LeaveAlone(Duration::from_secs(20)));
        assert_eq!(memory.recall("a", 1030), Recall::Unknown);
        memory.refused("a", Some(Duration::MAX), 1000);
        assert_eq!(memory.recall("a", 1000), Recall::LeaveAlone(IP_LEFT_ALONE_MAX));
        assert_eq!(memory.recall("a", 0), Recall::LeaveAlone(IP_LEFT_ALONE_MAX));
        memory.refused("a", None, 1000);
        assert_eq!(memory.recall("a", 1000), Recall::LeaveAlone(IP_LEFT_ALONE));
    }

    #[test]
    fn a_file_is_kept_whole_small_and_forgiven() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/ip.json");
        let mut memory = Memory::load(&path);
        assert_eq!(memory, Memory::default());
        for n in 0..2 * IP_MEMORY_MAX {
            memory.answered(&format!("source {n}"), "2620:fe::fe".parse().unwrap(), n as u64);
        }
        assert_eq!(memory.0.len(), IP_MEMORY_MAX);
        assert!(!memory.0.contains_key("source 0"));
        memory.save(&path).unwrap();
        assert_eq!(Memory::load(&path), memory);
        let text = fs::read(&path).unwrap();
        for damaged in [&b""[..], b"[]", &text[..text.len() / 2]] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(Memory::load(&path), Memory::default());
        }
    }
}
