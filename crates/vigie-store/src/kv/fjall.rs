//! The index on disk. fjall does its own I/O, is never synced while commits go on, and holds nothing that
//! cannot be made again from the journal.

use super::{Change, Kv, Order, Table, Visit};
use crate::error::KvError;
use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Rows of a table that wait in memory before they become a sorted file. Small, so that what is searched stays in the
/// processor's cache: four tables have one each, and up to as much again is on its way to disk.
const MEMTABLE_BYTES: u64 = 3 * 1024 * 1024;

/// Cache of all tables together.
const CACHE_BYTES: u64 = 24 * 1024 * 1024;

/// Rows are short and alike; longer blocks compress them better than fjall's 4 KiB.
const ROWS_BLOCK_BYTES: u32 = 16 * 1024;

/// Block size of the table of digests, which lie anywhere.
const DIGESTS_BLOCK_BYTES: u32 = 4 * 1024;

/// Smallest bound fjall takes for its own log.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Longest wait for rows to reach their files at the end, and how often that is looked at.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(10);
const FLUSH_LOOK: Duration = Duration::from_millis(2);

/// An index in a directory of its own.
pub(crate) struct FjallKv {
    dir: PathBuf,
    db: Database,
    tables: [Keyspace; Table::ALL.len()],
}

impl fmt::Debug for FjallKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallKv").finish_non_exhaustive()
    }
}

impl FjallKv {
    /// Opens or makes the index in this directory.
    pub(crate) fn open(dir: &Path) -> Result<Self, KvError> {
        let db = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            .worker_threads(1)
            .max_journaling_size(LOG_BYTES_MAX)
            .open()
            .map_err(KvError::Fjall)?;
        let open = |table: Table| db.keyspace(table.name(), || options(table)).map_err(KvError::Fjall);
        let [edges, nodes, blocks, misc] = Table::ALL.map(open);
        Ok(FjallKv { dir: dir.to_owned(), tables: [edges?, nodes?, blocks?, misc?], db })
    }

    /// Moves every row from memory into a sorted, synced file. `false` when that takes too long: fjall gives
    /// no sign when it fails, on a full disk say.
    fn flush(&self) -> Result<bool, KvError> {
        for table in &self.tables {
            table.rotate_memtable().map_err(KvError::Fjall)?;
        }
        let start = Instant::now();
        while self.tables.iter().any(|table| table.sealed_memtable_count() > 0) {
            if start.elapsed() > FLUSH_WAIT_MAX {
                return Ok(false);
            }
            std::thread::sleep(FLUSH_LOOK);
        }
        Ok(true)
    }

    /// Empties fjall's log, which may be as large as all tables together and says nothing more than they do
    /// once they are flushed. To fjall, an empty log is that of a database without unflushed rows. No row
    /// may be written afterwards.
    fn empty_log(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "jnl") {
                OpenOptions::new().write(true).open(&path)?.set_len(0)?;
            }
        }
        Ok(())
    }

    fn table(&self, table: Table) -> &Keyspace {
        &self.tables[table as usize]
    }
}

impl Kv for FjallKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.table(table).get(key).map_err(KvError::Fjall)?.map(|value| value.to_vec()))
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError> {
        if from >= to {
            return Ok(());
        }
        // To find where a range ends costs fjall as much as to find where it begins, in every sorted file, and most
        // readers stop before: going upwards, the end is seen when it is met.
        let mut rows = match order {
            Order::Ascending => self.table(table).range(from..),
            Order::Descending => self.table(table).range(from..to),
        };
        loop {
            let row = match order {
                Order::Ascending => rows.next(),
                Order::Descending => rows.next_back(),
            };
            let Some(row) = row else { return Ok(()) };
            let (key, value) = row.into_inner().map_err(KvError::Fjall)?;
            if &key[..] >= to || visit(&key, &value).is_break() {
                return Ok(());
            }
        }
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), KvError> {
        // `Buffer` hands every batch to the kernel, so that a process that dies leaves whole batches.
        let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
        for (table, key, value) in changes {
            match value {
                Some(value) => batch.insert(self.table(table), key, value),
                None => batch.remove(self.table(table), key),
            }
        }
        batch.commit().map_err(KvError::Fjall)
    }

    fn persist(&self) -> Result<(), KvError> {
        self.db.persist(PersistMode::SyncAll).map_err(KvError::Fjall)?;
        if self.flush()? {
            self.empty_log().map_err(KvError::Io)?;
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        allocated(&self.dir)
    }
}

fn options(table: Table) -> KeyspaceCreateOptions {
    // Only blocks are asked for by whole keys, and mostly for some that are not there. Filters of the other
    // tables would take room and never be asked.
    let filter = match table {
        Table::Blocks => {
            FilterPolicy::all(FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0)))
        }
        Table::Edges | Table::Nodes | Table::Misc => FilterPolicy::disabled(),
    };
    // Digests do not compress, and one is asked for at a time.
    let (block_bytes, compression) = match table {
        Table::Blocks => (DIGESTS_BLOCK_BYTES, CompressionType::None),
        Table::Edges | Table::Nodes | Table::Misc => (ROWS_BLOCK_BYTES, CompressionType::Lz4),
    };
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .filter_policy(filter)
        .data_block_size_policy(BlockSizePolicy::all(block_bytes))
        .data_block_compression_policy(CompressionPolicy::all(compression))
}

/// Bytes that a directory takes. fjall's own count has 64 MiB of log that were reserved and never written.
fn allocated(dir: &Path) -> u64 {
    const SECTOR: u64 = 512; // unit of `st_blocks`, stat(2)
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let each = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => allocated(&entry.path()),
        Ok(meta) => meta.blocks() * SECTOR,
        Err(_) => 0,
    });
    each.sum()
}
