//! `vigie watch`

use crate::commands::log::{KIND_COLUMNS, change};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, escaped, short_time};
use crate::service::agent::MOUNT_PROC;
use crate::service::roots;
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use vigie_model::MachineId;
use vigie_watch::front::{Seen, Stop, WatchError, watch};
use vigie_watch::{Config, Heard, StartError};
use vigie_web::journal::unjournaled;
use vigie_web::messages::LogLine;
use vigie_web::text::{Shown, rfc3339};

/// Print the changes of a directory as they happen; no hub needed, nothing is stored
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie watch .                    what happens here
  vigie watch /etc --events        with what the kernel said: IN_CREATE, IN_MOVED_TO, …
  vigie watch /srv --json | jq .path")]
pub(crate) struct WatchArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Print the kernel's own events, too
    #[arg(long)]
    events: bool,
}

impl WatchArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let roots = roots::resolve(std::slice::from_ref(&self.dir))?;
        // No hub knows this machine here, so any id is as good as another.
        let mut config = Config::new(MachineId::default(), roots);
        config.heard = self.events;
        let columns = if self.events { EVENTS_COLUMNS } else { KIND_COLUMNS };
        let mut end = EndSignals::listen()?;
        let stop = Stop::default();
        let asked = stop.clone();
        let mut watching = tokio::task::spawn_blocking(move || {
            let mut printed = Ok(());
            let watched = watch(config, &asked, &mut |seen| {
                printed = show(&mut context.out, &seen, columns).and_then(|()| context.out.flush());
                printed.is_ok()
            });
            (watched, printed)
        });
        let ended = tokio::select! {
            ended = &mut watching => ended,
            () = end.next() => {
                stop.stop();
                watching.await
            }
        };
        let (watched, printed) = ended.map_err(|e| Failure::of(&e))?;
        watched.map_err(|error| match error {
            WatchError::Start(StartError::Proc(_)) => Failure::of(&error).hint(MOUNT_PROC),
            WatchError::Start(_) => Failure::of(&error).into_usage(),
            WatchError::Kernel(_) => Failure::of(&error),
        })?;
        printed?;
        Ok(Outcome::Done)
    }
}

/// Columns of the longest thing that the kernel says often, `IN_MOVED_FROM|IN_ISDIR`: whatever is printed, paths
/// begin in one column.
const EVENTS_COLUMNS: usize = 22;

fn show(out: &mut Output, seen: &Seen, columns: usize) -> std::io::Result<()> {
    let line = match seen {
        Seen::Ready => {
            out.remark("watching; end with Ctrl-C");
            return Ok(());
        }
        Seen::Kernel(heard) if out.is_json() => return out.json(&KernelLine::new(heard)),
        Seen::Kernel(heard) => {
            let text = kernel(out, heard, columns);
            return out.line(&text);
        }
        Seen::Content { path, observed, size } => {
            let shown = Shown::new(path);
            LogLine {
                observed: rfc3339(*observed),
                kind: "content".to_owned(),
                path: Some(shown.text),
                path_b64: shown.b64,
                size: Some(*size),
                ..LogLine::default()
            }
        }
        Seen::Change(fact) => {
            unjournaled(&fact.event, fact.observed, fact.path.as_deref(), fact.from.as_deref())
        }
    };
    if out.is_json() {
        // With the fields of `log`, as far as they are known without a hub.
        return out.json(&line);
    }
    let time = out.paint(Paint::Dim, &short_time(&line.observed));
    let text = change(out, &line, columns);
    out.line(&format!("{time}  {text}"))
}

/// What the kernel said, on one line.
fn kernel(out: &Output, heard: &Heard, columns: usize) -> String {
    let time = out.paint(Paint::Dim, &short_time(&rfc3339(heard.observed)));
    let events = out.paint(Paint::Dim, &format!("{:<columns$}", heard.mask.to_string()));
    format!("{time}  {events}  {}", escaped(&heard.path))
}

/// What the kernel said, as a line of JSON.
#[derive(Serialize)]
struct KernelLine {
    observed: String,
    kind: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    events: Vec<String>,
}

impl KernelLine {
    fn new(heard: &Heard) -> Self {
        let path = Shown::new(&heard.path);
        KernelLine {
            observed: rfc3339(heard.observed),
            kind: "kernel",
            path: path.text,
            path_b64: path.b64,
            events: heard.mask.to_string().split('|').map(str::to_owned).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::UnixNanos;
    use vigie_watch::kernel::Mask;

    #[test]
    fn paths_begin_in_one_column() {
        let out = Output::new(true);
        let column = |text: &str| text.find("/srv").unwrap();
        let line = |kind: &str| {
            let line = LogLine { kind: kind.into(), path: Some("/srv".into()), ..LogLine::default() };
            column(&change(&out, &line, EVENTS_COLUMNS))
        };
        let heard = |mask| {
            let heard = Heard { mask, path: b"/srv".to_vec(), observed: UnixNanos(0) };
            let text = kernel(&out, &heard, EVENTS_COLUMNS);
            column(&text) - text.find("IN_").unwrap()
        };
        let columns = [
            line("created"),
            line("gap-closed"),
            heard(Mask::CREATE),
            heard(Mask::MOVED_FROM | Mask::ISDIR),
            heard(Mask::CLOSE_WRITE),
        ];
        assert_eq!(columns, [EVENTS_COLUMNS + 2; 5]);
    }
}
