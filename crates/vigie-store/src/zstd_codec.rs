//! zstd with contexts that are kept: making one costs more than compressing a small block. Each thread has
//! its own, about 1 MiB for compressing and 150 KiB for decompressing, made when first used.

use std::cell::RefCell;
use std::io;
use zstd::bulk::{Compressor, Decompressor};

/// Level of compression, of blocks and of journal bodies; see "Compression" in `docs/format.md`.
const LEVEL: i32 = 3;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// One zstd frame, if it is smaller than the bytes themselves.
pub(crate) fn compress(raw: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let mut compressor = kept.take().or_else(|| Compressor::new(LEVEL).ok())?;
        let packed = compressor.compress(raw);
        *kept = Some(compressor);
        packed.ok().filter(|packed| packed.len() < raw.len())
    })
}

/// The content of one zstd frame, of at most `len_max` bytes.
pub(crate) fn decompress(packed: &[u8], len_max: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut decompressor = match kept.take() {
            Some(kept) => kept,
            None => Decompressor::new()?,
        };
        let raw = decompressor.decompress(packed, len_max);
        *kept = Some(decompressor);
        raw
    })
}
