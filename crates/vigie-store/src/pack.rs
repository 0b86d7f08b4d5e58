//! Packs: files of blocks, appended by one writer and read by anyone. The layout and its reasons are in
//! `docs/format.md`.
//!
//! ```text
//! pack  = head 24 · block*
//! head  = magic 8 · version u32 · crc u32 · number u32 · 0 u32
//! block = stored len u32 · raw len u32 · kind u8 · codec u8 · 0 u16 · crc u32 · stored bytes
//! ```

use crate::body::Place;
use crate::disk::{Disk, DiskFile, OpenMode, SyncSite};
use crate::error::{OpenError, StoreError};
use crate::frame::le32;
use crate::limits::{BAD_BLOCKS_MAX, OPEN_PACKS_MAX};
use crate::new_block::NewBlock;
use crate::types::{Codec, Damage, DamagedPlace};
use crate::write_error::WriteError;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vigie_model::StoredKind;
use vigie_model::bundle::Part;
use vigie_model::limits::BLOCK_BYTES_MAX;

/// Length of the head of a pack.
pub(crate) const PACK_HEAD: usize = 24;
/// Length of the head of a block.
pub(crate) const BLOCK_HEAD: usize = 16;

const MAGIC: &[u8; 8] = b"VIGIEPAK";
const VERSION: u32 = 1;

/// Head of a block, as it lies before the stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHead {
    /// Length of the stored bytes.
    pub stored_len: u32,
    /// Length of the raw bytes.
    pub raw_len: u32,
    /// What the raw bytes are.
    pub kind: StoredKind,
    /// How they are stored.
    pub codec: Codec,
    crc: u32,
}

impl BlockHead {
    /// Its bytes, for these stored bytes.
    pub fn encode(kind: StoredKind, codec: Codec, raw_len: u32, stored: &[u8]) -> [u8; BLOCK_HEAD] {
        let mut out = [0; BLOCK_HEAD];
        out[0..4].copy_from_slice(&(stored.len() as u32).to_le_bytes());
        out[4..8].copy_from_slice(&raw_len.to_le_bytes());
        out[8] = kind.number();
        out[9] = codec.number();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&out[..12]), stored);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a head; its checksum needs the stored bytes too, see [`Self::check`].
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let Some(head) = bytes.first_chunk::<BLOCK_HEAD>() else { return Err("its head is cut off") };
        let kind = StoredKind::from_number(head[8]).ok_or("its kind is unknown")?;
        let codec = Codec::from_number(head[9]).ok_or("its codec is unknown")?;
        if head[10..12] != [0, 0] {
            return Err("its head has bytes that this version does not know");
        }
        let (stored_len, raw_len) = (le32(head, 0), le32(head, 4));
        if stored_len.max(raw_len) as usize > BLOCK_BYTES_MAX {
            return Err("it is larger than any block");
        }
        Ok(BlockHead { stored_len, raw_len, kind, codec, crc: le32(head, 12) })
    }

    /// Checks the stored bytes together with this head.
    pub fn check(&self, stored: &[u8]) -> Result<(), &'static str> {
        let head = Self::encode(self.kind, self.codec, self.raw_len, stored);
        if stored.len() == self.stored_len as usize && le32(&head, 12) == self.crc {
            Ok(())
        } else {
            Err("its checksum is wrong")
        }
    }
}

/// The bytes with which a pack begins.
pub(crate) fn pack_head(number: u32) -> [u8; PACK_HEAD] {
    let mut out = [0; PACK_HEAD];
    out[..8].copy_from_slice(MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[16..20].copy_from_slice(&number.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[8..12]), &out[16..]);
    out[12..16].copy_from_slice(&crc.to_le_bytes());
    out
}

/// A block of a pack: where its head begins, the head, and the stored bytes.
pub type PackedBlock<'a> = (u64, BlockHead, &'a [u8]);

/// Reads a pack from its bytes alone, without journal or index: the blocks up to the first that does not
/// check out, and the offset of that one. For salvage, tests and fuzzing.
pub fn read_pack(bytes: &[u8]) -> (Vec<PackedBlock<'_>>, Option<u64>) {
    let mut blocks = Vec::new();
    let number = if bytes.len() < PACK_HEAD { 0 } else { le32(bytes, 16) };
    if !bytes.starts_with(&pack_head(number)) {
        return (blocks, Some(0));
    }
    let mut at = PACK_HEAD;
    while at < bytes.len() {
        let block = BlockHead::decode(&bytes[at..]).ok().and_then(|head| {
            let stored = bytes[at + BLOCK_HEAD..].get(..head.stored_len as usize)?;
            head.check(stored).ok().map(|()| (head, stored))
        });
        let Some((head, stored)) = block else { return (blocks, Some(at as u64)) };
        blocks.push((at as u64, head, stored));
        at += BLOCK_HEAD + stored.len();
    }
    (blocks, None)
}

fn file_name(number: u32) -> String {
    format!("{number:08}.pack")
}

/// Name of a pack in messages.
pub(crate) fn shown(number: u32) -> String {
    format!("packs/{}", file_name(number))
}

/// All packs, for readers.
#[derive(Debug)]
pub(crate) struct Packs {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    files: Mutex<HashMap<u32, Arc<dyn DiskFile>>>,
    bytes: AtomicU64,
    known: Mutex<Known>,
}

/// What is known of the blocks that are there.
#[derive(Debug, Default)]
struct Known {
    /// Length of each pack: as it was found, and for the open one as far as blocks are named.
    lengths: HashMap<u32, u64>,
    /// What was read and found damaged: pack, offset, and which block of a bundle; without that, all that lies there.
    bad: HashSet<(u32, u64, Option<Part>)>,
    /// How many of those nobody needs any more.
    mended: usize,
    /// Packs that were missing or cut short when the store was opened.
    damaged_packs: usize,
}

/// Why a block was not read.
#[derive(Debug)]
pub(crate) enum BlockReadError {
    /// It is not what was written.
    Damaged(String),
    /// The disk failed.
    Store(StoreError),
}

impl Packs {
    /// Length of all packs, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a block can be there: its pack is long enough, and nobody found it damaged. What cannot is taken again
    /// when someone has it, which mends whatever needs it.
    pub(crate) fn may_hold(&self, place: &Place) -> bool {
        let end = place.offset + BLOCK_HEAD as u64 + u64::from(place.stored_len);
        let known = self.known();
        known.lengths.get(&place.pack).is_some_and(|len| end <= *len)
            && ![None, place.part].iter().any(|part| known.bad.contains(&(place.pack, place.offset, *part)))
    }

    /// What was found damaged since the store was opened, or was last found whole.
    pub(crate) fn damage(&self) -> Damage {
        let known = self.known();
        Damage { packs: known.damaged_packs, blocks: known.bad.len() - known.mended }
    }

    /// Remembers that all that is needed is whole: what was found damaged before was stored anew.
    pub(crate) fn all_is_whole(&self) {
        let mut known = self.known();
        (known.mended, known.damaged_packs) = (known.bad.len(), 0);
    }

    /// Remembers that a block is damaged: of a bundle this one alone.
    pub(crate) fn is_bad(&self, place: &Place) {
        let mut known = self.known();
        // Where nothing can be had, it is no damage more.
        let is_lost = known.bad.contains(&(place.pack, place.offset, None));
        if !is_lost && known.bad.len() < BAD_BLOCKS_MAX {
            known.bad.insert((place.pack, place.offset, place.part));
        }
    }

    /// Remembers that nothing can be had of what lies here: of a bundle no block.
    pub(crate) fn is_lost(&self, place: &Place) {
        self.is_bad(&Place { part: None, ..*place });
    }

    /// Closes what readers keep open: a file that was removed could be read on and look as if it were there.
    pub(crate) fn close_files(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The packs there are, or should be, in order.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.known().lengths.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Whether a pack begins as one does; no block needs that, but to read it alone does.
    pub(crate) fn check_head(&self, number: u32) -> Result<(), BlockReadError> {
        let mut head = [0; PACK_HEAD];
        let read = self.file(number).and_then(|file| file.read_exact_at(&mut head, 0));
        read.map_err(|source| self.not_read(number, source))?;
        if head == pack_head(number) {
            Ok(())
        } else {
            Err(BlockReadError::Damaged("its head is wrong".into()))
        }
    }

    /// Stored bytes of a block, checked by its checksum only: who asks checks the digest.
    pub(crate) fn read(&self, place: &Place) -> Result<Vec<u8>, BlockReadError> {
        let read = self.read_stored(place);
        if let Err(BlockReadError::Damaged(_)) = read {
            self.is_lost(place);
        }
        read
    }

    fn not_read(&self, pack: u32, source: std::io::Error) -> BlockReadError {
        match source.kind() {
            std::io::ErrorKind::NotFound => BlockReadError::Damaged("its pack is missing".into()),
            std::io::ErrorKind::UnexpectedEof => BlockReadError::Damaged("its pack ends before it".into()),
            _ => BlockReadError::Store(StoreError::Io { act: "read", file: shown(pack), source }),
        }
    }

    fn read_stored(&self, place: &Place) -> Result<Vec<u8>, BlockReadError> {
        let io = |source| self.not_read(place.pack, source);
        let file = self.file(place.pack).map_err(io)?;
        let mut bytes = vec![0; BLOCK_HEAD + place.stored_len as usize];
        file.read_exact_at(&mut bytes, place.offset).map_err(io)?;
        let head = BlockHead::decode(&bytes).map_err(|why| BlockReadError::Damaged(why.into()))?;
        if (head.kind, head.codec, head.raw_len) != (place.kind, place.codec, place.raw_len) {
            return Err(BlockReadError::Damaged("its head is not the one that was written".into()));
        }
        head.check(&bytes[BLOCK_HEAD..]).map_err(|why| BlockReadError::Damaged(why.into()))?;
        bytes.drain(..BLOCK_HEAD);
        Ok(bytes)
    }

    fn file(&self, number: u32) -> std::io::Result<Arc<dyn DiskFile>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&number) {
            return Ok(file.clone());
        }
        let file = self.disk.open(&self.dir.join(file_name(number)), OpenMode::Read)?;
        if files.len() >= OPEN_PACKS_MAX {
            files.clear();
        }
        files.insert(number, file.clone());
        Ok(file)
    }

    /// Opens the directory, where the journal names blocks up to `end` of pack `last` (0 and 0 when it
    /// names none): what lies behind was never acknowledged and is cut off, unless it is `read_only`. A pack that is
    /// missing or cut short is told, and takes no more blocks.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        (last, end): (u32, u64),
        seal_bytes: u64,
        read_only: bool,
    ) -> Result<Opened, OpenError> {
        let io = |act, path: &Path, source| OpenError::Io { act, path: path.to_owned(), source };
        let names = disk.list(dir).map_err(|e| io("list", dir, e))?;
        let mut numbers: Vec<u32> =
            names.iter().filter_map(|n| n.strip_suffix(".pack")?.parse().ok()).collect();
        numbers.sort_unstable();
        let damaged = |number, offset, why: String| DamagedPlace { file: shown(number), offset, why };
        let missing = (1..=last).filter(|n| numbers.binary_search(n).is_err());
        let mut damage: Vec<DamagedPlace> =
            missing.map(|n| damaged(n, 0, "the journal names it, and it is gone".into())).collect();
        let mut known = Known::default();
        let mut open = None;
        for number in numbers {
            let path = dir.join(file_name(number));
            if number > last {
                if !read_only {
                    disk.remove(&path).map_err(|e| io("remove", &path, e))?;
                }
                continue;
            }
            let mode = if read_only { OpenMode::Read } else { OpenMode::Write };
            let file = disk.open(&path, mode).map_err(|e| io("open", &path, e))?;
            let len = file.length().map_err(|e| io("measure", &path, e))?;
            let keep = if number == last { len.min(end) } else { len };
            if len > keep && !read_only {
                file.truncate(keep).map_err(|e| io("cut", &path, e))?;
            }
            if number == last && len < end {
                let why = format!("the journal names blocks up to offset {end}, and it ends at {len}");
                damage.push(damaged(number, len, why));
            } else if number == last && end < seal_bytes && !read_only {
                open = Some(OpenPack { file, len: end, entry_synced: true });
            }
            known.lengths.insert(number, keep);
        }
        known.damaged_packs = damage.len();
        let bytes = AtomicU64::new(known.lengths.values().sum());
        let (files, known) = (Mutex::default(), Mutex::new(known));
        let packs = Arc::new(Packs { disk, dir: dir.to_owned(), files, bytes, known });
        let writer = PackWriter { packs: packs.clone(), open, number: last, seal_bytes };
        Ok(Opened { packs, writer, damage })
    }
}

/// Packs that were opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// For readers.
    pub packs: Arc<Packs>,
    /// For the committer.
    pub writer: PackWriter,
    /// Packs of which something is missing.
    pub damage: Vec<DamagedPlace>,
}

#[derive(Debug)]
struct OpenPack {
    file: Arc<dyn DiskFile>,
    /// Length that a frame names or is about to name; 0 before the head is written.
    len: u64,
    entry_synced: bool,
}

/// The one writer of packs.
#[derive(Debug)]
pub(crate) struct PackWriter {
    packs: Arc<Packs>,
    open: Option<OpenPack>,
    /// Number of the open pack, or of the last one.
    number: u32,
    seal_bytes: u64,
}

impl PackWriter {
    /// Appends blocks; when it returns, they are durable, and [`Self::keep`] or [`Self::undo`] must follow.
    /// After [`WriteError::Full`] nothing of them is left; after any other error the writer must not be
    /// used again.
    pub(crate) fn append(&mut self, blocks: &[Cow<'_, NewBlock>]) -> Result<Appended, WriteError> {
        if self.open.as_ref().is_none_or(|open| open.len >= self.seal_bytes) {
            self.create()?;
        }
        let number = self.number;
        let path = self.packs.dir.join(file_name(number));
        let Some(open) = &mut self.open else {
            return Err(WriteError::Doubt("there is no open pack".into()));
        };
        let mut bytes = Vec::with_capacity(blocks.iter().map(|b| BLOCK_HEAD + b.stored().len()).sum());
        if open.len == 0 {
            bytes.extend_from_slice(&pack_head(number));
        }
        let mut places = Vec::with_capacity(blocks.len());
        for block in blocks {
            let (kind, codec, raw_len) = (block.kind(), block.codec(), block.raw_len());
            let stored = block.stored();
            let offset = open.len + bytes.len() as u64;
            let stored_len = stored.len() as u32;
            places.push(Place { kind, pack: number, offset, stored_len, raw_len, codec, part: None });
            bytes.extend_from_slice(&BlockHead::encode(kind, codec, raw_len, stored));
            bytes.extend_from_slice(stored);
        }
        if let Err(e) = open.file.write_at(&bytes, open.len) {
            let error = WriteError::new("append to", &path, e);
            if matches!(error, WriteError::Full) {
                open.file.truncate(open.len).map_err(|e| WriteError::other("cut", &path, e))?;
            }
            return Err(error);
        }
        open.file.sync_data(SyncSite::PackData).map_err(|e| WriteError::other("sync", &path, e))?;
        if !open.entry_synced {
            let synced = self.packs.disk.sync_dir(&self.packs.dir, SyncSite::PackDir);
            synced.map_err(|e| WriteError::other("sync the directory of", &path, e))?;
            open.entry_synced = true;
        }
        Ok(Appended { places, bytes: bytes.len() as u64 })
    }

    /// The journal names what was appended.
    pub(crate) fn keep(&mut self, appended: &Appended) {
        if let Some(open) = &mut self.open {
            open.len += appended.bytes;
            self.packs.known().lengths.insert(self.number, open.len);
        }
        self.packs.bytes.fetch_add(appended.bytes, Ordering::Relaxed);
    }

    /// The journal does not name what was appended, and never will: cuts it off.
    pub(crate) fn undo(&mut self) -> Result<(), WriteError> {
        let path = self.packs.dir.join(file_name(self.number));
        match &self.open {
            Some(open) => open.file.truncate(open.len).map_err(|e| WriteError::other("cut", &path, e)),
            None => Ok(()),
        }
    }

    fn create(&mut self) -> Result<(), WriteError> {
        let number = self.number + 1;
        let path = self.packs.dir.join(file_name(number));
        let file = self.packs.disk.open(&path, OpenMode::CreateNew);
        let file = file.map_err(|e| WriteError::new("create", &path, e))?;
        self.open = Some(OpenPack { file, len: 0, entry_synced: false });
        self.number = number;
        Ok(())
    }
}

/// Blocks that are durable and not yet named.
#[derive(Debug)]
pub(crate) struct Appended {
    /// Where each of them lies, in the order given.
    pub places: Vec<Place>,
    bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack() -> Vec<u8> {
        let mut bytes = pack_head(3).to_vec();
        for stored in [&b"first"[..], b"second one"] {
            let head = BlockHead::encode(StoredKind::LIST, Codec::Raw, stored.len() as u32, stored);
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(stored);
        }
        bytes
    }

    #[test]
    fn golden_bytes() {
        let hex: String = pack()[..45].iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "564947494550414b0100000004e655c10300000000000000\
             050000000500000001000000e7a09e376669727374"
        );
    }

    #[test]
    fn damage_ends_the_reading_where_it_lies() {
        let bytes = pack();
        let (blocks, bad) = read_pack(&bytes);
        assert_eq!((blocks.len(), blocks[1].0, blocks[1].2, bad), (2, 45, &b"second one"[..], None));
        for cut in 0..bytes.len() {
            let whole = [24, 45].contains(&cut);
            assert_eq!(read_pack(&bytes[..cut]).1.is_none(), whole, "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let place = [0, 24, 45].into_iter().rfind(|start| *start <= bit as u64 / 8);
            assert_eq!(read_pack(&bad).1, place, "bit {bit}");
        }
    }
}
