//! The end of a command as one object of JSON.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::time::Duration;
use vigie_exec::readers::{self, Ask, Reading};
use vigie_exec::ssh::session::Ended;
use vigie_exec::{Captured, Command, Ending, Outcome};

/// What `--json` prints of one run.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    host: &'a str,
    /// What was really run: possibly more than was asked for, so that it prints JSON.
    argv: Vec<String>,
    class: &'static str,
    /// None when it did not end by itself.
    exit_code: Option<u32>,
    /// By its name, or here by its number.
    signal: Option<String>,
    duration_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rss_bytes_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_running: Option<bool>,
    stdout: String,
    stdout_bytes: u64,
    stdout_cut_bytes: u64,
    stderr: String,
    stderr_bytes: u64,
    stderr_cut_bytes: u64,
    /// Why there is no end of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    reading: Read<'a>,
}

impl<'a> Told<'a> {
    pub(super) fn here(command: &Command, ran: &Outcome, reading: &'a Reading) -> Self {
        let Outcome { ending, stdout, stderr, duration, usage, left_running } = ran;
        let (exit_code, signal) = match ending {
            Ending::Exited(code) => (u32::try_from(*code).ok(), None),
            Ending::Signalled { signal, .. } => (None, Some(signal.to_string())),
            _ => (None, None),
        };
        Told {
            argv: command.argv().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            exit_code,
            signal,
            user_ms: usage.map(|usage| millis(usage.user)),
            system_ms: usage.map(|usage| millis(usage.system)),
            rss_bytes_max: usage.map(|usage| usage.rss_bytes_max),
            left_running: Some(*left_running),
            ..Told::of("localhost", class(*ending), *duration, stdout, stderr, reading)
        }
    }

    pub(super) fn there(host: &'a str, line: &str, ended: &'a Ended, reading: &'a Reading) -> Self {
        Told {
            argv: vec![line.to_owned()],
            exit_code: ended.exit_code,
            signal: ended.signal.clone(),
            error: ended.message.as_deref(),
            ..Told::of(host, ended.class.as_str(), ended.duration, &ended.stdout, &ended.stderr, reading)
        }
    }

    fn of(
        host: &'a str,
        class: &'static str,
        duration: Duration,
        stdout: &Captured,
        stderr: &Captured,
        reading: &'a Reading,
    ) -> Self {
        Told {
            host,
            argv: Vec::new(),
            class,
            exit_code: None,
            signal: None,
            duration_ms: millis(duration),
            user_ms: None,
            system_ms: None,
            rss_bytes_max: None,
            left_running: None,
            stdout: stdout.to_text(),
            stdout_bytes: stdout.len(),
            stdout_cut_bytes: stdout.cut(),
            stderr: stderr.to_text(),
            stderr_bytes: stderr.len(),
            stderr_cut_bytes: stderr.cut(),
            error: None,
            reading: Read(reading),
        }
    }
}

/// An output of which something is missing, or that is no text, is not read.
pub(super) fn read(stdout: &Captured, ask: Ask) -> Reading {
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

fn millis(time: Duration) -> u128 {
    time.as_millis()
}

/// A reading as an object; what it does not have is left out.
struct Read<'a>(&'a Reading);

impl Serialize for Read<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Reading { format, confidence, fields, rows, documents, warnings } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", format.as_str())?;
        map.serialize_entry("confidence", confidence)?;
        if !fields.is_empty() {
            map.serialize_entry("fields", fields)?;
        }
        if !rows.is_empty() {
            map.serialize_entry("rows", rows)?;
        }
        if !documents.is_empty() {
            map.serialize_entry("documents", documents)?;
        }
        map.serialize_entry("warnings", warnings)?;
        map.end()
    }
}
