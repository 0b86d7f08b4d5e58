//! The user's own nmap as an engine, and as the one who knows services.
//!
//! It is never brought along, and none of its files is: what is not installed is said to be missing. No text of a
//! user reaches its command line: targets go in through its standard input, as addresses.
//!
//! In reading order: [`command`] what is asked of it · [`run`] the process and its XML as it comes.

pub mod command;
pub mod run;

pub use run::{NmapSink, NmapSummary, scan, services};

use std::io;

/// Why nmap has no result.
#[derive(Debug, thiserror::Error)]
pub enum NmapError {
    /// It is not installed.
    #[error("nmap is not installed, or not in PATH")]
    Missing,
    /// It cannot be started.
    #[error("cannot start nmap: {0}")]
    Start(#[source] io::Error),
    /// A list of ports that no command line can hold.
    #[error("these ports are {0} bytes as ranges, and nmap can be given {max} at most", max = crate::limits::NMAP_PORTS_BYTES_MAX)]
    TooManyRanges(usize),
    /// It ended otherwise than it should.
    #[error("nmap {how}{}", quoted(.said))]
    Failed {
        /// What is wrong.
        how: String,
        /// What it printed on standard error, escaped.
        said: String,
    },
}

fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("; it said: {text}") }
}

/// Whether there is an nmap in PATH.
#[must_use]
pub fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join("nmap").is_file())
}
