//! A disk in memory that loses what was not synced.

/// A disk in memory.
#[derive(Clone, Debug, Default)]
pub struct SimDisk;
