//! `vigie verify`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use crate::output::{Bar, Paint, bytes, count, counted, escaped};
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vigie_store::{Committer, OpenError, Options, Store};
use vigie_web::messages::{DamagedBlock, DamagedPlace, VerifyLine, VerifyResult};
use vigie_web::server::verify_store;
use vigie_web::text::exact;

/// Re-read everything that is stored, and name each damaged file
///
/// Reads every block of the packs and every record of the journal, and compares the index with the journal. A damaged
/// index is built anew, by itself; nothing is lost by it.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 1 when anything is damaged.

EXAMPLES:
  vigie verify                          the hub that runs here
  vigie verify --data /var/lib/vigie    a store that no hub has open")]
pub(crate) struct VerifyArgs {
    /// The hub's data directory, when no hub runs
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl VerifyArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let mut lines = match (context.hub_at(self.data.as_deref())?.verify().await, &self.data) {
            (Err(error), Some(data)) if error.is_unreachable() => return on_data(data, context).await,
            (Err(error), None) if error.is_unreachable() => {
                return Err(Failure::from(error).hint("where no hub runs, give its directory: --data DIR"));
            }
            (other, _) => other.map_err(hub_failure)?,
        };
        let mut report = Report::new(context);
        while let Some(line) = lines.next_raw().await.map_err(hub_failure)? {
            let read = lines.read(&line)?;
            report.take(&line, read)?;
        }
        report.finish()
    }
}

/// Verifies a store that no hub has open.
async fn on_data(data: &Path, context: Context) -> Result<Outcome, Failure> {
    let dir = data.join("store");
    if !dir.is_dir() {
        return Err(Failure::failed(format!("there is no store in {}", data.display())));
    }
    let verified = tokio::task::spawn_blocking(move || {
        let (store, committer) = open(&dir)?;
        let committer = committer.spawn_thread().map_err(|e| Failure::of(&e))?;
        let mut report = Report::new(context);
        let mut printed = Ok(());
        let mut tell = |line: VerifyLine| {
            if printed.is_ok() {
                printed = serde_json::to_vec(&line)
                    .map_err(|e| Failure::of(&e))
                    .and_then(|raw| report.take(&raw, line));
            }
            printed.is_ok()
        };
        // Opening the store has mended it, and yet that is a finding.
        let at_open = store.index_was_damaged();
        if let Some(why) = at_open {
            let (file, why) = ("index".to_owned(), format!("{why} (found when the store was opened)"));
            tell(VerifyLine::DamagedPlace(DamagedPlace { file, offset: 0, why }));
        }
        let verified = verify_store(&store, &mut |line| match line {
            VerifyLine::Result(result) => {
                let index_is_damaged = result.index_is_damaged || at_open.is_some();
                tell(VerifyLine::Result(VerifyResult { index_is_damaged, ..result }))
            }
            other => tell(other),
        });
        store.close();
        if committer.join().is_err() {
            return Err(Failure::failed("the store could not be closed in order"));
        }
        printed?;
        verified.map_err(|e| Failure::of(&e))?;
        report.finish()
    });
    verified.await.map_err(|e| Failure::of(&e))?
}

/// Takes the lock, and replays what the index lacks; nothing is committed. What is damaged is opened as it is.
fn open(dir: &Path) -> Result<(Store, Committer), Failure> {
    let opened = match Store::open(dir, Options::default()) {
        Err(OpenError::Damaged { .. } | OpenError::IndexAhead { .. }) => {
            Store::open(dir, Options { read_only: true, ..Options::default() })
        }
        other => other,
    };
    opened.map_err(|e| Failure::of(&e))
}

/// Prints the lines of a verification, and remembers what the end needs.
struct Report {
    context: Context,
    bar: Bar,
    files: BTreeSet<(String, Vec<u8>)>,
    result: Option<VerifyResult>,
}

impl Report {
    fn new(context: Context) -> Self {
        let bar = Bar::bytes(context.out.is_json());
        Report { context, bar, files: BTreeSet::new(), result: None }
    }

    /// One line, as it came and as it was read.
    fn take(&mut self, raw: &[u8], line: VerifyLine) -> Result<(), Failure> {
        if self.context.out.is_json() {
            self.context.out.raw_line(raw)?;
        }
        match line {
            VerifyLine::Progress(progress) => {
                let of = match progress.blocks_total {
                    0 => "? blocks".to_owned(),
                    total => counted(total, "block"),
                };
                self.bar.set(progress.bytes, format!("{} of {of}", count(progress.blocks)));
            }
            VerifyLine::DamagedBlock(block) => self.damaged(&block)?,
            VerifyLine::DamagedPlace(place) if !self.context.out.is_json() => {
                let DamagedPlace { file, offset, why } = place;
                let at = if file == "index" { file } else { format!("{file} at byte {offset}") };
                self.print_bad(&format!("damaged  {at}: {why}"))?;
            }
            VerifyLine::DamagedPlace(_) => {}
            VerifyLine::Result(result) => self.result = Some(result),
        }
        Ok(())
    }

    /// Names every file once, however many of its blocks are damaged.
    fn damaged(&mut self, block: &DamagedBlock) -> Result<(), Failure> {
        if self.context.out.is_json() {
            return Ok(());
        }
        let DamagedBlock { digest, pack, offset, why, files, files_total } = block;
        tracing::info!(digest, pack, offset, why, "a block is damaged");
        for file in files {
            let path = exact(&file.path, file.path_b64.as_deref());
            let text = format!("damaged  {}:{}  ({why})", file.machine, escaped(&path));
            if self.files.insert((file.machine.clone(), path)) {
                self.print_bad(&text)?;
            }
        }
        let unnamed = files_total.saturating_sub(files.len() as u64);
        if unnamed > 0 {
            let share = if unnamed == 1 { "shares" } else { "share" };
            let text = format!("damaged  {} {share} that block", counted(unnamed, "more file"));
            self.print_bad(&text)?;
        }
        if *files_total == 0 {
            self.print_bad(&format!("damaged  block {digest}, which no file needs  ({why})"))?;
        }
        Ok(())
    }

    fn print_bad(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.context.out.paint(Paint::Bad, text);
        self.context.out.line(&text)?;
        self.context.out.flush()?;
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome, Failure> {
        self.bar.finish();
        let Some(result) = self.result else {
            return Err(Failure::failed("the verification ended without a result"));
        };
        if !self.context.out.is_json() {
            let VerifyResult {
                blocks,
                bytes: size,
                records,
                damaged_blocks,
                damaged_places,
                index_is_damaged,
            } = result;
            let found = if result.is_sound() {
                self.context.out.paint(Paint::Good, "all as it was stored")
            } else {
                let mut text = format!(
                    "damaged blocks: {}, damaged places of journal and packs: {}",
                    count(damaged_blocks),
                    count(damaged_places)
                );
                if index_is_damaged {
                    text.push_str(
                        "; the index is damaged and is built anew from the journal: nothing is lost by that",
                    );
                }
                self.context.out.paint(Paint::Bad, &text)
            };
            let what =
                format!("{} ({}), {}", counted(blocks, "block"), bytes(size), counted(records, "record"));
            self.context.out.line(&format!("{what}: {found}"))?;
        }
        self.context.out.flush()?;
        Ok(if result.is_sound() { Outcome::Done } else { Outcome::Negative })
    }
}
