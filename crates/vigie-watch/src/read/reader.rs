//! See [`Reader`].

use super::{AsRead, Chunker, Piece, ReadEnd, ReadJob};
use crate::files::{FileHandle, Files, Root, Stat};
use crate::node_id::NodeIds;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use vigie_model::limits::WHOLE_BLOCK_BYTES_MAX;
use vigie_model::{BytePath, Clock, FileTime, MachineId, UnixNanos};

/// The coarsest clock that file systems stamp changes with: a tick at 100 Hz, and the one before it.
const TICK: Duration = Duration::from_millis(20);

/// Reads files whole: open, `fstat`, read, `fstat`; equal means that the bytes belong together. Cheap to
/// clone, one for each thread.
#[derive(Clone, Debug)]
pub struct Reader {
    ids: NodeIds,
    files: Arc<dyn Files>,
    clock: Arc<dyn Clock>,
}

/// The root that was opened last: files below it that are read one after the other need not open it again. To be
/// kept for moments, since a root that is moved away and made anew meanwhile would not be noticed.
#[derive(Debug, Default)]
pub struct LastRoot(Option<(BytePath, Box<dyn Root>)>);

impl LastRoot {
    fn open(&mut self, files: &dyn Files, path: &BytePath) -> io::Result<&dyn Root> {
        let root = match self.0.take() {
            Some((last, root)) if last == *path => root,
            _ => files.find_root(path)?,
        };
        Ok(&*self.0.insert((path.clone(), root)).1)
    }
}

impl Reader {
    /// `machine` and `files` must be the engine's, or no file is ever recognised.
    pub fn new(machine: MachineId, files: Arc<dyn Files>, clock: Arc<dyn Clock>) -> Self {
        Reader { ids: NodeIds::new(machine), files, clock }
    }

    /// Reads a file and gives its pieces in order; stops when `give` answers `false`. Blocks on the disk.
    pub fn read(&self, job: &ReadJob, give: &mut dyn FnMut(Piece) -> bool) -> ReadEnd {
        self.read_another(&mut LastRoot::default(), job, give)
    }

    /// As [`Self::read`], for one of several files that are read one after the other.
    pub fn read_another(
        &self,
        last: &mut LastRoot,
        job: &ReadJob,
        give: &mut dyn FnMut(Piece) -> bool,
    ) -> ReadEnd {
        match self.try_read(last, job, give) {
            Ok(end) => end,
            Err(error) => match error.raw_os_error() {
                Some(
                    libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::EINVAL | libc::ESTALE | libc::ENXIO,
                ) => ReadEnd::Gone,
                errno => ReadEnd::Failed(errno.unwrap_or(libc::EIO)),
            },
        }
    }

    fn try_read(
        &self,
        last: &mut LastRoot,
        job: &ReadJob,
        give: &mut dyn FnMut(Piece) -> bool,
    ) -> io::Result<ReadEnd> {
        let began = self.clock.wall();
        let (file, before) = last.open(&*self.files, &job.root)?.open_file(&job.below)?;
        if self.ids.of(&file.identity(&before)?, || job.path()) != job.node {
            return Ok(ReadEnd::Gone);
        }
        let mut source = Source { file: &*file, at: 0, size: before.size };
        let small = before.size <= WHOLE_BLOCK_BYTES_MAX as u64;
        let more = if small { whole(&mut source, give)? } else { chunks(&mut source, give)? };
        if !more {
            return Ok(ReadEnd::Stopped);
        }
        let after = file.stat()?;
        let versions = |s: &Stat| (s.size, s.mtime, s.ctime);
        let torn = versions(&before) != versions(&after) || source.at != before.size;
        if torn && !job.torn {
            return Ok(ReadEnd::Changed);
        }
        Ok(ReadEnd::Read(AsRead {
            size: source.at,
            mtime: before.mtime,
            ctime: before.ctime,
            mode: before.mode,
            torn,
            racy: !file.fine_times() && within_a_tick(before.ctime, began),
        }))
    }
}

/// Whether a change at the time of the read could have left the same `ctime`.
fn within_a_tick(ctime: FileTime, read: UnixNanos) -> bool {
    let ctime = i128::from(ctime.secs) * 1_000_000_000 + i128::from(ctime.nanos);
    i128::from(read.0) - ctime < TICK.as_nanos().cast_signed()
}

fn whole(source: &mut Source<'_>, give: &mut dyn FnMut(Piece) -> bool) -> io::Result<bool> {
    let mut bytes = vec![0; source.size as usize];
    let mut len = 0;
    loop {
        match source.fill(&mut bytes[len..])? {
            0 => break,
            got => len += got,
        }
    }
    bytes.truncate(len);
    Ok(give(Piece::Whole(bytes)))
}

fn chunks(source: &mut Source<'_>, give: &mut dyn FnMut(Piece) -> bool) -> io::Result<bool> {
    for chunk in Chunker::new(|buffer: &mut [u8]| source.fill(buffer)) {
        if !give(Piece::Chunk(chunk?)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The bytes of a file up to the size it had when it was opened; holes cost no read.
struct Source<'a> {
    file: &'a dyn FileHandle,
    at: u64,
    size: u64,
}

impl Source<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let buffer = &mut buffer[..room];
        if buffer.is_empty() {
            return Ok(0);
        }
        // Asking costs a call: worth it only where a hole could be long.
        let hole = if self.size > WHOLE_BLOCK_BYTES_MAX as u64 {
            let data = self.file.next_data(self.at)?.unwrap_or(self.size);
            usize::try_from(data.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len())
        } else {
            0
        };
        let got = if hole > 0 {
            buffer[..hole].fill(0);
            hole
        } else {
            self.file.read_at(buffer, self.at)?
        };
        self.at += got as u64;
        Ok(got)
    }
}
