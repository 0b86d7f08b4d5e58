//! The text of an answer.

use crate::limits::DATAGRAM_BYTES_MAX;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use std::io::Write;

/// What stands for the rest.
const CUT: &str = "…";

/// In which language the server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `Données reçues à …`
    #[default]
    French,
    /// `Data received at …`
    English,
}

impl Language {
    /// How every answer begins. A datagram that begins so is an answer itself.
    pub fn opening(self) -> &'static str {
        match self {
            Language::French => "Données reçues à ",
            Language::English => "Data received at ",
        }
    }
}

/// Whether a message is itself an answer of an echo like this one: two that answered each other would never end.
pub(super) fn is_answer(message: &[u8]) -> bool {
    [Language::French, Language::English].iter().any(|l| message.starts_with(l.opening().as_bytes()))
}

/// The clock of the answers: local time, as it was when the server started with a zone.
#[derive(Clone, Debug)]
pub(super) struct LocalClock(TimeZone);

impl LocalClock {
    pub(super) fn system() -> Self {
        LocalClock(TimeZone::system())
    }

    /// Now, with the offset that is in force now.
    pub(super) fn now(&self) -> (Timestamp, Offset) {
        let now = Timestamp::now();
        (now, self.0.to_offset(now))
    }
}

/// Writes `OPENING TIME : MESSAGE`, on one line: control characters, backslashes and what is no UTF-8 are written
/// `\x0a`. The answer ends with a newline only if the message did (`\r\n` likewise).
pub(super) fn write(out: &mut Vec<u8>, language: Language, at: (Timestamp, Offset), message: &[u8]) {
    let (text, end) = split_end(message);
    let time = at.0.display_with_offset(at.1);
    // Writing to memory does not fail.
    let _ = write!(out, "{}{time:.6} : {}", language.opening(), Escaped(text));
    out.extend_from_slice(end);
}

/// The same, cut to what a datagram holds; `…` stands for what is missing.
pub(super) fn write_datagram(out: &mut Vec<u8>, language: Language, at: (Timestamp, Offset), message: &[u8]) {
    write(out, language, at, message);
    if out.len() <= DATAGRAM_BYTES_MAX {
        return;
    }
    let end = [CUT.as_bytes(), split_end(message).1].concat();
    let mut length = DATAGRAM_BYTES_MAX - end.len();
    // Not within a letter: the second and later bytes of one begin with the bits 10.
    while out[length] & 0xc0 == 0x80 {
        length -= 1;
    }
    out.truncate(length);
    out.extend_from_slice(&end);
}

/// A message, and the newline that it ends with, if any.
fn split_end(message: &[u8]) -> (&[u8], &[u8]) {
    let end = match message {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    };
    message.split_at(message.len() - end)
}

struct Escaped<'a>(&'a [u8]);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Most messages are plain, and fifty thousand of them a second should not cost a call each letter.
        match std::str::from_utf8(self.0) {
            Ok(text) if !text.contains(|c: char| c.is_control() || c == '\\') => f.write_str(text),
            _ => vigie_model::path::fmt_bytes(self.0, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz;

    fn answer(language: Language, message: &[u8]) -> Vec<u8> {
        let at = "2026-11-26T01:44:25.5Z".parse().unwrap();
        let mut out = Vec::new();
        write(&mut out, language, (at, tz::offset(1)), message);
        out
    }

    #[test]
    fn answers_are_as_documented() {
        let french = answer(Language::French, b"Hello !!");
        assert_eq!(french, "Données reçues à 2026-11-26T02:44:25.500000+01:00 : Hello !!".as_bytes());
        let english = answer(Language::English, "é\n".as_bytes());
        assert_eq!(english, "Data received at 2026-11-26T02:44:25.500000+01:00 : é\n".as_bytes());
        assert!(is_answer(&french) && is_answer(&english) && !is_answer(b"Data"));
    }

    #[test]
    fn an_answer_is_one_line_whatever_the_message() {
        let data = |message: &[u8]| {
            let text = String::from_utf8(answer(Language::French, message)).unwrap();
            text.split_once(" : ").unwrap().1.to_owned()
        };
        assert_eq!(data(b"a\nb\n"), "a\\x0ab\n");
        assert_eq!(data(b"a\r\n"), "a\r\n");
        assert_eq!(data(b"\r"), "\\x0d");
        assert_eq!(data(b"\x1b[2J\\\xff\0"), "\\x1b[2J\\x5c\\xff\\x00");
        assert_eq!(data(b"\n"), "\n");
        assert_eq!(data(b""), "");
        let cut = "é".as_bytes()[..1].to_vec();
        assert_eq!(data(&cut), "\\xc3");
    }

    #[test]
    fn what_no_datagram_holds_is_cut_between_letters() {
        let at = (Timestamp::UNIX_EPOCH, tz::offset(0));
        for letter in ["é", "a", "\0", "𝄞"] {
            for end in ["", "\n"] {
                let message = letter.repeat(65_000 / letter.len()) + end;
                let mut out = Vec::new();
                write_datagram(&mut out, Language::French, at, message.as_bytes());
                assert!(out.len() <= DATAGRAM_BYTES_MAX);
                let text = String::from_utf8(out).expect("cut within a letter");
                assert_eq!(text.ends_with(&format!("…{end}")), letter == "\0", "{letter:?}");
                assert!(text.ends_with(end));
            }
        }
        let mut out = Vec::new();
        write_datagram(&mut out, Language::French, at, &[b'a'; DATAGRAM_BYTES_MAX]);
        assert_eq!(out.len(), DATAGRAM_BYTES_MAX);
    }
}
