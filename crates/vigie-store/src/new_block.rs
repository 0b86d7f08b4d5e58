//! Blocks on their way into the store.

use crate::compress::{self, BlockError, Checked};
use crate::types::Codec;
use vigie_model::bundle::Part;
use vigie_model::limits::BLOCK_BYTES_MAX;
use vigie_model::{BlockKind, BlockList, Digest, StoredKind};

/// A block to be stored, or a bundle of them. There is none that was not verified: nothing else becomes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlock {
    digest: Digest,
    checked: Checked,
    raw_len: u32,
    codec: Codec,
    stored: Vec<u8>,
}

impl NewBlock {
    /// A block in the form in which it travels and lies: `digest` is its name, `raw_len` the length of its raw bytes.
    ///
    /// # Errors
    /// When it is not what is said of it, as [`compress::check_stored`] finds, or longer stored than any block may be.
    pub fn verify(
        kind: StoredKind,
        codec: Codec,
        raw_len: u32,
        stored: Vec<u8>,
        digest: Digest,
    ) -> Result<Self, BlockError> {
        if stored.len() > BLOCK_BYTES_MAX {
            return Err(BlockError::TooLarge(u32::try_from(stored.len()).unwrap_or(u32::MAX)));
        }
        let checked = compress::check_stored(kind, codec, raw_len, &stored, &digest)?;
        Ok(NewBlock { digest, checked, raw_len, codec, stored })
    }

    /// A block of a bundle that was verified, for itself.
    pub(crate) fn of_bundle(digest: Digest, raw: &[u8]) -> Self {
        let (codec, stored) = compress::pack(StoredKind::DATA, raw);
        NewBlock { digest, checked: Checked::Data, raw_len: raw.len() as u32, codec, stored }
    }

    /// Names the raw bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What the raw bytes are.
    pub fn kind(&self) -> StoredKind {
        match self.checked {
            Checked::Data => StoredKind::DATA,
            Checked::List(_) => StoredKind::LIST,
            Checked::Bundle(_) => StoredKind::Bundle,
        }
    }

    /// What it says, when it is a list.
    pub fn list(&self) -> Option<&BlockList> {
        match &self.checked {
            Checked::List(list) => Some(list),
            Checked::Data | Checked::Bundle(_) => None,
        }
    }

    /// The blocks of a bundle, at least one; none of anything else.
    pub fn parts(&self) -> &[(Digest, Part)] {
        match &self.checked {
            Checked::Bundle(parts) => parts,
            Checked::Data | Checked::List(_) => &[],
        }
    }

    /// Length of the raw bytes.
    pub fn raw_len(&self) -> u32 {
        self.raw_len
    }

    /// How to read [`Self::stored`].
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The bytes as they will lie in a pack.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// The blocks that are in the store when this is: itself, or those of the bundle.
    pub fn blocks(&self) -> impl Iterator<Item = (BlockKind, Digest)> + '_ {
        let own = match self.kind() {
            StoredKind::Block(kind) => Some((kind, self.digest)),
            StoredKind::Bundle => None,
        };
        own.into_iter().chain(self.parts().iter().map(|(digest, _)| (BlockKind::Data, *digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::bundle::{BundleError, digest_of};

    fn bundle(raw: &[u8], digest: Digest) -> Result<NewBlock, BlockError> {
        NewBlock::verify(StoredKind::Bundle, Codec::Raw, raw.len() as u32, raw.to_vec(), digest)
    }

    #[test]
    fn what_means_nothing_is_no_block() {
        let none = digest_of(Vec::new());
        assert_eq!(bundle(&[0, 0], none), Err(BlockError::Bundle(BundleError::Count(0, 2))), "no blocks");
        let (name, beyond) = (Digest::of_data(b"x"), [&b"x"[..], &[2, 0, 0, 0, 1, 0]].concat());
        let two = digest_of(vec![vigie_model::ListEntry { digest: name, size: 2 }]);
        assert_eq!(
            bundle(&beyond, two),
            Err(BlockError::Bundle(BundleError::Lengths)),
            "a block beyond its end"
        );
        let other = bundle(b"x\x01\0\0\0\x01\0", name);
        assert!(matches!(other, Err(BlockError::Digest { .. })), "{other:?}: named as the block in it");
        for (kind, name) in [(StoredKind::LIST, Digest::of_list(b"x")), (StoredKind::DATA, none)] {
            let refused = NewBlock::verify(kind, Codec::Raw, 1, b"x".to_vec(), name);
            assert!(matches!(refused, Err(BlockError::List(_) | BlockError::Digest { .. })), "{refused:?}");
        }
        let data = |raw_len, stored| NewBlock::verify(StoredKind::DATA, Codec::Raw, raw_len, stored, name);
        assert_eq!(data(u32::MAX, b"x".to_vec()), Err(BlockError::TooLarge(u32::MAX)));
        let len = BLOCK_BYTES_MAX as u32 + 1;
        assert_eq!(data(1, vec![0; len as usize]), Err(BlockError::TooLarge(len)));
    }

    #[test]
    fn a_bundle_is_its_blocks() {
        let name = Digest::of_data(b"x");
        let whole = digest_of(vec![vigie_model::ListEntry { digest: name, size: 1 }]);
        let block = bundle(b"x\x01\0\0\0\x01\0", whole).unwrap();
        assert_eq!((block.kind(), block.list()), (StoredKind::Bundle, None));
        assert_eq!(block.parts(), [(name, Part { start: 0, len: 1 })]);
        assert_eq!(block.blocks().collect::<Vec<_>>(), [(BlockKind::Data, name)]);
    }
}
