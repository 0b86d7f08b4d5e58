//! What is printed: tidy text for people, JSON lines for scripts. Standard output carries answers only;
//! remarks go to standard error.

mod aside;
mod human;
mod progress;
mod style;
mod table;

pub(crate) use aside::Aside;
pub(crate) use human::{ago, bytes, count, counted, escaped, long_mode, short_time, span};
pub(crate) use progress::Bar;
pub(crate) use style::Paint;
pub(crate) use table::Table;

use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// Where a command prints.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    paint: bool,
    to: BufWriter<Stdout>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let paint = stdout.is_terminal() && !no_colour && !json;
        Output { json, paint, to: BufWriter::new(stdout) }
    }

    /// Whether scripts are to read it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Text in a colour, on a terminal that may have colours.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        style::apply(self.paint, paint, text)
    }

    /// One line of text.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// One line of JSON that is already written.
    pub(crate) fn raw_line(&mut self, json: &[u8]) -> io::Result<()> {
        self.to.write_all(json)?;
        self.to.write_all(b"\n")
    }

    /// One line of JSON.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.to.write_all(b"\n")
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }

    /// Lets the reader see what was printed so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Something good to know, on standard error; scripts are spared.
    pub(crate) fn remark(&self, text: &str) {
        if !self.json {
            // Without standard error the remark is lost, and nothing else.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// A warning on standard error.
    pub(crate) fn warn(&self, text: &str) {
        let text = if self.json {
            serde_json::json!({ "warning": text }).to_string()
        } else {
            format!("warning: {text}")
        };
        // Without standard error the remark is lost, and the exit code still tells.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// For those who write a format of their own.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
