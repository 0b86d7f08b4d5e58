//! The bits of an event, as in inotify(7).

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of inotify's event bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Mask(pub u32);

macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        impl Mask {
            $($(#[$doc])* pub const $name: Mask = Mask($value);)*

            const NAMES: &'static [(Mask, &'static str)] = &[$((Mask::$name, concat!("IN_", stringify!($name)))),*];
        }
    };
}

bits! {
    /// A file was written to, or truncated.
    MODIFY = 0x2,
    /// Mode, owner, times, extended attributes or link count changed.
    ATTRIB = 0x4,
    /// A file that was open for writing was closed.
    CLOSE_WRITE = 0x8,
    /// A name went away by a rename.
    MOVED_FROM = 0x40,
    /// A name came by a rename.
    MOVED_TO = 0x80,
    /// A name came by creation or by a hard link.
    CREATE = 0x100,
    /// A name was removed.
    DELETE = 0x200,
    /// The watched directory itself was removed.
    DELETE_SELF = 0x400,
    /// The watched directory itself was moved.
    MOVE_SELF = 0x800,
    /// The file system of the watched directory was unmounted.
    UNMOUNT = 0x2000,
    /// Events were lost.
    Q_OVERFLOW = 0x4000,
    /// The watch is gone.
    IGNORED = 0x8000,
    /// The entry is a directory.
    ISDIR = 0x4000_0000,
}

impl Mask {
    /// Whether any bit of `other` is set.
    pub fn has(self, other: Mask) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Mask {
    type Output = Mask;

    fn bitor(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }
}

impl BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Mask) {
        self.0 |= other.0;
    }
}

/// The kernel's names: `IN_CREATE|IN_ISDIR`.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut bar = "";
        for (bit, name) in Mask::NAMES.iter().filter(|(bit, _)| self.has(*bit)) {
            write!(f, "{bar}{name}")?;
            bar = "|";
            rest &= !bit.0;
        }
        if rest != 0 { write!(f, "{bar}{rest:#x}") } else { Ok(()) }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_the_kernel_names_them() {
        assert_eq!((Mask::CREATE | Mask::ISDIR).to_string(), "IN_CREATE|IN_ISDIR");
        assert_eq!(Mask(0x8 | 0x1).to_string(), "IN_CLOSE_WRITE|0x1");
    }
}
