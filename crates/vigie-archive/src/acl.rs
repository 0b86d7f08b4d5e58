//! Access control lists: the kernel keeps them as binary attributes, other tars write them as text.
//!
//! ```text
//! attribute = version u32 (2) · entries           numbers are little-endian (include/uapi/linux/posix_acl_xattr.h)
//! entry     = tag u16 · permissions u16 · id u32
//! text      = entries parted by commas or line ends, each tag:[id]:rwx[:id]
//! ```

/// The attribute that holds a node's own list.
pub const ACCESS: &[u8] = b"system.posix_acl_access";
/// The attribute that holds the list that new entries of a directory inherit.
pub const DEFAULT: &[u8] = b"system.posix_acl_default";

const VERSION: [u8; 4] = [2, 0, 0, 0];
const ENTRY: usize = 8;
const NO_ID: u32 = u32::MAX;

/// Tag numbers with their words, long and short, and whether an entry of that tag names someone.
const TAGS: [(u16, &str, &str, bool); 6] = [
    (0x01, "user", "u", false),
    (0x02, "user", "u", true),
    (0x04, "group", "g", false),
    (0x08, "group", "g", true),
    (0x10, "mask", "m", false),
    (0x20, "other", "o", false),
];

/// The text of a binary list, with numbers for people and groups; `None` when it is not one.
pub fn to_text(value: &[u8]) -> Option<String> {
    let entries = value.strip_prefix(&VERSION[..])?;
    if entries.len() % ENTRY != 0 {
        return None;
    }
    let mut text = Vec::with_capacity(entries.len() / ENTRY);
    for entry in entries.chunks_exact(ENTRY) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let bits = u16::from_le_bytes([entry[2], entry[3]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let (_, word, _, named) = TAGS.iter().find(|t| t.0 == tag)?;
        let id = if *named { id.to_string() } else { String::new() };
        let bit = |mask, letter| if bits & mask == 0 { '-' } else { letter };
        text.push(format!("{word}:{id}:{}{}{}", bit(4, 'r'), bit(2, 'w'), bit(1, 'x')));
    }
    Some(text.join(","))
}

/// Reads a list as text; `None` when it is not one, or when it names someone by name alone: whom a name means
/// on another machine, a stream cannot know.
pub fn from_text(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut entries = Vec::new();
    for entry in text.split([',', '\n']).map(str::trim).filter(|e| !e.is_empty() && !e.starts_with('#')) {
        let entry = entry.split('#').next()?.trim();
        let mut parts = entry.split(':');
        let (word, who, bits, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
        let (tag, ..) = TAGS.iter().find(|t| (t.1 == word || t.2 == word) && t.3 != who.is_empty())?;
        let id = if who.is_empty() { NO_ID } else { who.parse().ok().or_else(|| id?.parse().ok())? };
        entries.push((*tag, id, permissions(bits)?));
    }
    if entries.is_empty() {
        return None;
    }
    // The kernel wants the order of the tags, and ids growing within one.
    entries.sort_unstable();
    let mut out = VERSION.to_vec();
    for (tag, id, bits) in entries {
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&bits.to_le_bytes());
        out.extend_from_slice(&id.to_le_bytes());
    }
    Some(out)
}

fn permissions(text: &str) -> Option<u16> {
    text.bytes().try_fold(0, |bits, letter| match letter {
        b'r' => Some(bits | 4),
        b'w' => Some(bits | 2),
        b'x' => Some(bits | 1),
        b'-' => Some(bits),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "user::rw-,user:1000:r-x,group::r--,group:5:---,mask::r-x,other::---";

    #[test]
    fn golden_bytes() {
        let value = from_text(TEXT.as_bytes()).unwrap();
        assert_eq!(value[..12], [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255]);
        assert_eq!(value[12..20], [2, 0, 5, 0, 0xe8, 3, 0, 0]);
        assert_eq!(to_text(&value).as_deref(), Some(TEXT));
    }

    #[test]
    fn texts_of_other_tars_are_read() {
        let value = from_text(TEXT.as_bytes());
        let gnu =
            b"user::rw-\nuser:1000:r-x\t#effective:r-x\ngroup::r--\ngroup:5:---\nmask::r-x\nother::---\n";
        assert_eq!(from_text(gnu), value);
        let star = b"u::rw-,user:ann:r-x:1000,g::r--,group:tty:---:5,m::r-x,o::---";
        assert_eq!(from_text(star), value);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [&b""[..], b"user", b"user:ann:r-x", b"user::q--", b"mask:5:r--", b"\xff", b"#x"] {
            assert_eq!(from_text(bad), None, "{bad:?} was taken");
        }
        let value = from_text(TEXT.as_bytes()).unwrap();
        for cut in (0..value.len()).filter(|cut| *cut < 4 || cut % 8 != 4) {
            assert_eq!(to_text(&value[..cut]), None, "cut at {cut}");
        }
        for at in 0..value.len() {
            for bit in 0..8 {
                let mut bad = value.clone();
                bad[at] ^= 1 << bit;
                let _ = to_text(&bad);
            }
        }
    }
}
