//! What one entry of the stream says besides the metadata.

use crate::limits::LEFT_OUT_PATH_BYTES_MAX;
use std::fmt;

/// What the content of a file entry is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentState {
    /// The bytes are in the stream.
    Present {
        /// A newer version was known and not stored: this is the last content that was.
        pending: bool,
        /// The file changed under its reader: the bytes may mix several versions.
        torn: bool,
    },
    /// No content was ever stored; the entry only says that the file existed.
    Missing,
    /// The stored content cannot be read any more.
    Damaged,
    /// Of a directory: not all that it held could be seen. What is in it is what was known last.
    Unseen,
}

impl ContentState {
    /// The content as it was, nothing to remark.
    pub const WHOLE: ContentState = ContentState::Present { pending: false, torn: false };
    /// The last content that was stored, which is whole; a newer one was not.
    pub const PENDING: ContentState = ContentState::Present { pending: true, torn: false };
    /// Content that may mix several versions.
    pub const TORN: ContentState = ContentState::Present { pending: false, torn: true };

    /// The value of `VIGIE.state`, or `None` when there is nothing to say.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            ContentState::Present { pending: false, torn: false } => None,
            ContentState::Present { pending: true, torn: false } => Some("pending"),
            ContentState::Present { pending: false, torn: true } => Some("torn"),
            ContentState::Present { pending: true, torn: true } => Some("pending,torn"),
            ContentState::Missing => Some("missing"),
            ContentState::Damaged => Some("damaged"),
            ContentState::Unseen => Some("unseen"),
        }
    }

    /// Reads a value of `VIGIE.state`; `None` for a word this version does not know.
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        let every = [(true, false), (false, true), (true, true)];
        let present = every.map(|(pending, torn)| ContentState::Present { pending, torn });
        let all =
            present.into_iter().chain([ContentState::Missing, ContentState::Damaged, ContentState::Unseen]);
        all.into_iter().find(|state| state.as_str().is_some_and(|text| text.as_bytes() == value))
    }
}

/// Why a stream lacks an object, or part of what is recorded of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftOutCause {
    /// Its path is longer than a stream can say; what lies below it is left out with it.
    PathTooLong,
    /// It has more metadata than a stream can hold.
    TooMuchMetadata,
    /// It is a directory with more metadata than a stream can hold: it is given without its extended attributes, and
    /// for its owner alone, as nobody can say what an access control list among them would have forbidden.
    OnlyAttributes,
}

impl LeftOutCause {
    const ALL: [LeftOutCause; 3] =
        [LeftOutCause::PathTooLong, LeftOutCause::TooMuchMetadata, LeftOutCause::OnlyAttributes];

    /// The word in the stream and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            LeftOutCause::PathTooLong => "path-too-long",
            LeftOutCause::TooMuchMetadata => "too-much-metadata",
            LeftOutCause::OnlyAttributes => "only-attributes",
        }
    }

    /// In words for people.
    pub fn told(self) -> &'static str {
        match self {
            LeftOutCause::PathTooLong => {
                "NOT restored, nor what lies below it: its path is longer than 64 KiB, the most that a stream can say"
            }
            LeftOutCause::TooMuchMetadata => {
                "NOT restored: it has more than 2 MiB of metadata, the most that a stream can hold"
            }
            LeftOutCause::OnlyAttributes => {
                "given without its extended attributes and for its owner alone: it has more than 2 MiB of metadata, \
                 the most that a stream can hold"
            }
        }
    }
}

/// An object that a stream does not hold as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Path below the root, empty for the root itself; of a very long one its first
    /// [`crate::limits::LEFT_OUT_PATH_BYTES_MAX`] bytes.
    pub path: Vec<u8>,
    /// Why.
    pub cause: LeftOutCause,
}

impl LeftOut {
    /// Notes an object, with as much of its path as is kept.
    pub fn new(path: &[u8], cause: LeftOutCause) -> Self {
        LeftOut { path: path[..path.len().min(LEFT_OUT_PATH_BYTES_MAX)].to_vec(), cause }
    }

    /// The value of `VIGIE.left-out`.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.cause.as_str().as_bytes(), b" ./", &self.path].concat()
    }

    /// Reads a value of `VIGIE.left-out`; `None` when it is not understood.
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        let (word, path) = value.split_at_checked(value.iter().position(|b| *b == b' ')?)?;
        let cause = LeftOutCause::ALL.into_iter().find(|cause| cause.as_str().as_bytes() == word)?;
        Some(LeftOut::new(path.strip_prefix(b" ./")?, cause))
    }
}

/// What a stream holds, as its end says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects and names: every entry, the root and second names included.
    pub entries: u64,
    /// Bytes of file contents.
    pub bytes: u64,
    /// Files given with the last content that was stored, because a newer one was not.
    pub pending: u64,
    /// Files whose content may mix several versions.
    pub torn: u64,
    /// Files whose stored content could not be read.
    pub damaged: u64,
    /// Files of which no content was ever stored.
    pub missing: u64,
    /// Directories that were not seen whole.
    pub unseen: u64,
    /// Objects that the stream cannot hold as they were recorded, each with a [`LeftOut`].
    pub left_out: u64,
}

impl Counts {
    /// Reads a value of `VIGIE.end`: `key=number` words. Unknown keys are passed over, so that a later
    /// version may say more; `entries` and `bytes` must be there.
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        let (mut counts, mut entries, mut bytes) = (Counts::default(), None, None);
        for word in std::str::from_utf8(value).ok()?.split_ascii_whitespace() {
            let (key, number) = word.split_once('=')?;
            let number: u64 = number.parse().ok()?;
            match key {
                "entries" => entries = Some(number),
                "bytes" => bytes = Some(number),
                "pending" => counts.pending = number,
                "torn" => counts.torn = number,
                "damaged" => counts.damaged = number,
                "missing" => counts.missing = number,
                "unseen" => counts.unseen = number,
                "left-out" => counts.left_out = number,
                _ => {}
            }
        }
        Some(Counts { entries: entries?, bytes: bytes?, ..counts })
    }

    /// Takes note of the state of one file or directory.
    pub(crate) fn note(&mut self, state: ContentState) {
        match state {
            ContentState::Present { pending, torn } => {
                self.pending += u64::from(pending);
                self.torn += u64::from(torn);
            }
            ContentState::Missing => self.missing += 1,
            ContentState::Damaged => self.damaged += 1,
            ContentState::Unseen => self.unseen += 1,
        }
    }
}

/// The value of `VIGIE.end`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { entries, bytes, pending, torn, damaged, missing, unseen, left_out } = self;
        write!(
            f,
            "entries={entries} bytes={bytes} pending={pending} torn={torn} damaged={damaged} missing={missing} \
             unseen={unseen} left-out={left_out}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_are_written() {
        let states =
            [ContentState::PENDING, ContentState::TORN, ContentState::Missing, ContentState::Damaged];
        let both = ContentState::Present { pending: true, torn: true };
        for state in states.into_iter().chain([both, ContentState::Unseen]) {
            assert_eq!(ContentState::from_bytes(state.as_str().unwrap().as_bytes()), Some(state));
        }
        assert_eq!(ContentState::WHOLE.as_str(), None);
        assert_eq!(ContentState::from_bytes(b"splendid"), None);
    }

    #[test]
    fn what_was_left_out_has_golden_text() {
        let golden: [(&[u8], LeftOutCause, &[u8]); 3] = [
            (b"path-too-long ./a/b c", LeftOutCause::PathTooLong, b"a/b c"),
            (b"too-much-metadata ./\xff", LeftOutCause::TooMuchMetadata, b"\xff"),
            (b"only-attributes ./", LeftOutCause::OnlyAttributes, b""),
        ];
        for (bytes, cause, path) in golden {
            let left = LeftOut::new(path, cause);
            assert_eq!(left.to_bytes(), bytes);
            assert_eq!(LeftOut::from_bytes(bytes), Some(left));
        }
        for bad in
            [&b""[..], b"path-too-long", b"path-too-long ", b"path-too-long /a", b"splendid ./a", b" ./a"]
        {
            assert_eq!(LeftOut::from_bytes(bad), None, "{}", bad.escape_ascii());
        }
        let long = LeftOut::new(&[b'x'; 100_000], LeftOutCause::PathTooLong);
        assert_eq!(long.path.len(), LEFT_OUT_PATH_BYTES_MAX);
    }

    #[test]
    fn counts_have_golden_text() {
        let (damaged, missing, unseen, left_out) = (2, 4, 5, 6);
        let counts = Counts { entries: 3, bytes: 9, pending: 1, torn: 0, damaged, missing, unseen, left_out };
        let text = "entries=3 bytes=9 pending=1 torn=0 damaged=2 missing=4 unseen=5 left-out=6";
        assert_eq!(counts.to_string(), text);
        assert_eq!(Counts::from_bytes(text.as_bytes()), Some(counts));
        assert!(Counts::from_bytes(b"bytes=1 entries=2 later=3").is_some());
        for bad in [&b""[..], b"entries=1", b"entries=1 bytes=x", b"entries bytes", b"\xff"] {
            assert_eq!(Counts::from_bytes(bad), None);
        }
    }
}
