//! What the index asks of its medium: ordered rows, read at any time, written in atomic groups by one
//! writer, and not durable before [`Kv::persist`].

mod fjall;
mod mem;
mod watched;

pub(crate) use self::fjall::FjallKv;
pub use mem::MemIndex;
pub(crate) use watched::Watched;

use crate::error::KvError;
use std::fmt::Debug;
use std::ops::ControlFlow;

/// The tables of the index; what is in their rows is told in [`crate::index::keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// (machine, parent, name, seq) → node, or nothing.
    Edges,
    /// (machine, node, what, seq) → metadata, content or name.
    Nodes,
    /// digest → place.
    Blocks,
    /// Machines, incarnations, gaps, frames, and how far the index is.
    Misc,
}

impl Table {
    pub(crate) const ALL: [Table; 4] = [Table::Edges, Table::Nodes, Table::Blocks, Table::Misc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Table::Edges => "edges",
            Table::Nodes => "nodes",
            Table::Blocks => "blocks",
            Table::Misc => "misc",
        }
    }
}

/// One change of a row: a new value, or its removal.
pub(crate) type Change = (Table, Vec<u8>, Option<Vec<u8>>);

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Which way a range is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// Sees the rows of a range one by one, and says when it has enough.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A medium for the index.
pub(crate) trait Kv: Send + Sync + Debug {
    /// The value of a row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;
    /// Walks the rows from `from` on and before `to`.
    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError>;
    /// Changes rows, all or none.
    fn write(&self, changes: Vec<Change>) -> Result<(), KvError>;
    /// Makes everything written durable, in the least room. Nothing may be written afterwards.
    fn persist(&self) -> Result<(), KvError>;
    /// What it takes on disk, about, in bytes.
    fn bytes(&self) -> u64;
}

impl dyn Kv {
    /// The first row of a range, in this order.
    pub(crate) fn first(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
    ) -> Result<Option<Row>, KvError> {
        let mut found = None;
        self.range(table, from, to, order, &mut |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }
}
