//! Raw blocks made into what is sent: compressed, and small files put into bundles.

use crate::lanes::Way;
use crate::parcel::RawBlock;
use bytes::Bytes;
use std::collections::VecDeque;
use vigie_model::bundle::BundleBuilder;
use vigie_model::{Digest, StoredKind};
use vigie_store::compress;
use vigie_wire::frame::BlockHead;

/// Blocks above this go alone: they have enough in common with themselves.
pub(crate) const BUNDLED_BYTES_MAX: usize = 64 * 1024;
/// Raw bytes of a bundle, about. What is read back is a whole bundle, however small the block.
const BUNDLE_BYTES_AIM: usize = 128 * 1024;

/// A block, or a bundle, as it will be sent.
#[derive(Debug)]
pub(crate) struct PackedBlock {
    pub(crate) head: BlockHead,
    pub(crate) stored: Bytes,
}

/// Which parcel of which lane.
pub(crate) type Address = (Way, u64);

/// The raw blocks of some parcels, in the order of their lane.
pub(crate) type Load = Vec<Loaded>;

/// The raw blocks of a parcel.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) address: Address,
    pub(crate) blocks: Vec<RawBlock>,
    /// They are all of a small file that the hub lacks, and may go with others. What was not asked about may be there
    /// already, and would be stored once more for the sake of its neighbours.
    pub(crate) small: bool,
}

/// The stored blocks of some parcels.
pub(crate) type Packed = Vec<(Address, VecDeque<PackedBlock>)>;

/// Compresses the blocks of a load, small ones together where the hub takes bundles.
pub(crate) fn pack_load(load: Load, bundles: bool) -> Packed {
    let mut packed = Packed::with_capacity(load.len());
    let mut open = OpenBundle::default();
    for (at, Loaded { address, blocks, small }) in load.into_iter().enumerate() {
        packed.push((address, VecDeque::with_capacity(blocks.len())));
        for block in blocks {
            if bundles && small {
                if !open.takes(&block) {
                    std::mem::take(&mut open).close(&mut packed);
                }
                open.push(at, block);
            } else {
                packed[at].1.push_back(pack_block(block));
            }
        }
    }
    open.close(&mut packed);
    packed
}

/// A bundle in the making. It goes where its first block would: the parcels of its other blocks come later in the lane.
#[derive(Default)]
struct OpenBundle {
    first: Option<(usize, RawBlock)>,
    builder: BundleBuilder,
}

impl OpenBundle {
    fn takes(&self, block: &RawBlock) -> bool {
        let Some((_, first)) = &self.first else { return true };
        let len = self.builder.len().max(first.raw.len()) + block.raw.len();
        len <= BUNDLE_BYTES_AIM && self.builder.has_room_for(block.raw.len())
    }

    fn push(&mut self, parcel: usize, block: RawBlock) {
        match &self.first {
            None => self.first = Some((parcel, block)),
            Some((_, first)) => {
                if self.builder.is_empty() {
                    self.builder.push(first.digest, &first.raw);
                }
                self.builder.push(block.digest, &block.raw);
            }
        }
    }

    fn close(self, packed: &mut Packed) {
        let Some((parcel, first)) = self.first else { return };
        let block = if self.builder.is_empty() {
            pack_block(first)
        } else {
            let (digest, raw) = self.builder.finish();
            pack_stored(StoredKind::Bundle, digest, &raw)
        };
        packed[parcel].1.push_back(block);
    }
}

fn pack_block(block: RawBlock) -> PackedBlock {
    pack_stored(StoredKind::Block(block.kind), block.digest, &block.raw)
}

fn pack_stored(kind: StoredKind, digest: Digest, raw: &[u8]) -> PackedBlock {
    let (codec, stored) = compress::pack(kind, raw);
    let (raw_len, stored_len) = (raw.len() as u32, stored.len() as u32);
    PackedBlock {
        head: BlockHead { digest, kind, codec: codec.number(), raw_len, stored_len },
        stored: stored.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::BlockKind;
    use vigie_model::limits::BUNDLE_BLOCKS_MAX;

    /// How many blocks each thing that is sent has, by parcels of one file each.
    fn sent(sizes: &[usize]) -> Vec<Vec<usize>> {
        let loaded = |(i, size): (usize, &usize)| {
            let raw = (0..*size).map(|at| (i * 31 + at / 7) as u8).collect();
            let blocks = vec![RawBlock::new(BlockKind::Data, raw)];
            Loaded { address: (Way::Bulk, i as u64), blocks, small: true }
        };
        let load = sizes.iter().enumerate().map(loaded).collect();
        let count = |block: &PackedBlock| {
            let PackedBlock { head, stored } = block;
            let codec = vigie_store::Codec::from_number(head.codec).unwrap();
            match compress::check_stored(head.kind, codec, head.raw_len, stored, &head.digest).unwrap() {
                compress::Checked::Bundle(parts) => parts.len(),
                _ => 1,
            }
        };
        pack_load(load, true).iter().map(|(_, blocks)| blocks.iter().map(count).collect()).collect()
    }

    #[test]
    fn a_bundle_ends_at_its_bytes_and_at_its_blocks_and_one_alone_is_none() {
        const KIB: usize = 1024;
        assert_eq!(sent(&[KIB]), [[1]]);
        let sizes = [64 * KIB, 64 * KIB, KIB, 60 * KIB, 64 * KIB, 64 * KIB, 64 * KIB];
        let expected: [&[usize]; 7] = [&[2], &[], &[3], &[], &[], &[2], &[]];
        assert_eq!(sent(&sizes), expected, "each goes where its first block would");
        let many = sent(&[10; BUNDLE_BLOCKS_MAX + 1]);
        let bundles: Vec<_> = many.into_iter().flatten().collect();
        assert_eq!(bundles, [BUNDLE_BLOCKS_MAX, 1]);
    }
}
