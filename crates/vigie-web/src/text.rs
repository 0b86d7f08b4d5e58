//! Bytes, times and instants as text: the one way in which both ends of the API write and read them.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::Timestamp;
use vigie_model::{FileTime, Instant, Seq, UnixNanos};

/// A time as RFC 3339 in UTC with nanoseconds: `2026-11-22T17:22:24.000000001Z`.
pub fn rfc3339(time: UnixNanos) -> String {
    stamp(i128::from(time.0)).unwrap_or_else(|| format!("{}ns", time.0))
}

/// A file's time in the same form; none when the year has more than four digits.
pub fn rfc3339_of_file(time: FileTime) -> Option<String> {
    stamp(i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos))
}

fn stamp(nanos: i128) -> Option<String> {
    Timestamp::from_nanosecond(nanos).ok().map(|t| format!("{t:.9}"))
}

/// Permission bits in octal, as `chmod(1)` takes them: `0755`.
pub fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

/// Bytes as JSON wants them: readable text, and base64 beside it when the text is not all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The bytes as UTF-8; what is not UTF-8 is replaced by U+FFFD.
    pub text: String,
    /// The exact bytes in base64, only when `text` is not exact.
    pub b64: Option<String>,
}

impl Shown {
    /// Makes bytes presentable.
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Shown { text: text.to_owned(), b64: None },
            Err(_) => Shown {
                text: String::from_utf8_lossy(bytes).into_owned(),
                b64: Some(BASE64_STANDARD.encode(bytes)),
            },
        }
    }
}

/// The exact bytes behind a pair of fields such as `path` and `path_b64`.
pub fn exact(text: &str, b64: Option<&str>) -> Vec<u8> {
    b64.and_then(from_base64).unwrap_or_else(|| text.as_bytes().to_vec())
}

/// Standard base64 with padding, as answers carry it.
pub fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// `MACHINE:PATH` as a shell takes it for one word, quoted only where it must be: for commands in hints.
pub fn place(machine: &str, path: &[u8]) -> String {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(b);
    let bytes = [machine.as_bytes(), b":", path].concat();
    match std::str::from_utf8(&bytes) {
        Ok(text) if bytes.iter().all(is_plain) => text.to_owned(),
        Ok(text) if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        // ANSI-C quotes, which every shell of today knows (POSIX 2024, 2.2.4).
        _ => format!("$'{}'", bytes.escape_ascii()),
    }
}

/// Base64 that needs no escaping in a query.
pub fn to_base64_url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads either alphabet, padded or not: what an answer said can be asked as it is.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let url_safe: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    BASE64_URL_SAFE_NO_PAD.decode(url_safe).ok()
}

/// Text that names no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an RFC 3339 time nor a record's number such as #1234")]
pub struct BadInstant(pub String);

/// Reads an instant of a query: `#1234`, or RFC 3339 with an offset; nothing and `now` mean now.
pub fn parse_instant(text: &str) -> Result<Instant, BadInstant> {
    let bad = || BadInstant(text.to_owned());
    if matches!(text, "" | "now") {
        return Ok(Instant::Now);
    }
    if let Some(number) = text.strip_prefix('#') {
        return number.parse().map(|n| Instant::Seq(Seq(n))).map_err(|_| bad());
    }
    let time: Timestamp = text.parse().map_err(|_| bad())?;
    i64::try_from(time.as_nanosecond()).map(|n| Instant::Time(UnixNanos(n))).map_err(|_| bad())
}

/// Writes an instant so that [`parse_instant`] reads it; none for now.
pub fn instant(at: Instant) -> Option<String> {
    match at {
        Instant::Now => None,
        Instant::Time(time) => Some(rfc3339(time)),
        Instant::Seq(seq) => Some(format!("#{seq}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nine_digits_and_come_back() {
        let time = UnixNanos(1_763_832_144_000_000_001);
        assert_eq!(rfc3339(time), "2025-11-22T17:22:24.000000001Z");
        assert_eq!(parse_instant(&rfc3339(time)), Ok(Instant::Time(time)));
        assert_eq!(rfc3339(UnixNanos(i64::MIN)), "1677-09-21T00:12:43.145224192Z");
        assert_eq!(rfc3339_of_file(FileTime { secs: i64::MAX, nanos: 0 }), None);
    }

    #[test]
    fn instants_of_queries() {
        assert_eq!(parse_instant(""), Ok(Instant::Now));
        assert_eq!(parse_instant("#12"), Ok(Instant::Seq(Seq(12))));
        assert_eq!(instant(Instant::Seq(Seq(12))).as_deref(), Some("#12"));
        for bad in ["#", "#-1", "12", "yesterday", "2026-11-22", "9999-01-01T00:00:00Z"] {
            assert_eq!(parse_instant(bad), Err(BadInstant(bad.into())));
        }
    }

    #[test]
    fn places_are_words_of_a_shell() {
        for (path, word) in [
            (&b"/etc/hosts"[..], "web01:/etc/hosts"),
            (b"/a b/$(c)", "'web01:/a b/$(c)'"),
            ("/é".as_bytes(), "'web01:/é'"),
            (b"/it's", r"'web01:/it'\''s'"),
            (b"/a\xff'\n", r"$'web01:/a\xff\'\n'"),
        ] {
            assert_eq!(place("web01", path), word);
            let said = std::process::Command::new("bash").args(["-c", &format!("printf %s {word}")]).output();
            assert_eq!(said.unwrap().stdout, [b"web01:", path].concat());
        }
    }

    #[test]
    fn base64_is_read_in_both_alphabets() {
        let bytes = [0xfb, 0xff, 0xfe, b'/'];
        assert_eq!(from_base64(&to_base64(&bytes)), Some(bytes.to_vec()));
        assert_eq!(from_base64(&to_base64_url(&bytes)), Some(bytes.to_vec()));
        assert_eq!(from_base64("*"), None);
    }

    #[test]
    fn bytes_that_are_not_text_are_never_lost() {
        assert_eq!(Shown::new("é\n".as_bytes()), Shown { text: "é\n".into(), b64: None });
        let shown = Shown::new(b"a\xff");
        assert_eq!(shown.text, "a\u{fffd}");
        assert_eq!(exact(&shown.text, shown.b64.as_deref()), b"a\xff");
    }
}
