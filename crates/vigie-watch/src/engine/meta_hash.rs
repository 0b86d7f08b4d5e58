//! One number for everything of a node's metadata that the index does not keep as it is.

use vigie_model::{Metadata, NodeType};

/// Makes the hashes of one index. Keyed at random, so that no one can make two owners or attributes look the
/// same; the key is part of a snapshot, because its hashes mean nothing without it.
#[derive(Clone, Debug)]
pub(super) struct MetaHash {
    key: [u8; MetaHash::KEY_LEN],
}

impl MetaHash {
    pub(super) const KEY_LEN: usize = blake3::KEY_LEN;

    pub(super) fn new() -> MetaHash {
        let mut key = [0; Self::KEY_LEN];
        getrandom::fill(&mut key).expect("the kernel gives random bytes");
        MetaHash { key }
    }

    pub(super) fn with_key(key: [u8; MetaHash::KEY_LEN]) -> MetaHash {
        MetaHash { key }
    }

    pub(super) fn key(&self) -> &[u8; MetaHash::KEY_LEN] {
        &self.key
    }

    /// Of owner, group, kind and what belongs to it, and extended attributes.
    pub(super) fn of(&self, meta: &Metadata) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // Every part says its length, so that no two metadata are the same bytes.
        let sized = |hasher: &mut blake3::Hasher, bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        hasher.update(&meta.uid.to_le_bytes()).update(&meta.gid.to_le_bytes());
        match &meta.node_type {
            NodeType::File => _ = hasher.update(&[0]),
            NodeType::Directory => _ = hasher.update(&[1]),
            NodeType::Symlink { target } => sized(hasher.update(&[2]), target),
            NodeType::Fifo => _ = hasher.update(&[3]),
            NodeType::Socket => _ = hasher.update(&[4]),
            NodeType::CharDevice { major, minor } => {
                hasher.update(&[5]).update(&major.to_le_bytes()).update(&minor.to_le_bytes());
            }
            NodeType::BlockDevice { major, minor } => {
                hasher.update(&[6]).update(&major.to_le_bytes()).update(&minor.to_le_bytes());
            }
        }
        for xattr in &meta.xattrs {
            sized(&mut hasher, &xattr.name);
            sized(&mut hasher, &xattr.value);
        }
        let mut hash = [0; 8];
        hash.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::{FileTime, Xattr};

    #[test]
    fn everything_counts_and_nothing_changes_between_versions() {
        let time = FileTime { secs: 0, nanos: 0 };
        let plain = Metadata {
            node_type: NodeType::File,
            mode: 0o644,
            uid: 1000,
            gid: 100,
            mtime: time,
            ctime: time,
            size: 0,
            xattrs: Vec::new(),
        };
        let xattr = |name: &[u8], value: &[u8]| Xattr { name: name.into(), value: value.into() };
        let link = |target: &[u8]| NodeType::Symlink { target: target.into() };
        let all = [
            plain.clone(),
            Metadata { uid: 1001, ..plain.clone() },
            Metadata { gid: 101, ..plain.clone() },
            Metadata { node_type: link(b"a"), ..plain.clone() },
            Metadata { node_type: link(b"b"), ..plain.clone() },
            Metadata { node_type: NodeType::CharDevice { major: 1, minor: 3 }, ..plain.clone() },
            Metadata { node_type: NodeType::BlockDevice { major: 1, minor: 3 }, ..plain.clone() },
            Metadata { xattrs: vec![xattr(b"user.a", b"bc")], ..plain.clone() },
            Metadata { xattrs: vec![xattr(b"user.ab", b"c")], ..plain.clone() },
        ];
        let hashes = MetaHash::with_key([7; 32]);
        let different: std::collections::BTreeSet<u64> = all.iter().map(|meta| hashes.of(meta)).collect();
        assert_eq!(different.len(), all.len());
        assert_ne!(hashes.of(&plain), MetaHash::new().of(&plain), "another key, another hash");
        assert_eq!(
            hashes.of(&plain),
            GOLDEN,
            "a hash that changes makes every node of a snapshot look changed"
        );
    }

    const GOLDEN: u64 = 10_945_092_081_786_592_511;
}
