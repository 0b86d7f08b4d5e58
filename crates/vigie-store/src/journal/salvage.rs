//! A damaged journal, read as far as it goes: every frame that checks out, before and behind the damage. The
//! checksums of a frame begin with its segment's salt, so nothing but a frame passes for one, and what follows
//! damage is found again by looking for the next one at every offset.

use super::{Damage, FramePlace, Journal, Segment, file_name, io_error, scan_frame, shown};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::{OpenError, StoreError};
use crate::frame::{FRAME_HEAD, FrameError, FrameHead, SEGMENT_HEAD, SegmentHead};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use vigie_model::Seq;

/// Bytes that are read at once while the next frame is looked for.
const LOOK_BYTES: usize = 1 << 20;

/// A frame found behind damage: where it begins, and its first record.
pub(super) type Behind = (u64, Seq);

/// The first frame that begins at `from` or later, is whole, and does not begin before record `least`.
pub(super) fn next_frame(
    file: &dyn DiskFile,
    segment: &Segment,
    from: u64,
    least: Seq,
) -> io::Result<Option<Behind>> {
    let mut window = vec![0; LOOK_BYTES + FRAME_HEAD];
    let mut at = from;
    while at + FRAME_HEAD as u64 <= segment.len {
        let left = usize::try_from(segment.len - at).unwrap_or(usize::MAX).min(window.len());
        let got = file.read_at(&mut window[..left], at)?;
        let heads = got.saturating_sub(FRAME_HEAD - 1).min(LOOK_BYTES);
        for i in 0..heads {
            let Ok(head) = FrameHead::decode(&window[i..got], segment.salt) else { continue };
            let begins = at + i as u64;
            if head.first >= least && scan_frame(file, segment, begins, head.first)?.is_ok() {
                return Ok(Some((begins, head.first)));
            }
        }
        if heads == 0 {
            return Ok(None);
        }
        at += heads as u64;
    }
    Ok(None)
}

impl Journal {
    /// Where the first whole frame behind a damaged place begins: in the same segment, or in a later one.
    pub(crate) fn behind(&self, place: FramePlace, least: Seq) -> Result<Option<FramePlace>, StoreError> {
        let found = match self.find(place) {
            // A segment that is gone has nothing behind the damage.
            Err(StoreError::Damaged { .. }) => None,
            found => found?,
        };
        if let Some((at, segment, file)) = found {
            let io = |source| StoreError::Io { act: "read", file: shown(at.segment), source };
            if let Some((offset, _)) = next_frame(&*file, &segment, at.offset + 1, least).map_err(io)? {
                return Ok(Some(FramePlace { segment: at.segment, offset }));
            }
        }
        Ok(self.segment_after(place))
    }

    /// The first record of the frame that begins at a place, or would.
    pub(crate) fn first_of(&self, place: FramePlace) -> Result<Option<Seq>, StoreError> {
        let Some((at, segment, file)) = self.find(place)? else { return Ok(None) };
        let io = |source| StoreError::Io { act: "read", file: shown(at.segment), source };
        let mut head = [0; FRAME_HEAD];
        let got = file.read_at(&mut head, at.offset).map_err(io)?;
        let head = FrameHead::decode(&head[..got], segment.salt).ok();
        Ok(head.map(|head| head.first).or_else(|| (at.offset == SEGMENT_HEAD as u64).then_some(at.segment)))
    }

    /// Reads every frame of every segment; the first that is damaged ends it.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let mut segments = self.lock().clone();
        // The last one may grow meanwhile, and what is in it was checked when it was opened or has just been written.
        segments.pop();
        let mut next = None;
        for segment in segments {
            let path = self.dir.join(file_name(segment.first));
            let file = self.disk.open(&path, OpenMode::Read).map_err(|e| io_error("open", &path, e))?;
            let (mut at, mut expected) = (SEGMENT_HEAD as u64, next.unwrap_or(segment.first));
            while at < segment.len {
                let found = scan_frame(&*file, &segment, at, expected);
                match found.map_err(|e| io_error("read", &path, e))? {
                    Ok(head) => (at, expected) = (at + head.frame_len(), head.next()),
                    Err(why) => {
                        let why = why.to_string();
                        return Err(OpenError::Damaged { file: path, offset: at, why });
                    }
                }
            }
            next = Some(expected);
        }
        Ok(())
    }

    /// Notes that there were records up to this one: somebody has seen them.
    pub(crate) fn ends_before(self: &mut Arc<Self>, applied: Seq) {
        let (first, next) = (self.end, applied.next());
        if let Some(journal) = Arc::get_mut(self).filter(|_| next > first) {
            let known = journal.damage.iter_mut().filter(|damage| damage.next.is_none());
            known.for_each(|damage| damage.next = Some(next));
            if !journal.is_lost(first, next) {
                let why = "the journal ends before it should".into();
                journal.damage.push(Damage {
                    file: "journal".into(),
                    offset: 0,
                    why,
                    first,
                    next: Some(next),
                });
            }
        }
    }

    /// Opens a journal that may be damaged, for reading only: nothing is cut, synced or removed. Gives the number of
    /// the last record too.
    pub(crate) fn open_as_it_is(disk: Arc<dyn Disk>, dir: &Path) -> Result<(Arc<Journal>, Seq), OpenError> {
        let names = disk.list(dir).map_err(|e| io_error("list", dir, e))?;
        let mut firsts: Vec<u64> =
            names.iter().filter_map(|n| n.strip_suffix(".seg")?.parse().ok()).collect();
        firsts.sort_unstable();
        let mut salvage = Salvage {
            disk: &disk,
            dir,
            segments: Vec::new(),
            jumps: Vec::new(),
            damage: Vec::new(),
            next: Seq(1),
            missing: Vec::new(),
        };
        for (at, first) in firsts.iter().enumerate() {
            salvage.segment(Seq(*first), at + 1 == firsts.len())?;
        }
        let Salvage { segments, jumps, mut damage, next, missing, .. } = salvage;
        damage.extend(missing);
        let segments = Mutex::new(segments);
        let journal = Journal { disk: disk.clone(), dir: dir.to_owned(), segments, jumps, damage, end: next };
        Ok((Arc::new(journal), Seq(next.0 - 1)))
    }
}

/// Takes up what can be read of one segment after the other.
struct Salvage<'a> {
    disk: &'a Arc<dyn Disk>,
    dir: &'a Path,
    segments: Vec<Segment>,
    jumps: Vec<(FramePlace, FramePlace)>,
    damage: Vec<Damage>,
    /// Number of the record that should come next.
    next: Seq,
    /// Damage behind which no frame was found yet.
    missing: Vec<Damage>,
}

impl Salvage<'_> {
    fn segment(&mut self, first: Seq, is_last: bool) -> Result<(), OpenError> {
        let path = self.dir.join(file_name(first));
        let io = |e| io_error("read", &path, e);
        let file = self.disk.open(&path, OpenMode::Read).map_err(io)?;
        let len = file.length().map_err(io)?;
        if len <= SEGMENT_HEAD as u64 && is_last {
            return Ok(()); // Begun, and nothing was ever written to it.
        }
        let mut head = [0; SEGMENT_HEAD];
        let got = file.read_at(&mut head, 0).map_err(io)?;
        let head = match SegmentHead::decode(&head[..got]) {
            Ok(head) if head.first == first => head,
            Ok(_) => {
                self.lost(first, 0, "its head names another first record".into());
                return Ok(());
            }
            Err(why) => {
                self.lost(first, 0, format!("the segment's head cannot be read: {why}"));
                return Ok(());
            }
        };
        if first > self.next && self.missing.is_empty() {
            self.lost(first, 0, "the segment before it is missing or cut short".into());
        }
        let mut segment = Segment { first, len, salt: head.salt, file: None };
        let mut at = SEGMENT_HEAD as u64;
        while at < segment.len {
            let begins = at == SEGMENT_HEAD as u64 && !self.missing.is_empty();
            let expected = if begins { first } else { self.next };
            match scan_frame(&*file, &segment, at, expected).map_err(io)? {
                Ok(head) => {
                    self.found(head.first);
                    self.next = head.next();
                    at += head.frame_len();
                }
                Err(why) => {
                    let behind = next_frame(&*file, &segment, at + 1, self.next).map_err(io)?;
                    let Some((resumed, seq)) = behind else {
                        // The end of the last segment was being written when the hub died, or is damaged: what was
                        // lost there, only the index may know.
                        if !is_last || !matches!(why, FrameError::Short | FrameError::Head | FrameError::Body)
                        {
                            self.lost(first, at, why.to_string());
                        }
                        segment.len = at;
                        break;
                    };
                    let place = |offset| FramePlace { segment: first, offset };
                    self.jumps.push((place(at), place(resumed)));
                    self.lost(first, at, why.to_string());
                    self.found(seq);
                    self.next = seq;
                    at = resumed;
                }
            }
        }
        self.segments.push(segment);
        Ok(())
    }

    /// Here begins what cannot be read.
    fn lost(&mut self, segment: Seq, offset: u64, why: String) {
        self.missing.push(Damage { file: shown(segment), offset, why, first: self.next, next: None });
    }

    /// Here it can be read again.
    fn found(&mut self, seq: Seq) {
        self.damage.extend(self.missing.drain(..).map(|damage| Damage { next: Some(seq), ..damage }));
    }
}
