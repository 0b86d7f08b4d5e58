//! Where an entry belongs. Names in a stream are hostile until they have passed here.

use crate::limits::PATH_BYTES_MAX;
use std::borrow::Cow;
use vigie_model::PathError;
use vigie_model::limits::NAME_BYTES_MAX;

/// The place a name in a stream means: parts parted by single slashes, empty for the root. `.` parts and
/// superfluous slashes go, as every tar has them; what leads out of the tree is refused, never bent inwards.
pub fn below_root(name: &[u8]) -> Result<Cow<'_, [u8]>, PathError> {
    if name.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong(name.len()));
    }
    match name {
        b"" => return Err(PathError::Empty),
        [b'/', ..] => return Err(PathError::Byte(b'/')),
        _ => {}
    }
    let mut plain = name;
    while let [b'.', b'/', rest @ ..] | [b'/', rest @ ..] | [rest @ .., b'/'] = plain {
        plain = rest;
    }
    let mut normal = true;
    for part in plain.split(|b| *b == b'/') {
        match part {
            b"" | b"." => normal = false,
            part => check_part(part)?,
        }
    }
    if normal {
        return Ok(Cow::Borrowed(plain));
    }
    let parts: Vec<&[u8]> = plain.split(|b| *b == b'/').filter(|p| !matches!(*p, b"" | b".")).collect();
    Ok(Cow::Owned(parts.join(&b'/')))
}

fn check_part(part: &[u8]) -> Result<(), PathError> {
    if part == b".." {
        return Err(PathError::Dots(".."));
    }
    if part.len() > NAME_BYTES_MAX {
        return Err(PathError::TooLong(part.len()));
    }
    if part.contains(&0) { Err(PathError::Byte(0)) } else { Ok(()) }
}

/// Parts a place into the directory that holds it and the last name; `None` for the root.
pub fn part(place: &[u8]) -> Option<(&[u8], &[u8])> {
    if place.is_empty() {
        return None;
    }
    match place.iter().rposition(|b| *b == b'/') {
        Some(at) => Some((&place[..at], &place[at + 1..])),
        None => Some((b"", place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_tar_are_understood() {
        let cases: [(&[u8], &[u8]); 10] = [
            (b"./", b""),
            (b".", b""),
            (b"./.", b""),
            (b"./a", b"a"),
            (b"a/b/", b"a/b"),
            (b"././a//b/./c", b"a/b/c"),
            (b"...", b"..."),
            (b".hidden/x", b".hidden/x"),
            (b"./.hidden", b".hidden"),
            (b"a\xff", b"a\xff"),
        ];
        for (name, place) in cases {
            assert_eq!(below_root(name).as_deref(), Ok(place), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let long = vec![b'x'; NAME_BYTES_MAX + 1];
        for bad in [&b""[..], b"/", b"/etc", b"..", b"../x", b"a/../b", b"a/..", b"./../x", b"a\0b", &long] {
            assert!(below_root(bad).is_err(), "{} was taken", bad.escape_ascii());
        }
        assert!(below_root(&b"a/".repeat(PATH_BYTES_MAX)).is_err());
    }

    #[test]
    fn a_place_has_a_directory_and_a_name() {
        assert_eq!(part(b""), None);
        assert_eq!(part(b"a"), Some((&b""[..], &b"a"[..])));
        assert_eq!(part(b"a/b/c"), Some((&b"a/b"[..], &b"c"[..])));
    }
}
