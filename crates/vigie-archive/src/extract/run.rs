//! One extraction, entry by entry. Directories, large files and second names are written by the reading thread,
//! all else by the pool; second names wait until the files before them are written, and the metadata of
//! directories until everything is, because whatever is made in a directory changes its times, and a directory
//! may forbid its owner to make anything in it.

use super::admit::{Admission, Shape};
use super::apply::{Subject, apply};
use super::object::{Failure, Leaf, NewFile, Spot, give_up, link};
use super::place::{Dir, PATH_FLAGS, Tree, by_descriptor, disinherit};
use super::pool::Pool;
use super::report::{Act, Event, Summary};
use super::shared::{Absent, PathKey, Shared};
use super::target::{Found, Target};
use super::{Halt, TargetError};
use crate::entry::ContentState;
use crate::limits::{BATCH_BYTES, BATCH_FILES, LINKS_WAITING, PROGRESS_BYTES, SMALL_FILE_BYTES_MAX};
use crate::path::{below_root, part};
use crate::read::{Entry, EntryKind, TreeReader};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, chmodat, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use vigie_model::{Metadata, NodeType};

/// Everything that is known while a stream is written to disk.
pub(super) struct Run<'a> {
    shared: &'a Shared,
    pool: &'a Pool,
    target: &'a Target,
    observe: &'a mut dyn FnMut(Event<'_>),
    admission: Admission,
    /// The directory that the target became.
    tree: Option<Tree>,
    /// Directories made only because something lies in them; their own entries may still come.
    implied: HashSet<PathKey>,
    directories: Vec<Late>,
    /// Second names and the first ones they belong to.
    links: Vec<(Vec<u8>, Vec<u8>)>,
    batch: Vec<Leaf>,
    batch_bytes: usize,
    summary: Summary,
}

/// A directory whose metadata is given at the end.
struct Late {
    path: Vec<u8>,
    meta: Metadata,
    /// It was there before.
    kept: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        pool: &'a Pool,
        target: &'a Target,
        observe: &'a mut dyn FnMut(Event<'_>),
    ) -> Self {
        Run {
            shared,
            pool,
            target,
            observe,
            admission: Admission::new(),
            tree: None,
            implied: HashSet::new(),
            directories: Vec::new(),
            links: Vec::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            summary: Summary::default(),
        }
    }

    /// Writes the whole stream. What can still be put in order after a stream that ends too early, is.
    pub(super) fn run<R: Read>(mut self, reader: &mut TreeReader<R>) -> (Summary, Result<(), Halt>) {
        let done = self.entries(reader);
        self.place_links();
        self.pool.drain();
        self.finish_directories();
        self.progress(reader, 0);
        self.summary.left_out = reader.left_out().clone();
        self.summary.end = reader.end();
        (self.summary, done)
    }

    fn entries<R: Read>(&mut self, reader: &mut TreeReader<R>) -> Result<(), Halt> {
        while let Some(entry) = reader.next_entry()? {
            if let Some(path) = self.admission.admit(self.shared, &entry) {
                self.entry(reader, entry, path)?;
            }
            self.progress(reader, 0);
            if self.shared.is_stopped() {
                return Err(Halt::Disk);
            }
        }
        Ok(())
    }

    fn entry<R: Read>(
        &mut self,
        reader: &mut TreeReader<R>,
        entry: Entry,
        path: Vec<u8>,
    ) -> Result<(), Halt> {
        if self.admission.shape == Shape::Tree && self.tree.is_none() {
            self.open_tree()?;
        }
        match (entry.kind, &entry.meta.node_type) {
            (EntryKind::Unsupported(why), _) => {
                self.shared.set_absent(&path, Absent::Failed);
                self.shared.problem(&path, Act::Understand, why);
            }
            (EntryKind::Link(first), _) => self.second_name(path, &first),
            (EntryKind::Object(state), NodeType::Directory) => {
                if state == ContentState::Unseen {
                    self.summary.unseen.push(|| path.clone());
                }
                self.directory(path, entry.meta);
            }
            (EntryKind::Object(state), NodeType::File) => self.file(reader, path, entry.meta, state)?,
            (EntryKind::Object(_), _) => {
                if let Some(spot) = self.spot_or_report(path)? {
                    self.hand_over(Leaf { spot, meta: entry.meta, data: Vec::new() });
                }
            }
        }
        Ok(())
    }

    fn progress<R: Read>(&mut self, reader: &TreeReader<R>, ahead: u64) {
        let counts = reader.counts();
        (self.summary.entries, self.summary.bytes) = (counts.entries, counts.bytes - ahead);
        (self.observe)(Event::Progress { entries: counts.entries, bytes: counts.bytes - ahead });
    }
}

// === where things go ===

impl Run<'_> {
    fn open_tree(&mut self) -> Result<(), TargetError> {
        let root = self.target.open_directory()?;
        if self.target.found != Found::Nothing {
            self.permit(&root).map_err(|source| self.target.unusable(source))?;
        }
        if self.target.inherits() {
            disinherit(root.as_fd()).map_err(|source| self.target.unusable(source))?;
        }
        self.tree = Some(Tree::new(root));
        Ok(())
    }

    /// The directory and the name of a place.
    fn spot(&mut self, path: &[u8]) -> Result<Result<Spot, Failure>, TargetError> {
        let parted = part(path).map(|(dir, name)| (dir.to_vec(), name.to_vec()));
        let (dir, name) = match (parted, &mut self.tree) {
            (Some((parent, name)), Some(tree)) => match tree.directory(&parent) {
                Ok(dir) => (dir, name),
                Err(Errno::NOENT) => match self.imply(&parent) {
                    Ok(dir) => (dir, name),
                    Err(errno) => return Ok(Err((Act::Parent, errno.into()))),
                },
                Err(errno) => return Ok(Err((Act::Parent, errno.into()))),
            },
            _ => self.target.for_object()?,
        };
        Ok(Ok(Spot { dir, name, path: path.to_vec() }))
    }

    fn spot_or_report(&mut self, path: Vec<u8>) -> Result<Option<Spot>, TargetError> {
        Ok(match self.spot(&path)? {
            Ok(spot) => Some(spot),
            Err((act, error)) => {
                self.shared.set_absent(&path, Absent::Failed);
                self.shared.failed(&path, act, error);
                None
            }
        })
    }

    /// Makes a directory that no entry came for, and those above it, because something lies in it.
    fn imply(&mut self, path: &[u8]) -> Result<Arc<Dir>, Errno> {
        let Some(tree) = &mut self.tree else { return Err(Errno::NOENT) };
        let mut dir = tree.directory(b"")?;
        let mut end = 0;
        for name in path.split(|b| *b == b'/') {
            end += name.len() + usize::from(end > 0);
            let so_far = &path[..end];
            // What came under this name is no directory, or could not be made, though it may not be on disk yet.
            let is_taken = self.admission.has_seen(self.shared, so_far);
            match mkdirat_unless(is_taken, &dir, name) {
                Ok(()) => {
                    self.implied.insert(self.shared.key(so_far));
                    let why = "nothing came before it about this directory, so it has no recorded metadata";
                    self.shared.problem(so_far, Act::Understand, why);
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            let fd = openat(&dir.fd, name, PATH_FLAGS | OFlags::NOFOLLOW, Mode::empty())
                .map_err(|errno| if is_taken { Errno::NOTDIR } else { errno })?;
            dir = Arc::new(Dir::new(fd));
        }
        Ok(dir)
    }
}

fn mkdirat_unless(is_taken: bool, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
    if is_taken { Err(Errno::EXIST) } else { mkdirat(&dir.fd, name, Mode::from_raw_mode(0o777)) }
}

// === directories ===

impl Run<'_> {
    fn directory(&mut self, path: Vec<u8>, meta: Metadata) {
        let kept = if path.is_empty() {
            Ok(!matches!(self.target.found, Found::Nothing | Found::Other))
        } else {
            match self.spot(&path) {
                Ok(Ok(spot)) => self.make_directory(&spot),
                Ok(Err(failure)) => Err(failure),
                Err(error) => Err((Act::Parent, io::Error::other(error))),
            }
        };
        match kept {
            Ok(kept) => {
                self.shared.wrote(0);
                self.directories.push(Late { path, meta, kept });
            }
            Err((act, error)) => self.shared.failed(&path, act, error),
        }
    }

    /// Makes a directory, for its owner alone until all is in it. Gives whether it was there before.
    fn make_directory(&self, spot: &Spot) -> Result<bool, Failure> {
        let create = |errno: Errno| (Act::Create, io::Error::from(errno));
        let dir = &spot.dir.fd;
        let make = || mkdirat(dir, &spot.name[..], Mode::RWXU);
        let open = || openat(dir, &spot.name[..], PATH_FLAGS | OFlags::NOFOLLOW, Mode::empty());
        match make() {
            Ok(()) => {}
            Err(Errno::EXIST) if self.implied.contains(&self.shared.key(&spot.path)) => return Ok(true),
            Err(Errno::EXIST) if !self.shared.force => {
                let why = "something with that name is there already";
                return Err((Act::Create, io::Error::other(why)));
            }
            Err(Errno::EXIST) => {
                let old = statat(dir, &spot.name[..], AtFlags::SYMLINK_NOFOLLOW).map_err(create)?;
                if FileType::from_raw_mode(old.st_mode) == FileType::Directory {
                    self.permit(&open().map_err(create)?).map_err(create)?;
                    return Ok(true);
                }
                unlinkat(dir, &spot.name[..], AtFlags::empty()).map_err(create)?;
                make().map_err(create)?;
            }
            Err(errno) => return Err(create(errno)),
        }
        if spot.dir.inherits {
            open().and_then(|fd| disinherit(fd.as_fd())).map_err(create)?;
        }
        Ok(false)
    }

    /// Lets its owner make things in a directory that was there before; it gets the recorded mode at the end.
    fn permit(&self, fd: impl AsFd) -> Result<(), Errno> {
        let mode = fstat(&fd)?.st_mode;
        if self.shared.uid == 0 || mode & 0o700 == 0o700 {
            return Ok(());
        }
        let more = Mode::from_raw_mode(mode & 0o7777 | 0o700);
        chmodat(CWD, by_descriptor(fd.as_fd()), more, AtFlags::empty())
    }

    /// Gives all directories their metadata, each after what it holds: a path sorts before those below it.
    fn finish_directories(&mut self) {
        let Some(tree) = &self.tree else { return };
        if !self.admission.has_seen(self.shared, b"") {
            let why = "nothing came about the root itself, so it has no recorded metadata";
            self.shared.problem(b"", Act::Understand, why);
        }
        self.directories.sort_unstable_by(|a, b| b.path.cmp(&a.path));
        for Late { path, meta, kept } in self.directories.drain(..) {
            match tree.open(&path) {
                Ok(fd) => {
                    let subject = Subject { fd: fd.as_fd(), by_name: false, path: &path, unclean: kept };
                    apply(self.shared, subject, &meta);
                }
                Err(errno) => self.shared.failed(&path, Act::Mode, errno.into()),
            }
        }
    }
}

// === files ===

impl Run<'_> {
    fn file<R: Read>(
        &mut self,
        reader: &mut TreeReader<R>,
        path: Vec<u8>,
        meta: Metadata,
        state: ContentState,
    ) -> Result<(), Halt> {
        let ContentState::Present { pending, torn } = state else {
            self.leave_out(path, state);
            return Ok(());
        };
        let Some(spot) = self.spot_or_report(path)? else { return Ok(()) };
        let listed = spot.path.clone();
        let damaged = if meta.size > SMALL_FILE_BYTES_MAX {
            self.large_file(reader, spot, &meta)?
        } else {
            let data = reader.take_content()?;
            let damaged = reader.finish_entry()?;
            if !damaged {
                self.hand_over(Leaf { spot, meta, data });
            }
            damaged
        };
        if damaged {
            self.leave_out(listed, ContentState::Damaged);
            return Ok(());
        }
        if pending {
            self.summary.pending.push(|| listed.clone());
        }
        if torn {
            self.summary.torn.push(|| listed);
        }
        Ok(())
    }

    /// Writes a file while it is read. Gives whether it turned out damaged, and then is not there.
    fn large_file<R: Read>(
        &mut self,
        reader: &mut TreeReader<R>,
        spot: Spot,
        meta: &Metadata,
    ) -> Result<bool, Halt> {
        self.push_batch();
        let begun = NewFile::begin(self.shared, &spot, meta);
        let mut file = begun.map_err(|failure| give_up(self.shared, &spot, failure)).ok();
        let mut ahead = meta.size;
        while let Some(piece) = reader.piece()? {
            let before = ahead;
            ahead -= piece.len() as u64;
            if let Some(Err(failure)) = file.as_mut().map(|file| file.write(piece)) {
                file = None;
                give_up(self.shared, &spot, failure);
            }
            if self.shared.is_stopped() {
                return Err(Halt::Disk);
            }
            if before / PROGRESS_BYTES != ahead / PROGRESS_BYTES {
                self.progress(reader, ahead);
            }
        }
        if reader.finish_entry()? {
            return Ok(true);
        }
        match file.map(|file| file.finish(meta)) {
            Some(Ok(())) => self.shared.wrote(meta.size),
            Some(Err(failure)) => give_up(self.shared, &spot, failure),
            None => {}
        }
        Ok(false)
    }

    /// Lists a file that is not written because its content is not to be had.
    fn leave_out(&mut self, path: Vec<u8>, state: ContentState) {
        let (list, why) = match state {
            ContentState::Missing => (&mut self.summary.missing, Absent::Missing),
            _ => (&mut self.summary.damaged, Absent::Damaged),
        };
        self.shared.set_absent(&path, why);
        list.push(|| path);
    }

    fn hand_over(&mut self, leaf: Leaf) {
        self.batch_bytes += leaf.data.len();
        self.batch.push(leaf);
        if self.batch.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES {
            self.push_batch();
        }
    }

    fn push_batch(&mut self) {
        if !self.batch.is_empty() {
            self.batch_bytes = 0;
            let next = Vec::with_capacity(BATCH_FILES);
            self.pool.push(self.shared, std::mem::replace(&mut self.batch, next));
        }
    }
}

// === second names ===

impl Run<'_> {
    fn second_name(&mut self, path: Vec<u8>, first: &[u8]) {
        match below_root(first) {
            Ok(first) if first != path && self.admission.has_seen(self.shared, &first) => {
                self.links.push((path, first.into_owned()));
                if self.links.len() >= LINKS_WAITING {
                    self.place_links();
                }
            }
            _ => {
                let why =
                    format_args!("its first name, {}, is not in the stream before it", first.escape_ascii());
                self.shared.set_absent(&path, Absent::Failed);
                self.shared.problem(&path, Act::Link, why);
            }
        }
    }

    /// Gives all files that wait for it their second names, once the files are there.
    fn place_links(&mut self) {
        self.push_batch();
        if self.links.is_empty() || self.shared.is_stopped() {
            return;
        }
        self.pool.drain();
        for (path, first) in std::mem::take(&mut self.links) {
            match self.shared.absent(&first) {
                Some(Absent::Missing) => self.leave_out(path, ContentState::Missing),
                Some(Absent::Damaged) => self.leave_out(path, ContentState::Damaged),
                Some(Absent::Failed) => {
                    self.shared.set_absent(&path, Absent::Failed);
                    self.shared.problem(&path, Act::Link, "its first name could not be written");
                }
                None => self.place_link(path, &first),
            }
        }
    }

    fn place_link(&mut self, path: Vec<u8>, first: &[u8]) {
        let done = match (self.spot(first), self.spot(&path)) {
            (Ok(Ok(first)), Ok(Ok(spot))) => link(self.shared, &first, &spot),
            (Ok(Err(failure)), _) | (_, Ok(Err(failure))) => Err(failure),
            (Err(error), _) | (_, Err(error)) => Err((Act::Parent, io::Error::other(error))),
        };
        match done {
            Ok(()) => self.shared.wrote(0),
            Err((act, error)) => {
                self.shared.set_absent(&path, Absent::Failed);
                self.shared.failed(&path, act, error);
            }
        }
    }
}
