//! Records as lines of the log.
//!
//! [`Teller`] tells one record at a time and needs to be told them in journal order; [`Selection`] says which
//! of them are wanted, and [`Walk`] goes through them page by page.

mod missing;
mod paths;
mod select;
mod tell;
mod walk;

pub use missing::Missing;
pub use select::{Kind, Selection, Since, UnknownKind};
pub use tell::{Teller, unjournaled};
pub use walk::{Enough, Page, Walk, WalkError};

/// The opaque text behind which a client's reading goes on.
pub fn cursor(seq: vigie_model::Seq) -> String {
    format!("j0-{seq}")
}

/// Reads a [`cursor`].
pub fn read_cursor(text: &str) -> Option<vigie_model::Seq> {
    text.strip_prefix("j0-")?.parse().ok().map(vigie_model::Seq)
}
