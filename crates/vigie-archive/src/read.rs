//! The way in, still without a disk: entries of a tar stream, whoever made it.
//!
//! What a stream may not do at all ends the reading with a [`ReadError`]; what only one entry cannot do (a kind
//! this program does not write, a list of access that names a person) is a remark on that entry.

use crate::acl;
use crate::entry::{ContentState, Counts, LeftOut};
use crate::extract::Listed;
use crate::header::{BLOCK, Header, kind, parse_header};
use crate::input::Input;
use crate::limits::{LINK_BYTES_MAX, PATH_BYTES_MAX, PAX_BYTES_MAX, TAIL_BYTES_MAX};
use crate::path::below_root;
use crate::pax::{self, PaxError, Record, key};
use std::io::{self, Read};
use vigie_model::{FileTime, Metadata, NodeType, Xattr};

/// Why a stream could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream could not be read.
    #[error("cannot read the stream")]
    Io(#[source] io::Error),
    /// The stream ended where more should follow.
    #[error("the stream was cut off {0}")]
    CutOff(&'static str),
    /// The stream ended as any tar does, but without the closing header of this program: it may lack anything
    /// that would have followed, or another program made it.
    #[error("the stream has no closing header: it was cut off, or another program made it")]
    Unmarked,
    /// The stream's end says something else than what came.
    #[error("the stream is not whole: its end says {said}, and what came is {came}")]
    Counts {
        /// What came.
        came: Box<Counts>,
        /// What should have come.
        said: Box<Counts>,
    },
    /// The bytes are not a tar stream.
    #[error("the stream is damaged before byte {offset}: {why}")]
    Damaged {
        /// Where, from the start of the stream.
        offset: u64,
        /// What is wrong.
        why: String,
    },
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// An object of the kind its metadata says; for files, what the content is worth.
    Object(ContentState),
    /// One more name of an earlier entry, given as the stream names that one.
    Link(Vec<u8>),
    /// Something this program cannot write; why.
    Unsupported(&'static str),
}

/// One entry of a stream. Its content, if it has one, is asked for with [`TreeReader::piece`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as the stream gives it: hostile until [`below_root`] has looked at it.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Kind of object, mode, owner, time of change, extended attributes. `ctime` is not in a stream.
    pub meta: Metadata,
    /// The tree is this one object.
    pub is_root_object: bool,
    /// What could not be understood about it, in words.
    pub remarks: Vec<String>,
}

/// Reads the entries of a stream one after the other.
#[derive(Debug)]
pub struct TreeReader<R> {
    input: Input<R>,
    /// Bytes of content and padding of the current entry still ahead.
    ahead: u64,
    padding: u64,
    /// State of the current entry, counted when it ends.
    state: Option<ContentState>,
    /// The header of the next entry, when it was read already.
    next: Option<Header>,
    counts: Counts,
    left_out: Listed<LeftOut>,
    end: Option<Counts>,
    ended: bool,
}

/// What stood before an entry's own header.
#[derive(Default)]
struct Before {
    pax: Vec<u8>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Before {
    fn is_empty(&self) -> bool {
        self.pax.is_empty() && self.name.is_none() && self.link.is_none()
    }
}

impl<R: Read> TreeReader<R> {
    /// Begins to read.
    pub fn new(reader: R) -> Self {
        TreeReader {
            input: Input::new(reader),
            ahead: 0,
            padding: 0,
            state: None,
            next: None,
            counts: Counts::default(),
            left_out: Listed::default(),
            end: None,
            ended: false,
        }
    }

    /// The next entry; passes over what is left of the current one. `None` when the stream has ended as its
    /// closing header says; any other end is an error.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        self.finish_entry()?;
        let mut before = Before::default();
        while let Some(header) = self.take_header()? {
            match header.kind {
                kind::PAX => before.pax = self.take_extra(header.size, PAX_BYTES_MAX)?,
                kind::GNU_NAME => before.name = Some(self.take_text(header.size, PATH_BYTES_MAX)?),
                kind::GNU_LINK => before.link = Some(self.take_text(header.size, PATH_BYTES_MAX)?),
                kind::PAX_GLOBAL => {
                    self.global(header.size)?;
                }
                kind::GNU_VOLUME => self.skip_content(header.size)?,
                _ => match self.entry(header, before)? {
                    Some(entry) => return Ok(Some(entry)),
                    None => before = Before::default(),
                },
            }
        }
        if !before.is_empty() {
            return self.damaged("an extended header belongs to no entry");
        }
        self.check_end().map(|()| None)
    }

    /// The next piece of the current entry's content; `None` at its end.
    pub fn piece(&mut self) -> Result<Option<&[u8]>, ReadError> {
        if self.ahead == 0 {
            return Ok(None);
        }
        let piece = self.input.piece(self.ahead, "within the content of a file")?;
        self.ahead -= piece.len() as u64;
        Ok(Some(piece))
    }

    /// What is left of the current entry's content, in memory: the caller has looked at its size.
    pub fn take_content(&mut self) -> Result<Vec<u8>, ReadError> {
        let count = usize::try_from(self.ahead).unwrap_or(usize::MAX);
        let bytes = self.input.take(count, "within the content of a file")?;
        self.ahead = 0;
        Ok(bytes)
    }

    /// Passes over what is left of the current entry and looks whether the stream then calls it damaged.
    /// Reads up to the next entry's first header.
    pub fn finish_entry(&mut self) -> Result<bool, ReadError> {
        self.input.skip(self.ahead + self.padding, "within the content of a file")?;
        (self.ahead, self.padding) = (0, 0);
        let Some(state) = self.state.take() else { return Ok(false) };
        let mut damaged = false;
        while self.next.is_none() {
            match self.take_header()? {
                Some(header) if header.kind == kind::PAX_GLOBAL => damaged |= self.global(header.size)?,
                Some(header) => self.next = Some(header),
                None => break,
            }
        }
        self.counts.note(if damaged { ContentState::Damaged } else { state });
        Ok(damaged)
    }

    /// What has come so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What the stream has said so far that it lacks.
    pub fn left_out(&self) -> &Listed<LeftOut> {
        &self.left_out
    }

    /// What the stream's closing header says; `None` before it.
    pub fn end(&self) -> Option<Counts> {
        self.end
    }
}

// === headers ===

impl<R: Read> TreeReader<R> {
    fn damaged<T>(&self, why: impl ToString) -> Result<T, ReadError> {
        Err(ReadError::Damaged { offset: self.input.offset(), why: why.to_string() })
    }

    /// The next header of any kind; `None` at the blocks of zeros that end every tar.
    fn take_header(&mut self) -> Result<Option<Header>, ReadError> {
        if let Some(header) = self.next.take() {
            return Ok(Some(header));
        }
        if self.ended {
            return Ok(None);
        }
        let Some(block) = self.input.block()? else { return Err(ReadError::CutOff("between two entries")) };
        if block == [0; BLOCK] {
            match self.input.block()? {
                Some(second) if second == [0; BLOCK] => {}
                Some(_) => return self.damaged("something follows the block that ends a stream"),
                None => return Err(ReadError::CutOff("within its last two blocks")),
            }
            self.ended = true;
            self.input.drain(TAIL_BYTES_MAX);
            return Ok(None);
        }
        parse_header(&block).map(Some).or_else(|error| self.damaged(error))
    }

    /// Whether the stream ended as it should.
    fn check_end(&self) -> Result<(), ReadError> {
        match self.end {
            None => Err(ReadError::Unmarked),
            Some(said) if said != self.counts => {
                Err(ReadError::Counts { came: Box::new(self.counts), said: Box::new(said) })
            }
            Some(_) => Ok(()),
        }
    }

    fn skip_content(&mut self, size: u64) -> Result<(), ReadError> {
        let Some(padded) = size.checked_next_multiple_of(BLOCK as u64) else {
            return self.damaged("an entry states an impossible size");
        };
        self.input.skip(padded, "within an entry")
    }

    /// The content of a header that describes another entry.
    fn take_extra(&mut self, size: u64, max: usize) -> Result<Vec<u8>, ReadError> {
        match usize::try_from(size) {
            Ok(size) if size <= max => {
                let bytes = self.input.take(size, "within a header")?;
                let padding = size.next_multiple_of(BLOCK) - size;
                self.input.skip(padding as u64, "within a header")?;
                Ok(bytes)
            }
            _ => self.damaged(format_args!("an extended header of {size} bytes is too long")),
        }
    }

    /// A long name as GNU tar writes it, with closing NULs.
    fn take_text(&mut self, size: u64, max: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = self.take_extra(size, max)?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }

    /// Reads a global header. Gives whether it calls the entry before it damaged. What else a global header may
    /// say (comments, as git has them) is passed over.
    fn global(&mut self, size: u64) -> Result<bool, ReadError> {
        let bytes = self.take_extra(size, PAX_BYTES_MAX)?;
        let records = self.records(&bytes)?;
        let mut damaged = false;
        for (keyword, value) in records {
            if keyword == key::DAMAGED {
                if pax::parse_decimal(value) != Some(self.counts.entries) {
                    return self.damaged("a note of damage does not belong to the entry before it");
                }
                damaged = true;
            } else if keyword == key::LEFT_OUT {
                let Some(left) = LeftOut::from_bytes(value) else {
                    return self.damaged("a note of what is left out is not understood");
                };
                self.counts.left_out += 1;
                self.left_out.push(|| left);
            } else if keyword == key::END {
                let Some(end) = Counts::from_bytes(value) else {
                    return self.damaged("the closing header is not understood");
                };
                self.end = Some(end);
            }
        }
        Ok(damaged)
    }

    fn records<'b>(&self, bytes: &'b [u8]) -> Result<Vec<Record<'b>>, ReadError> {
        pax::parse_records(bytes).or_else(|error: PaxError| self.damaged(error))
    }

    /// Makes an entry of a header and what stood before it. `None` for the root's second coming.
    fn entry(&mut self, header: Header, before: Before) -> Result<Option<Entry>, ReadError> {
        let records = self.records(&before.pax)?;
        let mut draft = Draft::new(header, before.name, before.link);
        for (keyword, value) in records {
            if let Err(what) = draft.overlay(keyword, value) {
                return self.damaged(format_args!("the {what} in an extended header is not understood"));
            }
        }
        if draft.header.more_extents {
            self.skip_extents()?;
        }
        let (size, entry) = match draft.finish() {
            Ok(done) => done,
            Err(why) => return self.damaged(why),
        };
        if self.end.is_some() {
            if entry.meta.node_type == NodeType::Directory
                && below_root(&entry.name).is_ok_and(|p| p.is_empty())
            {
                return Ok(None);
            }
            return self.damaged("an entry follows the closing header");
        }
        let Some(padded) = size.checked_next_multiple_of(BLOCK as u64) else {
            return self.damaged("an entry states an impossible size");
        };
        (self.ahead, self.padding) = (size, padded - size);
        self.counts.entries += 1;
        self.counts.bytes = self.counts.bytes.saturating_add(size);
        self.state = Some(match entry.kind {
            EntryKind::Object(state) => state,
            _ => ContentState::WHOLE,
        });
        Ok(Some(entry))
    }

    /// Passes over the blocks of extents of GNU's older sparse files: 21 extents and a flag for one more block.
    fn skip_extents(&mut self) -> Result<(), ReadError> {
        const MORE: usize = 504;
        loop {
            match self.input.block()? {
                Some(block) if block[MORE] != 0 => {}
                Some(_) => return Ok(()),
                None => return Err(ReadError::CutOff("within a header")),
            }
        }
    }
}

// === one entry ===

/// An entry under work: its header with the records of extended headers laid over.
struct Draft {
    header: Header,
    mtime: FileTime,
    xattrs: Vec<Xattr>,
    /// Lists of access given as text: attribute and text.
    acls: Vec<(&'static [u8], Vec<u8>)>,
    state: ContentState,
    is_socket: bool,
    is_root_object: bool,
    is_sparse: bool,
    remarks: Vec<String>,
}

impl Draft {
    fn new(mut header: Header, name: Option<Vec<u8>>, link: Option<Vec<u8>>) -> Self {
        header.name = name.unwrap_or(header.name);
        header.link = link.unwrap_or(header.link);
        Draft {
            mtime: FileTime { secs: header.mtime, nanos: 0 },
            is_sparse: header.kind == kind::GNU_SPARSE,
            header,
            xattrs: Vec::new(),
            acls: Vec::new(),
            state: ContentState::WHOLE,
            is_socket: false,
            is_root_object: false,
            remarks: Vec::new(),
        }
    }

    /// Lays one record over the header. An error is the word for what is not understood.
    fn overlay(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), &'static str> {
        // An empty value takes back what a global header said; none of those is used.
        if value.is_empty() && !keyword.starts_with(key::XATTR) {
            return Ok(());
        }
        let number = |what| pax::parse_decimal(value).ok_or(what);
        match keyword {
            b"path" => self.header.name = value.to_vec(),
            b"linkpath" => self.header.link = value.to_vec(),
            b"size" => self.header.size = number("size")?,
            b"uid" => self.header.uid = number("owner")?,
            b"gid" => self.header.gid = number("group")?,
            b"mtime" => self.mtime = pax::parse_time(value).ok_or("time")?,
            key::DEV_MAJOR => self.header.major = number("device")?,
            key::DEV_MINOR => self.header.minor = number("device")?,
            key::ACL_ACCESS => self.acls.push((acl::ACCESS, value.to_vec())),
            key::ACL_DEFAULT => self.acls.push((acl::DEFAULT, value.to_vec())),
            key::TYPE => match value {
                b"socket" => self.is_socket = true,
                _ => return Err("kind of object"),
            },
            key::STATE => self.state = ContentState::from_bytes(value).ok_or("state of a content")?,
            key::ROOT => self.is_root_object = true,
            _ if keyword.starts_with(b"GNU.sparse.") => self.sparse(keyword, value),
            _ => {
                if let Some(name) = keyword.strip_prefix(key::XATTR) {
                    self.xattrs.push(Xattr { name: pax::xattr_name(name), value: value.to_vec() });
                }
            }
        }
        Ok(())
    }

    /// GNU tar gives a sparse file a made-up name, so that nobody takes its packed content for the real one.
    fn sparse(&mut self, keyword: &[u8], value: &[u8]) {
        self.is_sparse = true;
        if keyword == b"GNU.sparse.name" {
            self.header.name = value.to_vec();
        }
    }

    /// The entry, and the bytes of content that follow it.
    fn finish(mut self) -> Result<(u64, Entry), &'static str> {
        self.read_acls();
        let (node_type, kind, size) = self.what()?;
        self.xattrs.sort_by(|a, b| a.name.cmp(&b.name));
        // The later of two attributes with one name counts.
        self.xattrs.dedup_by(|later, kept| {
            later.name == kept.name && {
                kept.value = later.value.clone();
                true
            }
        });
        let id = |id: u64| u32::try_from(id).map_err(|_| "an owner or group is beyond 32 bits");
        let meta = Metadata {
            mode: self.header.mode,
            uid: id(self.header.uid)?,
            gid: id(self.header.gid)?,
            mtime: self.mtime,
            ctime: FileTime::default(),
            size: match &node_type {
                NodeType::Symlink { target } => target.len() as u64,
                _ => size,
            },
            xattrs: self.xattrs,
            node_type,
        };
        let Draft { is_root_object, remarks, .. } = self;
        Ok((size, Entry { name: self.header.name, kind, meta, is_root_object, remarks }))
    }

    /// What the type flag and the keywords make of it, and whether content follows.
    fn what(&mut self) -> Result<(NodeType, EntryKind, u64), &'static str> {
        let header = &mut self.header;
        let object = EntryKind::Object(ContentState::WHOLE);
        let number = |n: u64| u32::try_from(n).map_err(|_| "a device number is beyond 32 bits");
        let link = std::mem::take(&mut header.link);
        Ok(match header.kind {
            _ if self.is_sparse => {
                let why = "a sparse file of GNU tar, which this program does not unpack";
                (NodeType::File, EntryKind::Unsupported(why), header.size)
            }
            // Before there was a flag for directories, a slash at the end made one.
            kind::FILE | 0 if header.name.ends_with(b"/") => (NodeType::Directory, object, 0),
            kind::FILE | 0 | kind::CONTIGUOUS if self.is_socket => (NodeType::Socket, object, header.size),
            kind::FILE | 0 | kind::CONTIGUOUS if self.state == ContentState::Unseen => {
                return Err("a file has the state of a directory");
            }
            kind::FILE | 0 | kind::CONTIGUOUS => (NodeType::File, EntryKind::Object(self.state), header.size),
            kind::LINK => (NodeType::File, EntryKind::Link(link), 0),
            kind::SYMLINK if link.is_empty() || link.len() > LINK_BYTES_MAX || link.contains(&0) => {
                (NodeType::File, EntryKind::Unsupported("a symbolic link with an impossible target"), 0)
            }
            kind::SYMLINK => (NodeType::Symlink { target: link }, object, 0),
            kind::DIRECTORY if self.state == ContentState::Unseen => {
                (NodeType::Directory, EntryKind::Object(ContentState::Unseen), 0)
            }
            kind::DIRECTORY => (NodeType::Directory, object, 0),
            kind::FIFO => (NodeType::Fifo, object, 0),
            kind::CHAR => (
                NodeType::CharDevice { major: number(header.major)?, minor: number(header.minor)? },
                object,
                0,
            ),
            kind::BLOCK => (
                NodeType::BlockDevice { major: number(header.major)?, minor: number(header.minor)? },
                object,
                0,
            ),
            _ => {
                let why = "an entry of a kind that this program does not know";
                (NodeType::File, EntryKind::Unsupported(why), header.size)
            }
        })
    }

    /// Lists of access as text count only where the stream has not the attribute itself.
    fn read_acls(&mut self) {
        for (name, text) in std::mem::take(&mut self.acls) {
            if self.xattrs.iter().any(|x| x.name == name) {
                continue;
            }
            match acl::from_text(&text) {
                Some(value) => self.xattrs.push(Xattr { name: name.to_vec(), value }),
                None => self.remarks.push(format!(
                    "its access control list is not understood, or names someone by name alone: {}",
                    text.escape_ascii()
                )),
            }
        }
    }
}

/// Reads a whole stream and throws its contents away: what `tar -t` would, and what a fuzzer calls. Gives what
/// came, and how it ended.
pub fn survey<R: Read>(reader: R) -> (Counts, Result<(), ReadError>) {
    let mut reader = TreeReader::new(reader);
    let end = pass_over(&mut reader);
    (reader.counts(), end)
}

/// Reads what is left of a stream, and throws its contents away.
pub fn pass_over<R: Read>(reader: &mut TreeReader<R>) -> Result<(), ReadError> {
    while reader.next_entry()?.is_some() {}
    Ok(())
}
