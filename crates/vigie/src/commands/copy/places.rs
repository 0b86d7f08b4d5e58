//! `HOSTS:/path`, or a path here.

use crate::failure::Failure;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where something is, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On this machine.
    Here(PathBuf),
    /// On others.
    There {
        /// As they were written.
        hosts: String,
        /// Absolute, or below `~`.
        path: String,
    },
}

impl Place {
    /// The first `:/` or `:~` divides, if no slash is before it; groups such as `@racks:r3` and addresses in brackets have
    /// colons of their own.
    pub(super) fn parse(text: &OsStr) -> Result<Place, Failure> {
        let bytes = text.as_bytes();
        let end = bytes.iter().position(|b| *b == b'/').unwrap_or(bytes.len());
        let is_colon = |at: &usize| bytes[*at] == b':' && matches!(bytes.get(at + 1), Some(b'/' | b'~'));
        let Some(colon) = (0..end).find(is_colon) else {
            if bytes.is_empty() {
                return Err(Failure::usage("a place has no name"));
            }
            if bytes[..end].contains(&b':') {
                let shown = text.to_string_lossy();
                return Err(Failure::usage(format!(
                    "`{shown}`: behind HOSTS: stands an absolute path, or ~"
                ))
                .hint("a file here whose name has a colon needs ./ in front"));
            }
            return Ok(Place::Here(text.into()));
        };
        let words = |bytes| String::from_utf8(Vec::from(bytes)).ok();
        let (hosts, path) = (words(&bytes[..colon]), words(&bytes[colon + 1..]));
        let (Some(hosts), Some(path)) = (hosts, path) else {
            return Err(Failure::usage("hosts and their paths must be UTF-8 text"));
        };
        if hosts.is_empty() {
            return Err(Failure::usage(format!("`:{path}`: on which hosts?")));
        }
        if path.starts_with('~') && path != "~" && !path.starts_with("~/") {
            return Err(Failure::usage(format!(
                "`{path}`: only one's own home directory is known there, as ~/"
            )));
        }
        Ok(Place::There { hosts, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_stand_before_the_colon_and_a_path_behind_it() {
        let there = |hosts: &str, path: &str| Place::There { hosts: hosts.into(), path: path.into() };
        let parse = |text: &str| Place::parse(text.as_ref()).unwrap();
        assert_eq!(parse("web[01-12]:/etc/motd"), there("web[01-12]", "/etc/motd"));
        assert_eq!(parse("@racks:r3,db1:/srv:1"), there("@racks:r3,db1", "/srv:1"));
        assert_eq!(parse("ada@gate:~"), there("ada@gate", "~"));
        assert_eq!(parse("gate:~/x"), there("gate", "~/x"));
        assert_eq!(parse("./a:/b"), Place::Here("./a:/b".into()));
        assert_eq!(parse("motd"), Place::Here("motd".into()));
        for wrong in ["", "web:motd", "web:", ":/etc", "gate:~ada/x"] {
            assert_eq!(Place::parse(wrong.as_ref()).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
