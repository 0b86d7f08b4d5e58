//! Cutting large files where their content says so, so that an insertion moves one cut and not all after it.

use crate::limits::READ_BYTES;
use fastcdc::v2020::{Normalization, cut, select_masks};
use std::io;
use vigie_model::limits::CHUNK_BYTES;

/// Cuts a stream of bytes into chunks by FastCDC (2020), sizes as in [`CHUNK_BYTES`]. Holds at most one read
/// and one chunk. An iterator over the chunks, in order; after an error it ends.
///
/// ```
/// use std::io::Read;
/// let bytes = vec![7; 1_000_000];
/// let mut source = &bytes[..];
/// let chunks: Vec<Vec<u8>> = vigie_watch::Chunker::new(|buffer: &mut [u8]| source.read(buffer))
///     .collect::<Result<_, _>>().unwrap();
/// assert_eq!(chunks.concat(), bytes);
/// ```
#[derive(Debug)]
pub struct Chunker<R> {
    read: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    masks: (u64, u64),
}

impl<R: FnMut(&mut [u8]) -> io::Result<usize>> Chunker<R> {
    /// `read` fills a buffer and gives how much, 0 at the end.
    pub fn new(read: R) -> Self {
        let masks = select_masks(CHUNK_BYTES.1, Normalization::Level1);
        let buffer = vec![0; READ_BYTES + CHUNK_BYTES.2];
        Chunker { read, buffer, start: 0, end: 0, at_end: false, masks }
    }

    /// Makes sure that a largest chunk is there, or all that is left.
    fn fill(&mut self) -> io::Result<()> {
        if self.at_end || self.end - self.start >= CHUNK_BYTES.2 {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < CHUNK_BYTES.2 && !self.at_end {
            let got = (self.read)(&mut self.buffer[self.end..])?;
            self.end += got;
            self.at_end = got == 0;
        }
        Ok(())
    }
}

impl<R: FnMut(&mut [u8]) -> io::Result<usize>> Iterator for Chunker<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            (self.start, self.end, self.at_end) = (0, 0, true);
            return Some(Err(error));
        }
        let held = &self.buffer[self.start..self.end];
        if held.is_empty() {
            return None;
        }
        let ((min, aim, max), (strict, loose)) = (CHUNK_BYTES, self.masks);
        let (_, len) = cut(held, min, aim, max, strict, loose, strict << 1, loose << 1);
        let chunk = held[..len].to_vec();
        self.start += len;
        Some(Ok(chunk))
    }
}
