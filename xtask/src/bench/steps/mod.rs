//! What is measured, one file a subject. Each step gives rows of the table; it makes what it needs and does not
//! rely on an earlier step, but uses what one left behind.

pub(crate) mod bytes;
pub(crate) mod first_transfer;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod restart;
pub(crate) mod restore;

/// A part of the bench that can be asked for alone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Step {
    /// A whole tree until it is durable on the hub, and what it takes there.
    FirstTransfer,
    /// A restart with nothing changed until the tree is reconciled.
    Restart,
    /// The whole tree back from the hub.
    Restore,
    /// Peak resident memory with the generated tree.
    Memory,
    /// A small write until a reader of the log sees it, on an idle machine.
    Latency,
    /// The same during a first transfer.
    LatencyTransfer,
    /// The same during a large upload.
    LatencyUpload,
    /// Bytes on the wire for a small change of a large file.
    Bytes,
}

impl Step {
    /// The name that `--only` takes.
    pub(crate) fn name(self) -> String {
        use clap::ValueEnum;
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// The contenders of a round: each round begins with another one, so that none always runs on a machine that
/// the same other one has just left.
pub(crate) fn rotated<T: Copy, const N: usize>(mut contenders: [T; N], round: u32) -> [T; N] {
    contenders.rotate_left(round as usize % N);
    contenders
}
