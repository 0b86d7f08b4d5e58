//! What a scan costs: `cargo run --release -p vigie-watch --example scan_cost -- DIR`. Scans DIR as if for the
//! first time, then again as a restart that knows everything, and prints the time of both. With `--memory` scans
//! once, keeps nothing of what is said, and prints what the engine holds. Reads no content.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use vigie_model::{
    BytePath, Digest, DigestKind, EdgeName, FileEvent, FileTime, GapCause, KnownEdge, MachineId, NodeId,
    NodeState, SystemClock,
};
use vigie_watch::{AsRead, Config, Engine, Inotify, ReadOutcome, RealFiles};

type Known = Vec<KnownEdge>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("which directory?")?;
    let root = BytePath::normalise(dir.as_bytes())?;
    let keep = !std::env::args().any(|arg| arg == "--memory");
    let known = run("first scan", &root, Vec::new(), keep)?;
    if !keep {
        return Ok(());
    }
    let again = run("restart", &root, known, keep)?;
    println!("the restart said {} things of nodes", again.len());
    Ok(())
}

/// Scans, pretending that every file was read, and gives what a hub would know then.
fn run(what: &str, root: &BytePath, known: Known, keep: bool) -> Result<Known, Box<dyn std::error::Error>> {
    let kernel = Inotify::open(Arc::new(|| {}))?;
    let config = Config::new(MachineId([1; 16]), vec![root.clone()]);
    let (files, clock) = (Arc::new(RealFiles::new()), Arc::new(SystemClock::default()));
    let before = resident_kib();
    let began = Instant::now();
    let mut engine = Engine::new(config, Box::new(kernel), files, clock)?;
    let learnt = known.len();
    for edge in known {
        engine.learn(&edge);
    }
    let learned = began.elapsed();
    engine.start(GapCause::Restart, None);
    let mut told = Told { keep, ..Told::default() };
    while !told.closed {
        engine.step();
        engine.take(usize::MAX).into_iter().for_each(|fact| told.hear(fact.event));
        while let Some(job) = engine.next_read() {
            let none = FileTime::default();
            let read = AsRead { size: 0, mtime: none, ctime: none, mode: 0, torn: false, racy: false };
            let content = read.content(Digest::default(), DigestKind::Whole);
            if let Some(fact) = engine.read_done(job, ReadOutcome::Stored(content)) {
                told.hear(fact.event);
            }
        }
    }
    let status = engine.status();
    println!(
        "{what}: {} nodes, {} watches, learned {learnt} in {learned:?}, all in {:?}; tier {}, index and engine {} KiB",
        status.nodes,
        status.watches,
        began.elapsed(),
        status.roots[0].tier.as_str(),
        resident_kib().saturating_sub(before),
    );
    Ok(told.edges())
}

#[derive(Default)]
struct Told {
    edges: Vec<(NodeId, EdgeName, NodeId)>,
    nodes: HashMap<NodeId, NodeState>,
    closed: bool,
    keep: bool,
}

impl Told {
    fn hear(&mut self, event: FileEvent) {
        match event {
            FileEvent::GapClosed(_) => self.closed = true,
            _ if !self.keep => {}
            FileEvent::Created(e) => {
                let state = NodeState { meta: e.meta, content: None, pending: e.pending };
                self.nodes.insert(e.node, state);
                self.edges.push((e.parent, e.name, e.node));
            }
            FileEvent::Linked(e) => self.edges.push((e.parent, e.name.into(), e.node)),
            FileEvent::Content(e) => {
                if let Some(node) = self.nodes.get_mut(&e.node) {
                    (node.content, node.pending) = (Some(e.content), false);
                }
            }
            _ => {}
        }
    }

    fn edges(mut self) -> Known {
        let edges = std::mem::take(&mut self.edges).into_iter();
        edges
            .map(|(parent, name, node)| KnownEdge { parent, name, node, state: self.nodes.remove(&node) })
            .collect()
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
