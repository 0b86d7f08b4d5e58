//! `MACHINE:PATH`, as `scp` has it: without a machine it is this one.

use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use vigie_model::machines::check_machine_name;
use vigie_model::{BytePath, PathError};

/// An object on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// Name of the machine; none for this one.
    pub(crate) machine: Option<String>,
    /// Absolute path.
    pub(crate) path: BytePath,
    /// What was typed, when it is taken for a name in the working directory and may be meant as a machine's.
    pub(crate) word: Option<String>,
}

/// Text that names no location.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadLocation {
    /// What stands before the colon is no machine.
    #[error("`{0}` is no name of a machine; a path with a colon needs ./ or / in front")]
    Machine(String),
    /// Another machine's working directory is not known.
    #[error("after MACHINE: the path must be absolute")]
    Relative,
    /// No path.
    #[error("the path is wrong")]
    Path(#[from] PathError),
    /// A `..` that the disk cannot resolve.
    #[error("cannot tell what `..` means here; give the path without it")]
    Dots,
    /// Where we are is not known.
    #[error("cannot tell the working directory")]
    WorkingDirectory(#[source] io::Error),
}

/// Reads a location in the arguments, whatever its bytes.
pub(crate) fn parser() -> impl TypedValueParser<Value = Location> {
    OsStringValueParser::new().try_map(|text| {
        // clap prints one line: the cause belongs on it.
        Location::parse(&text).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    })
}

impl Location {
    /// Reads a location; a bare path is made absolute here and now.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, BadLocation> {
        let bytes = text.as_bytes();
        let colon = bytes.iter().position(|b| matches!(b, b':' | b'/')).filter(|at| bytes[*at] == b':');
        let Some(colon) = colon else {
            let word = text.to_str().filter(|word| check_machine_name(word).is_ok()).map(str::to_owned);
            return Ok(Location { machine: None, path: local(Path::new(text))?, word });
        };
        let (machine, path) = (&bytes[..colon], &bytes[colon + 1..]);
        let machine = String::from_utf8_lossy(machine).into_owned();
        if check_machine_name(&machine).is_err() {
            return Err(BadLocation::Machine(machine));
        }
        let path = match path {
            b"" => b"/",
            [b'/', ..] => path,
            _ => return Err(BadLocation::Relative),
        };
        Ok(Location { machine: Some(machine), path: BytePath::normalise(path)?, word: None })
    }
}

/// A path of this machine, absolute and free of symbolic links as far as it exists: that is how roots are
/// recorded. What does not exist any more is just what one may want back, so it is no error.
pub(crate) fn local(path: &Path) -> Result<BytePath, BadLocation> {
    if path.as_os_str().is_empty() {
        return Err(PathError::Empty.into());
    }
    let path = std::path::absolute(path).map_err(BadLocation::WorkingDirectory)?;
    let name = match path.components().next_back() {
        Some(Component::Normal(name)) => Some(name),
        _ => None,
    };
    // The last name itself is not followed: a symbolic link can be asked for.
    let resolved = match (path.parent(), name) {
        (Some(parent), Some(name)) => resolve(parent)?.join(name),
        _ => resolve(&path)?,
    };
    Ok(BytePath::normalise(&resolved.into_os_string().into_vec())?)
}

/// Where else a path of this machine may be recorded: with the symbolic links on the way to it resolved, and with its
/// last name resolved, too, as that of a root is that was asked for by the name of a link.
pub(crate) fn behind_links(path: &BytePath) -> Vec<BytePath> {
    let disk = Path::new(OsStr::from_bytes(path.as_bytes()));
    let whole = resolve(disk).ok().and_then(|real| BytePath::normalise(real.as_os_str().as_bytes()).ok());
    let mut places: Vec<BytePath> = Vec::new();
    for place in local(disk).ok().into_iter().chain(whole) {
        if place != *path && !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Resolves the part of an absolute path that exists; what follows must not need resolving.
fn resolve(path: &Path) -> Result<PathBuf, BadLocation> {
    let mut missing = Vec::new();
    let mut exists = path;
    loop {
        if let Ok(mut found) = exists.canonicalize() {
            found.extend(missing.iter().rev());
            return Ok(found);
        }
        match (exists.parent(), exists.components().next_back()) {
            (Some(parent), Some(Component::Normal(name))) => {
                missing.push(name);
                exists = parent;
            }
            _ => return Err(BadLocation::Dots),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: impl AsRef<OsStr>) -> Result<(Option<String>, Vec<u8>), BadLocation> {
        Location::parse(text.as_ref()).map(|l| (l.machine, l.path.as_bytes().to_vec()))
    }

    #[test]
    fn machines_stand_before_the_first_colon() {
        let web = |path: &[u8]| (Some("web01".to_owned()), path.to_vec());
        assert_eq!(parse("web01:/srv//www/").unwrap(), web(b"/srv/www"));
        assert_eq!(parse("web01:/a:b").unwrap(), web(b"/a:b"));
        assert_eq!(parse("web01:").unwrap(), web(b"/"));
        assert_eq!(parse(OsStr::from_bytes(b"web01:/\xff")).unwrap(), web(b"/\xff"));
        assert_eq!(parse("/no/such:path").unwrap(), (None, b"/no/such:path".to_vec()));
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        assert!(matches!(parse("web01:srv"), Err(BadLocation::Relative)));
        assert!(matches!(parse("-x:/srv"), Err(BadLocation::Machine(_))));
        assert!(matches!(parse("a b:/srv"), Err(BadLocation::Machine(_))));
        assert!(matches!(parse("web01:/a/../b"), Err(BadLocation::Path(PathError::Dots("..")))));
        assert!(matches!(parse(""), Err(BadLocation::Path(PathError::Empty))));
        assert!(matches!(parse("/no/such/../dir"), Err(BadLocation::Dots)));
    }

    #[test]
    fn only_a_bare_word_may_be_meant_as_a_machine() {
        let word = |text: &str| Location::parse(text.as_ref()).unwrap().word;
        assert_eq!(word("web01").as_deref(), Some("web01"));
        for path in ["./web01", "/web01", "web01/", "web01:/", "web 01"] {
            assert_eq!(word(path), None, "{path}");
        }
    }

    #[test]
    fn bare_paths_become_what_the_disk_says() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("d")).unwrap();
        std::os::unix::fs::symlink("d", real.join("link")).unwrap();
        let bytes = |path: &str| Some(real.join(path).into_os_string().into_vec());
        let got = |path: &str| parse(real.join(path)).ok().map(|(_, path)| path);
        assert_eq!(got("link/gone/file"), bytes("d/gone/file"));
        assert_eq!(got("link"), bytes("link"));
        assert_eq!(got("d/../link/x"), bytes("d/x"));
        assert_eq!(got("d/.."), Some(real.clone().into_os_string().into_vec()));
    }

    #[test]
    fn links_lead_to_where_roots_are_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("d/e")).unwrap();
        std::os::unix::fs::symlink("d", real.join("link")).unwrap();
        std::os::unix::fs::symlink("e", real.join("d/inner")).unwrap();
        let at = |path: &str| BytePath::normalise(real.join(path).as_os_str().as_bytes()).unwrap();
        assert_eq!(behind_links(&at("link")), [at("d")]);
        assert_eq!(behind_links(&at("link/gone")), [at("d/gone")]);
        assert_eq!(behind_links(&at("link/inner")), [at("d/inner"), at("d/e")]);
        assert_eq!(behind_links(&at("d/e")), []);
        assert_eq!(behind_links(&at("none")), []);
    }
}
