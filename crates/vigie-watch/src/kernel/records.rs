//! The kernel's record buffer, as `read` on an inotify descriptor fills it.
//!
//! ```text
//! record = wd i32 · mask u32 · cookie u32 · len u32 · name, len bytes, padded with NUL     native endian
//! ```
//! The kernel is trusted, the bytes are not: damage ends the reading, it never panics.

use super::{KernelEvent, Mask, WatchId};

const HEAD: usize = 16;

/// Reads the first record of `bytes`: the event, and how many bytes it took. `None` when there is no whole
/// record, or one that the kernel cannot have written (a name that is too long or has a slash in it).
pub fn parse(bytes: &[u8]) -> Option<(KernelEvent, usize)> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let padded = rest.get(..usize::try_from(word(12)).ok()?)?;
    let name = padded.split(|b| *b == 0).next().unwrap_or_default();
    if name.len() > vigie_model::limits::NAME_BYTES_MAX || name.contains(&b'/') {
        return None;
    }
    let event = KernelEvent {
        watch: WatchId(word(0).cast_signed()),
        mask: Mask(word(4)),
        cookie: word(8),
        name: (!name.is_empty()).then(|| name.into()),
    };
    Some((event, HEAD + padded.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux 6.18 wrote for `mv a1 bb` in a watched directory, on x86-64.
    #[cfg(target_endian = "little")]
    const RENAME: &[u8] = b"\x01\0\0\0\x40\0\0\0\x2a\0\0\0\x10\0\0\0a1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
                            \x01\0\0\0\x80\0\0\0\x2a\0\0\0\x10\0\0\0bb\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    fn all(mut bytes: &[u8]) -> Vec<KernelEvent> {
        let mut out = Vec::new();
        while let Some((event, len)) = parse(bytes) {
            out.push(event);
            bytes = &bytes[len..];
        }
        out
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn golden_bytes() {
        let event =
            |mask, name: &[u8]| KernelEvent { watch: WatchId(1), mask, cookie: 42, name: Some(name.into()) };
        assert_eq!(all(RENAME), [event(Mask::MOVED_FROM, b"a1"), event(Mask::MOVED_TO, b"bb")]);
        let overflow = b"\xff\xff\xff\xff\0\x40\0\0\0\0\0\0\0\0\0\0";
        let (event, len) = parse(overflow).unwrap();
        assert_eq!((event.watch, event.mask, event.name, len), (WatchId(-1), Mask::Q_OVERFLOW, None, 16));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn damage_never_panics() {
        for cut in 0..RENAME.len() {
            assert_eq!(all(&RENAME[..cut]).len(), cut / 32);
        }
        for at in 0..RENAME.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = RENAME.to_vec();
                bad[at] ^= flip;
                assert!(all(&bad).len() <= 4);
            }
        }
        let mut slash = RENAME.to_vec();
        slash[17] = b'/';
        assert_eq!(parse(&slash), None);
        let long = [&RENAME[..12], &512u32.to_ne_bytes(), &[b'x'; 512]].concat();
        assert_eq!(parse(&long), None);
    }
}
