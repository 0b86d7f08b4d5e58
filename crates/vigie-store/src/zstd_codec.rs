//! zstd with contexts that are kept: making one costs more than compressing a small block. Each thread has
//! its own, about 1 MiB for compressing and 400 KiB for decompressing, made when first used.

use std::cell::RefCell;
use std::io;
use vigie_model::limits::BLOCK_BYTES_MAX;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::compress_bound;

/// How hard to try; see "Compression" in `docs/format.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Bundles: what lies in one frame has more in common, so that less trying gives more.
    Quick,
    /// Blocks that lie alone, and bodies of the journal.
    Usual,
}

impl Effort {
    fn level(self) -> i32 {
        match self {
            Effort::Quick => 1,
            Effort::Usual => 2,
        }
    }
}

/// Longest output buffer that is kept for the next block: enough for every honest block.
const KEPT_BYTES_MAX: usize = BLOCK_BYTES_MAX + BLOCK_BYTES_MAX / 128;

thread_local! {
    static COMPRESSOR: RefCell<Option<(Effort, Compressor<'static>, Vec<u8>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<(Decompressor<'static>, Vec<u8>)>> = const { RefCell::new(None) };
}

/// One zstd frame, if it is smaller than the bytes themselves. It takes no more memory than its length.
pub(crate) fn compress(effort: Effort, raw: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let (mut compressor, mut buffer) = match kept.take() {
            Some((its, compressor, buffer)) if its == effort => (compressor, buffer),
            Some((_, mut compressor, buffer)) => {
                compressor.set_compression_level(effort.level()).ok()?;
                (compressor, buffer)
            }
            None => (Compressor::new(effort.level()).ok()?, Vec::new()),
        };
        buffer.clear();
        buffer.reserve(compress_bound(raw.len()));
        let packed = compressor.compress_to_buffer(raw, &mut buffer);
        let packed = packed.ok().filter(|len| *len < raw.len()).map(|_| buffer.as_slice().to_vec());
        if buffer.capacity() > KEPT_BYTES_MAX {
            buffer = Vec::new();
        }
        *kept = Some((effort, compressor, buffer));
        packed
    })
}

/// The content of one zstd frame, of at most `len_max` bytes.
pub(crate) fn decompress(packed: &[u8], len_max: usize) -> io::Result<Vec<u8>> {
    with_decompressed(packed, len_max, <[u8]>::to_vec)
}

/// Looks at the content of one zstd frame, of at most `len_max` bytes, where it lies: in memory that is used again for
/// the next one, and still in the processor's cache.
pub(crate) fn with_decompressed<T>(
    packed: &[u8],
    len_max: usize,
    look: impl FnOnce(&[u8]) -> T,
) -> io::Result<T> {
    let (mut decompressor, mut buffer) = match DECOMPRESSOR.take() {
        Some(kept) => kept,
        None => (Decompressor::new()?, Vec::new()),
    };
    buffer.clear();
    buffer.reserve(len_max);
    let looked = decompressor.decompress_to_buffer(packed, &mut buffer).map(|_| look(&buffer));
    if buffer.capacity() > KEPT_BYTES_MAX {
        buffer = Vec::new();
    }
    DECOMPRESSOR.set(Some((decompressor, buffer)));
    looked
}
