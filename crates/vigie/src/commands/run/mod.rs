//! `vigie run`

mod local;
mod remote;
pub(super) mod show;
mod told;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::reaching::limit;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use vigie_exec::readers::Ask;

/// What is kept of each output for `--json` and `--parse`: the tables of a big machine, and far from its memory.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// Run a command here or on many machines, with a time limit, and read its output as data
///
/// On one machine it ends with the command's own exit code; 124 when its time was over, 125 when it could not be run,
/// 128 and the signal's number when a signal ended it. On several, with 0 when all exit codes are 0, 1 when some are
/// not, 3 when some machine was not reached or its end is not known. At the end of its time, and at Ctrl-C, everything
/// that it started is ended with it.
#[derive(Args, Debug)]
#[command(after_help = "\
Without --json and --parse the output passes untouched. With them it is read as what it is: JSON, key=value,
`Key: value`, CSV, columns under a header, lines. Tools that can print JSON are asked to (ip, lsblk, findmnt,
systemctl list-…, journalctl and others; on this machine only). What is not sure is not guessed: then the text is all
there is, and a warning says why. The text itself is always in the JSON too.

On other machines the line goes to the user's shell there, over SSH, as your own ~/.ssh/config says. HOSTS are names
between commas, node sets such as web[01-12], and groups such as @db, from an inventory: --inventory FILE, else
~/.config/vigie/inventory.toml, /etc/vigie/inventory.toml, or ClusterShell's groups.conf.

EXAMPLES:
  vigie run -- systemctl restart apache2
  vigie run --timeout 30s --shell 'ls | wc -l'
  vigie run --parse auto -- df                         one JSON object a row
  vigie run --json -- systemctl show ssh | jq .reading.rows[0].MainPID
  vigie run --on 'web[01-12],db1' -- uptime
  vigie run --on @web --fold -- cat /etc/debian_version
  vigie run --on @web --sudo -- systemctl reload apache2
  vigie run --on @web --transport system -- uptime      through your own ssh, and its open connections
  vigie run --on new01 --host-keys accept-new -- ls /tmp")]
pub(crate) struct RunArgs {
    /// Run it on these machines, over SSH
    #[arg(long, value_name = "HOSTS", help_heading = "On other machines")]
    on: Option<String>,

    #[command(flatten)]
    there: remote::ThereArgs,

    /// A line for the shell, instead of a command
    #[arg(long, value_name = "LINE", conflicts_with = "command", required_unless_present = "command")]
    shell: Option<OsString>,

    /// End it, and all that it started, after this time, such as 500ms, 30s or 5min
    #[arg(long, value_name = "SPAN", value_parser = limit)]
    timeout: Option<Duration>,

    /// The directory to run it in
    #[arg(long, value_name = "DIR", conflicts_with = "on")]
    dir: Option<PathBuf>,

    /// Print its output as rows of JSON, read like this
    #[arg(long, value_name = "FORMAT", value_enum)]
    parse: Option<Parse>,

    /// Run it exactly as given: nothing is added that asks for JSON, and the language of its messages is yours
    #[arg(long)]
    as_is: bool,

    /// The command and its arguments, behind `--`
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// How an output is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Parse {
    /// As whatever it is
    Auto,
    /// JSON, or JSON a line
    Json,
    /// `key=value` or `Key: value`
    Kv,
    /// CSV, or columns under a header
    Table,
    /// Line by line
    Lines,
    /// As text
    Raw,
}

impl RunArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.on.clone() {
            None if self.there.is_given() => {
                Err(Failure::usage("on which machines? These options are for --on HOSTS"))
            }
            None => self.run_here(context).await,
            Some(hosts) => self.run_there(context, &hosts).await,
        }
    }

    fn reads(&self, context: &Context) -> bool {
        context.out.is_json() || self.parse.is_some()
    }

    fn ask(&self) -> Ask {
        match self.parse {
            None | Some(Parse::Auto) => Ask::Auto,
            Some(Parse::Json) => Ask::Json,
            Some(Parse::Kv) => Ask::KeyValue,
            Some(Parse::Table) => Ask::Table,
            Some(Parse::Lines) => Ask::Lines,
            Some(Parse::Raw) => Ask::Raw,
        }
    }
}

/// As shells tell it.
pub(super) fn exit_code_of_signal(number: i32) -> u8 {
    u8::try_from(number).unwrap_or(127).saturating_add(128)
}
