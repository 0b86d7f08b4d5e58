//! The baseline: what it expects, what it allows, and the new one.

use super::inside::Inside;
use super::places::Places;
use super::{FromArgs, Seen};
use crate::failure::Failure;
use crate::output::Output;
use jiff::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use vigie_ports::vantages::allow::Allow;
use vigie_ports::vantages::baseline::{Baseline, BaselineError, StatesThen, TargetThen, VERSION};
use vigie_ports::{State, Target};

/// What a run is compared with.
#[derive(Debug, Default)]
pub(super) struct Against {
    path: Option<PathBuf>,
    save: bool,
    then: Baseline,
    /// The states of its targets, by address and by name.
    states: HashMap<String, StatesThen>,
}

impl Against {
    /// The baseline that is named. One that is to be written need not be there yet.
    pub(super) fn read(args: &FromArgs) -> Result<Self, Failure> {
        let Some(path) = &args.baseline else { return Ok(Against::default()) };
        let then = match Baseline::read(path) {
            Ok(then) => then,
            Err(BaselineError::Read { source, .. })
                if args.save && source.kind() == std::io::ErrorKind::NotFound =>
            {
                Baseline { version: VERSION, ..Baseline::default() }
            }
            Err(error) => {
                let failure = Failure::of(&error).into_usage();
                return Err(match error {
                    BaselineError::Read { .. } => failure.hint("--save writes one"),
                    _ => failure,
                });
            }
        };
        let mut states = HashMap::new();
        if !args.save {
            for target in &then.targets {
                // It was read, and so it makes sense.
                let of_target = target.states().map_err(Failure::failed)?;
                states.insert(target.address.to_string(), of_target.clone());
                states.entry(target.name.clone()).or_insert(of_target);
            }
        }
        Ok(Against { path: Some(path.clone()), save: args.save, then, states })
    }

    /// Whether something is to be compared.
    pub(super) fn compares(&self) -> bool {
        self.path.is_some() && !self.save
    }

    /// What it says of a target.
    pub(super) fn states(&self, target: &Target) -> Option<&StatesThen> {
        self.states.get(&target.address.to_string()).or_else(|| self.states.get(&target.written))
    }

    /// What it says of the host key of a target.
    pub(super) fn host_key(&self, target: &Target) -> Option<&str> {
        let then = self.then.target(&target.written, target.address).filter(|_| self.compares());
        then.and_then(|then| then.host_key.as_deref())
    }

    /// What it expects to be seen of a target, by port and place.
    pub(super) fn expected<'a>(
        &'a self,
        target: &Target,
        places: &'a [String],
    ) -> impl Fn(u16, usize) -> Option<State> + 'a {
        let states = self.states(target);
        move |port, place| states?.get(places.get(place)?)?.get(&port).copied()
    }

    /// What may be different.
    pub(super) fn allowed(&self) -> &[Allow] {
        &self.then.allow
    }

    /// Entries that no longer count, in words.
    pub(super) fn expired(&self) -> Vec<String> {
        let today = today();
        let over = self.then.allow.iter().filter(|allow| allow.is_over(&today));
        over.map(|allow| {
            let reason = allow.reason.as_deref().unwrap_or("no reason given");
            let day = allow.expires.map(|day| day.to_string()).unwrap_or_default();
            format!("an entry of the baseline that allowed differences is over since {day}: {reason}")
        })
        .collect()
    }

    /// Writes what was seen, if that is wished. Other targets of the file, and what it allows, stay.
    pub(super) fn save(
        &self,
        seen: &[Seen],
        places: &Places,
        inside: &HashMap<IpAddr, Inside>,
        out: &Output,
    ) -> Result<(), Failure> {
        let Some(path) = self.path.as_ref().filter(|_| self.save) else { return Ok(()) };
        let mut targets = self.then.targets.clone();
        for Seen { target, view } in seen {
            let key = inside.get(&target.address).and_then(Inside::host_key).map(str::to_owned);
            targets.retain(|then| then.address != target.address);
            targets.push(TargetThen::of(&target.written, target.address, key, view, places.names()));
        }
        let saved = Timestamp::now().round(jiff::Unit::Second).unwrap_or_else(|_| Timestamp::now());
        let allow = self.then.allow.clone();
        let baseline = Baseline { version: VERSION, saved: saved.to_string(), targets, allow };
        baseline.write(path).map_err(|e| Failure::of(&e))?;
        out.remark(&format!("written to {}; what is not known for certain is not in it", path.display()));
        Ok(())
    }
}

/// The day, by this machine's clock in UTC, written `2026-12-31`.
pub(super) fn today() -> String {
    Timestamp::now().strftime("%Y-%m-%d").to_string()
}
