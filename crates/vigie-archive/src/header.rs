//! The 512-byte header (POSIX.1-2024, `pax`, "ustar Interchange Format"), with what old and GNU tars do
//! differently.
//!
//! ```text
//!   0 name 100 · 100 mode 8 · 108 uid 8 · 116 gid 8 · 124 size 12 · 136 mtime 12 · 148 checksum 8
//! 156 typeflag 1 · 157 linkname 100 · 257 magic 6 · 263 version 2 · 265 uname 32 · 297 gname 32
//! 329 devmajor 8 · 337 devminor 8 · 345 prefix 155 · 500 unused 12
//! ```
//! Numbers are octal text; GNU tar also writes big-endian binary behind a first byte 0x80 or 0xff.
//!
//! The `tar` crate is not used: it neither knows binary names (`hdrcharset`) nor the order in which a global
//! header and the entry before it belong together, it puts no bound on extended headers, and its unpacking
//! follows names where this crate asks the kernel to refuse them.

use std::ops::Range;

/// Bytes of a header, and the unit everything in a tar stream is padded to.
pub const BLOCK: usize = 512;

/// One header or one unit of content.
pub type Block = [u8; BLOCK];

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const DEV_MAJOR: Range<usize> = 329..337;
const DEV_MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;
/// GNU tar's old sparse files: whether a block of further extents follows the header.
const GNU_MORE: usize = 482;

/// Magic and version of a ustar header; GNU's own, older format has blanks there and no prefix.
const USTAR: &[u8; 8] = b"ustar\x0000";

/// Kinds of entries, as the header's type flag gives them.
pub mod kind {
    /// Regular file.
    pub const FILE: u8 = b'0';
    /// One more name of an earlier entry.
    pub const LINK: u8 = b'1';
    /// Symbolic link.
    pub const SYMLINK: u8 = b'2';
    /// Character device.
    pub const CHAR: u8 = b'3';
    /// Block device.
    pub const BLOCK: u8 = b'4';
    /// Directory.
    pub const DIRECTORY: u8 = b'5';
    /// Named pipe.
    pub const FIFO: u8 = b'6';
    /// A file laid out in one piece: treated as a file.
    pub const CONTIGUOUS: u8 = b'7';
    /// Extended header of the next entry.
    pub const PAX: u8 = b'x';
    /// Extended header of all that follows.
    pub const PAX_GLOBAL: u8 = b'g';
    /// GNU: the content is the name of the next entry.
    pub const GNU_NAME: u8 = b'L';
    /// GNU: the content is the link target of the next entry.
    pub const GNU_LINK: u8 = b'K';
    /// GNU: a file with holes, in the older format.
    pub const GNU_SPARSE: u8 = b'S';
    /// GNU: the name of the volume; nothing to extract.
    pub const GNU_VOLUME: u8 = b'V';
}

/// What a header says, before extended headers are laid over it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Name with its prefix.
    pub name: Vec<u8>,
    /// Permission bits, the low 12.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of content; not for every kind do they follow.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    /// One of [`kind`], or something else.
    pub kind: u8,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Device number.
    pub major: u64,
    /// Device number.
    pub minor: u64,
    /// GNU's old sparse format: a block of further extents follows.
    pub more_extents: bool,
}

/// Why a block is not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The sum over the block is not what the block says.
    #[error("the checksum of a header is wrong")]
    Checksum,
    /// A field that should hold a number does not.
    #[error("the {0} of a header is not a number")]
    Number(&'static str),
}

/// Reads a header, from anyone. A block of zeros, which ends a stream, is not one.
pub fn parse_header(block: &Block) -> Result<Header, HeaderError> {
    let said = number(&block[CHECKSUM]).ok_or(HeaderError::Number("checksum"))?;
    let (unsigned, signed) = checksums(block);
    if said != unsigned && said != signed {
        return Err(HeaderError::Checksum);
    }
    let field = |range: Range<usize>, what| number(&block[range]).ok_or(HeaderError::Number(what));
    let positive = |range, what| {
        field(range, what).and_then(|n| u64::try_from(n).map_err(|_| HeaderError::Number(what)))
    };
    let kind = block[TYPE];
    let device = matches!(kind, kind::CHAR | kind::BLOCK);
    let mut name = text(&block[NAME]).to_vec();
    if block[MAGIC] == USTAR[..] {
        let prefix = text(&block[PREFIX]);
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
    }
    Ok(Header {
        name,
        mode: (positive(MODE, "mode")? & 0o7777) as u32,
        uid: positive(UID, "owner")?,
        gid: positive(GID, "group")?,
        size: positive(SIZE, "size")?,
        mtime: field(MTIME, "time")?,
        kind,
        link: text(&block[LINK]).to_vec(),
        major: if device { positive(DEV_MAJOR, "device")? } else { 0 },
        minor: if device { positive(DEV_MINOR, "device")? } else { 0 },
        more_extents: kind == kind::GNU_SPARSE && block[GNU_MORE] != 0,
    })
}

/// Bytes up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

/// A number, octal or binary; an empty field is 0, as old tars write it.
fn number(field: &[u8]) -> Option<i64> {
    match field {
        [0x80, rest @ ..] => {
            rest.iter().try_fold(0i64, |n, b| n.checked_mul(256)?.checked_add(i64::from(*b)))
        }
        [0xff, rest @ ..] => {
            rest.iter().try_fold(-1i64, |n, b| n.checked_mul(256)?.checked_add(i64::from(*b)))
        }
        _ => {
            let digits = text(field).trim_ascii();
            digits.iter().try_fold(0i64, |number, digit| {
                let digit = matches!(digit, b'0'..=b'7').then(|| i64::from(digit - b'0'))?;
                number.checked_mul(8)?.checked_add(digit)
            })
        }
    }
}

/// The sum of all bytes with blanks for the sum itself; very old tars added signed bytes.
fn checksums(block: &Block) -> (i64, i64) {
    let sum = |part: &[u8]| part.iter().map(|b| u32::from(*b)).sum::<u32>();
    let blanks = CHECKSUM.len() as u32 * u32::from(b' ');
    let unsigned = sum(&block[..CHECKSUM.start]) + sum(&block[CHECKSUM.end..]) + blanks;
    let is_high = |b: &&u8| **b >= 0x80;
    let high = block[..CHECKSUM.start].iter().chain(&block[CHECKSUM.end..]).filter(is_high).count();
    (i64::from(unsigned), i64::from(unsigned) - 256 * high as i64)
}

impl Header {
    /// Whether the fixed fields can hold the name, whole or split at a slash, and it is plain ASCII: other
    /// bytes mean something only with a character set, which only an extended header can name.
    pub fn name_fits(name: &[u8]) -> bool {
        name.is_ascii() && (name.len() <= NAME.len() || split(name).is_some())
    }

    /// Whether the fixed field can hold the target of a link.
    pub fn link_fits(target: &[u8]) -> bool {
        target.is_ascii() && target.len() <= LINK.len()
    }

    /// Whether the fixed field can hold an owner, a group or a device number: seven octal digits.
    pub fn id_fits(id: u32) -> bool {
        id < 1 << 21
    }

    /// Whether the fixed field can hold a size or a time: eleven octal digits.
    pub fn number_fits(number: u64) -> bool {
        number < 1 << 33
    }

    /// The header's bytes. What does not fit is left out or cut: an extended header has to say it.
    pub fn encode(&self) -> Block {
        let mut block = [0; BLOCK];
        match split(&self.name) {
            Some((prefix, name)) if self.name.len() > NAME.len() => {
                put_text(&mut block[PREFIX], prefix);
                put_text(&mut block[NAME], name);
            }
            _ => put_text(&mut block[NAME], &self.name),
        }
        put_octal(&mut block[MODE], u64::from(self.mode));
        put_octal(&mut block[UID], self.uid);
        put_octal(&mut block[GID], self.gid);
        put_octal(&mut block[SIZE], self.size);
        put_octal(&mut block[MTIME], u64::try_from(self.mtime).unwrap_or(0));
        block[TYPE] = self.kind;
        put_text(&mut block[LINK], &self.link);
        block[MAGIC].copy_from_slice(USTAR);
        if matches!(self.kind, kind::CHAR | kind::BLOCK) {
            put_octal(&mut block[DEV_MAJOR], self.major);
            put_octal(&mut block[DEV_MINOR], self.minor);
        }
        let (sum, _) = checksums(&block);
        put_octal(&mut block[CHECKSUM.start..CHECKSUM.end - 1], sum.unsigned_abs());
        block[CHECKSUM.end - 1] = b' ';
        block
    }
}

/// Parts a long name at a slash so that both parts fit their fields.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = name.len().checked_sub(NAME.len() + 1)?;
    let last = PREFIX.len().min(name.len().saturating_sub(2));
    let at = (first.max(1)..=last).find(|at| name[*at] == b'/')?;
    Some((&name[..at], &name[at + 1..]))
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// Octal digits with leading zeros and a closing NUL; 0 when the number does not fit.
fn put_octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let mut rest = if number >> (3 * digits) == 0 { number } else { 0 };
    for place in field[..digits].iter_mut().rev() {
        *place = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    field[digits] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            name: b"./dir/file".to_vec(),
            mode: 0o4755,
            uid: 1000,
            gid: 100,
            size: 513,
            mtime: 1_700_000_000,
            kind: kind::FILE,
            ..Header::default()
        }
    }

    #[test]
    fn golden_bytes() {
        let block = sample().encode();
        let fields = [
            (NAME.start, &b"./dir/file\0"[..]),
            (MODE.start, b"0004755\x000001750\x000000144\x0000000001001\x0014524770400\0"),
            (CHECKSUM.start, b"007611\0 0"),
            (MAGIC.start, b"ustar\x0000\0"),
        ];
        for (at, bytes) in fields {
            assert_eq!(&block[at..at + bytes.len()], bytes, "at {at}");
        }
        assert_eq!(parse_header(&block), Ok(sample()));
    }

    #[test]
    fn a_flipped_bit_never_passes_unseen() {
        let block = sample().encode();
        for at in 0..BLOCK {
            for bit in 0..8 {
                let mut bad = block;
                bad[at] ^= 1 << bit;
                // Digits of the checksum itself may turn into blanks or NULs that mean the same.
                assert!(parse_header(&bad) != Ok(sample()) || CHECKSUM.contains(&at), "byte {at} bit {bit}");
            }
        }
        assert!(parse_header(&[0; BLOCK]).is_err());
    }

    #[test]
    fn long_names_are_split_at_a_slash() {
        for length in 90..260 {
            let name: Vec<u8> = (0..length).map(|i| if i % 40 == 39 { b'/' } else { b'n' }).collect();
            let header = Header { name: name.clone(), ..sample() };
            if Header::name_fits(&name) {
                assert_eq!(parse_header(&header.encode()).unwrap().name, name, "{length} bytes");
            } else {
                assert!(length > 199, "a name of {length} bytes fits");
            }
        }
        assert!(!Header::name_fits(&[b'n'; 101]));
        assert!(!Header::name_fits("é".as_bytes()));
    }

    #[test]
    fn binary_numbers_are_read() {
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), Some(-2));
        assert_eq!(number(&[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0]), None);
        assert_eq!(number(b"   755 \0"), Some(0o755));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"12x4567\0"), None);
    }
}
