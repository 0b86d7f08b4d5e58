//! What a sink could not take yet, on disk, in order.
//!
//! ```text
//! DIR/<first number>.spool   records: length u32 · CRC-32C u32 (both little-endian) · bytes
//! DIR/taken                  number of the first record that no sink has taken, as text
//! ```
//! Records have numbers, from 0 on. A crash may lose what was not synced, and leaves a torn record at most, which is cut off;
//! it may also make a record come twice, never out of order.

use crate::limits;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Length and checksum before every record.
const HEAD_BYTES: usize = 8;

/// What could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {}: {source}", path.display())]
pub struct SpoolError {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError { act, path, source }
}

/// A queue of records on disk.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    segments: VecDeque<Segment>,
    /// The first record that is still here, and the one after the last.
    first: u64,
    next: u64,
    writer: Option<File>,
    is_dirty: bool,
    _lock: File,
}

#[derive(Debug)]
struct Segment {
    first: u64,
    /// Records in it.
    count: u64,
    bytes: u64,
}

impl Spool {
    /// Opens the queue of a directory, which is made if there is none, for this program alone.
    ///
    /// # Errors
    /// What the system said; another program that has it is among them.
    pub fn open(dir: &Path) -> Result<Self, SpoolError> {
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        let lock = dir.join("lock");
        let file = File::create(&lock).map_err(failed("create", &lock))?;
        file.try_lock().map_err(|error| failed("lock", &lock)(error.into()))?;
        let taken = read_taken(&dir.join("taken"))?;
        let mut segments = VecDeque::new();
        for first in segment_numbers(dir)? {
            segments.push_back(scan(&segment_path(dir, first), first)?);
        }
        let next = segments.back().map_or(taken, |last| last.first + last.count).max(taken);
        let first = segments.front().map_or(next, |oldest| oldest.first).max(taken).min(next);
        let mut spool =
            Spool { dir: dir.to_owned(), segments, first, next, writer: None, is_dirty: false, _lock: file };
        spool.drop_taken()?;
        Ok(spool)
    }

    /// Records that wait.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.next - self.first
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a record at the end. It is safe after the next [`Spool::sync`]. Where the limit is reached, the oldest records make
    /// room; their number is given.
    ///
    /// # Errors
    /// What the system said.
    pub fn push(&mut self, record: &[u8]) -> Result<u64, SpoolError> {
        if self.writer.is_none() || self.segments.back().is_none_or(|s| s.bytes >= limits::SEGMENT_BYTES) {
            self.start_segment()?;
        }
        let path = segment_path(&self.dir, self.segments.back().map_or(self.next, |segment| segment.first));
        let (Some(writer), Some(segment)) = (&mut self.writer, self.segments.back_mut()) else {
            return Ok(0);
        };
        let mut framed = Vec::with_capacity(HEAD_BYTES + record.len());
        framed.extend(u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
        framed.extend(crc32c::crc32c(record).to_le_bytes());
        framed.extend(record);
        writer.write_all(&framed).map_err(failed("write", &path))?;
        segment.bytes += framed.len() as u64;
        segment.count += 1;
        self.next += 1;
        self.is_dirty = true;
        self.make_room()
    }

    fn start_segment(&mut self) -> Result<(), SpoolError> {
        self.sync()?;
        let path = segment_path(&self.dir, self.next);
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)
            .map_err(failed("create", &path))?;
        sync_dir(&self.dir)?;
        self.writer = Some(file);
        self.segments.push_back(Segment { first: self.next, count: 0, bytes: 0 });
        Ok(())
    }

    fn make_room(&mut self) -> Result<u64, SpoolError> {
        let mut dropped = 0;
        while self.segments.len() > 1
            && self.segments.iter().map(|s| s.bytes).sum::<u64>() > limits::SPOOL_BYTES
        {
            let Some(oldest) = self.segments.front() else { break };
            let after = oldest.first + oldest.count;
            dropped += after.saturating_sub(self.first);
            self.take(after.saturating_sub(self.first))?;
        }
        Ok(dropped)
    }

    /// Makes durable what was added.
    ///
    /// # Errors
    /// What the system said.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        if let Some(writer) = self.writer.as_ref().filter(|_| self.is_dirty) {
            writer.sync_data().map_err(failed("sync", &self.dir))?;
            self.is_dirty = false;
        }
        Ok(())
    }

    /// The oldest records, at most so many.
    ///
    /// # Errors
    /// What the system said.
    pub fn peek(&self, most: usize) -> Result<Vec<Vec<u8>>, SpoolError> {
        let mut records = Vec::new();
        for segment in &self.segments {
            if records.len() >= most {
                break;
            }
            let skip = self.first.saturating_sub(segment.first);
            let path = segment_path(&self.dir, segment.first);
            let bytes = fs::read(&path).map_err(failed("read", &path))?;
            let all = Records { bytes: &bytes };
            let here = all.skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(most - records.len());
            records.extend(here.map(<[u8]>::to_vec));
        }
        Ok(records)
    }

    /// The oldest so many records were taken.
    ///
    /// # Errors
    /// What the system said; they may then come again.
    pub fn take(&mut self, count: u64) -> Result<(), SpoolError> {
        self.first = (self.first + count).min(self.next);
        let path = self.dir.join("taken");
        let new = self.dir.join("taken.new");
        fs::write(&new, format!("{}\n", self.first)).map_err(failed("write", &new))?;
        fs::rename(&new, &path).map_err(failed("replace", &path))?;
        self.drop_taken()
    }

    /// Removes the files of which everything was taken.
    fn drop_taken(&mut self) -> Result<(), SpoolError> {
        while let Some(oldest) = self.segments.front() {
            if oldest.first + oldest.count > self.first || (self.segments.len() == 1 && !self.is_empty()) {
                break;
            }
            let path = segment_path(&self.dir, oldest.first);
            fs::remove_file(&path).map_err(failed("remove", &path))?;
            self.segments.pop_front();
        }
        if self.segments.is_empty() {
            (self.writer, self.is_dirty) = (None, false);
        }
        Ok(())
    }
}

fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.spool"))
}

fn segment_numbers(dir: &Path) -> Result<Vec<u64>, SpoolError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("read", dir))? {
        let name = entry.map_err(failed("read", dir))?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".spool")).and_then(|n| n.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn read_taken(path: &Path) -> Result<u64, SpoolError> {
    match fs::read_to_string(path) {
        // What a crash left of it is no number; then records come twice.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Counts the records of a file, and cuts off what a crash left torn.
fn scan(path: &Path, first: u64) -> Result<Segment, SpoolError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed("open", path))?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(failed("read", path))?;
    file.read_to_end(&mut bytes).map_err(failed("read", path))?;
    let mut records = Records { bytes: &bytes };
    let count = records.by_ref().count() as u64;
    let whole = (bytes.len() - records.bytes.len()) as u64;
    if whole < bytes.len() as u64 {
        tracing::warn!(path = %path.display(), "the end of a spool was torn, and is cut off");
        file.set_len(whole).map_err(failed("cut", path))?;
    }
    Ok(Segment { first, count, bytes: whole })
}

fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync", dir))
}

/// The whole records at the start of some bytes.
struct Records<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.bytes.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let record = rest.get(..length)?;
        if crc32c::crc32c(record) != u32::from_le_bytes(*crc) {
            return None;
        }
        self.bytes = &rest[length..];
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(spool: &mut Spool, numbers: std::ops::Range<u32>) {
        for number in numbers {
            spool.push(format!("record {number}").as_bytes()).unwrap();
        }
        spool.sync().unwrap();
    }

    fn texts(spool: &Spool, most: usize) -> Vec<String> {
        spool.peek(most).unwrap().into_iter().map(|record| String::from_utf8(record).unwrap()).collect()
    }

    #[test]
    fn records_come_back_in_order_across_lives() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        fill(&mut spool, 0..5);
        assert_eq!(texts(&spool, 2), ["record 0", "record 1"]);
        spool.take(2).unwrap();
        drop(spool);
        let mut spool = Spool::open(dir.path()).unwrap();
        assert_eq!(spool.len(), 3);
        fill(&mut spool, 5..7);
        assert_eq!(texts(&spool, 9), ["record 2", "record 3", "record 4", "record 5", "record 6"]);
        spool.take(5).unwrap();
        assert!(spool.is_empty() && texts(&spool, 9).is_empty());
        fill(&mut spool, 7..8);
        drop(spool);
        assert_eq!(texts(&Spool::open(dir.path()).unwrap(), 9), ["record 7"]);
    }

    #[test]
    fn every_torn_end_loses_the_last_record_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        fill(&mut spool, 0..2);
        drop(spool);
        let path = segment_path(dir.path(), 0);
        let whole = fs::read(&path).unwrap();
        for length in 17..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut spool = Spool::open(dir.path()).unwrap();
            assert_eq!(texts(&spool, 9), ["record 0"], "{length}");
            fill(&mut spool, 9..10);
            drop(spool);
            assert_eq!(texts(&Spool::open(dir.path()).unwrap(), 9), ["record 0", "record 9"]);
            let _ = fs::remove_file(segment_path(dir.path(), 1));
        }
    }

    #[test]
    fn files_that_were_taken_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        let big = vec![b'x'; 100_000];
        for _ in 0..30 {
            spool.push(&big).unwrap();
        }
        assert!(segment_numbers(dir.path()).unwrap().len() > 2);
        assert_eq!(spool.peek(7).unwrap().len(), 7);
        spool.take(29).unwrap();
        assert_eq!(segment_numbers(dir.path()).unwrap().len(), 1);
        assert_eq!(spool.peek(7).unwrap().len(), 1);
        spool.take(1).unwrap();
        assert_eq!(segment_numbers(dir.path()).unwrap(), Vec::<u64>::new());
    }

    #[test]
    fn one_program_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let _spool = Spool::open(dir.path()).unwrap();
        assert!(Spool::open(dir.path()).is_err());
    }
}
