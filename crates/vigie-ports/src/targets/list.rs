//! Files of targets, as `nmap -iL` has them: words between blanks, `#` begins a comment.

use std::io::{BufRead, Read};

use super::Request;
use super::spec::TargetError;
use crate::limits::LIST_BYTES_MAX;

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// Its file.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is longer than any list of machines.
    #[error("{name} is longer than {} MiB", LIST_BYTES_MAX >> 20)]
    TooLong {
        /// Its file.
        name: String,
    },
    /// A word in it is no target.
    #[error("{name}, line {line}: {source}")]
    Target {
        /// Its file.
        name: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        source: TargetError,
    },
}

/// Reads a list and adds its words; `name` is what errors call it.
///
/// # Errors
///
/// If it cannot be read whole, or at the first word that is no target.
pub fn read(from: impl Read, name: &str, request: &mut Request) -> Result<(), ListError> {
    let mut reader = std::io::BufReader::new(from.take(LIST_BYTES_MAX + 1));
    let (mut line, mut bytes_read, mut number) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        let read = read.map_err(|source| ListError::Read { name: name.to_owned(), source })?;
        if read == 0 {
            return Ok(());
        }
        bytes_read += read as u64;
        if bytes_read > LIST_BYTES_MAX {
            return Err(ListError::TooLong { name: name.to_owned() });
        }
        number += 1;
        let text = String::from_utf8_lossy(&line);
        let text = text.split('#').next().unwrap_or_default();
        for word in text.split_whitespace() {
            let at = |source| ListError::Target { name: name.to_owned(), line: number, source };
            request.add(word).map_err(at)?;
        }
    }
}
