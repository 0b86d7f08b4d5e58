//! The first stream: what happens to files. Nodes are things, edges are names: a rename is one edge that
//! moves, however large the directory behind it.

use crate::content::Content;
use crate::ids::NodeId;
use crate::meta::Metadata;
use crate::path::{BytePath, Name};
use crate::record::{AgentRecord, PayloadError, Stream};
use crate::time::UnixNanos;
use minicbor::{Decode, Encode};

/// Why changes may have been missed for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum GapCause {
    /// The root is watched for the first time; its first scan is under way.
    #[n(0)]
    FirstScan,
    /// The agent was not running.
    #[n(1)]
    Restart,
    /// The kernel dropped events because its queue was full.
    #[n(2)]
    KernelOverflow,
    /// The agent could not hold more while the hub was away.
    #[n(3)]
    OutboxOverflow,
    /// The root itself is gone: unmounted, moved or removed.
    #[n(4)]
    RootLost,
    /// The hub knew other numbers than the agent.
    #[n(5)]
    NumbersDiffer,
    /// The kernel could not watch all directories.
    #[n(6)]
    WatchLimit,
    /// Records of the hub's journal are lost. No agent says so: it is the hub's own word where it reads a damaged store.
    #[n(7)]
    JournalDamaged,
}

impl GapCause {
    /// The word used in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            GapCause::FirstScan => "first-scan",
            GapCause::Restart => "restart",
            GapCause::KernelOverflow => "kernel-overflow",
            GapCause::OutboxOverflow => "outbox-overflow",
            GapCause::RootLost => "root-lost",
            GapCause::NumbersDiffer => "numbers-differ",
            GapCause::WatchLimit => "watch-limit",
            GapCause::JournalDamaged => "journal-damaged",
        }
    }
}

/// What could not be done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ErrorAct {
    /// `fstatat` or the reading of extended attributes.
    #[n(0)]
    Stat,
    /// Listing a directory.
    #[n(1)]
    List,
    /// Opening or reading a file.
    #[n(2)]
    Read,
    /// Asking the kernel for events.
    #[n(3)]
    Watch,
    /// More extended attributes than a record can hold.
    #[n(4)]
    Xattrs,
}

impl ErrorAct {
    /// The word used in JSON and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorAct::Stat => "stat",
            ErrorAct::List => "list",
            ErrorAct::Read => "read",
            ErrorAct::Watch => "watch",
            ErrorAct::Xattrs => "xattrs",
        }
    }
}

/// Why a directory is unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum UnseenCause {
    /// It cannot be opened or listed.
    #[n(0)]
    Unlisted,
    /// Some of its entries cannot be looked at.
    #[n(1)]
    Entries,
    /// Something that is recorded elsewhere, or not at all, is mounted over it.
    #[n(2)]
    Covered,
}

impl UnseenCause {
    /// The word used in JSON and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            UnseenCause::Unlisted => "unlisted",
            UnseenCause::Entries => "entries",
            UnseenCause::Covered => "covered",
        }
    }
}

/// One fact about files. The order of the variants is that of [`FileEvent::kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEvent {
    /// A name now leads to a node that had no name here before. Below [`NodeId::ROOTS`] the "name" is the
    /// absolute path of a root: that is how a root is declared.
    Created(Created),
    /// A name is gone.
    Removed(Removed),
    /// A node changed its name or directory; a node that bore the new name lost it.
    Renamed(Renamed),
    /// Mode, owner, times, extended attributes or kind-specific data changed.
    Metadata(MetadataChanged),
    /// A file's content was read whole (or torn, and flagged so) and is in the store.
    Content(ContentStored),
    /// One more name for a node that is known.
    Linked(Linked),
    /// From here on, until closed, changes of this root may be missing.
    GapOpened(GapOpened),
    /// The root was compared with what is recorded: every gap of this root opened before is closed.
    GapClosed(GapClosed),
    /// Something could not be looked at.
    Error(Failure),
    /// A version existed but was overwritten before it could be read. Reserved: read, not yet written.
    Superseded(Superseded),
    /// What a directory holds cannot be seen, or not all of it: what is recorded of its entries is the last known.
    Unseen(Unseen),
    /// A directory that was unseen is seen whole again.
    Seen(Seen),
}

/// A name in a directory: an edge, or, below [`NodeId::ROOTS`], a root's absolute path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeName {
    /// An entry of a directory.
    Entry(Name),
    /// A root, named by its absolute path.
    Root(BytePath),
}

impl EdgeName {
    /// The bytes that identify this edge below its parent.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            EdgeName::Entry(name) => name.as_bytes(),
            EdgeName::Root(path) => path.as_bytes(),
        }
    }

    /// Reads the bytes of an edge: a leading slash tells a root's path from a name, which has none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::PathError> {
        if bytes.first() == Some(&b'/') {
            BytePath::new(bytes).map(EdgeName::Root)
        } else {
            Name::new(bytes).map(EdgeName::Entry)
        }
    }
}

impl From<Name> for EdgeName {
    fn from(name: Name) -> Self {
        EdgeName::Entry(name)
    }
}

impl<C> Encode<C> for EdgeName {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.as_bytes())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for EdgeName {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        EdgeName::from_bytes(d.bytes()?).map_err(minicbor::decode::Error::message)
    }
}

/// See [`FileEvent::Created`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Created {
    /// Directory that got the name.
    #[n(0)]
    pub parent: NodeId,
    /// The new name.
    #[n(1)]
    pub name: EdgeName,
    /// What it leads to.
    #[n(2)]
    pub node: NodeId,
    /// The node as it was found.
    #[n(3)]
    pub meta: Metadata,
    /// Content exists and will follow in a record of its own.
    #[n(4)]
    pub pending: bool,
}

/// See [`FileEvent::Removed`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Removed {
    /// Directory that lost the name.
    #[n(0)]
    pub parent: NodeId,
    /// The name.
    #[n(1)]
    pub name: EdgeName,
    /// What it led to.
    #[n(2)]
    pub node: NodeId,
}

/// See [`FileEvent::Renamed`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Renamed {
    /// Directory it was in.
    #[n(0)]
    pub from_parent: NodeId,
    /// Name it had.
    #[n(1)]
    pub from_name: Name,
    /// Directory it is in now.
    #[n(2)]
    pub to_parent: NodeId,
    /// Name it has now.
    #[n(3)]
    pub to_name: Name,
    /// What moved.
    #[n(4)]
    pub node: NodeId,
}

/// See [`FileEvent::Metadata`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MetadataChanged {
    /// Whose.
    #[n(0)]
    pub node: NodeId,
    /// All of it, not a difference.
    #[n(1)]
    pub meta: Metadata,
    /// Newer content exists and will follow in a record of its own.
    #[n(2)]
    pub pending: bool,
}

/// See [`FileEvent::Content`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ContentStored {
    /// Whose.
    #[n(0)]
    pub node: NodeId,
    /// What was read.
    #[n(1)]
    pub content: Content,
}

/// See [`FileEvent::Linked`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Linked {
    /// Directory that got the name.
    #[n(0)]
    pub parent: NodeId,
    /// The new name.
    #[n(1)]
    pub name: Name,
    /// The node that is already known.
    #[n(2)]
    pub node: NodeId,
}

/// See [`FileEvent::GapOpened`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GapOpened {
    /// Path of the root.
    #[n(0)]
    pub root: BytePath,
    /// Why.
    #[n(1)]
    pub cause: GapCause,
    /// Changes may be missing from this time on; absent when the root was never watched before.
    #[n(2)]
    pub since: Option<UnixNanos>,
}

/// See [`FileEvent::GapClosed`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GapClosed {
    /// Path of the root.
    #[n(0)]
    pub root: BytePath,
}

/// See [`FileEvent::Error`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Failure {
    /// Absolute path as it was when it failed. May be longer than `PATH_MAX`.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub path: Vec<u8>,
    /// What was tried.
    #[n(1)]
    pub act: ErrorAct,
    /// The kernel's number, `errno(3)`; 0 when it was not the kernel that refused.
    #[n(2)]
    pub errno: i32,
}

/// See [`FileEvent::Superseded`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Superseded {
    /// Whose version is lost.
    #[n(0)]
    pub node: NodeId,
}

/// See [`FileEvent::Unseen`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Unseen {
    /// The directory.
    #[n(0)]
    pub node: NodeId,
    /// Why.
    #[n(1)]
    pub cause: UnseenCause,
}

/// See [`FileEvent::Seen`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Seen {
    /// The directory.
    #[n(0)]
    pub node: NodeId,
}

const VERSION: u16 = 1;

macro_rules! kinds {
    ($($number:literal $variant:ident($payload:ty) $word:literal),* $(,)?) => {
        impl FileEvent {
            /// Every kind: its number in the envelope, and its word in JSON.
            pub const KINDS: &'static [(u16, &'static str)] = &[$(($number, $word)),*];

            /// The number of this kind in the envelope.
            pub fn kind(&self) -> u16 {
                match self { $(FileEvent::$variant(_) => $number),* }
            }

            /// The word of this kind in JSON.
            pub fn word(&self) -> &'static str {
                match self { $(FileEvent::$variant(_) => $word),* }
            }

            fn payload(&self) -> Vec<u8> {
                match self {
                    $(FileEvent::$variant(p) => minicbor::to_vec(p)),*
                }
                .expect("writing CBOR to a vector cannot fail")
            }

            /// Reads the fact out of its envelope.
            pub fn decode(fact: &AgentRecord) -> Result<Self, PayloadError> {
                let unknown = || PayloadError::Unknown {
                    stream: fact.stream.0, kind: fact.kind, version: fact.version,
                };
                if fact.stream != Stream::FILES || fact.version != VERSION {
                    return Err(unknown());
                }
                let damaged = |e: minicbor::decode::Error| PayloadError::Damaged {
                    kind: fact.kind, why: e.to_string(),
                };
                let event = match fact.kind {
                    $($number => minicbor::decode::<$payload>(&fact.payload)
                        .map(FileEvent::$variant).map_err(damaged)?,)*
                    _ => return Err(unknown()),
                };
                event.check().map_err(|why| PayloadError::Damaged { kind: fact.kind, why: why.into() })?;
                Ok(event)
            }
        }
    };
}

kinds! {
    1 Created(Created) "created",
    2 Removed(Removed) "removed",
    3 Renamed(Renamed) "renamed",
    4 Metadata(MetadataChanged) "metadata",
    5 Content(ContentStored) "content",
    6 Linked(Linked) "linked",
    7 GapOpened(GapOpened) "gap-opened",
    8 GapClosed(GapClosed) "gap-closed",
    9 Error(Failure) "error",
    10 Superseded(Superseded) "superseded",
    11 Unseen(Unseen) "unseen",
    12 Seen(Seen) "seen",
}

impl FileEvent {
    /// What the types alone do not forbid: only roots are edges of [`NodeId::ROOTS`], and they alone bear
    /// paths; no edge leads to it.
    fn check(&self) -> Result<(), &'static str> {
        let (parent, name, node) = match self {
            FileEvent::Created(c) => (c.parent, Some(&c.name), c.node),
            FileEvent::Removed(r) => (r.parent, Some(&r.name), r.node),
            FileEvent::Linked(l) => (l.parent, None, l.node),
            FileEvent::Renamed(r) if r.from_parent == NodeId::ROOTS => (r.from_parent, None, r.node),
            FileEvent::Renamed(r) => (r.to_parent, None, r.node),
            _ => return Ok(()),
        };
        let is_root = matches!(name, Some(EdgeName::Root(_)));
        if is_root != (parent == NodeId::ROOTS) {
            return Err("a root must be named by its path, and nothing else by a path");
        }
        if node == NodeId::ROOTS || node == parent {
            return Err("a node cannot lead to itself");
        }
        Ok(())
    }

    /// Puts the fact into an envelope, observed at this time.
    pub fn encode(&self, observed: UnixNanos) -> AgentRecord {
        AgentRecord {
            observed,
            stream: Stream::FILES,
            kind: self.kind(),
            version: VERSION,
            payload: self.payload(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::ids::{Digest, DigestKind};
    use crate::meta::{FileTime, NodeType, Xattr};

    fn meta() -> Metadata {
        Metadata {
            node_type: NodeType::Symlink { target: b"../x".to_vec() },
            mode: 0o4755,
            uid: 1000,
            gid: 100,
            mtime: FileTime { secs: -1, nanos: 999_999_999 },
            ctime: FileTime { secs: 1_800_000_000, nanos: 1 },
            size: 4,
            xattrs: vec![Xattr { name: b"user.a".to_vec(), value: vec![0, 255] }],
        }
    }

    /// One of each kind, in the order of the numbers.
    pub(crate) fn samples() -> Vec<FileEvent> {
        let (a, b, c) = (NodeId([1; 16]), NodeId([2; 16]), NodeId([3; 16]));
        let name = |n: &[u8]| Name::new(n).unwrap();
        let root = BytePath::new(&b"/srv"[..]).unwrap();
        let content = Content {
            digest: Digest([9; 32]),
            digest_kind: DigestKind::List,
            size: 1 << 40,
            mtime: FileTime { secs: 5, nanos: 6 },
            ctime: FileTime { secs: 7, nanos: 8 },
            mode: 0o644,
            torn: true,
            racy: false,
            pending: true,
        };
        vec![
            FileEvent::Created(Created {
                parent: a,
                name: name(b"\xffn").into(),
                node: b,
                meta: meta(),
                pending: true,
            }),
            FileEvent::Removed(Removed {
                parent: NodeId::ROOTS,
                name: EdgeName::Root(root.clone()),
                node: a,
            }),
            FileEvent::Renamed(Renamed {
                from_parent: a,
                from_name: name(b"old"),
                to_parent: b,
                to_name: name(b"new"),
                node: c,
            }),
            FileEvent::Metadata(MetadataChanged { node: a, meta: meta(), pending: false }),
            FileEvent::Content(ContentStored { node: c, content }),
            FileEvent::Linked(Linked { parent: a, name: name(b"hard"), node: c }),
            FileEvent::GapOpened(GapOpened {
                root: root.clone(),
                cause: GapCause::KernelOverflow,
                since: Some(UnixNanos(42)),
            }),
            FileEvent::GapClosed(GapClosed { root }),
            FileEvent::Error(Failure { path: b"/srv/\xfe".to_vec(), act: ErrorAct::Read, errno: 13 }),
            FileEvent::Superseded(Superseded { node: c }),
            FileEvent::Unseen(Unseen { node: b, cause: UnseenCause::Covered }),
            FileEvent::Seen(Seen { node: b }),
        ]
    }

    #[test]
    fn every_kind_goes_round_and_keeps_its_number() {
        let samples = samples();
        assert_eq!(samples.len(), FileEvent::KINDS.len());
        for (event, (number, word)) in samples.iter().zip(FileEvent::KINDS) {
            assert_eq!((event.kind(), event.word()), (*number, *word));
            let fact = event.encode(UnixNanos(7));
            assert_eq!(FileEvent::decode(&fact).as_ref(), Ok(event));
        }
    }

    #[test]
    fn golden_bytes_of_every_kind() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let all: Vec<String> = samples().iter().map(|e| hex(e.payload())).collect();
        let golden: Vec<&str> = include_str!("../tests/golden/file-events-v1.hex").lines().collect();
        assert_eq!(all, golden, "a released payload must not change: give it a new version");
    }

    #[test]
    fn damaged_payloads_are_errors_and_never_panics() {
        for event in samples() {
            let fact = event.encode(UnixNanos(0));
            for cut in 0..fact.payload.len() {
                let short = AgentRecord { payload: fact.payload[..cut].to_vec(), ..fact.clone() };
                assert!(FileEvent::decode(&short).is_err(), "{} cut at {cut} was taken", event.word());
            }
            for at in 0..fact.payload.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut bad = fact.clone();
                    bad.payload[at] ^= flip;
                    let _ = FileEvent::decode(&bad);
                }
            }
        }
    }

    #[test]
    fn unknown_kinds_and_versions_are_said_to_be_unknown() {
        let fact = samples()[0].encode(UnixNanos(0));
        for odd in [
            AgentRecord { kind: 99, ..fact.clone() },
            AgentRecord { version: 2, ..fact.clone() },
            AgentRecord { stream: Stream::NOTES, ..fact.clone() },
        ] {
            assert!(matches!(FileEvent::decode(&odd), Err(PayloadError::Unknown { .. })));
        }
    }

    #[test]
    fn names_that_escape_and_edges_that_lie_are_refused() {
        let sample = samples();
        let FileEvent::Created(created) = &sample[0] else { panic!("the first sample is a creation") };
        let root = EdgeName::Root(BytePath::new(&b"/etc"[..]).unwrap());
        let lies = [
            Created { name: root.clone(), ..created.clone() },
            Created { parent: NodeId::ROOTS, ..created.clone() },
            Created { parent: created.node, ..created.clone() },
            Created { parent: NodeId::ROOTS, name: root, node: NodeId::ROOTS, ..created.clone() },
        ];
        for lie in lies {
            let fact = FileEvent::Created(lie).encode(UnixNanos(0));
            assert!(matches!(FileEvent::decode(&fact), Err(PayloadError::Damaged { .. })));
        }
        for name in [&b".."[..], b"a/b", b"nul\0", &[b'x'; 1 << 20]] {
            let mut payload = minicbor::Encoder::new(Vec::new());
            payload.array(3).unwrap().bytes(&[1; 16]).unwrap().bytes(name).unwrap().bytes(&[2; 16]).unwrap();
            let fact =
                AgentRecord { kind: 6, payload: payload.into_writer(), ..sample[5].encode(UnixNanos(0)) };
            assert!(matches!(FileEvent::decode(&fact), Err(PayloadError::Damaged { .. })));
        }
    }
}
