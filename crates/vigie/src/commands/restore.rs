//! `vigie restore`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::location::{self, Location};
use crate::output::{Bar, Output, count, counted, escaped};
use crate::restoring::{NAMED, PieceReader, named, report};
use crate::signals::EndSignals;
use clap::Args;
use serde_json::json;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use vigie_archive::{
    Action, Event, ExtractError, Options, TargetError, TreeReader, check_target, extract, pass_over,
};
use vigie_model::Instant;
use vigie_web::client::Client;
use vigie_web::messages::TreeQuery;
use vigie_web::text::Shown;

/// Bring an object back as it was, with everything below it and all metadata
///
/// TARGET becomes the object itself: restoring a directory to ./etc makes ./etc that directory. `-` writes a
/// PAX tar stream to standard output instead.
#[derive(Args, Debug)]
#[command(after_help = "\
T is RFC 3339, a local date and time, a span such as '10m ago', or a record such as '#1234'.
Exit code 3 when something could not be given as it was: content pending, torn or damaged, a directory that
was unseen then, metadata that this user may not set, or an instant inside a gap, or after the machine was
heard of last. What is missing is named.

EXAMPLES:
  vigie restore web01:/etc ./etc --at '1h ago'
  vigie restore web01:/etc/hosts /etc/hosts --force
  vigie restore web01:/srv ./srv --dry-run
  vigie restore web01:/srv - | ssh web02 tar -x -C /srv")]
pub(crate) struct RestoreArgs {
    /// What to bring back
    #[arg(value_name = "MACHINE:PATH", value_parser = location::parser())]
    location: Location,

    /// What it becomes, or - for a tar; must not exist, or be an empty directory
    target: PathBuf,

    /// As it was at this instant
    #[arg(long, value_name = "T", value_parser = crate::instant::parse)]
    at: Option<Instant>,

    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,

    /// Replace what has the same name; nothing else is deleted
    #[arg(long)]
    force: bool,
}

impl RestoreArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let query = context.tree_query(&self.location, self.at).await?;
        let word = self.location.word.as_deref();
        if self.target == Path::new("-") {
            if self.dry_run {
                return Err(Failure::usage(
                    "--dry-run tells what a directory would get, and - is no directory",
                ));
            }
            if io::stdout().is_terminal() {
                return Err(Failure::usage("a tar is not written to a terminal")
                    .hint("redirect it, or pipe it into tar"));
            }
            return to_stdout(context, word, &query).await;
        }
        check_target(&self.target, self.force || self.dry_run).map_err(|e| target_failure(&e))?;
        let (answer, pieces) = context.of_place(word, context.hub()?.tree(&query).await).await?;
        let bar = Bar::bytes(context.out.is_json() || self.dry_run);
        if bar.is_shown() {
            tokio::spawn(tell_total(context.hub()?, query, bar.clone()));
        }
        let options = Options { force: self.force, dry_run: self.dry_run, ..Options::default() };
        let reader = PieceReader::new(pieces);
        let target = self.target.clone();
        let shown = bar.clone();
        let work = tokio::task::spawn_blocking(move || {
            let mut printed = Ok(());
            let done = extract(reader, &target, &options, &mut |event| match event {
                Event::Progress { entries, bytes } => shown.set(bytes, counted(entries, "object")),
                Event::Planned { path, kind, action } if printed.is_ok() => {
                    printed = plan(&mut context.out, path, kind, action);
                }
                Event::Planned { .. } => {}
            });
            (context, done, printed)
        });
        let mut end = EndSignals::listen()?;
        let done = tokio::select! {
            done = work => done,
            () = end.next() => {
                bar.finish();
                return Err(Failure::failed("interrupted: what was written stays"));
            }
        };
        bar.finish();
        let (mut context, done, printed) = done.map_err(|e| Failure::of(&e))?;
        printed?;
        let summary = match done {
            Ok(summary) => summary,
            Err(ExtractError::Target(error)) => return Err(target_failure(&error)),
            Err(error) => {
                return Err(Failure::of(&error).hint("what was written stays; the target is not whole"));
            }
        };
        report(&mut context, &summary, &self.target, self.dry_run)?;
        let in_doubt = context.warn_of_doubts(&answer);
        Ok(Outcome::partial_if(in_doubt || !summary.is_exact()))
    }
}

/// What stands in the way of writing to a target.
fn target_failure(error: &TargetError) -> Failure {
    match error {
        TargetError::Exists(_) => Failure::of(error)
            .hint("give a new name; or --force, which replaces what has the same name and deletes nothing"),
        _ => Failure::of(error),
    }
}

/// How much there is to come, for the progress bar; without it the bar has no end.
async fn tell_total(hub: Client, query: TreeQuery, bar: Bar) {
    let Ok((_, mut entries)) = hub.ls(&query, true).await else { return };
    let mut total = 0;
    while let Ok(Some(entry)) = entries.next().await {
        if entry.state.is_some() {
            total += entry.size.unwrap_or_default();
        }
    }
    bar.set_total(total);
}

/// The stream itself, checked on its way through.
async fn to_stdout(context: Context, word: Option<&str>, query: &TreeQuery) -> Result<Outcome, Failure> {
    let (answer, pieces) = context.of_place(word, context.hub()?.tree(query).await).await?;
    let reader = PieceReader::new(pieces);
    let surveyed = tokio::task::spawn_blocking(move || {
        let mut through = Through { from: reader, to: std::io::stdout().lock(), refused: None };
        let mut tree = TreeReader::new(&mut through);
        let whole = pass_over(&mut tree);
        let surveyed = (tree.counts(), tree.left_out().clone(), whole);
        let flushed = through.to.flush();
        (surveyed, through.refused.map_or(flushed, Err))
    });
    let ((counts, left_out, whole), written) = surveyed.await.map_err(|e| Failure::of(&e))?;
    written?;
    whole.map_err(|error| Failure::of(&error))?;
    let flaws = [
        (counts.pending, "files with the last content that was stored; a newer one was not"),
        (counts.torn, "files with content that may mix several versions"),
        (counts.damaged, "files whose stored content cannot be read"),
        (counts.missing, "files of which no content was ever stored"),
        (counts.unseen, "directories of which not everything could be seen"),
        (counts.left_out, "objects that a stream cannot hold as they were recorded"),
    ];
    for (number, what) in flaws.into_iter().filter(|(number, _)| *number > 0) {
        context.out.warn(&format!("{what}: {}", count(number)));
    }
    for left in left_out.first.iter().take(NAMED) {
        context.out.warn(&format!("{}: {}", named(&left.path), left.cause.told()));
    }
    let flawed = flaws.iter().any(|(number, _)| *number > 0);
    Ok(Outcome::partial_if(context.warn_of_doubts(&answer) || flawed))
}

/// Hands on what is read from it.
struct Through<R, W> {
    from: R,
    to: W,
    /// Why the reader of the output takes no more.
    refused: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Through<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        if let Err(error) = self.to.write_all(&buffer[..n]) {
            let kind = error.kind();
            self.refused = Some(error);
            return Err(kind.into());
        }
        Ok(n)
    }
}

/// One line of `--dry-run`.
fn plan(out: &mut Output, path: &[u8], kind: &'static str, action: Action) -> io::Result<()> {
    let word = match action {
        Action::Create => "create",
        Action::Replace => "replace",
        Action::Keep => "keep",
        Action::Leave => "leave",
    };
    if out.is_json() {
        let path = Shown::new(path);
        return out.json(&json!({"action": word, "type": kind, "path": path.text, "path_b64": path.b64}));
    }
    let path = if path.is_empty() { ".".to_owned() } else { escaped(path) };
    out.line(&format!("{word:<8} {kind:<12} {path}"))
}
