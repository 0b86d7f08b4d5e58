//! A tree at an instant: the question, the listing, and what every such answer says of itself.

use serde::{Deserialize, Serialize};
use vigie_model::{BytePath, Instant};

/// Header of `ls`, `cat` and `tree`: number of the last record that the answer takes into account.
pub const HEADER_SEQ: &str = "vigie-seq";
/// Header of `ls`, `cat` and `tree`: the gaps that the instant lies in, a JSON array of [`GapSpan`]. Absent
/// when there are none.
pub const HEADER_GAPS: &str = "vigie-gaps";
/// Header of `ls`, `cat` and `tree`: the machine is not heard of at the instant, an [`Away`] in JSON. Absent when
/// it is.
pub const HEADER_AWAY: &str = "vigie-away";
/// Header of `ls`, `cat` and `tree`: directories on the way to the path, itself included, that were not seen whole at
/// the instant; a JSON array of [`UnseenPlace`]. Absent when there are none.
pub const HEADER_UNSEEN: &str = "vigie-unseen";
/// Header of `cat`: a [`ContentState`].
pub const HEADER_STATE: &str = "vigie-state";

/// Which object, at which instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeQuery {
    /// Machine, by name or by id.
    pub machine: String,
    /// Absolute path.
    pub path: BytePath,
    /// When.
    pub at: Instant,
}

impl TreeQuery {
    /// The query as it stands after the `?`: `recursive` is for `ls`, `offset` for `cat`.
    pub fn to_query(&self, recursive: bool, offset: u64) -> String {
        query_pairs([
            ("machine", Some(self.machine.clone())),
            ("path_b64", Some(crate::text::to_base64_url(self.path.as_bytes()))),
            ("at", crate::text::instant(self.at)),
            ("recursive", recursive.then(|| "true".to_owned())),
            ("offset", (offset > 0).then(|| offset.to_string())),
        ])
    }
}

/// Pairs as they stand after the `?` of an address; those without a value are left out.
pub(crate) fn query_pairs<const N: usize>(pairs: [(&str, Option<String>); N]) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        let Some(value) = value else { continue };
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(key);
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    out
}

/// How much of a file's content the store has at an instant, or of what a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentState {
    /// All of it, as it was.
    Whole,
    /// A newer version existed that is not in the store: the last one that is there is given, which is whole, with
    /// its own metadata.
    Pending,
    /// It changed under its reader every time: the bytes may mix several versions.
    Torn,
    /// Both: a newer version existed, and the last one that is in the store is torn.
    #[serde(rename = "pending,torn")]
    PendingTorn,
    /// It never had content in the store: it is listed and cannot be given.
    None,
    /// A directory that could not be seen whole: what is given of its entries is the last known.
    Unseen,
}

impl ContentState {
    const ALL: [ContentState; 6] = [
        ContentState::Whole,
        ContentState::Pending,
        ContentState::Torn,
        ContentState::PendingTorn,
        ContentState::None,
        ContentState::Unseen,
    ];

    /// The word used in headers and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            ContentState::Whole => "whole",
            ContentState::Pending => "pending",
            ContentState::Torn => "torn",
            ContentState::PendingTorn => "pending,torn",
            ContentState::None => "none",
            ContentState::Unseen => "unseen",
        }
    }

    /// Reads the word; none for a word of a newer hub.
    pub fn from_word(word: &str) -> Option<Self> {
        ContentState::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A span in which changes of a root may have been missed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GapSpan {
    /// Absolute path of the root.
    pub root: String,
    /// Its exact bytes in base64, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_b64: Option<String>,
    /// Why.
    pub cause: String,
    /// Changes may be missing from this time on; absent when the root was never watched before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Record that opened the gap.
    pub opened_seq: u64,
    /// When it was opened, observed time.
    pub opened: String,
    /// Record that closed it; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_seq: Option<u64>,
    /// When it was closed, observed time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
}

/// A machine that was not heard of any more at the instant that was asked for: the answer is what it told before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Away {
    /// Its name, or its id when that was asked for.
    pub machine: String,
    /// When it was heard last, by the hub's clock.
    pub since: String,
    /// Its last record.
    pub last_seq: u64,
}

/// A directory that was not seen whole at the instant that was asked for: what is given of it was known last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnseenPlace {
    /// Its absolute path.
    pub path: String,
    /// Its exact bytes in base64, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
}

/// What an answer about a tree says of itself, read from its headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The last record taken into account.
    pub seq: u64,
    /// The gaps that the instant lies in.
    pub gaps: Vec<GapSpan>,
    /// What happened on the machine up to the instant is not known.
    pub away: Option<Away>,
    /// Directories on the way to the path, itself included, that were not seen whole.
    pub unseen: Vec<UnseenPlace>,
    /// State of the one file that was asked for.
    pub state: Option<ContentState>,
}

/// One object of a listing, as a line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Absolute path.
    pub path: String,
    /// Its exact bytes in base64, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// `file`, `directory`, `symlink`, `fifo`, `socket`, `char-device` or `block-device`.
    #[serde(rename = "type")]
    pub node_type: String,
    /// Permission bits in octal; empty for a directory above a root, of which nothing else is known.
    pub mode: String,
    /// Owner, as a number.
    pub uid: u32,
    /// Group, as a number.
    pub gid: u32,
    /// Bytes, of files and symlinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Last change of content, RFC 3339 with nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtime: Option<String>,
    /// Where a symlink points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its exact bytes in base64, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_b64: Option<String>,
    /// Devices: major and minor number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<(u32, u32)>,
    /// Files: how much of the content the store has. Directories: `unseen`, when that is what they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ContentState>,
    /// Files: names the content that a restore would give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Files: what was hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_kind: Option<String>,
    /// The file-system object, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_escape_what_an_address_cannot_hold() {
        let query = TreeQuery {
            machine: "web01".into(),
            path: BytePath::new(&b"/a b\xff"[..]).unwrap(),
            at: Instant::Seq(vigie_model::Seq(7)),
        };
        assert_eq!(query.to_query(true, 0), "machine=web01&path_b64=L2EgYv8&at=%237&recursive=true");
        assert_eq!(query.to_query(false, 9), "machine=web01&path_b64=L2EgYv8&at=%237&offset=9");
    }

    #[test]
    fn every_state_has_a_word() {
        for state in ContentState::ALL {
            assert_eq!(ContentState::from_word(state.as_str()), Some(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.as_str()));
        }
        assert_eq!(ContentState::from_word("new"), None);
    }
}
