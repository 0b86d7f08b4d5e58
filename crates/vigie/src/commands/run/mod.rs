//! `vigie run`

mod told;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::signals::EndSignals;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use told::Told;
use vigie_exec::readers::{self, Ask, Format};
use vigie_exec::{Command, Ending, Keep, Leftovers, Outputs, native};

/// What is kept of each output for `--json` and `--parse`: the tables of a big machine, and far from its memory.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// Run a command, with a time limit, and read its output as data
///
/// Ends with the command's own exit code; 124 when its time was over, 125 when it could not be run, 128 and the
/// signal's number when a signal ended it. At the end of its time, and at Ctrl-C, everything that it started is ended
/// with it.
#[derive(Args, Debug)]
#[command(after_help = "\
Without --json and --parse the output passes untouched. With them it is read as what it is: JSON, key=value,
`Key: value`, CSV, columns under a header, lines. Tools that can print JSON are asked to (ip, lsblk, findmnt,
systemctl list-…, journalctl and others). What is not sure is not guessed: then the text is all there is, and a
warning says why. The text itself is always in the JSON too.

EXAMPLES:
  vigie run -- systemctl restart apache2
  vigie run --timeout 30s --shell 'ls | wc -l'
  vigie run --parse auto -- df                         one JSON object a row
  vigie run --json -- systemctl show ssh | jq .reading.rows[0].MainPID
  vigie run --json -- lsblk | jq '.reading.documents[0].blockdevices[].name'")]
pub(crate) struct RunArgs {
    /// A line for the shell, instead of a command
    #[arg(long, value_name = "LINE", conflicts_with = "command", required_unless_present = "command")]
    shell: Option<OsString>,

    /// End it, and all that it started, after this time, such as 500ms, 30s or 5min
    #[arg(long, value_name = "SPAN", value_parser = limit)]
    timeout: Option<Duration>,

    /// The directory to run it in
    #[arg(long, value_name = "DIR")]
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
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let reads = context.out.is_json() || self.parse.is_some();
        let command = self.command(reads);
        let mut end = EndSignals::listen()?;
        let ran = {
            let mut run = std::pin::pin!(command.run_until(end.next()));
            (&mut run).await
        };
        let ran = ran.map_err(|e| Failure::of(&e).not_run())?;
        let told = Told::new(&command, &ran, self.ask());
        if context.out.is_json() {
            context.out.json(&told)?;
        } else if reads {
            self.print_rows(&mut context.out, &told, &ran)?;
        }
        context.out.flush()?;
        self.remarks(&context.out, &ran);
        Ok(Outcome::Command(exit_code(ran.ending)))
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

    /// What is run; to be read, in the one language that readers know, and not folded to a terminal's width.
    fn command(&self, reads: bool) -> Command {
        let mut command = match (&self.shell, self.command.split_first()) {
            (Some(line), _) => Command::shell(line),
            (None, Some((program, args))) => {
                let json = (reads && !self.as_is && matches!(self.ask(), Ask::Auto | Ask::Json))
                    .then(|| native_args(program, args))
                    .flatten();
                match json {
                    Some(args) => Command::new(program).args(args),
                    None => Command::new(program).args(args),
                }
            }
            // Ruled out by the command line's own rules; running nothing would fail with a name of nothing.
            (None, None) => Command::new(""),
        };
        if !self.as_is {
            command = command.env("LC_ALL", "C.UTF-8").env("LANGUAGE", "");
        }
        if reads {
            let plain = [("COLUMNS", "10000"), ("NO_COLOR", "1"), ("SYSTEMD_COLORS", "0"), ("PAGER", "cat")];
            command = plain.into_iter().fold(command, |command, (name, value)| command.env(name, value));
            command = command.env("SYSTEMD_PAGER", "").keep(Keep::both_ends(KEPT_BYTES));
        } else {
            command = command.outputs(Outputs::Inherited);
        }
        if let Some(limit) = self.timeout {
            command = command.time_limit(limit);
        }
        if let Some(dir) = &self.dir {
            command = command.dir(dir);
        }
        command.leftovers(Leftovers::Leave)
    }

    /// The rows, or the text when it is not to be read as rows.
    fn print_rows(&self, out: &mut Output, told: &Told, ran: &vigie_exec::Outcome) -> Result<(), Failure> {
        let reading = &told.reading;
        match reading.format {
            Format::Raw => out.bytes(ran.stdout.bytes())?,
            Format::Json | Format::NdJson => {
                for document in &reading.documents {
                    out.json(document)?;
                }
            }
            _ => {
                for row in &reading.rows {
                    out.json(row)?;
                }
            }
        }
        out.flush()?;
        // Its own words, as they would have come.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), ran.stderr.bytes());
        reading.warnings.iter().for_each(|warning| out.warn(warning));
        Ok(())
    }

    fn remarks(&self, out: &Output, ran: &vigie_exec::Outcome) {
        if let Ending::TimedOut { .. } = ran.ending {
            let limit = self.timeout.map(crate::output::span).unwrap_or_default();
            out.remark(&format!("vigie: ended after {limit}, with all that it had started"));
            out.remark(
                "hint: a command that stays in the foreground, such as a service, `tail -f` or `top`, never ends by \
                 itself; a service is started with systemctl, or with its own option for the background",
            );
        }
        if ran.left_running {
            out.remark("vigie: something that it started still runs in the background");
        }
    }
}

/// A time limit is longer than nothing.
fn limit(text: &str) -> Result<Duration, String> {
    match crate::instant::span(text)? {
        Duration::ZERO => Err("no time at all; leave --timeout away for no limit".to_owned()),
        limit => Ok(limit),
    }
}

fn native_args(program: &OsString, args: &[OsString]) -> Option<Vec<String>> {
    let args: Option<Vec<String>> = args.iter().map(|arg| arg.to_str().map(str::to_owned)).collect();
    native::asked_for_json(program.to_str()?, &args?)
}

/// As shells and `timeout(1)` tell it.
fn exit_code(ending: Ending) -> u8 {
    const INTERRUPT: u8 = 2;
    match ending {
        Ending::Exited(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Ending::Signalled { signal, .. } => u8::try_from(signal).unwrap_or(127).saturating_add(128),
        Ending::TimedOut { .. } => 124,
        Ending::Stopped { .. } => 128 + INTERRUPT,
        Ending::Unknown => 125,
    }
}
