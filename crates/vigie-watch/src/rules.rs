//! What is not to be recorded: patterns of the configuration and of `.vigieignore` files, both in the syntax
//! of `.gitignore`.

use crate::config::StartError;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Name of the files with patterns. They are recorded like any other file.
pub(crate) const RULES_FILE: &[u8] = b".vigieignore";

/// Patterns that hold from one directory downwards.
#[derive(Debug)]
pub(crate) struct Rules {
    patterns: Gitignore,
}

impl Rules {
    /// Patterns of the configuration. A wrong one is the user's to mend.
    pub(crate) fn of_config(patterns: &[String]) -> Result<Rules, StartError> {
        let mut builder = GitignoreBuilder::new("/");
        for pattern in patterns {
            let bad = |e: ignore::Error| StartError::Pattern { pattern: pattern.clone(), why: e.to_string() };
            builder.add_line(None, pattern).map_err(bad)?;
        }
        let bad = |e: ignore::Error| StartError::Pattern { pattern: patterns.join("\n"), why: e.to_string() };
        Ok(Rules { patterns: builder.build().map_err(bad)? })
    }

    /// The lines of a `.vigieignore`. Wrong ones are skipped, as git does, and given back to be reported.
    pub(crate) fn of_file(text: &[u8]) -> (Rules, Vec<String>) {
        let mut builder = GitignoreBuilder::new("/");
        let mut bad = Vec::new();
        for line in text.split(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(line);
            if let Err(error) = builder.add_line(None, &line) {
                bad.push(format!("{line}: {error}"));
            }
        }
        let patterns = builder.build().unwrap_or_else(|error| {
            bad.push(error.to_string());
            Gitignore::empty()
        });
        (Rules { patterns }, bad)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// What these patterns say of a path below their directory; `None` when nothing.
    pub(crate) fn ignores(&self, below: &[u8], is_dir: bool) -> Option<bool> {
        match self.patterns.matched(Path::new(OsStr::from_bytes(below)), is_dir) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let (rules, bad) = Rules::of_file(b"# comment\n*.o\n!keep.o\n/top\nbuild/\nsub/**/x\n\xff\n");
        assert_eq!(bad, Vec::<String>::new());
        let says = |path: &[u8], is_dir| rules.ignores(path, is_dir);
        assert_eq!(says(b"a/b.o", false), Some(true));
        assert_eq!(says(b"a/keep.o", false), Some(false));
        assert_eq!(says(b"top", false), Some(true));
        assert_eq!(says(b"a/top", false), None);
        assert_eq!(says(b"build", true), Some(true));
        assert_eq!(says(b"build", false), None);
        assert_eq!(says(b"sub/a/b/x", false), Some(true));
        assert_eq!(says(b"\xfe", false), None);
    }

    #[test]
    fn a_bad_pattern_is_refused_or_reported() {
        assert!(matches!(
            Rules::of_config(&["[z-a]".into()]),
            Err(StartError::Pattern { pattern, .. }) if pattern == "[z-a]"
        ));
        let (rules, bad) = Rules::of_file(b"[z-a]\nb\n");
        assert_eq!(bad.len(), 1);
        assert_eq!(rules.ignores(b"b", false), Some(true));
    }
}
