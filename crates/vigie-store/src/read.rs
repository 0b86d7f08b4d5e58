//! Giving contents back: each block is read, checked against its digest, and handed on.

use crate::body::Place;
use crate::compress::{check, decompress, open_block};
use crate::error::{ReadError, StoreError};
use crate::limits::OPEN_BUNDLES_MAX;
use crate::pack::BlockReadError;
use crate::shared::Shared;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vigie_model::limits::LIST_LEVELS_MAX;
use vigie_model::{BlockKind, BlockList, Content, Digest};

impl Shared {
    /// The raw bytes of a block, verified.
    pub(crate) fn block(&self, kind: BlockKind, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        let place = self.index.place(digest).map_err(StoreError::from)?;
        let Some(place) = place.filter(|place| place.block_kind() == kind) else {
            return Err(ReadError::Missing(*digest));
        };
        let damaged =
            |why| ReadError::Damaged { digest: *digest, pack: place.pack, offset: place.offset, why };
        let read = |place: &Place| match self.packs.read(place) {
            Ok(stored) => Ok(stored),
            Err(BlockReadError::Damaged(why)) => Err(damaged(why)),
            Err(BlockReadError::Store(e)) => Err(ReadError::Store(e)),
        };
        let opened = match place.part {
            None => open_block(kind, place.codec, place.raw_len, &read(&place)?, digest),
            Some(part) => {
                let bundle = match self.bundles.get(&place) {
                    Some(bundle) => Ok(bundle),
                    None => {
                        let raw = decompress(place.codec, place.raw_len, &read(&place)?);
                        raw.map(|raw| self.bundles.keep(&place, raw))
                            .inspect_err(|_| self.packs.is_lost(&place))
                    }
                };
                bundle.and_then(|bundle| {
                    let raw = part.of(&bundle).unwrap_or_default();
                    check(kind, raw, digest).map(|_| raw.to_vec())
                })
            }
        };
        opened.map_err(|e| {
            self.packs.is_bad(&place);
            self.bundles.clear();
            damaged(e.to_string())
        })
    }
}

/// The bundles that were opened last: whoever reads a directory needs the next block of the same one. Nothing here is
/// believed: each block is checked as if it had just been read.
#[derive(Debug, Default)]
pub(crate) struct Bundles(Mutex<VecDeque<(Place, Arc<Vec<u8>>)>>);

impl Bundles {
    fn get(&self, place: &Place) -> Option<Arc<Vec<u8>>> {
        let mut kept = self.lock();
        let at = kept.iter().position(|(its, _)| its.is_beside(place))?;
        let found = kept.remove(at)?;
        let raw = Arc::clone(&found.1);
        kept.push_front(found);
        Some(raw)
    }

    fn keep(&self, place: &Place, raw: Vec<u8>) -> Arc<Vec<u8>> {
        let raw = Arc::new(raw);
        let mut kept = self.lock();
        // Another reader may have opened it meanwhile.
        kept.retain(|(its, _)| !its.is_beside(place));
        kept.push_front((*place, Arc::clone(&raw)));
        kept.truncate(OPEN_BUNDLES_MAX);
        raw
    }

    /// Forgets them all, so that what is read next is what the disk has.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Place, Arc<Vec<u8>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pieces of one content, in order, each verified; at most a block long. Blocks on the disk. After an
/// error it ends.
#[derive(Debug)]
pub struct ContentReader {
    shared: Arc<Shared>,
    /// What is still to be read, the next one last. A list's children replace it, so this holds at most
    /// one list for each level.
    open: Vec<Part>,
}

/// A block to read.
#[derive(Clone, Copy, Debug)]
struct Part {
    digest: Digest,
    /// `None` for data; the most levels a list may have otherwise.
    list: Option<u8>,
    /// Bytes of the content that it stands for.
    size: u64,
}

impl ContentReader {
    pub(crate) fn new(shared: Arc<Shared>, content: &Content) -> Self {
        let root = content.root_block().map(|(kind, digest)| Part {
            digest,
            list: (kind == BlockKind::List).then_some(LIST_LEVELS_MAX),
            size: content.size,
        });
        ContentReader { shared, open: root.into_iter().collect() }
    }

    fn read(&mut self, part: Part) -> Result<Option<Vec<u8>>, ReadError> {
        let kind = if part.list.is_some() { BlockKind::List } else { BlockKind::Data };
        let bytes = self.shared.block(kind, &part.digest)?;
        let Some(levels) = part.list else {
            return if bytes.len() as u64 == part.size {
                Ok(Some(bytes))
            } else {
                Err(self.wrong(part, "size"))
            };
        };
        let list = BlockList::decode(&bytes).map_err(|_| self.wrong(part, "form"))?;
        if list.level >= levels {
            return Err(self.wrong(part, "level"));
        }
        if list.size() != part.size {
            return Err(self.wrong(part, "size"));
        }
        let below = (list.level > 0).then_some(list.level);
        let children = list.entries.iter().rev();
        self.open.extend(children.map(|child| Part { digest: child.digest, list: below, size: child.size }));
        Ok(None)
    }

    /// A block that is what its digest says, and not what the content says of it: whoever made the content
    /// lied or erred.
    fn wrong(&self, part: Part, what: &str) -> ReadError {
        let place = self.shared.index.place(&part.digest).ok().flatten();
        ReadError::Damaged {
            digest: part.digest,
            pack: place.map_or(0, |place| place.pack),
            offset: place.map_or(0, |place| place.offset),
            why: format!("its {what} is not the one that was stated"),
        }
    }
}

impl Iterator for ContentReader {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(part) = self.open.pop() {
            match self.read(part) {
                Ok(None) => {}
                Ok(Some(bytes)) => return Some(Ok(bytes)),
                Err(e) => {
                    self.open.clear();
                    return Some(Err(e));
                }
            }
        }
        None
    }
}
