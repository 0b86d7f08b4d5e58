//! `vigie watch`

use crate::commands::log::print;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, escaped, short_time};
use crate::service::roots;
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use vigie_model::MachineId;
use vigie_watch::Config;
use vigie_watch::front::{Seen, Stop, WatchError, watch};
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
        let mut end = EndSignals::listen()?;
        let stop = Stop::default();
        let asked = stop.clone();
        let mut watching = tokio::task::spawn_blocking(move || {
            let mut printed = Ok(());
            let watched = watch(config, &asked, &mut |seen| {
                printed = show(&mut context.out, &seen).and_then(|()| context.out.flush());
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
            WatchError::Start(_) => Failure::of(&error).into_usage(),
            WatchError::Kernel(_) => Failure::of(&error),
        })?;
        printed?;
        Ok(Outcome::Done)
    }
}

fn show(out: &mut Output, seen: &Seen) -> std::io::Result<()> {
    match seen {
        Seen::Ready => {
            out.remark("watching; end with Ctrl-C");
            Ok(())
        }
        Seen::Kernel(heard) if out.is_json() => {
            let events: Vec<String> = heard.mask.to_string().split('|').map(str::to_owned).collect();
            let path = Shown::new(&heard.path);
            out.json(&KernelLine {
                observed: rfc3339(heard.observed),
                kind: "kernel",
                path: path.text,
                path_b64: path.b64,
                events,
            })
        }
        Seen::Kernel(heard) => {
            let time = out.paint(Paint::Dim, &short_time(&rfc3339(heard.observed)));
            let events = out.paint(Paint::Dim, &heard.mask.to_string());
            out.line(&format!("{time}  {events}  {}", escaped(&heard.path)))
        }
        Seen::Content { path, observed, size } => {
            let shown = Shown::new(path);
            let line = LogLine {
                observed: rfc3339(*observed),
                kind: "content".to_owned(),
                path: Some(shown.text),
                path_b64: shown.b64,
                size: Some(*size),
                ..LogLine::default()
            };
            change(out, &line)
        }
        Seen::Change(fact) => {
            let line = unjournaled(&fact.event, fact.observed, fact.path.as_deref(), fact.from.as_deref());
            change(out, &line)
        }
    }
}

/// A change, with the fields of `log` as far as they are known without a hub.
fn change(out: &mut Output, line: &LogLine) -> std::io::Result<()> {
    if out.is_json() { out.json(line) } else { print(out, line) }
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
