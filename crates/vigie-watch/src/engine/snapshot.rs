//! What the engine knows, as a file that a clean stop leaves to the next start. Private to this program: a
//! version that does not know the layout asks the hub instead.
//!
//! ```text
//! snapshot = "VIGIESNP" · version u32 (1) · machine 16 · incarnation u64 · n u64 · key 32
//!          · labels u32 · label* · entries of every directory · BLAKE3 of everything before it 32
//! label    = length u16 · absolute path · target
//! entries  = count u32 · (length u8 · name · target)*        names ascending
//! target   = number u32 · node, when the number is the next one
//! node     = id 16 · kind u8 (0 file, 1 directory, 2 anything else) · flags u8 · mode u16 · size u64
//!          · mtime i64 u32 · ctime i64 u32 · hash u64                                            60 bytes
//! ```
//!
//! Nodes are numbered from 0 as they first appear. Directories follow each other by their numbers, so a parent
//! comes before its children, and neither end keeps more than numbers beside the index itself. All numbers are
//! little-endian. `key` is that of the hashes of metadata ([`MetaHash`]).

use super::Engine;
use super::index::{Flags, Index, Key};
use super::meta_hash::MetaHash;
use crate::files::Kind;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use vigie_model::limits::PATH_BYTES_MAX;
use vigie_model::{BytePath, FileTime, Incarnation, MachineId, Name, NodeId, Origin, PathError, RecordNo};

const MAGIC: &[u8; 8] = b"VIGIESNP";
const VERSION: u32 = 1;
const DIGEST_LEN: usize = blake3::OUT_LEN;
/// The low 12 bits that `chmod` sets.
const MODE_MAX: u16 = 0o7777;
const NANOS_PER_SEC: u32 = 1_000_000_000;
/// Bytes gathered for one read, write and hash; more than any part is long.
const PIECE: usize = 64 * 1024;
const _: () = assert!(PIECE > PATH_BYTES_MAX);

/// What a later start must know of a node. What is left out is found anew by the comparison with the disk.
const FLAGS: [Flags; 6] =
    [Flags::CONTENT, Flags::PENDING, Flags::STALE, Flags::RACY, Flags::TORN, Flags::UNREADABLE];

/// Why a snapshot is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read.
    #[error("the snapshot cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is of another version of this program.
    #[error("the snapshot is of version {0}, which is not known here")]
    Version(u32),
    /// It does not end where it should.
    #[error("the snapshot is cut short or too long")]
    Length,
    /// What is in it cannot be.
    #[error("the snapshot is damaged: {0}")]
    Damaged(&'static str),
    /// A name in it cannot be.
    #[error("the snapshot is damaged: {0}")]
    Name(#[from] PathError),
    /// It was left by another stop.
    #[error("the snapshot is not of the last stop")]
    Other,
}

impl Engine {
    /// Writes what is known, which is what is recorded up to `last` when every fact and content that was
    /// stated is. Gives `false`, with nothing of use written, when that cannot be: facts wait to be taken, or a
    /// root's own node is gone.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_snapshot(&self, last: &Origin, out: &mut dyn Write) -> io::Result<bool> {
        let known = |root: &super::Root| root.node.is_none_or(|node| self.index.get(node).is_some());
        if self.outbox.len() > 0 || !self.roots.iter().all(known) {
            return Ok(false);
        }
        let labels = self.roots.iter().filter_map(|root| Some((&root.path, root.node?))).collect();
        write(&Known { index: &self.index, labels, hashes: &self.hashes }, last, out)?;
        Ok(true)
    }

    /// Takes in what a snapshot holds, in place of any [`Engine::learn`]: only into an engine that has learned
    /// nothing, before [`Engine::start`]. `last` is the last record that the hub has.
    ///
    /// # Errors
    /// When it is not such a snapshot, whole and of this stop. The engine is as if it had never been read.
    pub fn read_snapshot(&mut self, last: &Origin, input: &mut dyn Read) -> Result<(), SnapshotError> {
        let read = read(input)?;
        if read.last != *last {
            return Err(SnapshotError::Other);
        }
        (self.index, self.hashes, self.learned.labels) = (read.index, read.hashes, read.labels);
        Ok(())
    }
}

// === writing ===

/// What a snapshot is made of.
struct Known<'a> {
    index: &'a Index,
    labels: Vec<(&'a BytePath, Key)>,
    hashes: &'a MetaHash,
}

fn write(known: &Known<'_>, last: &Origin, out: &mut dyn Write) -> io::Result<()> {
    let mut sink = Sink { out, piece: Vec::with_capacity(PIECE), hasher: blake3::Hasher::new() };
    sink.put(MAGIC)?;
    sink.put(&VERSION.to_le_bytes())?;
    sink.put(last.machine.as_bytes())?;
    sink.put(&last.incarnation.0.to_le_bytes())?;
    sink.put(&last.n.0.to_le_bytes())?;
    sink.put(known.hashes.key())?;
    let mut numbers = Numbers { of_slots: vec![None; known.index.slots()], next: 0, dirs: Vec::new() };
    sink.put(&length(known.labels.len())?)?;
    for (path, node) in &known.labels {
        let path = path.as_bytes();
        sink.put(&u16::try_from(path.len()).map_err(io::Error::other)?.to_le_bytes())?;
        sink.put(path)?;
        target(&mut sink, known.index, &mut numbers, *node)?;
    }
    let mut at = 0;
    while let Some(dir) = numbers.dirs.get(at).copied() {
        at += 1;
        sink.put(&length(known.index.children(dir).count())?)?;
        for (name, node) in known.index.children(dir) {
            sink.put(&[u8::try_from(name.len()).map_err(io::Error::other)?])?;
            sink.put(name)?;
            target(&mut sink, known.index, &mut numbers, node)?;
        }
    }
    sink.end()
}

/// Numbers given so far.
struct Numbers {
    of_slots: Vec<Option<u32>>,
    next: u32,
    /// Directories in the order of their numbers.
    dirs: Vec<Key>,
}

fn length(count: usize) -> io::Result<[u8; 4]> {
    Ok(u32::try_from(count).map_err(io::Error::other)?.to_le_bytes())
}

fn target(sink: &mut Sink<'_>, index: &Index, numbers: &mut Numbers, key: Key) -> io::Result<()> {
    let number = &mut numbers.of_slots[key.slot()];
    if let Some(number) = *number {
        return sink.put(&number.to_le_bytes());
    }
    let Some(node) = index.get(key) else { return Err(io::Error::other("a name leads to no node")) };
    *number = Some(numbers.next);
    sink.put(&numbers.next.to_le_bytes())?;
    numbers.next += 1;
    if node.is_dir() {
        numbers.dirs.push(key);
    }
    let kind = match (node.is_file, node.is_dir()) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2u8,
    };
    let flags =
        FLAGS.iter().enumerate().fold(0u8, |all, (bit, flag)| all | u8::from(node.flags.has(*flag)) << bit);
    sink.put(&node.id.0)?;
    sink.put(&[kind, flags])?;
    sink.put(&node.mode.to_le_bytes())?;
    sink.put(&node.size.to_le_bytes())?;
    for time in [node.mtime(), node.ctime()] {
        sink.put(&time.secs.to_le_bytes())?;
        sink.put(&time.nanos.to_le_bytes())?;
    }
    sink.put(&node.hash.to_le_bytes())
}

/// Gathers, hashes and passes on.
struct Sink<'a> {
    out: &'a mut dyn Write,
    piece: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.piece.len() + bytes.len() > PIECE {
            self.pass_on()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.hasher.update(&self.piece);
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        self.pass_on()?;
        self.out.write_all(self.hasher.finalize().as_bytes())
    }
}

// === reading ===

/// What a snapshot held.
struct WasKnown {
    last: Origin,
    index: Index,
    labels: Vec<(BytePath, Key)>,
    hashes: MetaHash,
}

fn read(input: &mut dyn Read) -> Result<WasKnown, SnapshotError> {
    let mut source = Source::new(input);
    if source.array()? != *MAGIC {
        return Err(SnapshotError::Damaged("it does not begin like one"));
    }
    match source.u32()? {
        VERSION => {}
        other => return Err(SnapshotError::Version(other)),
    }
    let machine = MachineId(source.array()?);
    let (incarnation, n) = (Incarnation(source.u64()?), RecordNo(source.u64()?));
    let hashes = MetaHash::with_key(source.array()?);
    let mut nodes = Nodes { index: Index::default(), keys: Vec::new() };
    let labels = read_labels(&mut source, &mut nodes)?;
    let mut at = 0;
    while let Some(dir) = nodes.keys.get(at).copied() {
        at += 1;
        if nodes.is_dir(dir) {
            read_entries(&mut source, &mut nodes, dir)?;
        }
    }
    source.end()?;
    Ok(WasKnown { last: Origin { machine, incarnation, n }, index: nodes.index, labels, hashes })
}

/// Nodes read so far, and their keys by number.
struct Nodes {
    index: Index,
    keys: Vec<Key>,
}

impl Nodes {
    fn is_dir(&self, key: Key) -> bool {
        self.index.get(key).is_some_and(|node| node.is_dir())
    }
}

fn read_labels(source: &mut Source<'_>, nodes: &mut Nodes) -> Result<Vec<(BytePath, Key)>, SnapshotError> {
    let (mut labels, mut paths) = (Vec::new(), BTreeSet::new());
    for _ in 0..source.u32()? {
        let len = usize::from(source.u16()?);
        if len > PATH_BYTES_MAX {
            return Err(PathError::TooLong(len).into());
        }
        let path = BytePath::new(source.take(len)?)?;
        let node = read_target(source, nodes)?;
        if !nodes.is_dir(node) || !paths.insert(path.clone()) {
            return Err(SnapshotError::Damaged("a root is no directory, or there twice"));
        }
        labels.push((path, node));
    }
    Ok(labels)
}

fn read_entries(source: &mut Source<'_>, nodes: &mut Nodes, dir: Key) -> Result<(), SnapshotError> {
    let mut before = None;
    for _ in 0..source.u32()? {
        let len = usize::from(source.u8()?);
        let name = Name::new(source.take(len)?)?;
        if before.as_ref().is_some_and(|before| name <= *before) {
            return Err(SnapshotError::Damaged("names are not in order"));
        }
        let node = read_target(source, nodes)?;
        if nodes.is_dir(node) && (nodes.index.has_name(node) || nodes.index.is_below(dir, node)) {
            return Err(SnapshotError::Damaged("a directory is at two places"));
        }
        nodes.index.link(dir, name.as_bytes(), node);
        before = Some(name);
    }
    Ok(())
}

fn read_target(source: &mut Source<'_>, nodes: &mut Nodes) -> Result<Key, SnapshotError> {
    let number = source.u32()? as usize;
    if let Some(known) = nodes.keys.get(number) {
        return Ok(*known);
    }
    if number != nodes.keys.len() {
        return Err(SnapshotError::Damaged("a number is not the next"));
    }
    let id = NodeId(source.array()?);
    if id == NodeId::ROOTS || nodes.index.find(&id).is_some() {
        return Err(SnapshotError::Damaged("a node is there twice"));
    }
    // The index tells files and directories from all else, and no more.
    let kind = match source.u8()? {
        0 => Kind::File,
        1 => Kind::Dir,
        2 => Kind::Symlink,
        _ => return Err(SnapshotError::Damaged("a kind is unknown")),
    };
    let (flags, mode) = (source.u8()?, source.u16()?);
    if u32::from(flags) >> FLAGS.len() != 0 || mode > MODE_MAX {
        return Err(SnapshotError::Damaged("a flag is unknown"));
    }
    let (size, mtime, ctime, hash) = (source.u64()?, source.time()?, source.time()?, source.u64()?);
    let key = nodes.index.insert(id, kind);
    if let Some(node) = nodes.index.get_mut(key) {
        (node.size, node.mode, node.hash) = (size, mode, hash);
        node.set_times(mtime, ctime);
        for (bit, flag) in FLAGS.iter().enumerate() {
            node.flags.set(*flag, flags >> bit & 1 == 1);
        }
    }
    nodes.keys.push(key);
    Ok(key)
}

/// Takes bytes piece by piece, and hashes what was taken.
struct Source<'a> {
    input: &'a mut dyn Read,
    piece: Vec<u8>,
    /// In the piece: where what was not yet hashed begins, where what was not yet taken does, where it ends.
    hashed: usize,
    at: usize,
    end: usize,
    hasher: blake3::Hasher,
}

impl<'a> Source<'a> {
    fn new(input: &'a mut dyn Read) -> Self {
        Source { input, piece: vec![0; PIECE], hashed: 0, at: 0, end: 0, hasher: blake3::Hasher::new() }
    }

    /// The next bytes, at most [`PATH_BYTES_MAX`].
    fn take(&mut self, len: usize) -> Result<&[u8], SnapshotError> {
        if self.end - self.at < len {
            self.refill(len)?;
        }
        self.at += len;
        Ok(&self.piece[self.at - len..self.at])
    }

    fn refill(&mut self, len: usize) -> Result<(), SnapshotError> {
        self.hasher.update(&self.piece[self.hashed..self.at]);
        self.piece.copy_within(self.at..self.end, 0);
        (self.hashed, self.at, self.end) = (0, 0, self.end - self.at);
        while self.end < len {
            match self.input.read(&mut self.piece[self.end..]) {
                Ok(0) => return Err(SnapshotError::Length),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Compares what was taken with the digest that follows, behind which there must be nothing.
    fn end(mut self) -> Result<(), SnapshotError> {
        self.hasher.update(&self.piece[self.hashed..self.at]);
        let digest = self.hasher.finalize();
        self.hashed = self.at;
        if self.array::<DIGEST_LEN>()? != *digest.as_bytes() {
            return Err(SnapshotError::Damaged("its digest is another"));
        }
        match self.take(1) {
            Err(SnapshotError::Length) => Ok(()),
            Ok(_) => Err(SnapshotError::Length),
            Err(error) => Err(error),
        }
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], SnapshotError> {
        let mut out = [0; LEN];
        out.copy_from_slice(self.take(LEN)?);
        Ok(out)
    }

    fn u8(&mut self) -> Result<u8, SnapshotError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, SnapshotError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, SnapshotError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn time(&mut self) -> Result<FileTime, SnapshotError> {
        let (secs, nanos) = (i64::from_le_bytes(self.array()?), self.u32()?);
        if nanos >= NANOS_PER_SEC {
            return Err(SnapshotError::Damaged("a time cannot be"));
        }
        Ok(FileTime { secs, nanos })
    }
}

/// For fuzzing: reads a snapshot, and writes what was read.
#[doc(hidden)]
pub fn rewrite_snapshot(mut bytes: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    let WasKnown { last, index, labels, hashes } = read(&mut bytes)?;
    let labels = labels.iter().map(|(path, node)| (path, *node)).collect();
    let mut out = Vec::new();
    write(&Known { index: &index, labels, hashes: &hashes }, &last, &mut out)?;
    Ok(out)
}
