//! How it was: a file to compare with, in TOML, that people read, keep under version control and add to.
//!
//! ```toml
//! version = 1
//! saved = "2026-11-26T10:00:00Z"
//!
//! [[target]]
//! name = "db1"
//! address = "192.0.2.10"
//! host_key = "SHA256:…"
//!
//! [[target.seen]]
//! from = "here,web[01-12]"
//! open = "22,443"
//! closed = "1-21,23-442,444-1000"
//!
//! [[allow]]
//! ports = "8080-8090"
//! expires = 2026-12-31
//! reason = "the new shop is being tried"
//! ```

use super::allow::Allow;
use super::verdict::Settled;
use super::view::View;
use crate::finding::State;
use crate::limits::BASELINE_BYTES_MAX;
use crate::ports::PortSet;
use crate::services::Services;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use vigie_model::nodeset::{NodeSet, fold};

/// The only version so far.
pub const VERSION: u32 = 1;

/// How it was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Of the form of this file.
    pub version: u32,
    /// When it was, RFC 3339.
    #[serde(default)]
    pub saved: String,
    /// What is compared.
    #[serde(default, rename = "target", skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetThen>,
    /// What may be different.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
}

/// One target as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetThen {
    /// As it was written.
    pub name: String,
    /// Which address was probed.
    pub address: IpAddr,
    /// The fingerprint of its SSH host key, where the target itself was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// What places saw.
    #[serde(default)]
    pub seen: Vec<SeenThen>,
}

/// What places saw that all saw the same. Ports in none of the lists were not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenThen {
    /// The places, as a node set.
    pub from: String,
    /// Ports by their state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub open: String,
    /// Likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub closed: String,
    /// Likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filtered: String,
    /// Likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unreachable: String,
}

/// Why there is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It cannot be read.
    #[error("cannot read the baseline {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It makes no sense.
    #[error("the baseline {} makes no sense: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It cannot be written.
    #[error("cannot write the baseline {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// States of ports, by place and port.
pub type StatesThen = BTreeMap<String, BTreeMap<u16, State>>;

// === impl Baseline ===

impl Baseline {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or something in it is not as it must be; nothing is passed over.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let read = |source| BaselineError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(BASELINE_BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(read)?;
        let form = |why: String| BaselineError::Form { path: path.to_owned(), why };
        if text.len() as u64 > BASELINE_BYTES_MAX {
            return Err(form(format!("it has more than {BASELINE_BYTES_MAX} bytes")));
        }
        let baseline: Baseline = toml::from_str(&text).map_err(|e| form(e.to_string()))?;
        if baseline.version != VERSION {
            return Err(form(format!("it is of version {}, and {VERSION} is known", baseline.version)));
        }
        baseline.targets.iter().try_for_each(|target| target.states().map(drop)).map_err(form)?;
        baseline.allow.iter().try_for_each(Allow::check).map_err(form)?;
        Ok(baseline)
    }

    /// Writes it in the place of a file, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written; what was there is still there.
    pub fn write(&self, path: &Path) -> Result<(), BaselineError> {
        let failed = |source| BaselineError::Write { path: path.to_owned(), source };
        let text = toml::to_string(self).map_err(|e| failed(io::Error::other(e)))?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let new = path.with_file_name(name);
        let written = (|| {
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        })();
        if written.is_err() {
            // What is left of it is of no use to anybody.
            let _ = std::fs::remove_file(&new);
        }
        written.map_err(failed)
    }

    /// The target of this address, or else of this name.
    #[must_use]
    pub fn target(&self, name: &str, address: IpAddr) -> Option<&TargetThen> {
        let by_address = self.targets.iter().find(|target| target.address == address);
        by_address.or_else(|| self.targets.iter().find(|target| target.name == name))
    }
}

impl TargetThen {
    /// A target as it is now. What is not known for certain is left out.
    #[must_use]
    pub fn of(name: &str, address: IpAddr, host_key: Option<String>, view: &View, places: &[String]) -> Self {
        let mut seen: Vec<(SeenThen, Vec<&str>)> = Vec::new();
        for (place, place_name) in places.iter().enumerate() {
            let with = |state: State| {
                let ports = view.ports().filter(|port| view.settled(*port, place) == Settled::Known(state));
                ports.collect::<PortSet>().to_string()
            };
            let one = SeenThen {
                from: String::new(),
                open: with(State::Open),
                closed: with(State::Closed),
                filtered: with(State::Filtered),
                unreachable: with(State::Unreachable),
            };
            match seen.iter_mut().find(|(other, _)| *other == one) {
                Some((_, names)) => names.push(place_name),
                None => seen.push((one, vec![place_name])),
            }
        }
        let named = |(one, names): (SeenThen, Vec<&str>)| SeenThen {
            from: fold(names.iter().copied()).unwrap_or_else(|_| names.join(",")),
            ..one
        };
        let is_empty = |(one, _): &(SeenThen, Vec<&str>)| *one == SeenThen::default();
        let seen = seen.into_iter().filter(|one| !is_empty(one)).map(named).collect();
        TargetThen { name: name.to_owned(), address, host_key, seen }
    }

    /// What each place saw of each port.
    ///
    /// # Errors
    /// In words, if a list is no list of ports, places are no node set, or a port has two states.
    pub fn states(&self) -> Result<StatesThen, String> {
        let mut states = StatesThen::new();
        for seen in &self.seen {
            let places: NodeSet = seen.from.parse().map_err(|e| format!("target {}: {e}", self.name))?;
            let lists = [
                (State::Open, &seen.open),
                (State::Closed, &seen.closed),
                (State::Filtered, &seen.filtered),
                (State::Unreachable, &seen.unreachable),
            ];
            let mut of_all = BTreeMap::new();
            for (state, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
                let ports = PortSet::parse(list, &Services::default())
                    .map_err(|e| format!("target {}, {state}: {e}", self.name))?;
                for port in ports.as_slice() {
                    if of_all.insert(*port, state).is_some() {
                        return Err(format!("target {}: port {port} has two states", self.name));
                    }
                }
            }
            for place in places.names() {
                if states.insert(place.clone(), of_all.clone()).is_some() {
                    return Err(format!("target {}: {place} is there twice", self.name));
                }
            }
        }
        Ok(states)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sight::Sight;
    use super::*;

    fn view() -> View {
        let mut view = View::new(&[22, 80, 81], 3);
        for place in 0..3 {
            view.add(place, 22, Sight::new(State::Open, "connected"));
            view.add(place, 80, Sight::new(if place == 2 { State::Filtered } else { State::Open }, "x"));
            view.add(place, 81, Sight::new(State::Unknown, "lost"));
        }
        view
    }

    #[test]
    fn a_file_comes_back_as_it_was() {
        let dir = std::env::temp_dir().join(format!("vigie-baseline-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("b.toml");
        let places = ["web01", "web02", "here"].map(str::to_owned);
        let address = "192.0.2.1".parse().unwrap();
        let target = TargetThen::of("db1", address, Some("SHA256:x".into()), &view(), &places);
        assert_eq!(target.seen.len(), 2);
        assert_eq!((target.seen[0].from.as_str(), target.seen[0].open.as_str()), ("web[01-02]", "22,80"));
        let baseline =
            Baseline { version: VERSION, saved: "now".into(), targets: vec![target], allow: Vec::new() };
        baseline.write(&path).unwrap();
        let read = Baseline::read(&path).unwrap();
        assert_eq!(read, baseline);
        let states = read.target("other", address).unwrap().states().unwrap();
        assert_eq!(states["here"], BTreeMap::from([(22, State::Open), (80, State::Filtered)]));
        assert_eq!(states["web02"][&80], State::Open);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn nothing_that_is_wrong_is_passed_over() {
        let path = std::env::temp_dir().join(format!("vigie-baseline-{}.toml", std::process::id()));
        for (text, why) in [
            ("", "version"),
            ("version = 2", "version 2"),
            ("version = 1\nextra = 1", "extra"),
            ("version = 1\n[[target]]\nname = \"a\"\naddress = \"x\"", "address"),
            (
                "version = 1\n[[target]]\nname=\"a\"\naddress=\"::1\"\n[[target.seen]]\nfrom=\"a\"\nopen=\"0\"",
                "0",
            ),
            (
                "version = 1\n[[target]]\nname=\"a\"\naddress=\"::1\"\n[[target.seen]]\nfrom=\"a\"\nopen=\"1\"\nclosed=\"1\"",
                "two states",
            ),
            ("version = 1\n[[allow]]\nports = \"x\"", "allow"),
            ("version = 1\n[[allow]]\nexpires = \"soon\"", "expires"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Baseline::read(&path).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
