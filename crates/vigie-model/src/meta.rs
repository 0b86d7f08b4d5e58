//! What a node is besides its content.

use minicbor::{Decode, Encode};

/// A time as file systems keep it: seconds since 1970 (signed) and nanoseconds within the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct FileTime {
    /// Whole seconds, rounded towards the past.
    #[n(0)]
    pub secs: i64,
    /// 0 to 999,999,999.
    #[n(1)]
    pub nanos: u32,
}

/// What kind of object a node is, with what belongs to that kind alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum NodeType {
    /// A regular file; its bytes are a [`crate::Content`].
    #[n(0)]
    File,
    /// A directory.
    #[n(1)]
    Directory,
    /// A symbolic link.
    #[n(2)]
    Symlink {
        /// What it points to, as stored: any bytes but NUL.
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        target: Vec<u8>,
    },
    /// A named pipe.
    #[n(3)]
    Fifo,
    /// A Unix socket.
    #[n(4)]
    Socket,
    /// A character device.
    #[n(5)]
    CharDevice {
        /// Device number.
        #[n(0)]
        major: u32,
        /// Device number.
        #[n(1)]
        minor: u32,
    },
    /// A block device.
    #[n(6)]
    BlockDevice {
        /// Device number.
        #[n(0)]
        major: u32,
        /// Device number.
        #[n(1)]
        minor: u32,
    },
}

impl NodeType {
    /// The word used in JSON and tables.
    pub fn as_str(&self) -> &'static str {
        match self {
            NodeType::File => "file",
            NodeType::Directory => "directory",
            NodeType::Symlink { .. } => "symlink",
            NodeType::Fifo => "fifo",
            NodeType::Socket => "socket",
            NodeType::CharDevice { .. } => "char-device",
            NodeType::BlockDevice { .. } => "block-device",
        }
    }
}

/// One extended attribute. POSIX ACLs and file capabilities are among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Xattr {
    /// Full name with its namespace, such as `user.origin`.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub name: Vec<u8>,
    /// Any bytes.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub value: Vec<u8>,
}

/// Everything about a node that `lstat` and `listxattr` tell and a restore needs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Metadata {
    /// Kind of object.
    #[n(0)]
    pub node_type: NodeType,
    /// Permission bits with set-user-id, set-group-id and sticky: the low 12 bits of `st_mode`.
    #[n(1)]
    pub mode: u32,
    /// Owner, as a number.
    #[n(2)]
    pub uid: u32,
    /// Group, as a number.
    #[n(3)]
    pub gid: u32,
    /// Last change of content.
    #[n(4)]
    pub mtime: FileTime,
    /// Last change of content or metadata. Not restorable; it tells a later scan whether anything changed.
    #[n(5)]
    pub ctime: FileTime,
    /// `st_size` at the time of the look; 0 but for files and symlinks.
    #[n(6)]
    pub size: u64,
    /// Extended attributes, sorted by name.
    #[n(7)]
    pub xattrs: Vec<Xattr>,
}
