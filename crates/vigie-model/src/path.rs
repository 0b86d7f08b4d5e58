//! Names and paths. Both are bytes: the kernel promises no encoding. Both are checked where they are
//! made, so that nothing below has to ask again whether a name from a peer contains `..`.

use crate::limits::{NAME_BYTES_MAX, PATH_BYTES_MAX};
use std::fmt;

/// Why some bytes are not a name or a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A name or path without any byte.
    #[error("a name must not be empty")]
    Empty,
    /// More bytes than the kernel itself would take.
    #[error("a name or path of {0} bytes is too long")]
    TooLong(usize),
    /// `.` or `..`, which name no entry of their own.
    #[error("`{0}` is not a name")]
    Dots(&'static str),
    /// A byte that cannot be part of it: NUL, or `/` in a name.
    #[error("a name must not contain the byte {0:#04x}")]
    Byte(u8),
    /// A path that does not begin with `/`.
    #[error("the path must be absolute")]
    Relative,
}

/// The name of one directory entry: 1 to 255 bytes, neither `.` nor `..`, without `/` and NUL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Checks and takes a name.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, PathError> {
        let bytes = bytes.into();
        match &bytes[..] {
            b"" => return Err(PathError::Empty),
            b"." => return Err(PathError::Dots(".")),
            b".." => return Err(PathError::Dots("..")),
            long if long.len() > NAME_BYTES_MAX => return Err(PathError::TooLong(long.len())),
            _ => {}
        }
        match bytes.iter().find(|b| matches!(b, 0 | b'/')) {
            Some(bad) => Err(PathError::Byte(*bad)),
            None => Ok(Name(bytes)),
        }
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An absolute, normal path: begins with `/`, has no empty, `.` or `..` part, ends with `/` only when
/// it is `/` itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytePath(Box<[u8]>);

impl BytePath {
    /// Checks and takes a path that is already normal.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, PathError> {
        let bytes = bytes.into();
        if bytes.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong(bytes.len()));
        }
        match &bytes[..] {
            b"" => return Err(PathError::Empty),
            b"/" => return Ok(BytePath(bytes)),
            [b'/', rest @ ..] => {
                for part in rest.split(|b| *b == b'/') {
                    Name::new(part)?;
                }
            }
            _ => return Err(PathError::Relative),
        }
        Ok(BytePath(bytes))
    }

    /// Makes a path that people typed normal: repeated and closing slashes and `.` go, `..` is refused,
    /// because what it means depends on symbolic links that only the machine itself can see.
    pub fn normalise(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.is_empty() {
            return Err(PathError::Empty);
        }
        if bytes[0] != b'/' {
            return Err(PathError::Relative);
        }
        let mut out = Vec::with_capacity(bytes.len());
        for part in bytes.split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".") {
            out.push(b'/');
            out.extend_from_slice(part);
        }
        if out.is_empty() {
            out.push(b'/');
        }
        Self::new(out)
    }

    /// The bytes of the path.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path of an entry of this directory. May grow past `PATH_MAX`, as real trees do.
    #[must_use]
    pub fn join(&self, name: &Name) -> BytePath {
        let mut out = Vec::with_capacity(self.0.len() + 1 + name.0.len());
        if &self.0[..] != b"/" {
            out.extend_from_slice(&self.0);
        }
        out.push(b'/');
        out.extend_from_slice(&name.0);
        BytePath(out.into())
    }

    /// The names from the root of the file system down to this path.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|part| !part.is_empty())
    }

    /// What follows `root` in this path, without a leading slash (empty for `root` itself), or `None`
    /// when this path is not at or below `root`.
    pub fn below(&self, root: &BytePath) -> Option<&[u8]> {
        let rest = self.0.strip_prefix(&root.0[..])?;
        match rest {
            [] => Some(rest),
            [b'/', tail @ ..] => Some(tail),
            _ if &root.0[..] == b"/" => Some(rest),
            _ => None,
        }
    }
}

macro_rules! shown_as_text {
    ($name:ident) => {
        /// Readable text on one line: what is not UTF-8, and control characters, are escaped as `\xNN`.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_bytes(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"{self}\"")
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
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::new(d.bytes()?).map_err(minicbor::decode::Error::message)
            }
        }
    };
}

shown_as_text!(Name);
shown_as_text!(BytePath);

/// Writes bytes as text on one line; see [`Name`]'s `Display`.
pub fn fmt_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '\\' {
                let mut buffer = [0; 4];
                for b in c.encode_utf8(&mut buffer).bytes() {
                    write!(f, "\\x{b:02x}")?;
                }
            } else {
                write!(f, "{c}")?;
            }
        }
        for b in chunk.invalid() {
            write!(f, "\\x{b:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_escape_are_refused() {
        for bad in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'x'; 256]] {
            assert!(Name::new(bad).is_err(), "{bad:?} was taken");
        }
        for good in [&b"..."[..], b"a", &[0xff, 0xfe], &[b'x'; 255]] {
            assert!(Name::new(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn typed_paths_become_normal() {
        let path = BytePath::normalise(b"//srv/./www//").unwrap();
        assert_eq!(path.as_bytes(), b"/srv/www");
        assert_eq!(BytePath::normalise(b"/").unwrap().as_bytes(), b"/");
        assert_eq!(BytePath::normalise(b"srv"), Err(PathError::Relative));
        assert_eq!(BytePath::normalise(b"/a/../b"), Err(PathError::Dots("..")));
    }

    #[test]
    fn below_respects_the_ends_of_names() {
        let path = |p: &str| BytePath::new(p.as_bytes()).unwrap();
        assert_eq!(path("/a/b/c").below(&path("/a")), Some(&b"b/c"[..]));
        assert_eq!(path("/a").below(&path("/a")), Some(&b""[..]));
        assert_eq!(path("/ab").below(&path("/a")), None);
        assert_eq!(path("/ab").below(&path("/")), Some(&b"ab"[..]));
    }

    #[test]
    fn display_is_one_honest_line() {
        let name = Name::new(&b"a\n\xffe\xcc\x81"[..]).unwrap();
        assert_eq!(name.to_string(), "a\\x0a\\xffe\u{301}");
    }
}
