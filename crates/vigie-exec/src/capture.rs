//! Output of any length in bounded memory: its head and its tail.

use crate::limits::KEPT_BYTES;
use std::collections::VecDeque;

/// How much of an output is kept. Up to `head + tail` bytes it is kept whole; of a longer one the first `head`
/// and the last `tail` bytes, and the number of those between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Bytes from the beginning.
    pub head: usize,
    /// Bytes up to the end.
    pub tail: usize,
}

impl Keep {
    /// So many bytes, one half from the beginning and one from the end.
    pub fn both_ends(bytes: usize) -> Self {
        Keep { head: bytes / 2, tail: bytes - bytes / 2 }
    }

    /// The last bytes only: where a command says why it ends.
    pub fn last(bytes: usize) -> Self {
        Keep { head: 0, tail: bytes }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Keep::both_ends(KEPT_BYTES)
    }
}

/// What was kept of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    bytes: Vec<u8>,
    cut_at: usize,
    cut: u64,
}

impl Captured {
    /// What was kept: all of it, or head and tail one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that were not kept; 0 when [`Captured::bytes`] is the whole output.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// The part before what was cut, and the part behind it.
    pub fn head_and_tail(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.cut_at)
    }

    /// Length of the whole output, in bytes.
    pub fn len(&self) -> u64 {
        self.cut + self.bytes.len() as u64
    }

    /// Whether the command printed nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As text for people: bytes that are not UTF-8 are replaced, and a line says where how much was cut.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), vigie_exec::StartError> {
    /// use vigie_exec::{Command, Keep};
    /// let outcome = Command::shell("seq 1000").keep(Keep { head: 4, tail: 5 }).run().await?;
    /// assert_eq!(outcome.stdout.to_text(), "1\n2\n\n[3884 bytes cut]\n1000\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_text(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if self.cut == 0 {
            return text(&self.bytes);
        }
        let (head, tail) = self.head_and_tail();
        format!("{}\n[{} bytes cut]\n{}", text(head), self.cut, text(tail))
    }
}

/// Takes an output piece by piece.
#[derive(Debug)]
pub(crate) struct Capture {
    keep: Keep,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cut: u64,
}

impl Capture {
    pub(crate) fn new(keep: Keep) -> Self {
        Capture { keep, head: Vec::new(), tail: VecDeque::new(), cut: 0 }
    }

    pub(crate) fn take(&mut self, piece: &[u8]) {
        let to_head = piece.len().min(self.keep.head - self.head.len());
        let (head, rest) = piece.split_at(to_head);
        self.head.extend_from_slice(head);
        // Of a piece longer than the tail only its end can stay.
        let skipped = rest.len().saturating_sub(self.keep.tail);
        self.tail.extend(&rest[skipped..]);
        let over = self.tail.len().saturating_sub(self.keep.tail);
        self.tail.drain(..over);
        self.cut += (skipped + over) as u64;
    }

    pub(crate) fn finish(self) -> Captured {
        let cut_at = self.head.len();
        let mut bytes = self.head;
        let (front, back) = self.tail.as_slices();
        bytes.extend_from_slice(front);
        bytes.extend_from_slice(back);
        Captured { bytes, cut_at, cut: self.cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(keep: Keep, pieces: &[&[u8]]) -> Captured {
        let mut capture = Capture::new(keep);
        pieces.iter().for_each(|piece| capture.take(piece));
        capture.finish()
    }

    #[test]
    fn up_to_the_bound_nothing_is_lost() {
        let kept = captured(Keep { head: 3, tail: 3 }, &[b"ab", b"", b"cde", b"f"]);
        assert_eq!((kept.bytes(), kept.cut(), kept.len()), (&b"abcdef"[..], 0, 6));
        assert_eq!(kept.to_text(), "abcdef");
        assert!(captured(Keep::default(), &[]).is_empty());
    }

    #[test]
    fn head_and_tail_are_the_same_however_it_comes() {
        let all: Vec<u8> = (0..=255).collect();
        for keep in [Keep { head: 5, tail: 7 }, Keep::last(9), Keep { head: 9, tail: 0 }, Keep::last(0)] {
            for size in [1, 2, 6, 7, 8, 13, 100, 256] {
                let pieces: Vec<&[u8]> = all.chunks(size).collect();
                let kept = captured(keep, &pieces);
                let (head, tail) = kept.head_and_tail();
                assert_eq!(head, &all[..keep.head], "{keep:?} in pieces of {size}");
                assert_eq!(tail, &all[256 - keep.tail..], "{keep:?} in pieces of {size}");
                assert_eq!(kept.cut(), (256 - keep.head - keep.tail) as u64);
                assert_eq!(kept.len(), 256);
            }
        }
    }
}
