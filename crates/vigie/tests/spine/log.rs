//! The lines of `vigie log --json`.

use crate::world::{Agent, World};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every kind that this version writes.
pub(crate) const KINDS: [&str; 11] = [
    "created",
    "removed",
    "renamed",
    "metadata",
    "content",
    "linked",
    "gap-opened",
    "gap-closed",
    "error",
    "unseen",
    "seen",
];

/// All records of an agent's root, oldest first, each checked for what every line must carry.
pub(crate) fn all(world: &World, agent: &Agent) -> Vec<Value> {
    let place = agent.place();
    let printed =
        world.ok(["log".as_ref(), place.as_os_str(), "--json".as_ref(), "-n".as_ref(), "1000000".as_ref()]);
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter().for_each(|line| check(line, agent));
    let seqs: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "record numbers grow along the log");
    lines
}

/// What every line carries, and what only some may.
fn check(line: &Value, agent: &Agent) {
    for field in ["observed", "received", "kind", "path"] {
        assert!(line[field].is_string() || line[field].is_number(), "`{field}` is missing: {line}");
    }
    let kind = line["kind"].as_str().unwrap();
    assert!(KINDS.contains(&kind), "{line}");
    assert_eq!(line["machine"], agent.name, "{line}");
    assert_eq!(line["root"].as_str(), agent.root.to_str(), "{line}");
    assert!(line["path"].as_str().unwrap().starts_with('/'), "{line}");
    assert_eq!(line["from"].is_string(), kind == "renamed", "`from` belongs to renames: {line}");
    assert_eq!(line["size"].is_u64(), kind == "content", "`size` belongs to contents: {line}");
    if kind == "content" {
        assert!(line["digest"].is_string() && line["digest_kind"].is_string(), "{line}");
    }
}

/// The kinds that occur.
pub(crate) fn kinds(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line["kind"].as_str()).collect()
}

/// How many lines are of this kind and about this path below the agent's root.
pub(crate) fn count(lines: &[Value], kind: &str, agent: &Agent, path: &str) -> usize {
    let path = agent.root.join(path);
    lines.iter().filter(|line| line["kind"] == kind && line["path"].as_str() == path.to_str()).count()
}

/// The number of the newest record, as `--at` takes it.
pub(crate) fn newest(lines: &[Value]) -> String {
    format!("#{}", lines.last().unwrap()["seq"])
}
