//! The lines, and the reader that makes them from bytes.

use crate::limits::LINE_BYTES_MAX;
use crate::words::{Cause, Role};
use std::fmt;
use vigie_model::Epoch;

/// With this line a client asks to be told more.
pub const HELLO: &str = "vigie/1";
/// With this line a server asks whether the client is there.
pub const PING: &str = "ping";
/// With this line the client answers.
pub const PONG: &str = "pong";

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// What the client is.
    Role {
        /// The role.
        role: Role,
        /// In the long form, the epoch and the reason.
        more: Option<(Epoch, Cause)>,
    },
    /// It is to answer.
    Ping,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Ping => f.write_str(PING),
            Said::Role { role, more: None } => write!(f, "{role}"),
            Said::Role { role, more: Some((epoch, cause)) } => {
                write!(f, "{role} epoch={epoch} reason={cause}")
            }
        }
    }
}

impl Said {
    /// Reads a line. Words after the known ones are passed over, so that later versions may say more; any other
    /// line is `None`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let role = match words.next()? {
            PING => return Some(Said::Ping),
            "principal" => Role::Principal,
            "secondaire" => Role::Secondaire,
            _ => return None,
        };
        let (mut epoch, mut reason) = (None, None);
        for word in words {
            match word.split_once('=') {
                Some(("epoch", value)) => epoch = Some(Epoch(value.parse().ok()?)),
                Some(("reason", value)) => reason = Cause::from_word(value),
                _ => {}
            }
        }
        // A reason of a later version is no reason to pass over the epoch.
        let more = epoch.map(|epoch| (epoch, reason.unwrap_or(Cause::Unknown)));
        Some(Said::Role { role, more })
    }
}

/// What a reader made of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A whole line, without its end.
    Line(String),
    /// A line that is too long, or no text.
    Garbage,
}

/// Makes lines from bytes as they come, and never keeps more than one line's worth.
#[derive(Debug, Default)]
pub struct LineReader {
    partial: Vec<u8>,
    /// The line is too long, and is passed over up to its end.
    overlong: bool,
}

impl LineReader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes, and tells each line that they complete. A carriage return before the end belongs to the end, as
    /// telnet sends it.
    pub fn push(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Read)) {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            self.keep(&bytes[..end]);
            tell(self.finish());
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
        if self.partial.is_empty() {
            // Most clients never say anything, or one line: no memory for the silent.
            self.partial = Vec::new();
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.overlong || self.partial.len() + bytes.len() > LINE_BYTES_MAX {
            self.overlong = true;
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self) -> Read {
        let line = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.overlong) {
            return Read::Garbage;
        }
        let line = line.strip_suffix(b"\r").map(<[u8]>::to_vec).unwrap_or(line);
        String::from_utf8(line).map_or(Read::Garbage, Read::Line)
    }

    /// Bytes kept of a line that has not ended.
    pub fn kept(&self) -> usize {
        self.partial.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&[u8]]) -> Vec<Read> {
        let (mut reader, mut all) = (LineReader::new(), Vec::new());
        for part in parts {
            reader.push(part, |read| all.push(read));
        }
        all
    }

    fn line(text: &str) -> Read {
        Read::Line(text.to_owned())
    }

    #[test]
    fn golden_lines() {
        let long = Said::Role { role: Role::Principal, more: Some((Epoch(7), Cause::ConnectionLost)) };
        assert_eq!(long.to_string(), "principal epoch=7 reason=connection-lost");
        let bare = Said::Role { role: Role::Secondaire, more: None };
        assert_eq!(bare.to_string(), "secondaire");
        for said in [long, bare, Said::Ping] {
            assert_eq!(Said::parse(&said.to_string()), Some(said));
        }
        let later = "secondaire epoch=9 reason=unheard-of place=3";
        let more = Some((Epoch(9), Cause::Unknown));
        assert_eq!(Said::parse(later), Some(Said::Role { role: Role::Secondaire, more }));
        for odd in
            ["", " ", "Principal", "principale", "principal epoch=-1", "principal epoch=x", "\u{feff}ping"]
        {
            assert_eq!(Said::parse(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn lines_come_whole_however_the_bytes_come() {
        assert_eq!(read(&[b"vigie/1\r\npong\n"]), [line("vigie/1"), line("pong")]);
        assert_eq!(read(&[b"vig", b"ie/1", b"\r", b"\n\n"]), [line("vigie/1"), line("")]);
        assert_eq!(read(&[b"no end"]), []);
        assert_eq!(read(&[b"\xff\xfb\x01\n", b"\0\n"]), [Read::Garbage, line("\0")]);
    }

    #[test]
    fn what_is_too_long_is_passed_over_and_not_kept() {
        let long = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(read(&[&long, b"\n"]), [line(std::str::from_utf8(&long).unwrap())]);
        assert_eq!(read(&[&long, b"x", b"\npong\n"]), [Read::Garbage, line("pong")]);
        let mut reader = LineReader::new();
        for _ in 0..1000 {
            reader.push(&long, |_| panic!("no line has ended"));
            assert!(reader.kept() <= LINE_BYTES_MAX);
        }
    }
}
