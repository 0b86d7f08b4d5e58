//! Roles between a hub and its agents, with hooks that write down what they are told, and a judge who reads it.
//!
//! [`succession`] who is next · [`frozen`] who does not know that it is over · [`hub`] the authority dies ·
//! [`operating`] what people ask for · [`hooks`] that fail · [`strangers`] who is refused · [`balancer`] who is told.

mod balancer;
mod frozen;
mod hooks;
mod hub;
mod operating;
mod strangers;
mod succession;

use crate::process::eventually;
use crate::world::{Agent, VIGIE, World};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;

/// A lease that is over soon enough for a test, and long enough for a loaded machine.
const SHORT: &str = "3s";
const SHORT_MS: u64 = 3000;

/// A lease that no test outlives.
const LONG: &str = "1h";

/// A hub with the group `db`, whose members append to one file when they begin and end to be principal.
struct Group {
    world: World,
}

/// What a hook, or a test, has written down.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: String,
    /// `begin` and `end` are of hooks; `gone` of tests: the process is dead, or does not run.
    what: String,
    epoch: u64,
    reason: String,
}

impl Group {
    /// A hub, and leases of this length.
    fn start(ttl: &str) -> Group {
        let world = World::start();
        world.ok(["role", "set", "db", "--ttl", ttl]);
        Group { world }
    }

    /// A group with these members, in line, of which the first is principal.
    fn with<const N: usize>(ttl: &str, names: [&'static str; N]) -> (Group, [Agent; N]) {
        let group = Group::start(ttl);
        let agents = names.map(|name| group.join(name, &[]));
        group.until_begins(names[0], 1);
        (group, agents)
    }

    /// Enrols a machine as a member, and waits until the hub has it in the line.
    fn join(&self, name: &'static str, more: &[&str]) -> Agent {
        let mut agent = self.world.agent(name);
        let token = self.world.path(name).join("token");
        std::fs::write(&token, self.world.invite(name)).unwrap();
        let args: Vec<&OsStr> = ["--token-file".as_ref(), token.as_os_str()]
            .into_iter()
            .chain(more.iter().map(AsRef::as_ref))
            .collect();
        self.launch(&mut agent, &args);
        agent
    }

    /// Starts a member that is enrolled, and waits until the hub has it in the line.
    fn launch(&self, agent: &mut Agent, more: &[&OsStr]) {
        let [begin, end] = self.hooks(agent.name);
        // What a test says comes in place of what is usual.
        let usual = [("--role", "db"), ("--on-principal", &*begin), ("--on-secondaire", &*end)];
        let usual = usual.iter().filter(|(option, _)| !more.contains(&option.as_ref()));
        let mut args: Vec<&OsStr> =
            usual.flat_map(|(option, value)| [option.as_ref(), OsStr::new(value)]).collect();
        args.extend(more);
        self.world.launch(agent, &args);
        eventually("a member is in the line", || {
            self.member(agent.name)?["connected"].as_bool()?.then_some(())
        });
    }

    /// What the hooks of a machine do. Whoever begins shows its epoch at the fence first, as it should.
    fn hooks(&self, name: &str) -> [String; 2] {
        let (log, fence) = (self.path("hooks.log"), self.path("fence"));
        let (log, fence) = (log.display(), fence.display());
        let line = |what| format!("echo {name} {what} $VIGIE_EPOCH $VIGIE_REASON >>{log}");
        [
            // Whose hook it is, and of what, it is told as well.
            format!(
                "[ $VIGIE_GROUP,$VIGIE_ROLE = db,principal ] && {VIGIE} role fence --file {fence} --epoch $VIGIE_EPOCH && {}",
                line("begin")
            ),
            format!("[ \"$VIGIE_OLD_ROLE\" != principal ] || {}", line("end")),
        ]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.path(name)
    }

    /// A test saw to it that this principal does nothing any more.
    fn note_gone(&self, name: &str, epoch: u64) {
        let mut log = std::fs::File::options().append(true).open(self.path("hooks.log")).unwrap();
        writeln!(log, "{name} gone {epoch} test").unwrap();
    }

    /// What was written down so far.
    fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(self.path("hooks.log")).unwrap_or_default();
        // The last line may still be on its way.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(Line::parse).collect()
    }

    /// Waits until somebody, in an epoch or later, has begun to be principal; gives the epoch.
    fn until_begins(&self, name: &str, epoch: u64) -> u64 {
        self.until(name, "begin", epoch).epoch
    }

    fn until(&self, name: &str, what: &str, epoch: u64) -> Line {
        eventually(&format!("{name} writes {what} {epoch}"), || {
            self.lines().into_iter().find(|l| l.name == name && l.what == what && l.epoch >= epoch)
        })
    }

    /// The group as `role show` has it.
    fn show(&self) -> Value {
        serde_json::from_str(&self.world.ok(["role", "show", "db", "--json"])).unwrap()
    }

    fn member(&self, name: &str) -> Option<Value> {
        let said = self.world.run(["role", "show", "db", "--json"]);
        let group: Value = serde_json::from_str(&said.out).ok()?;
        group["members"].as_array()?.iter().find(|member| member["machine"] == name).cloned()
    }

    /// The records of a kind, oldest first.
    fn records(&self, kind: &str) -> Vec<Value> {
        let printed = self.world.ok(["log", "--kind", kind, "--json", "-n", "1000"]);
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What was written down, if it is as it must be: one at a time, in epochs that grow.
    fn judge(&self) -> Vec<Line> {
        let lines = self.lines();
        let mut now: Option<&Line> = None;
        let mut highest = 0;
        for line in &lines {
            match line.what.as_str() {
                "begin" => {
                    assert_eq!(now, None, "two at once: {lines:#?}");
                    assert!(line.epoch > highest, "an epoch does not grow: {lines:#?}");
                    (now, highest) = (Some(line), line.epoch);
                }
                // Who begins late to end what is long over, disturbs nobody.
                _ => now = now.filter(|now| (&now.name, now.epoch) != (&line.name, line.epoch)),
            }
        }
        let granted = self.records("role-granted");
        let epochs: Vec<u64> = granted.iter().map(|line| line["epoch"].as_u64().unwrap()).collect();
        assert!(epochs.is_sorted_by(|a, b| a < b), "recorded epochs grow: {epochs:?}");
        lines
    }
}

impl Line {
    fn parse(text: &str) -> Line {
        let words: Vec<_> = text.split(' ').collect();
        let [name, what, epoch, reason] = words[..] else { panic!("`{text}` is no line of a hook") };
        let epoch = epoch.parse().unwrap_or_else(|_| panic!("`{text}` has no epoch"));
        Line { name: name.into(), what: what.into(), epoch, reason: reason.into() }
    }
}

/// Lines, short enough to be compared with what a test expects.
fn told(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|Line { name, what, epoch, reason }| format!("{name} {what} {epoch} {reason}")).collect()
}
