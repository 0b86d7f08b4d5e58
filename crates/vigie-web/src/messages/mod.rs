//! The questions and answers as types, shared by both ends. Field names are the contract of `docs/api.md`;
//! a field that a newer hub adds is ignored by an older client.

mod control;
mod drain;
mod error;
mod log;
mod roles;
mod tree;

pub use control::{
    DamagedBlock, DamagedFile, DamagedPlace, FlushOutcome, FlushReport, FlushRequest, InviteRequest, Invited,
    MachineFlush, VerifyLine, VerifyProgress, VerifyResult,
};
pub use drain::{DrainReport, DrainRequest};
pub use error::{ApiError, ErrorBody, ErrorKind};
pub use log::{HEADER_CURSOR, LogLine, LogQuery};
pub use roles::{RolesQuery, SetGroupRequest, StepDownRequest};
pub use tree::{
    Answer, Away, ContentState, Entry, GapSpan, HEADER_AWAY, HEADER_GAPS, HEADER_SEQ, HEADER_STATE,
    HEADER_UNSEEN, TreeQuery, UnseenPlace,
};
pub use vigie_model::status::GroupStatus;

pub(crate) use tree::query_pairs;

/// Where every address of the API begins.
pub const PREFIX: &str = "/api/v1";
