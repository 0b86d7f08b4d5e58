//! `vigie role join`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Aside, Output, Paint, span};
use crate::service::hooks::{HookArgs, ShellHooks};
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vigie_model::{Clock, SystemClock};
use vigie_role::plain::client::{Happened, JoinError, join};
use vigie_role::{GroupName, Role};
use vigie_web::text::rfc3339;

/// News that wait to be printed; hooks do not wait for them.
const NEWS: usize = 1024;

/// Be a client of `vigie role serve`: print the role, run hooks, come back when the connection breaks
///
/// Works with any server that sends lines `principal` and `secondaire`; the epoch is known only from `vigie role
/// serve`. A role ends with its connection. The first role runs its hook, too.
#[derive(Args, Debug)]
#[command(after_help = "\
Hooks are run by sh, one at a time, with VIGIE_ROLE, VIGIE_OLD_ROLE, VIGIE_EPOCH, VIGIE_GROUP and VIGIE_REASON.
What they print goes to standard error; what they left running is killed when they end. If the hook of a promotion
fails, this steps down (the other hook is run) and ends with 4.

The mode is `fast`: when the connection breaks, the next client is promoted at once, while the hook of the demotion
here may still run; a client that is cut off or frozen notices only later. On Ctrl-C the demotion comes first.

EXAMPLES:
  vigie role join 127.0.0.1:9999
  vigie role join hub:9999 --on-principal 'ip addr add 192.0.2.9/24 dev eth0' --on-secondaire 'ip addr del 192.0.2.9/24 dev eth0'
  vigie role join hub:9999 --json | jq -r .role")]
pub(crate) struct JoinArgs {
    /// The server
    #[arg(value_name = "HOST:PORT", value_parser = crate::addresses::host_and_port)]
    server: String,

    #[command(flatten)]
    hooks: HookArgs,
}

impl JoinArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let mut end = EndSignals::listen()?;
        let hooks = ShellHooks::new(self.hooks, GroupName::default_group());
        let (news, told) = mpsc::channel(NEWS);
        let mut printing = Aside::start(context.out, told, print)?;
        let stop = CancellationToken::new();
        let mut joined = tokio::spawn(join(self.server, Arc::new(hooks), news, stop.clone()));
        let ended = loop {
            tokio::select! {
                () = end.next() => {
                    if stop.is_cancelled() {
                        return Err(Failure::failed("stopped at once, as asked twice"));
                    }
                    stop.cancel();
                }
                () = printing.failed(), if !stop.is_cancelled() => stop.cancel(),
                ended = &mut joined => break ended,
            }
        };
        // What it printed until it failed is told before the failure.
        let printed = printing.finish().await;
        ended.map_err(|e| Failure::of(&e))?.map_err(|error| failure(&error))?;
        printed?;
        Ok(Outcome::Done)
    }
}

fn failure(error: &JoinError) -> Failure {
    match error {
        JoinError::Promotion(_) => {
            Failure::of(error).hint("it has stepped down and left; mend the hook, then join again")
        }
        JoinError::Hook(_) => Failure::of(error),
    }
}

/// One line of what happens, for scripts.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Connected { server: String },
    Role { role: &'static str, old_role: Option<&'static str>, epoch: Option<u64>, reason: &'static str },
    Disconnected { why: String, retry_ms: u64 },
    HookFailed { role: &'static str, why: String },
}

/// A line, with the time.
#[derive(Serialize)]
struct Timed {
    time: String,
    #[serde(flatten)]
    line: Line,
}

fn print(out: &mut Output, happened: Happened) -> std::io::Result<()> {
    let line = match happened {
        Happened::Connected { server } => Line::Connected { server: server.to_string() },
        Happened::Role { role, old, epoch, cause } => Line::Role {
            role: role.as_str(),
            old_role: old.map(Role::as_str),
            epoch: epoch.map(|epoch| epoch.0),
            reason: cause.as_str(),
        },
        Happened::Disconnected { why, retry } => {
            Line::Disconnected { why, retry_ms: u64::try_from(retry.as_millis()).unwrap_or(u64::MAX) }
        }
        Happened::HookFailed { call, error } => {
            Line::HookFailed { role: call.role.as_str(), why: error.to_string() }
        }
    };
    if out.is_json() {
        out.json(&Timed { time: rfc3339(SystemClock::default().wall()), line })?;
        return out.flush();
    }
    match line {
        Line::Connected { server } => out.remark(&format!("connected to {server}")),
        Line::Role { role, epoch, reason, .. } => {
            let paint = if role == Role::Principal.as_str() { Paint::Good } else { Paint::Dim };
            let epoch = epoch.map(|epoch| format!("  epoch {epoch}")).unwrap_or_default();
            out.line(&format!("{}{epoch}  {reason}", out.paint(paint, role)))?;
        }
        Line::Disconnected { why, retry_ms } => {
            let retry = span(Duration::from_millis(retry_ms));
            out.remark(&format!("not connected: {why}; trying again in {retry}"));
        }
        Line::HookFailed { role, why } => out.warn(&format!("the hook for {role} failed: {why}")),
    }
    out.flush()
}
