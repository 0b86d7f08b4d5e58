//! Between the hub's stream and the disk: a body as something to read, and what is said at the end.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{bytes, count, escaped};
use serde_json::{Value, json};
use std::io::{self, Read};
use std::path::Path;
use tokio::runtime::Handle;
use vigie_archive::{PathList, Summary};
use vigie_web::client::{Bytes, Pieces};
use vigie_web::text::Shown;

/// Paths and problems that are named to people; scripts get all that are known.
pub(crate) const NAMED: usize = 20;

/// A body, read from a blocking thread.
pub(crate) struct PieceReader {
    pieces: Pieces,
    current: Bytes,
    runtime: Handle,
}

impl PieceReader {
    /// Makes a body readable for a blocking thread. To be called where the runtime is known.
    pub(crate) fn new(pieces: Pieces) -> Self {
        PieceReader { pieces, current: Bytes::new(), runtime: Handle::current() }
    }
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.runtime.block_on(self.pieces.next()).map_err(io::Error::other)? {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}

/// Says what was restored, and by name what was not as it should be.
pub(crate) fn report(
    context: &mut Context,
    summary: &Summary,
    target: &Path,
    dry_run: bool,
) -> Result<(), Failure> {
    if context.out.is_json() {
        context.out.json(&json!({ "restored": as_json(summary, dry_run) }))?;
        context.out.flush()?;
        return Ok(());
    }
    let lists = [
        (&summary.pending, "given with the last content that was stored; a newer one was not"),
        (&summary.torn, "given, but may mix several versions"),
        (&summary.damaged, "NOT restored: its stored content cannot be read"),
        (&summary.missing, "NOT restored: no content was ever stored"),
        (&summary.unseen, "not all that it held could be seen; it has what was known of it last"),
    ];
    for (list, what) in lists {
        for path in list.first.iter().take(NAMED) {
            context.out.warn(&format!("{}: {what}", named(path)));
        }
        more(context, list.count, list.first.len(), what);
    }
    for left in summary.left_out.first.iter().take(NAMED) {
        context.out.warn(&format!("{}: {}", named(&left.path), left.cause.told()));
    }
    more(context, summary.left_out.count, summary.left_out.first.len(), "more than a stream can hold");
    for problem in summary.problems.first.iter().take(NAMED) {
        context.out.warn(&problem.to_string());
    }
    more(context, summary.problems.count, summary.problems.first.len(), "with problems");
    let verb = if dry_run { "would restore" } else { "restored" };
    let noun = if summary.entries == 1 { "object" } else { "objects" };
    let of = match summary.entries {
        all if all == summary.written => String::new(),
        all => format!(" of {}", count(all)),
    };
    let (written, size) = (count(summary.written), bytes(summary.written_bytes));
    context.out.line(&format!("{verb} {written}{of} {noun} ({size}) to {}", target.display()))?;
    context.out.flush()?;
    Ok(())
}

fn more(context: &Context, count_all: u64, known: usize, what: &str) {
    let unnamed = count_all.saturating_sub(known.min(NAMED) as u64);
    if unnamed > 0 {
        context.out.warn(&format!("{} more: {what}", count(unnamed)));
    }
}

pub(crate) fn named(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { escaped(path) }
}

fn as_json(summary: &Summary, dry_run: bool) -> Value {
    let list = |list: &PathList| {
        let paths: Vec<Value> = list
            .first
            .iter()
            .map(|path| Shown::new(path))
            .map(|path| json!({"path": path.text, "path_b64": path.b64}))
            .collect();
        json!({"count": list.count, "paths": paths})
    };
    let problems: Vec<Value> = summary
        .problems
        .first
        .iter()
        .map(|p| json!({"path": Shown::new(&p.path).text, "act": p.act.as_str(), "why": p.why}))
        .collect();
    let left_out: Vec<Value> = summary
        .left_out
        .first
        .iter()
        .map(|left| (Shown::new(&left.path), left.cause.as_str()))
        .map(|(path, why)| json!({"path": path.text, "path_b64": path.b64, "why": why}))
        .collect();
    json!({
        "dry_run": dry_run,
        "exact": summary.is_exact(),
        "entries": summary.entries,
        "bytes": summary.bytes,
        "written": summary.written,
        "written_bytes": summary.written_bytes,
        "pending": list(&summary.pending),
        "torn": list(&summary.torn),
        "damaged": list(&summary.damaged),
        "missing": list(&summary.missing),
        "unseen": list(&summary.unseen),
        "left_out": {"count": summary.left_out.count, "first": left_out},
        "problems": {"count": summary.problems.count, "first": problems},
    })
}
