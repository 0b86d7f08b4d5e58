//! The end of a command as one object of JSON.

use super::readers::{self, Ask, Reading};
use serde::{Serialize, Serializer};
use std::time::Duration;
use vigie_exec::readers::Row;
use vigie_exec::{Captured, Command, Ending, Outcome};

/// What `--json` prints of one run.
#[derive(Serialize)]
pub(super) struct Told {
    host: &'static str,
    /// What was really run: possibly more than was asked for, so that it prints JSON.
    argv: Vec<String>,
    class: &'static str,
    /// None when it did not end by itself.
    exit_code: Option<i32>,
    signal: Option<i32>,
    duration_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rss_bytes_max: Option<u64>,
    left_running: bool,
    stdout: String,
    stdout_bytes: u64,
    stdout_cut_bytes: u64,
    stderr: String,
    stderr_bytes: u64,
    stderr_cut_bytes: u64,
    #[serde(serialize_with = "as_object")]
    pub(super) reading: Reading,
}

impl Told {
    pub(super) fn new(command: &Command, ran: &Outcome, ask: Ask) -> Self {
        let Outcome { ending, stdout, stderr, duration, usage, left_running } = ran;
        let millis = |time: Duration| time.as_millis();
        let (exit_code, signal) = match ending {
            Ending::Exited(code) => (Some(*code), None),
            Ending::Signalled { signal, .. } => (None, Some(*signal)),
            _ => (None, None),
        };
        Told {
            host: "localhost",
            argv: command.argv().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            class: class(*ending),
            exit_code,
            signal,
            duration_ms: millis(*duration),
            user_ms: usage.map(|usage| millis(usage.user)),
            system_ms: usage.map(|usage| millis(usage.system)),
            rss_bytes_max: usage.map(|usage| usage.rss_bytes_max),
            left_running: *left_running,
            stdout: stdout.to_text(),
            stdout_bytes: stdout.len(),
            stdout_cut_bytes: stdout.cut(),
            stderr: stderr.to_text(),
            stderr_bytes: stderr.len(),
            stderr_cut_bytes: stderr.cut(),
            reading: read(stdout, ask),
        }
    }
}

/// An output of which something is missing, or that is no text, is not read.
fn read(stdout: &Captured, ask: Ask) -> Reading {
    let text = std::str::from_utf8(stdout.bytes());
    let why = match (stdout.cut(), text) {
        (0, Ok(text)) => return readers::read(text, ask),
        (0, Err(_)) => "the output is not UTF-8 text".to_owned(),
        (cut, _) => {
            format!("{cut} bytes in the middle of the output were not kept, so that it cannot be read")
        }
    };
    let mut reading = readers::read("", Ask::Raw);
    reading.warnings.push(why);
    reading
}

/// One word for how it ended.
fn class(ending: Ending) -> &'static str {
    match ending {
        Ending::Exited(0) => "ok",
        Ending::Exited(_) => "exit",
        Ending::Signalled { .. } => "signal",
        Ending::TimedOut { .. } => "timeout",
        Ending::Stopped { .. } => "stopped",
        Ending::Unknown => "lost",
    }
}

fn as_object<S: Serializer>(reading: &Reading, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Object<'a> {
        format: &'static str,
        confidence: f64,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        fields: &'a [String],
        #[serde(skip_serializing_if = "<[Row]>::is_empty")]
        rows: &'a [Row],
        #[serde(skip_serializing_if = "<[serde_json::Value]>::is_empty")]
        documents: &'a [serde_json::Value],
        warnings: &'a [String],
    }
    let Reading { format, confidence, fields, rows, documents, warnings } = reading;
    Object { format: format.as_str(), confidence: *confidence, fields, rows, documents, warnings }
        .serialize(serializer)
}
