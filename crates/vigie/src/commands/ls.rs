//! `vigie ls`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use crate::location::{self, Location};
use crate::output::{Paint, Table, escaped, long_mode, short_time};
use clap::Args;
use vigie_model::Instant;
use vigie_web::client::Lines;
use vigie_web::messages::{ContentState, Entry};
use vigie_web::text::exact;

/// Entries whose columns are lined up together; a longer listing is printed part by part as it comes.
const LINED_UP: usize = 512;

/// List a directory as it was
///
/// Above the roots of a machine, the directories that lead to them are listed. A file whose content is not
/// in the store as it was is marked: `pending` (a newer version existed), `torn` (it may mix several versions), both, or
/// `none`; a directory that could not be seen whole is marked `unseen`, and what is listed of it is what was known last.
#[derive(Args, Debug)]
#[command(after_help = "\
T is RFC 3339, a local date and time, a span such as '10m ago', or a record such as '#1234'.
Exit code 3 when the instant lies in a gap, where changes may have been missed, or after the machine was
heard of last, and when what is listed was not seen whole.

EXAMPLES:
  vigie ls web01:/srv/www                    as it is now
  vigie ls -l web01:/etc --at '2 days ago'   with mode, owner, group, size and time
  vigie ls -R web01:/srv --json              everything below, for scripts")]
pub(crate) struct LsArgs {
    /// What to list
    #[arg(value_name = "MACHINE:PATH", value_parser = location::parser())]
    location: Location,

    /// With mode, owner, group, size in bytes and time of change
    #[arg(short)]
    long: bool,

    /// Everything below, too
    #[arg(short = 'R')]
    recursive: bool,

    /// As it was at this instant
    #[arg(long, value_name = "T", value_parser = crate::instant::parse)]
    at: Option<Instant>,
}

impl LsArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let query = context.tree_query(&self.location, self.at).await?;
        let top = query.path.as_bytes().to_vec();
        let word = self.location.word.as_deref();
        let listed = context.hub()?.ls(&query, self.recursive).await;
        let (answer, mut lines) = context.of_place(word, listed).await?;
        let unseen = if context.out.is_json() {
            print_json(&mut context, &mut lines).await?
        } else {
            let shown = Shown { top, long: self.long };
            shown.print(&mut context, &mut lines).await?
        };
        context.out.flush()?;
        // Without -R, nothing was asked of what the directories listed hold.
        let doubts = context.warn_of_doubts(&answer);
        Ok(Outcome::partial_if(doubts || (self.recursive && unseen)))
    }
}

/// Gives whether a directory among the entries was not seen whole.
async fn print_json(context: &mut Context, lines: &mut Lines<Entry>) -> Result<bool, Failure> {
    let mut unseen = false;
    while let Some(line) = lines.next_raw().await.map_err(hub_failure)? {
        unseen |= !unseen && serde_json::from_slice(line.as_ref()).is_ok_and(|entry| is_unseen(&entry));
        context.out.raw_line(&line)?;
    }
    Ok(unseen)
}

fn is_unseen(entry: &Entry) -> bool {
    entry.state == Some(ContentState::Unseen)
}

struct Shown {
    top: Vec<u8>,
    long: bool,
}

impl Shown {
    /// Gives whether a directory among the entries was not seen whole.
    async fn print(&self, context: &mut Context, lines: &mut Lines<Entry>) -> Result<bool, Failure> {
        let (mut entries, mut unseen) = (Vec::new(), false);
        loop {
            let entry = lines.next().await.map_err(hub_failure)?;
            let is_end = entry.is_none();
            unseen |= entry.as_ref().is_some_and(is_unseen);
            entries.extend(entry);
            if is_end || entries.len() == LINED_UP {
                self.print_some(context, &entries)?;
                entries.clear();
            }
            if is_end {
                return Ok(unseen);
            }
        }
    }

    fn print_some(&self, context: &mut Context, entries: &[Entry]) -> Result<(), Failure> {
        if !self.long {
            for entry in entries {
                let text = format!("{}{}", self.name(context, entry), mark(entry));
                context.out.line(&text)?;
            }
            return Ok(());
        }
        let mut table = Table::new(&[], &[1, 2, 3]);
        for entry in entries {
            let size = match (entry.device, entry.size) {
                (Some((major, minor)), _) => format!("{major}, {minor}"),
                (None, size) => size.map(|s| s.to_string()).unwrap_or_default(),
            };
            table.row([
                long_mode(&entry.node_type, &entry.mode),
                entry.uid.to_string(),
                entry.gid.to_string(),
                size,
                entry.mtime.as_deref().map(short_time).unwrap_or_default(),
                format!("{}{}{}", self.name(context, entry), target(entry), mark(entry)),
            ]);
        }
        table.lines().iter().try_for_each(|line| context.out.line(line))?;
        Ok(())
    }

    /// The path below what was asked for; the object itself under its last name.
    fn name(&self, context: &Context, entry: &Entry) -> String {
        let path = exact(&entry.path, entry.path_b64.as_deref());
        let below = path.strip_prefix(&self.top[..]).map(|p| p.strip_prefix(b"/").unwrap_or(p));
        let name = match below {
            Some(b"") => self.top.rsplit(|b| *b == b'/').next().unwrap_or(&path),
            Some(below) => below,
            None => &path,
        };
        let name = escaped(name);
        if entry.node_type == "directory" {
            return context.out.paint(Paint::Moved, &format!("{name}/"));
        }
        name
    }
}

fn target(entry: &Entry) -> String {
    match &entry.target {
        Some(target) => format!(" -> {}", escaped(&exact(target, entry.target_b64.as_deref()))),
        None => String::new(),
    }
}

/// Says when the content cannot be given as it was.
fn mark(entry: &Entry) -> String {
    match entry.state {
        None | Some(ContentState::Whole) => String::new(),
        Some(state) => format!("  ({})", state.as_str()),
    }
}
