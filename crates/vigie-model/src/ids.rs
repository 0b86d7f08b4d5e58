//! Names of machines, nodes, records and contents. Types, so that no two kinds can be mixed up, and
//! their order is part of their meaning.

use std::fmt;

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Takes exactly [`Self::LEN`] bytes, or nothing.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes themselves.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads lower- or upper-case hexadecimal of exactly the right length.
            pub fn from_hex(text: &str) -> Option<Self> {
                let text = text.as_bytes();
                if text.len() != $len * 2 {
                    return None;
                }
                let mut out = [0u8; $len];
                for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
                    let high = char::from(pair[0]).to_digit(16)?;
                    let low = char::from(pair[1]).to_digit(16)?;
                    *byte = (high * 16 + low) as u8;
                }
                Some(Self(out))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?;
                Ok(())
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(d.bytes()?).ok_or_else(|| {
                    minicbor::decode::Error::message(concat!(
                        stringify!($name),
                        " of a wrong length"
                    ))
                })
            }
        }
    };
}

bytes_id! {
    /// A computer with an agent. Random, given by the hub when the machine enrols, and carried in
    /// its certificate; the name that people type can be looked up from it, never the other way.
    MachineId, 16
}

bytes_id! {
    /// One file-system object through its whole life: the first 128 bits of the BLAKE3 of what
    /// identifies it (`docs/adr/0003-node-ids.md`). A new file under an old name is a new node.
    NodeId, 16
}

bytes_id! {
    /// The BLAKE3 of a piece of content; see [`DigestKind`] for what exactly was hashed.
    Digest, 32
}

impl NodeId {
    /// The parent of every root: its edges are named by absolute paths, not by file names.
    pub const ROOTS: NodeId = NodeId([0; 16]);
}

/// Domain of the hash of a list block. Without it, a file whose bytes are those of a list would
/// share that list's digest, and the list's blocks would be thought present.
const LIST_CONTEXT: &str = "vigie 2026 block list v1";

impl Digest {
    /// Digest of a data block: plain BLAKE3, so that `b3sum FILE` tells the same of a small file.
    pub fn of_data(bytes: &[u8]) -> Self {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// Digest of the bytes of a list block: BLAKE3 in key-derivation mode, a domain of its own.
    pub fn of_list(bytes: &[u8]) -> Self {
        Digest(blake3::derive_key(LIST_CONTEXT, bytes))
    }
}

/// What a content's digest was computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum DigestKind {
    /// Plain BLAKE3 of the whole content, which is one block.
    #[n(0)]
    Whole,
    /// Digest of the root of the content's block list ([`crate::content::BlockList`]).
    #[n(1)]
    List,
}

impl DigestKind {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            DigestKind::Whole => "blake3",
            DigestKind::List => "blake3-list",
        }
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default,
            minicbor::Encode, minicbor::Decode,
        )]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub u64);

        impl $name {
            /// The number after this one; the last number stays where it is.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id! {
    /// A record's place in the hub's journal, written `#n`: 1 for the first, without holes.
    Seq
}
number_id! {
    /// A record's number within one incarnation of its machine: 1 for the first, without holes.
    RecordNo
}
number_id! {
    /// One life of an agent's state. Random, so that two lives are never taken for one.
    Incarnation
}
number_id! {
    /// The fencing number of a writer or of a role's holder: only ever growing.
    Epoch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_round_and_refuses_what_is_not_hex() {
        let id = NodeId([0xa5; 16]);
        assert_eq!(NodeId::from_hex(&id.to_string()), Some(id));
        assert_eq!(NodeId::from_hex("a5"), None);
        assert_eq!(NodeId::from_hex(&"zz".repeat(16)), None);
        assert_eq!(NodeId::from_hex(&"é".repeat(16)), None);
    }

    #[test]
    fn a_list_never_shares_the_digest_of_data() {
        assert_ne!(Digest::of_data(b"same"), Digest::of_list(b"same"));
        assert_eq!(
            Digest::of_data(b"").to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }
}
