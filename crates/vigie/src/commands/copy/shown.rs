//! What is printed of copies: every file for scripts, what went wrong for people, and a count at the end.

use crate::commands::run::show::folded;
use crate::failure::{Failure, Outcome};
use crate::output::{Bar, Output, Paint, bytes, counted, escaped};
use serde::Serialize;
use std::collections::BTreeMap;
use vigie_exec::ssh::class::{Class, Failed};
use vigie_exec::ssh::copy::class::CopyClass;
use vigie_exec::ssh::copy::{FileEnd, HostEnd};

/// Problems that are named to people for each host; more are counted.
const NAMED: u64 = 20;

/// Everything that was told so far.
pub(super) struct Shown<'a> {
    out: &'a mut Output,
    hosts: &'a [String],
    pub(super) bar: Bar,
    ends: BTreeMap<usize, CopyClass>,
    /// Hosts that are not known yet: how they end if the user does not accept them.
    waiting: BTreeMap<usize, HostEnd>,
    problems: BTreeMap<usize, u64>,
    files: u64,
    bytes: u64,
    /// Of the files those that have a content: links have none.
    contents: u64,
    compared: u64,
    not_synced: u64,
}

/// What `--json` prints of one file and host, or of a host with which nothing could be begun or gone on.
#[derive(Serialize)]
struct Told<'a> {
    host: &'a str,
    path: Option<&'a str>,
    local: Option<String>,
    bytes: Option<u64>,
    digest: Option<String>,
    /// How the other side's copy was compared; null when it was not.
    verified: Option<&'static str>,
    synced: Option<bool>,
    class: &'static str,
    duration_ms: Option<u128>,
    error: Option<&'a str>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(out: &'a mut Output, hosts: &'a [String], bar: Bar) -> Self {
        Shown {
            out,
            hosts,
            bar,
            ends: BTreeMap::new(),
            waiting: BTreeMap::new(),
            problems: BTreeMap::new(),
            files: 0,
            bytes: 0,
            contents: 0,
            compared: 0,
            not_synced: 0,
        }
    }

    fn name(&self, index: usize) -> &'a str {
        self.hosts.get(index).map_or("", String::as_str)
    }

    /// One file has arrived, or has not.
    pub(super) fn file(&mut self, end: &FileEnd) -> Result<(), Failure> {
        let host = self.name(end.index);
        if end.class == CopyClass::Ok {
            self.files += 1;
            self.bytes += end.bytes.unwrap_or_default();
            self.contents += u64::from(end.digest.is_some());
            self.compared += u64::from(end.proof.is_some());
            self.not_synced += u64::from(end.digest.is_some() && !end.synced);
        }
        if self.out.is_json() {
            self.out.json(&Told {
                host,
                path: Some(&end.path),
                local: Some(end.local.to_string_lossy().into_owned()),
                bytes: end.bytes,
                digest: end.digest.as_ref().map(|digest| format!("sha256:{digest}")),
                verified: end.proof.map(|proof| proof.as_str()),
                synced: end.digest.is_some().then_some(end.synced),
                class: end.class.as_str(),
                duration_ms: Some(end.duration.as_millis()),
                error: end.message.as_deref(),
            })?;
            return Ok(self.out.flush()?);
        }
        let Some(message) = &end.message else { return Ok(()) };
        let named = self.problems.entry(end.index).or_default();
        *named += 1;
        if *named <= NAMED {
            let class = match end.class {
                CopyClass::Ok => self.out.paint(Paint::Attention, "note"),
                class => self.out.paint(Paint::Bad, class.as_str()),
            };
            let (path, message) = (escaped(end.path.as_bytes()), escaped(message.as_bytes()));
            self.bar.above(|| self.out.remark(&format!("{host}: {path}: {class}: {message}")));
        }
        Ok(())
    }

    /// A host is not known; the user is asked later.
    pub(super) fn wait(&mut self, end: HostEnd) {
        self.waiting.insert(end.index, end);
    }

    /// These hosts are tried again.
    pub(super) fn forget(&mut self, again: &[(usize, String)]) {
        for (index, _) in again {
            self.waiting.remove(index);
        }
    }

    /// The user was asked about those that wait, and ended it instead.
    pub(super) fn stop_waiting(&mut self) {
        for end in self.waiting.values_mut() {
            end.class = CopyClass::Host(Class::Stopped);
            end.message = Some(Failed::stopped().message);
        }
    }

    /// All is done with a host that can be.
    pub(super) fn host(&mut self, end: HostEnd) -> Result<(), Failure> {
        let HostEnd { index, class, message, .. } = end;
        let host = self.name(index);
        self.ends.insert(index, class);
        let more = self.problems.get(&index).copied().unwrap_or_default().saturating_sub(NAMED);
        if more > 0 {
            let more = counted(more, "more such line");
            self.bar.above(|| self.out.remark(&format!("{host}: {more}; --json has all")));
        }
        if matches!(class, CopyClass::Ok | CopyClass::Some) {
            return Ok(());
        }
        if self.out.is_json() {
            self.out.json(&Told {
                host,
                path: None,
                local: None,
                bytes: None,
                digest: None,
                verified: None,
                synced: None,
                class: class.as_str(),
                duration_ms: None,
                error: message.as_deref(),
            })?;
            return Ok(self.out.flush()?);
        }
        let why: Vec<String> =
            message.iter().flat_map(|text| text.lines()).map(|line| escaped(line.as_bytes())).collect();
        let class = self.out.paint(Paint::Bad, class.as_str());
        self.bar.above(|| self.out.remark(&format!("{host}: {class}: {}", why.join("\n"))));
        Ok(())
    }

    /// The count, and what the shell is told.
    pub(super) fn finish(mut self) -> Result<Outcome, Failure> {
        for end in std::mem::take(&mut self.waiting).into_values() {
            self.host(end)?;
        }
        self.bar.finish();
        self.out.flush()?;
        let well = self.ends.values().filter(|class| **class == CopyClass::Ok).count();
        self.out.remark(&self.summary());
        if let [_] = self.hosts {
            return Ok(match self.ends.get(&0) {
                Some(CopyClass::Ok) => Outcome::Done,
                None | Some(CopyClass::Host(Class::Stopped)) => Outcome::Command(130),
                Some(CopyClass::Host(Class::TimedOut)) => Outcome::Command(124),
                Some(CopyClass::Host(_)) => Outcome::Command(125),
                Some(_) => Outcome::Negative,
            });
        }
        let is_cut = |class: &CopyClass| matches!(class, CopyClass::Host(_));
        Ok(match () {
            () if self.ends.len() < self.hosts.len() || self.ends.values().any(is_cut) => Outcome::Partial,
            () if well == self.hosts.len() => Outcome::Done,
            () => Outcome::Negative,
        })
    }

    fn summary(&self) -> String {
        let compared = match (self.compared, self.contents) {
            (_, 0) => "",
            (compared, contents) if compared == contents => ", compared",
            _ => ", not compared",
        };
        let size = bytes(self.bytes);
        let mut text = format!("{} copied ({size}){compared}", counted(self.files, "file"));
        if self.not_synced > 0 {
            text.push_str(", not brought to the disk: the server has no fsync@openssh.com");
        }
        if self.hosts.len() == 1 {
            return text;
        }
        let mut kinds: BTreeMap<CopyClass, Vec<&str>> = BTreeMap::new();
        for (index, class) in &self.ends {
            kinds.entry(*class).or_default().push(self.name(*index));
        }
        let kinds = kinds.iter().map(|(class, hosts)| match class {
            CopyClass::Ok => format!("{} ok", hosts.len()),
            class => format!("{} {} ({})", hosts.len(), class.as_str(), folded(hosts)),
        });
        format!("{} hosts: {}; {text}", self.hosts.len(), kinds.collect::<Vec<_>>().join(", "))
    }
}
