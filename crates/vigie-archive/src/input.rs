//! Bytes from a stream, in blocks and pieces, with the place they came from.

use crate::header::{BLOCK, Block};
use crate::limits::{PIECE_BYTES, READ_BYTES};
use crate::read::ReadError;
use std::io::{ErrorKind, Read};

/// A buffered reader that knows how far it is and tells an end from a cut.
#[derive(Debug)]
pub(crate) struct Input<R> {
    reader: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(reader: R) -> Self {
        Input { reader, buffer: vec![0; READ_BYTES].into(), start: 0, end: 0, offset: 0 }
    }

    /// Bytes taken so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads more into the buffer. Gives `false` at the end of the stream.
    fn fill(&mut self) -> Result<bool, ReadError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start.., 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
    }

    /// The next block; `None` when the stream ends right before it.
    pub(crate) fn block(&mut self) -> Result<Option<Block>, ReadError> {
        let mut block = [0; BLOCK];
        let mut have = 0;
        while have < BLOCK {
            if self.start == self.end && !self.fill()? {
                return if have == 0 { Ok(None) } else { Err(ReadError::CutOff("within a header")) };
            }
            let count = (BLOCK - have).min(self.end - self.start);
            block[have..have + count].copy_from_slice(&self.buffer[self.start..self.start + count]);
            have += count;
            self.start += count;
            self.offset += count as u64;
        }
        Ok(Some(block))
    }

    /// What is at hand of the next `max` bytes, at least one of them; `max` must not be 0.
    fn some(&mut self, max: u64, what: &'static str) -> Result<&[u8], ReadError> {
        if self.start == self.end && !self.fill()? {
            return Err(ReadError::CutOff(what));
        }
        let count = usize::try_from(max).unwrap_or(usize::MAX).min(self.end - self.start);
        Ok(self.consume(count))
    }

    fn consume(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start += count;
        self.offset += count as u64;
        &self.buffer[from..self.start]
    }

    /// The next `max` bytes, or the next [`PIECE_BYTES`] when that is less; so pieces of one content begin at
    /// multiples of that.
    pub(crate) fn piece(&mut self, max: u64, what: &'static str) -> Result<&[u8], ReadError> {
        let count = usize::try_from(max).unwrap_or(usize::MAX).min(PIECE_BYTES);
        while self.end - self.start < count {
            if !self.fill()? {
                return Err(ReadError::CutOff(what));
            }
        }
        Ok(self.consume(count))
    }

    /// The next `count` bytes. The caller bounds `count`: that much memory is taken at once.
    pub(crate) fn take(&mut self, count: usize, what: &'static str) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let rest = (count - bytes.len()) as u64;
            bytes.extend_from_slice(self.some(rest, what)?);
        }
        Ok(bytes)
    }

    /// Passes over `count` bytes.
    pub(crate) fn skip(&mut self, mut count: u64, what: &'static str) -> Result<(), ReadError> {
        while count > 0 {
            count -= self.some(count, what)?.len() as u64;
        }
        Ok(())
    }

    /// Reads what follows the end of the archive, up to `max` bytes: a sender that is cut off while it pads
    /// its last record would report an error for a stream that was taken whole. For the same reason a failure
    /// here is none.
    pub(crate) fn drain(&mut self, max: u64) {
        let until = self.offset.saturating_add(max);
        while self.offset < until && (self.start < self.end || matches!(self.fill(), Ok(true))) {
            self.consume(self.end - self.start);
        }
    }
}
