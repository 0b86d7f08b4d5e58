//! The directory of journal segments: what is found at open, how frames are read back, and how the one
//! writer appends them. [`salvage`] reads what is left of a damaged one.

mod salvage;

use crate::body::Body;
use crate::disk::{Disk, DiskFile, OpenMode, SyncSite};
use crate::error::{OpenError, StoreError};
use crate::frame::{FRAME_HEAD, FrameError, FrameHead, SEGMENT_HEAD, SegmentHead, encode_frame};
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::write_error::WriteError;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vigie_model::Seq;

/// Where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FramePlace {
    /// First record of the segment.
    pub segment: Seq,
    /// Offset in it.
    pub offset: u64,
}

/// A durable frame.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Where it begins.
    pub place: FramePlace,
    /// Where it ends.
    pub next: FramePlace,
    /// Number of its first record.
    pub first: Seq,
    pub body: Body,
}

/// A segment as readers see it.
#[derive(Clone, Debug)]
struct Segment {
    first: Seq,
    /// Length up to which frames are durable.
    len: u64,
    salt: u64,
    file: Option<Arc<dyn DiskFile>>,
}

/// A place, normalised, and the segment that holds it.
type Found = (FramePlace, Segment, Arc<dyn DiskFile>);

/// All segments, for readers; the writer tells it what became durable.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segments: Mutex<Vec<Segment>>,
    /// From where damage begins to the first frame behind it, in the same segment. Empty but when the journal was
    /// opened as it is.
    jumps: Vec<(FramePlace, FramePlace)>,
    /// See [`Self::damage`].
    damage: Vec<Damage>,
    /// The record that would have followed when it was opened.
    end: Seq,
}

/// Records that cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The file, below the store's directory.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub why: String,
    /// The first record that is lost, if any is.
    pub first: Seq,
    /// The first one behind; `None` when there is none.
    pub next: Option<Seq>,
}

impl Damage {
    /// What is wrong, and what is lost by it.
    pub(crate) fn told(&self) -> String {
        let (first, why) = (self.first, &self.why);
        match self.next {
            Some(next) if next == first => format!("{why}; no record is lost, but where some blocks lie"),
            Some(next) if next.0 == first.0 + 1 => format!("{why}; record #{first} is lost"),
            Some(next) => format!("{why}; records #{first} to #{} are lost", next.0 - 1),
            None => format!("{why}; the records from #{first} on are lost"),
        }
    }
}

/// Sealed segments whose files readers keep open.
const OPEN_SEGMENTS_MAX: usize = 16;

fn file_name(first: Seq) -> String {
    format!("{:020}.seg", first.0)
}

fn shown(first: Seq) -> String {
    format!("journal/{}", file_name(first))
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Length of all segments, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().iter().map(|s| s.len).sum()
    }

    /// Where the first frame begins, or will begin.
    pub(crate) fn start(&self) -> FramePlace {
        let segment = self.lock().first().map_or(Seq(1), |segment| segment.first);
        FramePlace { segment, offset: SEGMENT_HEAD as u64 }
    }

    /// Where the segment after the one begins in which the frame at this place lies.
    pub(crate) fn segment_after(&self, place: FramePlace) -> Option<FramePlace> {
        let segments = self.lock();
        let at = segments.iter().position(|s| s.first == place.segment)?;
        let is_at_end = place.offset >= segments[at].len;
        let next = segments.get(at + 1 + usize::from(is_at_end))?;
        Some(FramePlace { segment: next.first, offset: SEGMENT_HEAD as u64 })
    }

    /// Whether this segment exists and is at least as long as this place says.
    pub(crate) fn reaches(&self, place: FramePlace) -> bool {
        self.lock().iter().any(|s| s.first == place.segment && place.offset <= s.len)
    }

    /// Closes what readers keep open: a file that was removed could be read on and look as if it were there.
    pub(crate) fn close_files(&self) {
        self.lock().iter_mut().for_each(|s| s.file = None);
    }

    /// What cannot be read, in a journal that was opened as it is.
    pub(crate) fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Whether these records are known to be lost: from `first` on, and before `next`.
    pub(crate) fn is_lost(&self, first: Seq, next: Seq) -> bool {
        self.damage.iter().any(|lost| lost.first <= first && lost.next.is_some_and(|end| next <= end))
    }

    /// Reads the frame at a place. `None` at the end of the journal; a place at the end of a sealed segment
    /// means the beginning of the next. Known damage is passed over.
    pub(crate) fn read(&self, place: FramePlace) -> Result<Option<Frame>, StoreError> {
        let Some((mut place, segment, file)) = self.find(place)? else { return Ok(None) };
        if let Some((_, behind)) = self.jumps.iter().find(|(from, _)| *from == place) {
            place = *behind;
        }
        let bad = |why: FrameError| StoreError::Damaged {
            file: shown(place.segment),
            offset: place.offset,
            why: why.to_string(),
        };
        let io = |source: std::io::Error| match source.kind() {
            // It was longer when it was opened.
            ErrorKind::UnexpectedEof => bad(FrameError::Short),
            _ => StoreError::Io { act: "read", file: shown(place.segment), source },
        };
        let left = segment.len - place.offset;
        if left < FRAME_HEAD as u64 {
            return Err(bad(FrameError::Short));
        }
        let mut head = [0; FRAME_HEAD];
        file.read_exact_at(&mut head, place.offset).map_err(io)?;
        let head = FrameHead::decode(&head, segment.salt).map_err(bad)?;
        if head.frame_len() > left {
            return Err(bad(FrameError::Short));
        }
        let mut body = vec![0; head.body_len as usize];
        file.read_exact_at(&mut body, place.offset + FRAME_HEAD as u64).map_err(io)?;
        let body = head.open_body(&body, segment.salt).map_err(bad)?;
        let next = FramePlace { offset: place.offset + head.frame_len(), ..place };
        Ok(Some(Frame { place, next, first: head.first, body }))
    }

    /// The segment that holds a place, and the place in it.
    fn find(&self, place: FramePlace) -> Result<Option<Found>, StoreError> {
        let mut segments = self.lock();
        let found = segments.binary_search_by_key(&place.segment, |s| s.first);
        let Ok(mut at) = found else { return Ok(None) };
        let mut place = place;
        if place.offset >= segments[at].len {
            at += 1;
            let Some(next) = segments.get(at) else { return Ok(None) };
            place = FramePlace { segment: next.first, offset: SEGMENT_HEAD as u64 };
            if place.offset >= next.len {
                return Ok(None);
            }
        }
        if let Some(file) = &segments[at].file {
            return Ok(Some((place, segments[at].clone(), file.clone())));
        }
        let path = self.dir.join(file_name(place.segment));
        let file = self.disk.open(&path, OpenMode::Read).map_err(|source| match source.kind() {
            ErrorKind::NotFound => {
                StoreError::Damaged { file: shown(place.segment), offset: 0, why: "it is gone".into() }
            }
            _ => StoreError::Io { act: "open", file: shown(place.segment), source },
        })?;
        if segments.iter().filter(|s| s.file.is_some()).count() >= OPEN_SEGMENTS_MAX {
            segments.iter_mut().for_each(|s| s.file = None);
        }
        segments[at].file = Some(file.clone());
        Ok(Some((place, segments[at].clone(), file)))
    }

    /// Opens the directory: checks the chain of segments, cuts a torn tail, and gives reader and writer.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        seal_bytes: u64,
    ) -> Result<(Arc<Journal>, JournalWriter), OpenError> {
        let names = disk.list(dir).map_err(|e| io_error("list", dir, e))?;
        let mut firsts: Vec<u64> =
            names.iter().filter_map(|n| n.strip_suffix(".seg")?.parse().ok()).collect();
        firsts.sort_unstable();
        let mut empty = Vec::new();
        while let Some(last) = firsts.last() {
            let path = dir.join(file_name(Seq(*last)));
            if !is_empty(&*disk, &path)? {
                break;
            }
            empty.push(path);
            firsts.pop();
        }
        let mut opening = Opening { disk: &disk, dir, segments: Vec::new(), torn: 0, next: Seq(1) };
        for (at, first) in firsts.iter().enumerate() {
            opening.segment(Seq(*first), at + 1 == firsts.len())?;
        }
        let Opening { segments, torn, next, .. } = opening;
        let open = segments.last().map(|s| (s.first, s.len, s.salt, s.file.clone()));
        let journal = Arc::new(Journal {
            disk: disk.clone(),
            dir: dir.to_owned(),
            segments: Mutex::new(segments),
            jumps: Vec::new(),
            damage: Vec::new(),
            end: next,
        });
        let open =
            open.and_then(|(first, len, salt, file)| Some(OpenSegment { file: file?, first, len, salt }));
        let dir = dir.to_owned();
        Ok((journal.clone(), JournalWriter { disk, dir, journal, open, torn, empty, next, seal_bytes }))
    }
}

fn io_error(act: &'static str, path: &Path, source: std::io::Error) -> OpenError {
    OpenError::Io { act, path: path.to_owned(), source }
}

/// Whether a segment is one to which no frame was ever written: its head, or its entry, may not be durable.
fn is_empty(disk: &dyn Disk, path: &Path) -> Result<bool, OpenError> {
    let file = disk.open(path, OpenMode::Read).map_err(|e| io_error("open", path, e))?;
    Ok(file.length().map_err(|e| io_error("measure", path, e))? <= SEGMENT_HEAD as u64)
}

/// Takes up one segment after the other.
struct Opening<'a> {
    disk: &'a Arc<dyn Disk>,
    dir: &'a Path,
    segments: Vec<Segment>,
    /// Bytes behind the last frame.
    torn: u64,
    next: Seq,
}

impl Opening<'_> {
    fn segment(&mut self, first: Seq, is_last: bool) -> Result<(), OpenError> {
        let path = self.dir.join(file_name(first));
        let damaged = |why: &str| OpenError::Damaged { file: path.clone(), offset: 0, why: why.to_owned() };
        let file = self.disk.open(&path, OpenMode::Write).map_err(|e| io_error("open", &path, e))?;
        if is_last {
            // A process that died may have written a frame and not synced it: it can be read now, and would
            // be gone after a crash. And after a failed sync the cache tells what the medium does not hold.
            file.sync_data(SyncSite::OpenSegment).map_err(|e| io_error("sync", &path, e))?;
            file.drop_cache().map_err(|e| io_error("read back", &path, e))?;
        }
        let len = file.length().map_err(|e| io_error("measure", &path, e))?;
        let mut head = [0; SEGMENT_HEAD];
        let got = file.read_at(&mut head, 0).map_err(|e| io_error("read", &path, e))?;
        let head = SegmentHead::decode(&head[..got])
            .map_err(|why| damaged(&format!("the segment's head cannot be read: {why}")))?;
        let previous = self.segments.last().map_or((Seq(0), 0), |s| (s.first, s.len));
        if head.first != first || (head.previous_first, head.previous_len) != previous {
            return Err(damaged(&format!(
                "it follows segment {} of {} bytes, and that is not the one before it",
                head.previous_first, head.previous_len
            )));
        }
        let mut segment = Segment { first, len, salt: head.salt, file: None };
        if is_last {
            (segment.len, self.next) = scan_last(&path, &*file, &segment)?;
            self.torn = len - segment.len;
            segment.file = Some(file);
        }
        self.segments.push(segment);
        Ok(())
    }
}

/// Reads every frame of the last segment. Gives the length up to which it is whole, and the number of the
/// record that follows.
fn scan_last(path: &Path, file: &dyn DiskFile, segment: &Segment) -> Result<(u64, Seq), OpenError> {
    let mut at = SEGMENT_HEAD as u64;
    let mut next = segment.first;
    while at < segment.len {
        match scan_frame(file, segment, at, next).map_err(|e| io_error("read", path, e))? {
            Ok(head) => {
                at += head.frame_len();
                next = head.next();
            }
            Err(why) => {
                if let Some(valid) = valid_after(path, file, segment, at)? {
                    let why = format!("{why}, and yet a frame follows at offset {valid}");
                    return Err(OpenError::Damaged { file: path.to_owned(), offset: at, why });
                }
                if matches!(why, FrameError::Order { .. }) {
                    return Err(OpenError::Damaged {
                        file: path.to_owned(),
                        offset: at,
                        why: why.to_string(),
                    });
                }
                break;
            }
        }
    }
    Ok((at, next))
}

fn scan_frame(
    file: &dyn DiskFile,
    segment: &Segment,
    at: u64,
    expected: Seq,
) -> std::io::Result<Result<FrameHead, FrameError>> {
    let mut head = [0; FRAME_HEAD];
    let got = file.read_at(&mut head, at)?;
    let head = match FrameHead::decode(&head[..got], segment.salt) {
        Ok(head) if at + head.frame_len() > segment.len => return Ok(Err(FrameError::Short)),
        Ok(head) => head,
        Err(why) => return Ok(Err(why)),
    };
    let mut body = vec![0; head.body_len as usize];
    match file.read_exact_at(&mut body, at + FRAME_HEAD as u64) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(Err(FrameError::Short)),
        read => read?,
    }
    if let Err(why) = head.check_body(&body, segment.salt) {
        return Ok(Err(why));
    }
    if head.first != expected {
        return Ok(Err(FrameError::Order { found: head.first, expected }));
    }
    Ok(Ok(head))
}

/// Looks for the head of a frame anywhere after a bad one. At most one frame is ever written and not yet
/// synced, so behind a torn one there is none; and more bytes than a frame can have are no torn frame.
fn valid_after(
    path: &Path,
    file: &dyn DiskFile,
    segment: &Segment,
    at: u64,
) -> Result<Option<u64>, OpenError> {
    let left = segment.len - at;
    if left > (FRAME_HEAD + FRAME_BODY_BYTES_MAX) as u64 {
        return Ok(Some(segment.len));
    }
    let mut tail = vec![0; left as usize];
    file.read_exact_at(&mut tail, at).map_err(|e| io_error("read", path, e))?;
    let found = (1..tail.len()).find(|i| FrameHead::decode(&tail[*i..], segment.salt).is_ok());
    Ok(found.map(|i| at + i as u64))
}

#[derive(Debug)]
struct OpenSegment {
    file: Arc<dyn DiskFile>,
    first: Seq,
    len: u64,
    salt: u64,
}

/// The one writer of the journal.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    journal: Arc<Journal>,
    open: Option<OpenSegment>,
    /// Bytes behind the last frame, which [`Self::cut_torn_tail`] cuts off.
    torn: u64,
    /// Segments without any frame, which it removes.
    empty: Vec<PathBuf>,
    next: Seq,
    seal_bytes: u64,
}

impl JournalWriter {
    /// One that has nothing to write to: of a journal that is only read.
    pub(crate) fn of_nothing(disk: Arc<dyn Disk>, dir: &Path, journal: Arc<Journal>, next: Seq) -> Self {
        JournalWriter {
            disk,
            dir: dir.to_owned(),
            journal,
            open: None,
            torn: 0,
            empty: Vec::new(),
            next,
            seal_bytes: 0,
        }
    }

    /// Cuts off, or removes, what was being written when the last process died. To be called once it is known that nothing
    /// acknowledged is missing: otherwise it may be no torn tail but damage.
    pub(crate) fn cut_torn_tail(&mut self) -> Result<(), OpenError> {
        for path in self.empty.drain(..) {
            self.disk.remove(&path).map_err(|e| io_error("remove", &path, e))?;
        }
        let Some(open) = self.open.as_ref().filter(|_| self.torn > 0) else { return Ok(()) };
        let path = self.dir.join(file_name(open.first));
        open.file.truncate(open.len).map_err(|e| io_error("cut the torn tail of", &path, e))?;
        tracing::warn!(
            segment = %path.display(), bytes = self.torn,
            "cut a torn tail off the journal: it was never acknowledged"
        );
        self.torn = 0;
        Ok(())
    }

    /// The number of the next record.
    pub(crate) fn next(&self) -> Seq {
        self.next
    }

    /// Appends one frame; when it returns, the frame is durable. After [`WriteError::Full`] nothing of it
    /// is left; after any other error the writer must not be used again.
    pub(crate) fn append(&mut self, body: Body) -> Result<Frame, WriteError> {
        let first = self.next;
        let segment = match self.open.take() {
            Some(open) if open.len < self.seal_bytes => self.open.insert(open),
            sealed => {
                let previous = sealed.as_ref().map_or((Seq(0), 0), |s| (s.first, s.len));
                match self.create(first, previous) {
                    Ok(open) => self.open.insert(open),
                    Err(e) => {
                        self.open = sealed;
                        return Err(e);
                    }
                }
            }
        };
        let path = self.dir.join(file_name(segment.first));
        let frame = encode_frame(first, &body, segment.salt)
            .map_err(|e| WriteError::other("append to", &path, std::io::Error::other(e)))?;
        if let Err(e) = segment.file.write_at(&frame, segment.len) {
            let error = WriteError::new("append to", &path, e);
            if matches!(error, WriteError::Full) {
                segment.file.truncate(segment.len).map_err(|e| WriteError::other("cut", &path, e))?;
            }
            return Err(error);
        }
        segment.file.sync_data(SyncSite::SegmentData).map_err(|e| WriteError::other("sync", &path, e))?;
        let place = FramePlace { segment: segment.first, offset: segment.len };
        segment.len += frame.len() as u64;
        self.next = Seq(first.0 + body.records());
        if let Some(last) = self.journal.lock().last_mut() {
            last.len = segment.len;
        }
        let next = FramePlace { offset: segment.len, ..place };
        Ok(Frame { place, next, first, body })
    }

    fn create(&self, first: Seq, previous: (Seq, u64)) -> Result<OpenSegment, WriteError> {
        let path = self.dir.join(file_name(first));
        let file =
            self.disk.open(&path, OpenMode::CreateNew).map_err(|e| WriteError::new("create", &path, e))?;
        let salt = self.disk.random();
        let head = SegmentHead { first, previous_first: previous.0, previous_len: previous.1, salt };
        if let Err(e) = file.write_at(&head.encode(), 0) {
            self.disk.remove(&path).map_err(|e| WriteError::other("remove", &path, e))?;
            return Err(WriteError::new("begin", &path, e));
        }
        file.sync_data(SyncSite::SegmentHead).map_err(|e| WriteError::other("sync", &path, e))?;
        self.disk
            .sync_dir(&self.dir, SyncSite::SegmentDir)
            .map_err(|e| WriteError::other("sync the directory of", &path, e))?;
        let len = SEGMENT_HEAD as u64;
        self.journal.lock().push(Segment { first, len, salt, file: Some(file.clone()) });
        Ok(OpenSegment { file, first, len, salt })
    }
}
