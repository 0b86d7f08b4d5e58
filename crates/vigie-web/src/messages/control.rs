//! What asks the hub to act: flush, verify, invite.

use serde::{Deserialize, Serialize};

/// Wait until everything before now is durable on the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlushRequest {
    /// One machine, by name or by id; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// How long to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// How a flush ended, machine by machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushReport {
    /// Every machine that was asked.
    pub machines: Vec<MachineFlush>,
}

impl FlushReport {
    /// Whether everything before the question is durable.
    pub fn is_complete(&self) -> bool {
        self.machines.iter().all(|m| m.outcome == FlushOutcome::Durable)
    }
}

/// How a flush ended on one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFlush {
    /// Its name.
    pub machine: String,
    /// How it ended.
    pub outcome: FlushOutcome,
    /// The machine's own number of the last record that is durable, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// What stood in the way, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The ends that a flush can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlushOutcome {
    /// Everything before the question is durable on the hub.
    Durable,
    /// The machine is not connected.
    Away,
    /// The time was over first.
    TimedOut,
    /// The machine could not do it; an outcome that only a newer hub knows counts as this one.
    #[serde(other)]
    Failed,
}

/// Make a one-time token with which a machine enrols.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteRequest {
    /// Name of the machine.
    pub name: String,
    /// How long the token is good for.
    pub valid_secs: u64,
}

/// The token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// To be given to `vigie agent`; whoever has it can become that machine, once.
    pub token: String,
}

impl std::fmt::Debug for Invited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Invited { token: (secret) }")
    }
}

/// One line of a verification: progress while it goes on, each damage, and one result at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerifyLine {
    /// How far it is.
    Progress(VerifyProgress),
    /// A block that is missing or does not match its digest.
    DamagedBlock(DamagedBlock),
    /// A place of journal, packs or index that cannot be read.
    DamagedPlace(DamagedPlace),
    /// The end.
    Result(VerifyResult),
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VerifyProgress {
    /// Blocks that were re-read.
    pub blocks: u64,
    /// Blocks there are; 0 when not known yet.
    pub blocks_total: u64,
    /// Stored bytes that were re-read.
    pub bytes: u64,
}

/// A block that cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedBlock {
    /// Its name.
    pub digest: String,
    /// Number of the pack it should be in.
    pub pack: u32,
    /// Where in that file, in bytes.
    pub offset: u64,
    /// What is wrong with it, in words.
    pub why: String,
    /// Files whose present or past content needs it; the first of them when there are many.
    pub files: Vec<DamagedFile>,
    /// How many files need it in all.
    pub files_total: u64,
}

/// A place of a file of the store that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedPlace {
    /// The file, below the store's directory.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong, in words.
    pub why: String,
}

/// A file that cannot be given back whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedFile {
    /// Name of the machine.
    pub machine: String,
    /// Absolute path.
    pub path: String,
    /// Its exact bytes in base64, when they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VerifyResult {
    /// Blocks that were re-read.
    pub blocks: u64,
    /// Stored bytes that were re-read.
    pub bytes: u64,
    /// Records that were re-read.
    pub records: u64,
    /// Blocks that are missing or do not match their digest.
    pub damaged_blocks: u64,
    /// Places of journal and packs that cannot be read.
    pub damaged_places: u64,
    /// Whether the index is not what the journal makes of it. It is built anew then, and nothing is lost.
    pub index_is_damaged: bool,
}

impl VerifyResult {
    /// Whether everything is as it was stored.
    pub fn is_sound(&self) -> bool {
        self.damaged_blocks == 0 && self.damaged_places == 0 && !self.index_is_damaged
    }
}
