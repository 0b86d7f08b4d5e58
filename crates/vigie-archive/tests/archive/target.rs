//! What a target may be.

use crate::support::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink as make_symlink};
use std::path::Path;
use vigie_archive::{ExtractError, Options, TargetError, check_target, extract};

fn tree() -> Vec<u8> {
    stream(|tree| add_file(tree, b"file", b"new"))
}

/// A reader that must not be asked.
struct Untouched;

impl std::io::Read for Untouched {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        panic!("the stream was read before the target was looked at");
    }
}

fn refused(target: &Path) -> TargetError {
    let checked = check_target(target, false).unwrap_err();
    match extract(Untouched, target, &Options::default(), &mut |_| {}) {
        Err(ExtractError::Target(error)) => {
            assert_eq!(error.to_string(), checked.to_string());
            error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_there_is_refused_before_the_stream_is_read() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), b"old").unwrap();
    fs::create_dir_all(at("full/inner")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    make_symlink("empty", at("link")).unwrap();
    make_symlink("nowhere", at("dangling")).unwrap();
    for name in ["file", "full", "full/", "link", "dangling", "full/inner/.."] {
        assert!(matches!(refused(&at(name)), TargetError::Exists(_)), "{name}");
    }
    assert!(matches!(refused(&at("no/parent")), TargetError::Parent { .. }));
    assert!(matches!(refused(&at("file/below")), TargetError::Parent { .. }));
    assert!(matches!(refused(Path::new("")), TargetError::Unusable { .. }));
    assert_eq!(fs::read(at("file")).unwrap(), b"old");
}

#[test]
fn an_empty_directory_becomes_the_tree() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("empty")).unwrap();
    make_symlink("linked", at("link")).unwrap();
    fs::create_dir(at("linked")).unwrap();
    let before = fs::metadata(at("empty")).unwrap().ino();
    for name in ["empty", "new", "new with a slash/", "link/"] {
        extract_exactly(&tree(), &at(name));
        assert_eq!(fs::read(at(name).join("file")).unwrap(), b"new", "{name}");
        assert_eq!(look(&at(name).canonicalize().unwrap()).mtime.secs, 1_600_000_000, "{name}");
    }
    assert_eq!(fs::metadata(at("empty")).unwrap().ino(), before);
    assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
}

#[test]
fn a_directory_is_never_replaced_by_a_single_object() {
    let dir = scratch();
    fs::write(dir.path().join("one"), b"1").unwrap();
    let (bytes, _) = pack(&dir.path().join("one"));
    for (name, options) in [("empty", Options::default()), ("empty", forced()), ("full", forced())] {
        let target = dir.path().join(name);
        fs::create_dir_all(&target).unwrap();
        if name == "full" {
            fs::write(target.join("kept"), b"kept").unwrap();
        }
        for dry_run in [true, false] {
            let end = quietly(&bytes, &target, &Options { dry_run, ..options.clone() });
            assert!(matches!(end, Err(ExtractError::Target(TargetError::Directory(_)))), "{end:?}");
        }
    }
    assert!(dir.path().join("full/kept").exists());
}
