//! From what makes an object itself to its [`NodeId`]: the first 128 bits of a BLAKE3, keyed by the machine,
//! of a tier byte and the identity. The tier is part of it so that no two tiers can give the same id.

use crate::files::Identity;
use vigie_model::{MachineId, NodeId};

/// Domain of the key, so that nothing else that is hashed for a machine can be taken for a node id.
const CONTEXT: &str = "vigie 2026 node id v1";

/// Makes the node ids of one machine.
#[derive(Clone, Debug)]
pub(crate) struct NodeIds {
    key: [u8; 32],
}

impl NodeIds {
    pub(crate) fn new(machine: MachineId) -> Self {
        NodeIds { key: blake3::derive_key(CONTEXT, machine.as_bytes()) }
    }

    /// `path` gives the absolute path, for an object that has nothing better.
    pub(crate) fn of(&self, identity: &Identity, path: impl FnOnce() -> Vec<u8>) -> NodeId {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        match identity {
            Identity::Handle(bytes) => hasher.update(&[1]).update(bytes),
            Identity::Birth(bytes) => hasher.update(&[2]).update(bytes),
            Identity::Path => hasher.update(&[3]).update(&path()),
        };
        let mut id = NodeId::ROOTS;
        id.0.copy_from_slice(&hasher.finalize().as_bytes()[..NodeId::LEN]);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_ids() {
        let ids = NodeIds::new(MachineId([1; 16]));
        let id = |identity| ids.of(&identity, || b"/a/b".to_vec()).to_string();
        let all =
            [id(Identity::Handle(b"x".to_vec())), id(Identity::Birth(b"x".to_vec())), id(Identity::Path)];
        assert_eq!(all, GOLDEN, "ids that change make every file a new one");
    }

    const GOLDEN: [&str; 3] = [
        "60223abd065208bcd28af3161dc640f4",
        "2cd3f2f9805d1a5589c8a559844edc64",
        "253ff28432666243c8537cb4211ee3f7",
    ];
}
