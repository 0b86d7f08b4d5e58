//! The log: its question and its lines.

use super::tree::query_pairs;
use serde::{Deserialize, Serialize};
use vigie_model::{BytePath, Instant};

/// Header of `log`: the cursor behind which lies whatever was journaled after the question came.
pub const HEADER_CURSOR: &str = "vigie-cursor";

/// What part of the log is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Only this machine, by name or by id.
    pub machine: Option<String>,
    /// Only this path: its history, or, when it is a directory, every record at or below it.
    pub path: Option<BytePath>,
    /// Only what was observed at or after this instant.
    pub since: Instant,
    /// Only records after the one that gave this cursor.
    pub after: Option<String>,
    /// Only the newest so many of them.
    pub newest: Option<u64>,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only what is about this group of principal and secondaires.
    pub group: Option<String>,
    /// Stay and tell new records as they become durable.
    pub follow: bool,
}

impl LogQuery {
    /// The query as it stands after the `?`.
    pub fn to_query(&self) -> String {
        query_pairs([
            ("machine", self.machine.clone()),
            ("path_b64", self.path.as_ref().map(|p| crate::text::to_base64_url(p.as_bytes()))),
            ("since", crate::text::instant(self.since)),
            ("after", self.after.clone()),
            ("n", self.newest.map(|n| n.to_string())),
            ("kind", self.kind.clone()),
            ("group", self.group.clone()),
            ("follow", self.follow.then(|| "true".to_owned())),
        ])
    }
}

/// One record, as a line of JSON. What a kind does not have is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// Place in the journal, written `#n`; absent, like the next fields, of a change that no hub knows.
    #[serde(skip_serializing_if = "is_zero")]
    pub seq: u64,
    /// Opaque: `after=CURSOR` goes on behind this record.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cursor: String,
    /// When the machine observed it, by its own clock; RFC 3339 with nanoseconds.
    pub observed: String,
    /// When the hub got it, by the hub's clock; never goes back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub received: String,
    /// Name of the machine, or its id when it has no name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// Id of the machine, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub machine_id: String,
    /// Absolute path of the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The root's exact bytes in base64, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_b64: Option<String>,
    /// What happened: `created`, `removed`, `renamed`, `metadata`, `content`, `linked`, `gap-opened`,
    /// `gap-closed`, `error`, `unseen`, `seen`, `enrolled`, `role-granted`, `role-ended`, `role-set`, `role-barred`, `role-asked`, or `STREAM/KIND` in numbers for what this program does not know.
    pub kind: String,
    /// Absolute path at that time; absent when no name is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The path's exact bytes in base64, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Renames: absolute path before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its exact bytes in base64, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_b64: Option<String>,
    /// `created` and `metadata`: `file`, `directory`, `symlink`, …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub node_type: Option<String>,
    /// `created`, `metadata` and `content`: permission bits in octal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// `content`: bytes that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `content`: names the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// `content`: what was hashed, `blake3` or `blake3-list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_kind: Option<String>,
    /// `content`: the file changed under its reader every time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torn: Option<bool>,
    /// Newer content exists and will follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<bool>,
    /// The file-system object, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// `gap-opened`: why changes may be missing; `unseen`: `unlisted`, `entries` or `covered`; `role-…`: why it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// `gap-opened`: from when on; absent when the root was never watched before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// `error`: what was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// `error`: the kernel's number, 0 when it was not the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// `error` and damaged records: what it means, in words; `role-set`: what is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `enrolled`: the name that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `enrolled`: id of the machine that bears it from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolled_id: Option<String>,
    /// `role-…`: the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `role-…`: the machine that it is about, by name, or by id when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// `role-granted` and `role-ended`: the fencing number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// `role-ended`: from the last sign of life to the end, in milliseconds; absent where none was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection_ms: Option<u64>,
    /// Kinds this program does not know: version of the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u16>,
    /// Kinds this program does not know: the payload in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_b64: Option<String>,
}

fn is_zero(seq: &u64) -> bool {
    *seq == 0
}
