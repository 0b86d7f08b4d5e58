//! Restoring over what is there.

use crate::support::*;
use rustix::fs::FileType;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink as make_symlink};
use std::path::Path;
use vigie_archive::{Act, Action, ContentState, Event, Options, extract};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    names.into_iter().map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn what_has_the_same_name_is_replaced_and_nothing_else_goes() {
    let dir = scratch();
    let target = dir.path().join("target");
    fs::create_dir_all(target.join("dir")).unwrap();
    fs::write(target.join("kept"), b"kept").unwrap();
    fs::write(target.join("dir/kept"), b"kept").unwrap();
    fs::write(target.join("file"), b"old").unwrap();
    fs::hard_link(target.join("file"), target.join("kept too")).unwrap();
    make_node(&target.join("large"), FileType::Fifo, 0);
    make_symlink("kept", target.join("fifo")).unwrap();
    fs::write(target.join("made a directory"), b"old").unwrap();
    fs::write(target.join("second"), b"old").unwrap();
    set_xattr(&target.join("dir"), "user.old", b"goes");
    set_mode(&target.join("dir"), 0o700);
    let large = vec![3; 500_000];
    let bytes = stream(|tree| {
        tree.directory(b"dir", &directory()).unwrap();
        tree.directory(b"made a directory", &directory()).unwrap();
        add_file(tree, b"made a directory/in it", b"x");
        add_file(tree, b"file", b"new");
        add_file(tree, b"large", &large);
        tree.other(b"fifo", &meta(vigie_model::NodeType::Fifo, 0o600)).unwrap();
        tree.hard_link(b"second", b"file", &file()).unwrap();
    });
    for _ in 0..2 {
        let summary = quietly(&bytes, &target, &forced()).unwrap();
        assert!(summary.is_exact(), "{summary:?}");
        let all = ["dir", "fifo", "file", "kept", "kept too", "large", "made a directory", "second"];
        assert_eq!(names(&target), all);
        assert_eq!(fs::read(target.join("kept too")).unwrap(), b"old");
        assert_eq!(fs::read(target.join("kept")).unwrap(), b"kept");
        assert_eq!(fs::read(target.join("dir/kept")).unwrap(), b"kept");
        assert_eq!(fs::read(target.join("second")).unwrap(), b"new");
        assert_eq!(fs::metadata(target.join("file")).unwrap().nlink(), 2);
        assert_eq!(fs::read(target.join("large")).unwrap(), large);
        let dir = look(&target.join("dir"));
        assert_eq!((dir.mode, dir.xattrs.len(), dir.mtime.secs), (0o755, 0, 1_600_000_000));
    }
}

#[test]
fn a_directory_in_the_way_is_refused_by_name() {
    let dir = scratch();
    let target = dir.path().join("target");
    let ways = ["large", "second", "small", "symlink"];
    for name in ways {
        fs::create_dir_all(target.join(name)).unwrap();
    }
    let bytes = stream(|tree| {
        add_file(tree, b"small", b"new");
        add_file(tree, b"large", &vec![3; 500_000]);
        add_file(tree, b"first", b"x");
        tree.hard_link(b"second", b"first", &file()).unwrap();
        tree.other(b"symlink", &symlink(b"x")).unwrap();
    });
    let mut left = Vec::new();
    let options = Options { dry_run: true, ..forced() };
    let planned = extract(&bytes[..], &target, &options, &mut |event| {
        if let Event::Planned { path, action: Action::Leave, .. } = event {
            left.push(String::from_utf8_lossy(path).into_owned());
        }
    });
    left.sort();
    assert_eq!((planned.unwrap().problems.count, &left[..]), (4, &ways.map(str::to_owned)[..]));
    assert_eq!(names(&target), ways);

    let summary = quietly(&bytes, &target, &forced()).unwrap();
    let mut refused: Vec<_> = summary.problems.first.iter().map(|p| (&p.path[..], p.act)).collect();
    refused.sort();
    assert_eq!(refused, ways.map(|name| (name.as_bytes(), Act::Replace)));
    assert_eq!(names(&target), ["first", "large", "second", "small", "symlink"]);
}

#[test]
fn a_good_file_is_not_replaced_by_a_damaged_one() {
    let dir = scratch();
    let target = dir.path().join("target");
    fs::create_dir(&target).unwrap();
    for name in ["small", "large", "missing"] {
        fs::write(target.join(name), b"good").unwrap();
    }
    let bytes = stream(|tree| {
        let pieces = || [Ok(&b"half"[..]), Err("bad")];
        tree.file(b"small", &file(), 100, ContentState::WHOLE, pieces()).unwrap();
        tree.file(b"large", &file(), 3_000_000, ContentState::WHOLE, pieces()).unwrap();
        tree.file(b"missing", &file(), 4, ContentState::Missing, pieces()).unwrap();
    });
    let summary = quietly(&bytes, &target, &forced()).unwrap();
    assert_eq!((summary.damaged.count, summary.missing.count), (2, 1));
    for name in ["small", "large", "missing"] {
        assert_eq!(fs::read(target.join(name)).unwrap(), b"good");
    }
    assert_eq!(names(&target), ["large", "missing", "small"]);
}

#[test]
fn the_target_itself_is_replaced_when_it_is_no_directory() {
    let dir = scratch();
    fs::create_dir(dir.path().join("elsewhere")).unwrap();
    make_symlink("elsewhere", dir.path().join("target")).unwrap();
    let bytes = stream(|tree| add_file(tree, b"file", b"new"));
    assert!(quietly(&bytes, &dir.path().join("target"), &forced()).unwrap().is_exact());
    assert!(fs::symlink_metadata(dir.path().join("target")).unwrap().is_dir());
    assert_eq!(names(&dir.path().join("elsewhere")).len(), 0);

    let one = dir.path().join("one");
    fs::write(&one, b"1").unwrap();
    let (bytes, _) = pack(&one);
    fs::write(&one, b"changed").unwrap();
    assert!(quietly(&bytes, &one, &forced()).unwrap().is_exact());
    assert_eq!(fs::read(&one).unwrap(), b"1");
}
