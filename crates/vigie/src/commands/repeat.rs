//! `vigie repeat`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::Args;
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use vigie_web::text::Shown;

/// Print a text several times, one a line
///
/// The text is printed as it was given, byte by byte. What reads the lines may stop early, as `head` does.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie repeat bonjour                   bonjour, on two lines
  vigie repeat 'la première valeur' --repete 3
  vigie repeat --repete 1 -- --help      a text that begins with a dash stands behind `--`")]
pub(crate) struct RepeatArgs {
    /// The text to print
    #[arg(value_name = "LACHAINE")]
    lachaine: OsString,

    /// How many times; 0 prints nothing
    #[arg(
        short,
        long,
        visible_alias = "repeat",
        value_name = "N",
        default_value_t = 2,
        allow_negative_numbers = true,
        value_parser = times
    )]
    repete: u64,
}

fn times(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "N is a whole number, 0 or more, such as 3".to_owned())
}

/// One line for scripts.
#[derive(Serialize)]
struct Line<'a> {
    /// Counted from 1.
    n: u64,
    text: &'a str,
    /// The exact bytes, when they are not all text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text_b64: Option<&'a str>,
}

impl RepeatArgs {
    #[allow(clippy::unused_async, reason = "every command is run in the same way")]
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let out = &mut context.out;
        if out.is_json() {
            let shown = Shown::new(self.lachaine.as_bytes());
            for n in 1..=self.repete {
                out.json(&Line { n, text: &shown.text, text_b64: shown.b64.as_deref() })?;
            }
        } else {
            let line = [self.lachaine.as_bytes(), b"\n"].concat();
            for _ in 0..self.repete {
                out.bytes(&line)?;
            }
        }
        out.flush()?;
        Ok(Outcome::Done)
    }
}
