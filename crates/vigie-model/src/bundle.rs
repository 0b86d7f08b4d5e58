//! Bundles: small data blocks that travel and lie together, because they compress much better so. A bundle is only a
//! way to store: nothing names it, and the blocks in it are known by their own digests as any others are.
//!
//! ```text
//! bundle = bytes of the blocks, one behind the other · count × length u32 · count u16      numbers are little-endian
//! ```

use crate::content::{BlockList, ListEntry};
use crate::ids::Digest;
use crate::limits::{BLOCK_BYTES_MAX, BUNDLE_BLOCKS_MAX};

const LEN_BYTES: usize = 4;

/// The least that a block takes in a bundle: a byte, and its length.
pub const BLOCK_BYTES_MIN: usize = 1 + LEN_BYTES;

/// Where one block lies in the raw bytes of its bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// Offset of its first byte.
    pub start: u32,
    /// Its length in bytes; never 0.
    pub len: u32,
}

impl Part {
    /// Its bytes; `None` when the bundle is shorter than that.
    pub fn of<'a>(&self, bundle: &'a [u8]) -> Option<&'a [u8]> {
        bundle.get(self.start as usize..)?.get(..self.len as usize)
    }
}

/// Why bytes are not a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The table of lengths is cut off, or says nothing, or too much.
    #[error("a bundle cannot have {0} blocks in {1} bytes")]
    Count(usize, usize),
    /// A block without bytes, or lengths that are not those of the bytes that are there.
    #[error("the lengths of a bundle's blocks do not add up to it")]
    Lengths,
}

/// Puts blocks together.
#[derive(Debug, Default)]
pub struct BundleBuilder {
    bytes: Vec<u8>,
    entries: Vec<ListEntry>,
}

impl BundleBuilder {
    /// Adds a block. It must not be empty, and [`Self::has_room_for`] it.
    pub fn push(&mut self, digest: Digest, raw: &[u8]) {
        self.bytes.extend_from_slice(raw);
        self.entries.push(ListEntry { digest, size: raw.len() as u64 });
    }

    /// Whether the bundle stays within what is read when a block of this length is added.
    pub fn has_room_for(&self, len: usize) -> bool {
        let count = self.entries.len() + 1;
        count <= BUNDLE_BLOCKS_MAX && self.bytes.len() + len + table_len(count) <= BLOCK_BYTES_MAX
    }

    /// Bytes of the blocks so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no block yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bundle's digest and its raw bytes.
    pub fn finish(self) -> (Digest, Vec<u8>) {
        let BundleBuilder { mut bytes, entries } = self;
        bytes.reserve(table_len(entries.len()));
        for entry in &entries {
            bytes.extend_from_slice(&(entry.size as u32).to_le_bytes());
        }
        bytes.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        (digest_of(entries), bytes)
    }
}

/// Digest of a bundle of these blocks: that of the list of them. It proves the blocks and not the bytes around them,
/// which say nothing else.
pub fn digest_of(entries: Vec<ListEntry>) -> Digest {
    Digest::of_list(&BlockList { level: 0, entries }.encode())
}

/// Where the blocks of a bundle lie, in order. Takes bytes from anyone.
pub fn parts(raw: &[u8]) -> Result<Vec<Part>, BundleError> {
    let (rest, count) = raw.split_last_chunk::<2>().ok_or(BundleError::Count(0, raw.len()))?;
    let count = usize::from(u16::from_le_bytes(*count));
    let table =
        rest.len().checked_sub(count * LEN_BYTES).filter(|_| (1..=BUNDLE_BLOCKS_MAX).contains(&count));
    let (bytes, table) = rest.split_at(table.ok_or(BundleError::Count(count, raw.len()))?);
    let mut parts = Vec::with_capacity(count);
    let mut start = 0usize;
    for len in table.as_chunks::<LEN_BYTES>().0 {
        let len = u32::from_le_bytes(*len);
        parts.push(Part { start: start as u32, len });
        start = start.saturating_add(len as usize);
        if len == 0 || start > bytes.len() {
            return Err(BundleError::Lengths);
        }
    }
    if start == bytes.len() { Ok(parts) } else { Err(BundleError::Lengths) }
}

fn table_len(count: usize) -> usize {
    count * LEN_BYTES + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> (Digest, Vec<u8>) {
        let mut builder = BundleBuilder::default();
        for raw in [&b"one"[..], b"twos"] {
            builder.push(Digest::of_data(raw), raw);
        }
        builder.finish()
    }

    #[test]
    fn golden_bytes() {
        let (digest, raw) = bundle();
        assert_eq!(raw, b"onetwos\x03\0\0\0\x04\0\0\0\x02\0");
        assert_eq!(parts(&raw), Ok(vec![Part { start: 0, len: 3 }, Part { start: 3, len: 4 }]));
        let list = [(&b"one"[..], 3), (b"twos", 4)];
        let entries = list.map(|(raw, size)| ListEntry { digest: Digest::of_data(raw), size });
        assert_eq!(digest, Digest::of_list(&BlockList { level: 0, entries: entries.into() }.encode()));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let (_, raw) = bundle();
        for cut in 0..raw.len() {
            assert!(parts(&raw[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 7 * 8..raw.len() * 8 {
            let mut bad = raw.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(parts(&bad).is_err(), "bit {bit}");
        }
        assert_eq!(parts(&[0, 0]), Err(BundleError::Count(0, 2)));
        assert_eq!(parts(&[0xff; 64]), Err(BundleError::Count(0xffff, 64)));
        let none = [&[0u8; 4][..], &[1, 0]].concat();
        assert_eq!(parts(&none), Err(BundleError::Lengths), "a block without bytes");
    }

    #[test]
    fn a_bundle_is_never_longer_than_a_block_may_be() {
        let mut builder = BundleBuilder::default();
        let raw = vec![7; BLOCK_BYTES_MAX / 4];
        while builder.has_room_for(raw.len()) {
            builder.push(Digest::of_data(&raw), &raw);
        }
        let (_, bundle) = builder.finish();
        assert_eq!(parts(&bundle).map(|parts| parts.len()), Ok(3));
        let mut builder = BundleBuilder::default();
        while builder.has_room_for(1) {
            builder.push(Digest::of_data(b"x"), b"x");
        }
        assert_eq!(parts(&builder.finish().1).map(|parts| parts.len()), Ok(BUNDLE_BLOCKS_MAX));
    }
}
