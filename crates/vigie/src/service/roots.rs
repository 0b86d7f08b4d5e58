//! Directories to watch, as they were typed.

use crate::failure::Failure;
use std::path::{Path, PathBuf};
use vigie_model::BytePath;

/// Makes directories absolute and free of symbolic links; refuses what is none before anything starts.
pub(crate) fn resolve(dirs: &[PathBuf]) -> Result<Vec<BytePath>, Failure> {
    let mut roots: Vec<BytePath> = Vec::new();
    for dir in dirs {
        let root = byte_path(dir)?;
        let is_directory = std::fs::metadata(dir).is_ok_and(|meta| meta.is_dir());
        if !is_directory {
            return Err(Failure::usage(format!("cannot watch {}: it is not a directory", dir.display())));
        }
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    Ok(roots)
}

/// The real path of something that exists.
pub(crate) fn byte_path(path: &Path) -> Result<BytePath, Failure> {
    let refused = || Failure::usage(format!("cannot watch {}", path.display()));
    let real = path.canonicalize().map_err(|error| refused().because(&error))?;
    let bytes = std::os::unix::ffi::OsStringExt::into_vec(real.into_os_string());
    BytePath::normalise(&bytes).map_err(|error| refused().because(&error))
}

/// Says which of the program's own directories lie below what is watched, and so are left out; refuses roots
/// that are part of them.
pub(crate) fn leave_out(roots: &[BytePath], own: &[BytePath]) -> Result<Vec<String>, Failure> {
    let mut remarks = Vec::new();
    for dir in own {
        if let Some(root) = roots.iter().find(|root| root.below(dir).is_some()) {
            return Err(Failure::usage(format!("cannot watch {root}: Vigie keeps its own data in {dir}"))
                .hint("watch another directory, or keep the data elsewhere"));
        }
        if let Some(root) = roots.iter().find(|root| dir.below(root).is_some()) {
            remarks.push(format!("{dir} is Vigie's own and is left out of {root}"));
        }
    }
    Ok(remarks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_are_roots() {
        let dir = tempfile::tempdir().unwrap();
        let real = byte_path(dir.path()).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert_eq!(resolve(&[dir.path().to_owned(), link]).unwrap(), [real]);
        for bad in ["file", "missing"] {
            assert_eq!(resolve(&[dir.path().join(bad)]).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn own_directories_are_left_out_and_never_watched() {
        let path = |text: &str| BytePath::normalise(text.as_bytes()).unwrap();
        let own = [path("/home/a/.local/share/vigie")];
        assert_eq!(leave_out(&[path("/home/a")], &own).unwrap().len(), 1);
        assert_eq!(leave_out(&[path("/srv")], &own).unwrap(), Vec::<String>::new());
        for root in ["/home/a/.local/share/vigie", "/home/a/.local/share/vigie/store"] {
            assert_eq!(leave_out(&[path(root)], &own).unwrap_err().exit_code(), 2);
        }
    }
}
