//! `/proc/self/mountinfo`: where something is mounted.

/// The mount points of a `mountinfo`, its octal escapes undone, each with the number of the mount: several may lie on
/// each other. Lines that are not in its form are skipped.
pub fn mount_points(text: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let mount = |line: &[u8]| {
        let mut fields = line.split(|b| *b == b' ');
        let number = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let point = fields.nth(3).filter(|point| point.starts_with(b"/"))?;
        Some((unescape(point), number))
    };
    text.split(|b| *b == b'\n').filter_map(mount).collect()
}

/// Undoes `\040` and its like.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|d| *first == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        let value = digits.map(|d| d.iter().fold(0u32, |sum, b| sum * 8 + u32::from(b - b'0')));
        match value.map(u8::try_from) {
            Some(Ok(byte)) => {
                out.push(byte);
                rest = &tail[3..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                            30 22 0:27 / /mnt/a\\040b\\134 rw - tmpfs tmpfs rw\n\
                            31 22 0:4 mnt:[4026] /run/ns/x rw - nsfs nsfs rw\n";

    #[test]
    fn escapes_are_undone() {
        let expected = [(&b"/"[..], 22), (b"/mnt/a b\\", 30), (b"/run/ns/x", 31)];
        assert_eq!(mount_points(SAMPLE), expected.map(|(point, number)| (point.to_vec(), number)));
    }

    #[test]
    fn damage_never_panics() {
        for cut in 0..SAMPLE.len() {
            assert!(mount_points(&SAMPLE[..cut]).len() <= 3);
        }
        for at in 0..SAMPLE.len() {
            let mut bad = SAMPLE.to_vec();
            bad[at] ^= 0xff;
            assert!(mount_points(&bad).len() <= 4);
        }
        assert_eq!(unescape(b"a\\777\\0"), b"a\\777\\0");
    }
}
