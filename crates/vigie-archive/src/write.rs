//! The way out: a tree as a PAX tar stream.
//!
//! ```text
//! stream    = (entry | left-out)+ closing      the first entry is the root
//! entry     = [extended] header content [damaged]
//! extended  = header "x" + records             only when the header alone cannot say it
//! damaged   = header "g" + VIGIE.damaged       right behind a file whose content turned out unreadable
//! left-out  = header "g" + VIGIE.left-out      instead of an entry that no header can say
//! closing   = header "g" + VIGIE.end · the root's entry once more, if it is a directory · two blocks of zeros
//! ```
//! The root comes twice because Python's `tarfile` takes an extended header with nothing behind it for damage;
//! to be made a second time does no harm to a directory.

use crate::acl;
use crate::entry::{ContentState, Counts, LeftOut, LeftOutCause};
use crate::header::{BLOCK, Header, kind};
use crate::limits::{ENTRY_PATH_BYTES_MAX, PAX_BYTES_MAX, WRITE_BYTES};
use crate::path::below_root;
use crate::pax::{self, key};
use std::io::{self, Write};
use vigie_model::{Metadata, NodeType, PathError};

/// Why a stream could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The receiver takes no more.
    #[error("cannot write the tar stream")]
    Io(#[from] io::Error),
    /// A path that is not one below the root. Nothing was written; the stream can go on.
    #[error("a path in the tree cannot be written")]
    Path(#[from] PathError),
    /// More metadata than the format allows. Nothing was written; the stream can go on.
    #[error("an entry has {0} bytes of metadata, more than a stream can hold")]
    TooLarge(usize),
    /// The method does not fit the kind of object, or an earlier write failed.
    #[error("{0}")]
    Misuse(&'static str),
}

/// How the content of a file went into the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum FileEnd<E> {
    /// All of it.
    Whole,
    /// A piece could not be had: the rest is zeros, and the stream says that the file is damaged.
    Unreadable(E),
    /// The pieces do not make up the size that was announced; the stream says that the file is damaged.
    WrongSize {
        /// Bytes that the pieces held, up to the one that passed the announced size.
        came: u64,
    },
}

/// Writes a tree as a PAX tar stream.
///
/// Paths are relative to the root, without a leading `./`; the empty path is the root itself and comes first;
/// a directory comes before what it holds. After an I/O error the stream is lost: every later call fails.
#[derive(Debug)]
pub struct TreeWriter<W: Write> {
    out: W,
    /// Bytes on their way to `out`.
    buffer: Vec<u8>,
    /// Records of the extended header under work.
    records: Vec<u8>,
    root_name: Vec<u8>,
    /// The root's headers, when it is a directory: they are repeated at the end.
    root: Vec<u8>,
    counts: Counts,
    broken: bool,
}

/// The parts of an entry's headers.
struct Head<'a> {
    path: &'a [u8],
    kind: u8,
    meta: &'a Metadata,
    size: u64,
    link: Option<&'a [u8]>,
    state: Option<&'static str>,
}

impl<W: Write> TreeWriter<W> {
    /// Begins a stream. `root_name` is the name a root that is not a directory gets in the stream, for the
    /// sake of other readers; a directory is `./`.
    pub fn new(out: W, root_name: &[u8]) -> Self {
        let root_name = below_root(root_name).ok().filter(|name| !name.is_empty() && !name.contains(&b'/'));
        TreeWriter {
            out,
            buffer: Vec::with_capacity(WRITE_BYTES),
            records: Vec::new(),
            root_name: root_name.as_deref().unwrap_or(b"root").to_vec(),
            root: Vec::new(),
            counts: Counts::default(),
            broken: false,
        }
    }

    /// Adds a directory.
    pub fn directory(&mut self, path: &[u8], meta: &Metadata) -> Result<(), WriteError> {
        self.any_directory(path, meta, ContentState::WHOLE)
    }

    /// Adds a directory of which not everything could be seen: what follows of its entries was known last.
    pub fn unseen_directory(&mut self, path: &[u8], meta: &Metadata) -> Result<(), WriteError> {
        self.any_directory(path, meta, ContentState::Unseen)
    }

    fn any_directory(&mut self, path: &[u8], meta: &Metadata, state: ContentState) -> Result<(), WriteError> {
        if meta.node_type != NodeType::Directory {
            return Err(WriteError::Misuse("this is not a directory"));
        }
        let head = Head { path, kind: kind::DIRECTORY, meta, size: 0, link: None, state: state.as_str() };
        let start = self.buffer.len();
        self.head(&head)?;
        self.counts.note(state);
        if path.is_empty() {
            self.root = self.buffer[start..].to_vec();
        }
        self.pass_on()
    }

    /// Adds a regular file. `size` is that of the content that follows, and is what the metadata's size would
    /// say if it belonged to this content. Pieces are asked for only when `state` says that content is there.
    pub fn file<P: AsRef<[u8]>, E>(
        &mut self,
        path: &[u8],
        meta: &Metadata,
        size: u64,
        state: ContentState,
        pieces: impl IntoIterator<Item = Result<P, E>>,
    ) -> Result<FileEnd<E>, WriteError> {
        if meta.node_type != NodeType::File || state == ContentState::Unseen {
            return Err(WriteError::Misuse("this is not a regular file"));
        }
        let present = matches!(state, ContentState::Present { .. });
        let size = if present { size } else { 0 };
        self.head(&Head { path, kind: kind::FILE, meta, size, link: None, state: state.as_str() })?;
        let (written, end) = if present { self.content(size, pieces)? } else { (0, FileEnd::Whole) };
        self.zeros(size - written)?;
        self.zeros(padding(size))?;
        self.counts.bytes += size;
        if matches!(end, FileEnd::Whole) {
            self.counts.note(state);
        } else {
            self.counts.note(ContentState::Damaged);
            self.global(key::DAMAGED, self.counts.entries.to_string().as_bytes());
        }
        self.pass_on()?;
        Ok(end)
    }

    /// Adds one more name of an object that came before under `first_path`. `meta` is the object's own; other
    /// readers than this crate's apply it a second time.
    pub fn hard_link(&mut self, path: &[u8], first_path: &[u8], meta: &Metadata) -> Result<(), WriteError> {
        let link = self.name(first_path, kind::FILE)?;
        let head = Head { path, kind: kind::LINK, meta, size: 0, link: Some(&link), state: None };
        self.head(&head)?;
        self.pass_on()
    }

    /// Adds a symbolic link, fifo, socket or device.
    pub fn other(&mut self, path: &[u8], meta: &Metadata) -> Result<(), WriteError> {
        let (kind, link) = match &meta.node_type {
            NodeType::Symlink { target } => (kind::SYMLINK, Some(&target[..])),
            NodeType::Fifo => (kind::FIFO, None),
            NodeType::Socket => (kind::FILE, None),
            NodeType::CharDevice { .. } => (kind::CHAR, None),
            NodeType::BlockDevice { .. } => (kind::BLOCK, None),
            NodeType::File | NodeType::Directory => {
                return Err(WriteError::Misuse("files and directories have methods of their own"));
            }
        };
        self.head(&Head { path, kind, meta, size: 0, link, state: None })?;
        self.pass_on()
    }

    /// Says that the stream lacks an object, or part of what is recorded of it. Comes instead of the entry that was
    /// refused with [`WriteError::TooLarge`] or [`WriteError::Path`], or right behind the one that came in its place.
    pub fn leave_out(&mut self, path: &[u8], cause: LeftOutCause) -> Result<(), WriteError> {
        self.usable()?;
        self.global(key::LEFT_OUT, &LeftOut::new(path, cause).to_bytes());
        self.counts.left_out += 1;
        self.pass_on()
    }

    /// What the stream holds so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Ends the stream with its closing header, and gives the receiver back.
    pub fn finish(mut self) -> Result<(W, Counts), WriteError> {
        self.usable()?;
        self.global(key::END, self.counts.to_string().as_bytes());
        self.buffer.extend_from_slice(&self.root);
        self.buffer.extend_from_slice(&[0; 2 * BLOCK]);
        self.flush()?;
        self.out.flush()?;
        Ok((self.out, self.counts))
    }
}

// === headers ===

impl<W: Write> TreeWriter<W> {
    fn usable(&self) -> Result<(), WriteError> {
        if self.broken { Err(WriteError::Misuse("an earlier write to this stream failed")) } else { Ok(()) }
    }

    /// Puts an entry's headers into the buffer and counts it.
    fn head(&mut self, head: &Head<'_>) -> Result<(), WriteError> {
        self.usable()?;
        let name = self.name(head.path, head.kind)?;
        self.collect_records(head, &name);
        if self.records.len() > PAX_BYTES_MAX {
            return Err(WriteError::TooLarge(self.records.len()));
        }
        if !self.records.is_empty() {
            put_extended(&mut self.buffer, kind::PAX, &self.records);
        }
        let (major, minor) = device(&head.meta.node_type);
        let header = Header {
            name,
            mode: head.meta.mode & 0o7777,
            uid: u64::from(head.meta.uid),
            gid: u64::from(head.meta.gid),
            size: head.size,
            mtime: head.meta.mtime.secs,
            kind: head.kind,
            link: head.link.unwrap_or_default().to_vec(),
            major: u64::from(major),
            minor: u64::from(minor),
            more_extents: false,
        };
        self.buffer.extend_from_slice(&header.encode());
        self.counts.entries += 1;
        Ok(())
    }

    /// The name of an entry in the stream: behind `./`, and with a slash at the end of a directory's.
    fn name(&self, path: &[u8], kind: u8) -> Result<Vec<u8>, PathError> {
        let slash: &[u8] = if kind == kind::DIRECTORY { b"/" } else { b"" };
        if path.is_empty() {
            let directory = kind == kind::DIRECTORY;
            return Ok(if directory { b"./".to_vec() } else { [b"./", &self.root_name[..]].concat() });
        }
        if path.len() > ENTRY_PATH_BYTES_MAX {
            return Err(PathError::TooLong(path.len()));
        }
        if *below_root(path)? != *path {
            return Err(PathError::Empty);
        }
        Ok([b"./", path, slash].concat())
    }

    /// Gathers what the header alone cannot say.
    fn collect_records(&mut self, head: &Head<'_>, name: &[u8]) {
        let Head { kind, meta, link, .. } = *head;
        let xattrs = if kind == kind::LINK { &[][..] } else { &meta.xattrs[..] };
        let texts = [name, link.unwrap_or_default()];
        let names = xattrs.iter().map(|x| &x.name[..]);
        let binary = texts.into_iter().chain(names).any(|text| std::str::from_utf8(text).is_err());
        self.records.clear();
        if binary {
            self.record(b"hdrcharset", b"BINARY");
        }
        if !Header::name_fits(name) {
            self.record(b"path", name);
        }
        if let Some(link) = link.filter(|link| !Header::link_fits(link)) {
            self.record(b"linkpath", link);
        }
        self.number(b"size", head.size, Header::number_fits(head.size));
        self.number(b"uid", u64::from(meta.uid), Header::id_fits(meta.uid));
        self.number(b"gid", u64::from(meta.gid), Header::id_fits(meta.gid));
        if meta.mtime.nanos != 0 || !u64::try_from(meta.mtime.secs).is_ok_and(Header::number_fits) {
            self.record(b"mtime", pax::format_time(meta.mtime).as_bytes());
        }
        let (major, minor) = device(&meta.node_type);
        self.number(key::DEV_MAJOR, u64::from(major), Header::id_fits(major));
        self.number(key::DEV_MINOR, u64::from(minor), Header::id_fits(minor));
        self.xattrs(xattrs);
        if head.path.is_empty() && kind != kind::DIRECTORY {
            self.record(key::ROOT, b"object");
        }
        if meta.node_type == NodeType::Socket && kind != kind::LINK {
            self.record(key::TYPE, b"socket");
        }
        if let Some(state) = head.state {
            self.record(key::STATE, state.as_bytes());
        }
    }

    /// Extended attributes; lists of access as text too, which is how other tars restore them.
    fn xattrs(&mut self, xattrs: &[vigie_model::Xattr]) {
        for xattr in xattrs {
            let as_text = match &xattr.name[..] {
                acl::ACCESS => Some(key::ACL_ACCESS),
                acl::DEFAULT => Some(key::ACL_DEFAULT),
                _ => None,
            };
            if let Some((key, text)) = as_text.zip(acl::to_text(&xattr.value)) {
                self.record(key, text.as_bytes());
            }
            self.record(&pax::xattr_key(&xattr.name), &xattr.value);
        }
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        pax::push_record(&mut self.records, key, value);
    }

    fn number(&mut self, key: &[u8], number: u64, fits: bool) {
        if !fits {
            self.record(key, number.to_string().as_bytes());
        }
    }

    /// Puts a global header with one record into the buffer.
    fn global(&mut self, key: &[u8], value: &[u8]) {
        self.records.clear();
        pax::push_record(&mut self.records, key, value);
        put_extended(&mut self.buffer, kind::PAX_GLOBAL, &self.records);
    }
}

fn device(node_type: &NodeType) -> (u32, u32) {
    match node_type {
        NodeType::CharDevice { major, minor } | NodeType::BlockDevice { major, minor } => (*major, *minor),
        _ => (0, 0),
    }
}

/// Puts an extended header into `out`: its own header and its records, padded.
fn put_extended(out: &mut Vec<u8>, kind: u8, records: &[u8]) {
    let header = Header {
        // The name Python gives it; only a tar from before 2001 would make a file of it.
        name: b"././@PaxHeader".to_vec(),
        mode: 0o644,
        size: records.len() as u64,
        kind,
        ..Header::default()
    };
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(records);
    // `out` itself need not begin at a border: parts of a file may have gone past it.
    out.resize(out.len() + padding(records.len() as u64) as usize, 0);
}

/// Zeros between content of this size and the next header.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

// === content ===

impl<W: Write> TreeWriter<W> {
    /// Writes pieces until they end, fail or pass `size`. Gives the bytes written.
    fn content<P: AsRef<[u8]>, E>(
        &mut self,
        size: u64,
        pieces: impl IntoIterator<Item = Result<P, E>>,
    ) -> Result<(u64, FileEnd<E>), WriteError> {
        let mut came = 0;
        for piece in pieces {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => return Ok((came, FileEnd::Unreadable(error))),
            };
            let piece = piece.as_ref();
            let room = size - came;
            if piece.len() as u64 > room {
                let came = came + piece.len() as u64;
                self.put(&piece[..room as usize])?;
                return Ok((size, FileEnd::WrongSize { came }));
            }
            self.put(piece)?;
            came += piece.len() as u64;
        }
        Ok((came, if came == size { FileEnd::Whole } else { FileEnd::WrongSize { came } }))
    }

    fn zeros(&mut self, mut count: u64) -> Result<(), WriteError> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        while count > 0 {
            let now = count.min(ZEROS.len() as u64);
            self.put(&ZEROS[..now as usize])?;
            count -= now;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.buffer.len() + bytes.len() > WRITE_BYTES {
            self.flush()?;
        }
        if bytes.len() < WRITE_BYTES / 2 {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        self.broken = true;
        self.out.write_all(bytes)?;
        self.broken = false;
        Ok(())
    }

    /// Sends the buffer on its way when it is full enough to be worth it.
    fn pass_on(&mut self) -> Result<(), WriteError> {
        if self.buffer.len() < WRITE_BYTES / 2 { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.usable()?;
        self.broken = true;
        self.out.write_all(&self.buffer)?;
        self.broken = false;
        self.buffer.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::parse_header;
    use vigie_model::FileTime;

    fn meta(node_type: NodeType) -> Metadata {
        let mtime = FileTime { secs: 1_700_000_000, nanos: 0 };
        Metadata { node_type, mode: 0o644, uid: 0, gid: 0, mtime, ctime: mtime, size: 0, xattrs: vec![] }
    }

    type Pieces<'a> = Vec<Result<&'a [u8], &'static str>>;

    #[test]
    fn plain_metadata_takes_one_plain_header() {
        let mut tree = TreeWriter::new(Vec::new(), b"d");
        tree.directory(b"", &meta(NodeType::Directory)).unwrap();
        tree.file(b"f", &meta(NodeType::File), 3, ContentState::WHOLE, [Ok::<_, ()>(b"abc")]).unwrap();
        let (bytes, counts) = tree.finish().unwrap();
        assert_eq!(counts, Counts { entries: 2, bytes: 3, ..Counts::default() });
        let kinds: Vec<u8> = [0, 512, 1536, 2560].map(|at| bytes[at + 156]).to_vec();
        assert_eq!(kinds, [kind::DIRECTORY, kind::FILE, kind::PAX_GLOBAL, kind::DIRECTORY]);
        assert_eq!(bytes[1024..1027], *b"abc");
        assert_eq!(bytes[..512], bytes[2560..3072]);
        assert!(bytes[3072..] == [0; 1024]);
        let header = parse_header(bytes[512..1024].try_into().unwrap()).unwrap();
        assert_eq!((&header.name[..], header.size, header.mtime), (&b"./f"[..], 3, 1_700_000_000));
    }

    #[test]
    fn content_that_fails_is_padded_and_named() {
        let cases: [(Pieces<'_>, FileEnd<&'static str>); 4] = [
            (vec![Ok(b"1234"), Err("bad block")], FileEnd::Unreadable("bad block")),
            (vec![Err("bad block")], FileEnd::Unreadable("bad block")),
            (vec![Ok(b"1234")], FileEnd::WrongSize { came: 4 }),
            (vec![Ok(b"1234"), Ok(b"5678901")], FileEnd::WrongSize { came: 11 }),
        ];
        for (pieces, end) in cases {
            let mut tree = TreeWriter::new(Vec::new(), b"f");
            tree.directory(b"", &meta(NodeType::Directory)).unwrap();
            let state = ContentState::PENDING;
            assert_eq!(tree.file(b"f", &meta(NodeType::File), 10, state, pieces).unwrap(), end);
            let (bytes, counts) = tree.finish().unwrap();
            assert_eq!(counts, Counts { entries: 2, bytes: 10, damaged: 1, ..Counts::default() });
            let note = bytes.windows(17).position(|w| w == b"19 VIGIE.damaged=" as &[u8]).unwrap();
            assert_eq!(&bytes[note..note + 19], b"19 VIGIE.damaged=2\n");
        }
    }

    #[test]
    fn misuse_and_failed_writes_are_told() {
        let mut tree = TreeWriter::new(Vec::new(), b"d");
        let file = meta(NodeType::File);
        assert!(matches!(tree.directory(b"a", &file), Err(WriteError::Misuse(_))));
        assert!(matches!(tree.other(b"a", &file), Err(WriteError::Misuse(_))));
        for bad in [&b"../a"[..], b"/a", b"./a", b"a//b", b"a/", b"a\0"] {
            let written = tree.other(bad, &meta(NodeType::Fifo));
            assert!(matches!(written, Err(WriteError::Path(_))), "{bad:?} was taken");
        }
        assert_eq!(tree.counts().entries, 0);

        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut tree = TreeWriter::new(Full, b"f");
        let big = vec![1; WRITE_BYTES];
        let written = tree.file(b"", &file, big.len() as u64, ContentState::WHOLE, [Ok::<_, ()>(&big)]);
        assert!(matches!(written, Err(WriteError::Io(_))));
        assert!(matches!(tree.directory(b"", &meta(NodeType::Directory)), Err(WriteError::Misuse(_))));
        assert!(matches!(tree.finish(), Err(WriteError::Misuse(_))));
    }
}
