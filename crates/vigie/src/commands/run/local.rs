//! On this machine.

use super::told::{self, Told};
use super::{KEPT_BYTES, RunArgs, exit_code_of_signal};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::signals::EndSignals;
use std::ffi::OsString;
use vigie_exec::readers::{Ask, Reading};
use vigie_exec::{Command, Ending, Keep, Leftovers, Outputs, native};

impl RunArgs {
    pub(super) async fn run_here(self, mut context: Context) -> Result<Outcome, Failure> {
        let reads = self.reads(&context);
        let command = self.local_command(reads);
        let mut end = EndSignals::listen()?;
        let ran = command.run_until(end.next()).await.map_err(|e| Failure::of(&e).not_run())?;
        if reads {
            let reading = told::read(&ran.stdout, self.ask());
            if context.out.is_json() {
                context.out.json(&Told::here(&command, &ran, &reading))?;
            } else {
                print_rows(&mut context.out, &reading, &ran)?;
            }
        }
        context.out.flush()?;
        self.remarks(&context.out, &ran);
        Ok(Outcome::Command(exit_code(ran.ending)))
    }

    /// What is run; to be read, in the one language that readers know, and not folded to a terminal's width.
    fn local_command(&self, reads: bool) -> Command {
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
            command = PLAIN.into_iter().fold(command, |command, (name, value)| command.env(name, value));
            command = command.keep(Keep::both_ends(KEPT_BYTES));
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

/// For an output that a program reads.
const PLAIN: [(&str, &str); 5] = [
    ("COLUMNS", "10000"),
    ("NO_COLOR", "1"),
    ("SYSTEMD_COLORS", "0"),
    ("PAGER", "cat"),
    ("SYSTEMD_PAGER", ""),
];

/// The rows, or the text when it is not to be read as rows; then what it said on standard error.
fn print_rows(out: &mut Output, reading: &Reading, ran: &vigie_exec::Outcome) -> Result<(), Failure> {
    if !super::show::rows(out, reading, None)? {
        out.bytes(ran.stdout.bytes())?;
    }
    out.flush()?;
    // With standard error gone its words are lost, and nothing else.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), ran.stderr.bytes());
    reading.warnings.iter().for_each(|warning| out.warn(warning));
    Ok(())
}

fn native_args(program: &OsString, args: &[OsString]) -> Option<Vec<String>> {
    let args: Option<Vec<String>> = args.iter().map(|arg| arg.to_str().map(str::to_owned)).collect();
    native::asked_for_json(program.to_str()?, &args?)
}

/// As shells and `timeout(1)` tell it.
fn exit_code(ending: Ending) -> u8 {
    const INTERRUPT: i32 = 2;
    match ending {
        Ending::Exited(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Ending::Signalled { signal, .. } => exit_code_of_signal(signal),
        Ending::TimedOut { .. } => 124,
        Ending::Stopped { .. } => exit_code_of_signal(INTERRUPT),
        Ending::Unknown => 125,
    }
}
