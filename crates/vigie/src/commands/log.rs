//! `vigie log`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::following::Following;
use crate::location::{self, Location};
use crate::output::{Output, Paint, bytes, escaped, short_time};
use crate::signals::EndSignals;
use clap::Args;
use vigie_model::Instant;
use vigie_web::messages::{LogLine, LogQuery, TreeQuery};
use vigie_web::text::exact;

/// How many of the newest records `-f` alone begins with.
const FOLLOW_FROM: u64 = 10;

/// Show what happened, in the order in which the hub journaled it
///
/// With MACHINE:PATH, only that path: of a directory everything at or below it; else every file that bore the name while
/// it did, and the one that bears it now under its past names too.
#[derive(Args, Debug)]
#[command(after_help = "\
T is RFC 3339, a local date and time, a span such as '10m ago', or a record such as '#1234'.

EXAMPLES:
  vigie log -f                          follow every machine
  vigie log web01:/                     one machine
  vigie log web01:/etc --since '1h ago' what changed below /etc
  vigie log web01:/etc/hosts            the history of one file
  vigie log --kind gap-opened --json    when changes may have been missed")]
pub(crate) struct LogArgs {
    /// Only this machine and path
    #[arg(value_name = "MACHINE:PATH", value_parser = location::parser())]
    location: Option<Location>,

    /// Stay, and show new records as they become durable; begins with the last 10 unless -n or --since says
    /// otherwise. When the hub stops, it waits for it, and goes on behind the last record
    #[arg(short, long)]
    follow: bool,

    /// Only the newest N records
    #[arg(short, value_name = "N")]
    newest: Option<u64>,

    /// Only what was observed since this instant
    #[arg(long, value_name = "T", value_parser = crate::instant::parse)]
    since: Option<Instant>,

    /// Only this kind: created, removed, renamed, metadata, content, linked, gap-opened, gap-closed, error, …
    #[arg(long, value_name = "K")]
    kind: Option<String>,
}

impl LogArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let hub = context.hub()?;
        let (machine, path) = match &self.location {
            None => (None, None),
            Some(location) => {
                let TreeQuery { machine, path, .. } = context.tree_query(location, None).await?;
                (Some(machine), Some(path))
            }
        };
        let from_now = self.follow && self.newest.is_none() && self.since.is_none();
        let query = LogQuery {
            machine,
            path,
            since: self.since.unwrap_or_default(),
            after: None,
            newest: if from_now { Some(FOLLOW_FROM) } else { self.newest },
            kind: self.kind,
            group: None,
            follow: self.follow,
        };
        let mut end = EndSignals::listen()?;
        let word = self.location.as_ref().and_then(|location| location.word.as_deref());
        let begun = tokio::select! {
            begun = Following::begin(hub, query) => begun,
            () = end.next() => return Ok(Outcome::Done),
        };
        let mut lines = context.of_place(word, begun).await?;
        loop {
            let line = tokio::select! {
                line = lines.next(&context.out) => line,
                () = end.next() => break,
            };
            let Some(line) = context.of_place(word, line).await? else { break };
            if context.out.is_json() {
                context.out.raw_line(&line)?;
            } else {
                let line = lines.read(&line)?;
                print(&mut context.out, &line)?;
            }
            if !lines.has_next_line() {
                context.out.flush()?;
            }
        }
        context.out.flush()?;
        Ok(Outcome::Done)
    }
}

/// Columns of the longest kind.
pub(crate) const KIND_COLUMNS: usize = 10;

/// One record on one line: `#seq  time  machine  kind  path …`.
pub(crate) fn print(out: &mut Output, line: &LogLine) -> std::io::Result<()> {
    let time = out.paint(Paint::Dim, &short_time(&line.observed));
    let text = change(out, line, KIND_COLUMNS);
    let seq = format!("#{}", line.seq);
    out.line(&format!("{seq:>8}  {time}  {}  {text}", line.machine))
}

/// What happened and to what: `kind  path …`, the kind in so many columns.
pub(crate) fn change(out: &Output, line: &LogLine, columns: usize) -> String {
    let kind = out.paint(colour(line), &format!("{:<columns$}", line.kind));
    format!("{kind}  {}", object(line))
}

fn colour(line: &LogLine) -> Paint {
    match line.kind.as_str() {
        "created" | "linked" | "gap-closed" | "enrolled" | "role-granted" => Paint::Good,
        "removed" | "error" => Paint::Bad,
        "gap-opened" | "role-ended" | "role-barred" => Paint::Attention,
        "renamed" => Paint::Moved,
        _ => Paint::Dim,
    }
}

/// What the record is about, and what else matters of it.
fn object(line: &LogLine) -> String {
    let path = |text: &Option<String>, b64: &Option<String>| {
        text.as_ref().map(|text| escaped(&exact(text, b64.as_deref())))
    };
    let mut text = path(&line.path, &line.path_b64)
        .or_else(|| path(&line.root, &line.root_b64))
        .or_else(|| line.name.clone())
        .or_else(|| line.group.as_ref().map(|group| of_role(group, line)))
        .or_else(|| line.node.as_ref().map(|node| format!("(node {node}, no name known)")))
        .unwrap_or_default();
    if let Some(from) = path(&line.from, &line.from_b64) {
        text = format!("{from} -> {text}");
    }
    if line.node_type.as_deref() == Some("directory") && !text.ends_with('/') {
        text.push('/');
    }
    let mut remarks = Vec::new();
    remarks.extend(line.size.map(bytes));
    remarks.extend(line.torn.unwrap_or_default().then(|| "torn".to_owned()));
    remarks.extend(line.cause.clone());
    remarks.extend(line.detection_ms.filter(|ms| *ms > 0).map(|ms| format!("noticed after {ms} ms")));
    remarks.extend(line.act.clone());
    remarks.extend(line.message.clone());
    if !remarks.is_empty() {
        text.push_str(&format!("  ({})", remarks.join(", ")));
    }
    text
}

/// A group, and of it the member and the epoch: `db: web01, epoch 3`.
fn of_role(group: &str, line: &LogLine) -> String {
    let epoch = line.epoch.map(|epoch| format!("epoch {epoch}"));
    let about: Vec<String> = line.member.clone().into_iter().chain(epoch).collect();
    if about.is_empty() { group.to_owned() } else { format!("{group}: {}", about.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_is_about() {
        let line = LogLine {
            path: Some("b\u{fffd}".into()),
            path_b64: Some("Yv8=".into()),
            from: Some("/a\n".into()),
            size: Some(2048),
            torn: Some(true),
            ..LogLine::default()
        };
        assert_eq!(object(&line), "/a\\x0a -> b\\xff  (2.00 KiB, torn)");
        let unnamed = LogLine { node: Some("00ff".into()), ..LogLine::default() };
        assert_eq!(object(&unnamed), "(node 00ff, no name known)");
    }
}
