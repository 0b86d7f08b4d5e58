//! The records of extended headers (POSIX.1-2024, `pax`, "pax Extended Header").
//!
//! ```text
//! record = length " " keyword "=" value "\n"      length: decimal, of the whole record, its own digits included
//! ```

use vigie_model::FileTime;

/// Keywords of this program.
pub mod key {
    /// `socket`: the empty regular file is a Unix socket.
    pub const TYPE: &[u8] = b"VIGIE.type";
    /// What the content is worth; see [`crate::ContentState`].
    pub const STATE: &[u8] = b"VIGIE.state";
    /// `object`: the tree is this one object, whatever its name here.
    pub const ROOT: &[u8] = b"VIGIE.root";
    /// In a global header right behind a file: the number of that entry, whose content turned out unreadable.
    pub const DAMAGED: &[u8] = b"VIGIE.damaged";
    /// An object that the stream cannot hold: why, and its path.
    pub const LEFT_OUT: &[u8] = b"VIGIE.left-out";
    /// In the closing global header: what the stream holds; see [`crate::Counts`].
    pub const END: &[u8] = b"VIGIE.end";
    /// Before the name of an extended attribute (star, GNU tar, bsdtar).
    pub const XATTR: &[u8] = b"SCHILY.xattr.";
    /// An access control list as text (star, GNU tar, bsdtar).
    pub const ACL_ACCESS: &[u8] = b"SCHILY.acl.access";
    /// The list that new entries of a directory inherit, as text.
    pub const ACL_DEFAULT: &[u8] = b"SCHILY.acl.default";
    /// Device number beyond the octal field (star).
    pub const DEV_MAJOR: &[u8] = b"SCHILY.devmajor";
    /// Device number beyond the octal field (star).
    pub const DEV_MINOR: &[u8] = b"SCHILY.devminor";
}

/// Why bytes are not the records of an extended header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaxError {
    /// The length of a record is no number, or the record does not end where it says.
    #[error("an extended header has a record with a wrong length at byte {0}")]
    Length(usize),
    /// A record without `=`.
    #[error("an extended header has a record without a value at byte {0}")]
    NoValue(usize),
}

/// One record: keyword and value, any bytes.
pub type Record<'a> = (&'a [u8], &'a [u8]);

/// Digits of a record's length that are looked at: more than any header this crate takes could need.
const LENGTH_DIGITS_MAX: usize = 8;

/// Reads the records of an extended header, from anyone.
pub fn parse_records(bytes: &[u8]) -> Result<Vec<Record<'_>>, PaxError> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let digits = rest.iter().take(LENGTH_DIGITS_MAX + 1).position(|b| *b == b' ');
        let digits = digits.ok_or(PaxError::Length(at))?;
        let length = parse_decimal(&rest[..digits]).and_then(|n| usize::try_from(n).ok());
        let body = length.and_then(|length| rest.get(digits + 1..length));
        let Some([record @ .., b'\n']) = body else { return Err(PaxError::Length(at)) };
        let equals = record.iter().position(|b| *b == b'=').ok_or(PaxError::NoValue(at))?;
        records.push((&record[..equals], &record[equals + 1..]));
        at += digits + 2 + record.len();
    }
    Ok(records)
}

/// Appends one record.
pub fn push_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + decimal_digits(length) > length {
        length = rest + decimal_digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// A number in decimal digits and nothing else.
pub fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// A time as a decimal number of seconds: `-1.5` is half a second before `-1`.
pub fn format_time(time: FileTime) -> String {
    let total = i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
    let sign = if total < 0 { "-" } else { "" };
    let (secs, nanos) = (total.unsigned_abs() / 1_000_000_000, total.unsigned_abs() % 1_000_000_000);
    if nanos == 0 {
        return format!("{sign}{secs}");
    }
    let text = format!("{sign}{secs}.{nanos:09}");
    text.trim_end_matches('0').to_owned()
}

/// Reads a time written as a decimal number of seconds; digits below the nanosecond round towards the past.
pub fn parse_time(text: &[u8]) -> Option<FileTime> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let mut parts = digits.splitn(2, |b| *b == b'.');
    let secs = parse_decimal(parts.next()?)?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |place: usize| fraction.get(place).map_or(0, |b| u64::from(b - b'0'));
    let mut nanos = (0..9).fold(0, |number, place| number * 10 + digit(place));
    let below = fraction.iter().skip(9).any(|b| *b != b'0');
    nanos += u64::from(negative && below);
    let total = i128::from(secs) * 1_000_000_000 + i128::from(nanos);
    let total = if negative { -total } else { total };
    let secs = i64::try_from(total.div_euclid(1_000_000_000)).ok()?;
    let nanos = u32::try_from(total.rem_euclid(1_000_000_000)).ok()?;
    Some(FileTime { secs, nanos })
}

/// The keyword of an extended attribute. `=` would end it, so `=` and `%` are written as GNU tar does.
pub fn xattr_key(name: &[u8]) -> Vec<u8> {
    let mut out = key::XATTR.to_vec();
    for byte in name {
        match byte {
            b'=' => out.extend_from_slice(b"%3D"),
            b'%' => out.extend_from_slice(b"%25"),
            _ => out.push(*byte),
        }
    }
    out
}

/// The name of the extended attribute behind `SCHILY.xattr.`.
pub fn xattr_name(mut key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len());
    while let [first, rest @ ..] = key {
        let (byte, rest) = match key {
            [b'%', b'3', b'D', rest @ ..] => (b'=', rest),
            [b'%', b'2', b'5', rest @ ..] => (b'%', rest),
            _ => (*first, rest),
        };
        out.push(byte);
        key = rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        push_record(&mut out, b"path", b"./a\n=b");
        push_record(&mut out, b"mtime", b"1.5");
        push_record(&mut out, b"SCHILY.xattr.user.x", &[0, 255, b'\n']);
        out
    }

    #[test]
    fn golden_bytes() {
        let golden = b"15 path=./a\n=b\n13 mtime=1.5\n27 SCHILY.xattr.user.x=\0\xff\n\n";
        assert_eq!(sample(), golden);
        let records = parse_records(golden).unwrap();
        assert_eq!(records[0], (&b"path"[..], &b"./a\n=b"[..]));
        assert_eq!(records[2].1, [0, 255, b'\n']);
        assert_eq!(parse_records(b""), Ok(vec![]));
    }

    #[test]
    fn the_length_counts_its_own_digits() {
        for size in (0..120).chain(980..1010).chain(9_970..10_010).chain([99_990, 1_000_000]) {
            let value = vec![b'v'; size];
            let mut out = Vec::new();
            push_record(&mut out, b"k", &value);
            assert_eq!(parse_records(&out), Ok(vec![(&b"k"[..], &value[..])]), "{size} bytes");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = sample();
        let borders = [0, 15, 28];
        for cut in 0..bytes.len() {
            assert_eq!(parse_records(&bytes[..cut]).is_ok(), borders.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn no_flipped_byte_panics() {
        let bytes = sample();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                let _ = parse_records(&bad);
            }
        }
        for bad in
            [&b"0 \n"[..], b"2 \n", b"3 \n", b"5 a\n", b" a=b\n", b"-6 a=b\n", b"6 a=b ", b"999999999 a=b\n"]
        {
            assert!(parse_records(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        let cases = [
            ((0, 0), "0"),
            ((1, 500_000_000), "1.5"),
            ((1_700_000_000, 1), "1700000000.000000001"),
            ((-1, 0), "-1"),
            ((-1, 999_999_999), "-0.000000001"),
            ((-2, 500_000_000), "-1.5"),
            ((i64::MAX, 999_999_999), "9223372036854775807.999999999"),
            ((i64::MIN, 1), "-9223372036854775807.999999999"),
            ((i64::MIN, 0), "-9223372036854775808"),
        ];
        for ((secs, nanos), text) in cases {
            let time = FileTime { secs, nanos };
            assert_eq!(format_time(time), text);
            assert_eq!(parse_time(text.as_bytes()), Some(time), "{text}");
        }
        assert_eq!(parse_time(b"1.0000000019"), Some(FileTime { secs: 1, nanos: 1 }));
        assert_eq!(parse_time(b"-1.0000000011"), Some(FileTime { secs: -2, nanos: 999_999_998 }));
        for bad in [&b""[..], b"-", b".5", b"1.x", b"1e3", b"--1", b"99999999999999999999"] {
            assert_eq!(parse_time(bad), None, "{bad:?} was taken");
        }
    }

    #[test]
    fn names_of_attributes_survive_the_keyword() {
        for name in [&b"user.a"[..], b"user.a=b%3D", b"user.%", b"user.%2", b"user.\xff"] {
            let key = xattr_key(name);
            assert!(!key.contains(&b'='));
            assert_eq!(xattr_name(key.strip_prefix(key::XATTR).unwrap()), name);
        }
    }
}
