//! Numbered slots that do not move. Grown by fixed pieces: doubling a vector of 100,000 nodes would cost its
//! size twice over, in memory that is never used.

/// Slots of one piece.
const PIECE: usize = 1024;

#[derive(Debug)]
pub(super) struct Slab<T> {
    pieces: Vec<Vec<T>>,
    free: Vec<u32>,
    len: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { pieces: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// Fills a free slot, by what `make` gives for what is in it (`None` for a slot never used).
    pub(super) fn insert(&mut self, make: impl FnOnce(Option<&T>) -> T) -> u32 {
        if let Some(at) = self.free.pop() {
            let slot = self.at(at);
            *slot = make(Some(slot));
            return at;
        }
        let at = self.len;
        if (at as usize).is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(last) = self.pieces.last_mut() {
            last.push(make(None));
        }
        self.len += 1;
        at
    }

    /// Gives a slot back. What is in it stays until it is filled again.
    pub(super) fn remove(&mut self, at: u32) {
        self.free.push(at);
    }

    pub(super) fn get(&self, at: u32) -> Option<&T> {
        self.pieces.get(at as usize / PIECE)?.get(at as usize % PIECE)
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.pieces.get_mut(at as usize / PIECE)?.get_mut(at as usize % PIECE)
    }

    /// A slot that is known to be there.
    pub(super) fn at(&mut self, at: u32) -> &mut T {
        &mut self.pieces[at as usize / PIECE][at as usize % PIECE]
    }

    /// Slots, in use or free.
    pub(super) fn slots(&self) -> usize {
        self.len as usize
    }

    /// Slots that are in use.
    pub(super) fn used(&self) -> usize {
        self.len as usize - self.free.len()
    }
}
