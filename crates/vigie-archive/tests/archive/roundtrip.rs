//! What is written to a stream and from it to disk is the same tree.

use crate::support::*;
use rustix::fs::FileType;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink as make_symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use vigie_archive::{ContentState, Options, TreeWriter};
use vigie_model::{FileTime, NodeType};

/// A tree with everything that needs no privilege.
pub(crate) fn build(root: &Path) {
    let at = |name: &[u8]| root.join(std::ffi::OsStr::from_bytes(name));
    fs::create_dir_all(at(b"dir/deep/er")).unwrap();
    fs::create_dir(at(b"empty")).unwrap();
    fs::write(at(b"dir/file"), b"content\n").unwrap();
    fs::write(at(b"dir/deep/nothing"), b"").unwrap();
    fs::write(at(b"dir/exact"), [7; 512]).unwrap();
    fs::write(at(b"large"), (0..1_000_003u32).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>()).unwrap();
    fs::write(at(b"read only"), b"x").unwrap();
    fs::write(at(b"name with \n and = and \\"), b"y").unwrap();
    fs::write(at(b"not utf-8 \xff\xfe"), b"z").unwrap();
    fs::write(at("d\u{e9}j\u{e0} vu".as_bytes()), b"u").unwrap();
    let long = [b'n'; 250];
    fs::create_dir(at(&long)).unwrap();
    fs::write(at(&[&long[..], b"/", &long[..]].concat()), b"deep name").unwrap();
    fs::hard_link(at(b"dir/file"), at(b"dir/second")).unwrap();
    fs::hard_link(at(b"dir/file"), at(b"a first name in order")).unwrap();
    fs::hard_link(at(b"not utf-8 \xff\xfe"), at(&[&long[..], b"/link"].concat())).unwrap();
    make_symlink("dir/file", at(b"link")).unwrap();
    make_symlink("/nowhere/at all", at(b"dangling")).unwrap();
    make_symlink(std::ffi::OsStr::from_bytes(&[b'\xe9'; 3000]), at(b"long link")).unwrap();
    make_node(&at(b"fifo"), FileType::Fifo, 0);
    drop(UnixListener::bind(at(b"socket")).unwrap());
    set_xattr(&at(b"dir/file"), "user.binary", &[0, 255, b'\n', b'=']);
    set_xattr(&at(b"dir/file"), "user.a=b%3D", b"equals");
    set_xattr(&at(b"dir"), "user.empty", b"");
    set_mode(&at(b"read only"), 0o400);
    set_xattr_of_read_only(&at(b"locked"));
    set_mode(&at(b"dir/second"), 0o4751);
    set_mode(&at(b"empty"), 0o1777);
    set_mode(&at(b"dir/deep"), 0o2550);
    set_mtime(&at(b"link"), 1_500_000_000, 999_999_999);
    set_mtime(&at(b"fifo"), -5, 250_000_000);
    set_mtime(&at(b"read only"), 9_000_000_000, 1);
    set_mtime(&at(b"dir/exact"), 1_234_567_890, 0);
    set_mtime(&at(b"dir"), 1_000_000_000, 5);
    set_mtime(root, 1_100_000_000, 6);
}

fn set_xattr_of_read_only(path: &Path) {
    fs::write(path, b"locked").unwrap();
    set_xattr(path, "user.note", b"set before the mode");
    set_mode(path, 0o444);
}

/// What only root can make.
pub(crate) fn build_as_root(root: &Path) {
    make_node(&root.join("null"), FileType::CharacterDevice, rustix::fs::makedev(1, 3));
    make_node(&root.join("loop"), FileType::BlockDevice, rustix::fs::makedev(7, 1_000_000));
    for (name, uid, gid) in [("dir/file", 1234, 5678), ("empty", 3_000_000_000, 2_097_152), ("link", 99, 98)]
    {
        std::os::unix::fs::lchown(root.join(name), Some(uid), Some(gid)).unwrap();
    }
    set_mode(&root.join("dir/file"), 0o6755);
    fs::write(root.join("capable"), b"#!/bin/true").unwrap();
    std::os::unix::fs::chown(root.join("capable"), Some(1000), Some(1000)).unwrap();
    // VFS_CAP_REVISION_2, effective, CAP_NET_RAW (linux/capability.h).
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set_xattr(&root.join("capable"), "security.capability", &capability);
    set_xattr(&root.join("link"), "trusted.on-a-symlink", b"yes");
    set_xattr(&root.join("fifo"), "trusted.on-a-fifo", b"yes");
    set_mtime(&root.join("link"), 1_500_000_000, 999_999_999);
    let acl = vigie_archive::acl::from_text(b"u::rwx,u:1234:rw-,g::r-x,m::rwx,o::r--").unwrap();
    set_xattr(&root.join("dir/exact"), "system.posix_acl_access", &acl);
    set_xattr(&root.join("empty"), "system.posix_acl_default", &acl);
    set_xattr(&root.join("empty"), "system.posix_acl_access", &acl);
}

#[test]
fn every_kind_of_object_comes_back() {
    let dir = scratch();
    let (original, copy) = (dir.path().join("original"), dir.path().join("copy"));
    fs::create_dir(&original).unwrap();
    build(&original);
    let (bytes, counts) = pack(&original);
    for threads in [0, 1, 2] {
        let summary = quietly(&bytes, &copy, &Options { threads, ..Options::default() }).unwrap();
        assert!(summary.is_exact(), "{summary:?}");
        assert_eq!(
            (summary.entries, summary.bytes, summary.end),
            (counts.entries, counts.bytes, Some(counts))
        );
        assert_same(&original, &copy);
        fs::remove_dir_all(&copy).unwrap();
    }
}

#[test]
fn root_every_kind_of_object_comes_back() {
    if skip_unless_root("root_every_kind_of_object_comes_back") {
        return;
    }
    let dir = scratch();
    let (original, copy) = (dir.path().join("original"), dir.path().join("copy"));
    fs::create_dir(&original).unwrap();
    build(&original);
    build_as_root(&original);
    extract_exactly(&pack(&original).0, &copy);
    assert_same(&original, &copy);
    if has("rsync") {
        assert_eq!(rsync_differences(&original, &copy), "");
    }
}

#[test]
fn a_single_object_becomes_the_target_itself() {
    let dir = scratch();
    let original = dir.path().join("hostname");
    fs::write(&original, b"vigie\n").unwrap();
    make_symlink("elsewhere", dir.path().join("link")).unwrap();
    make_node(&dir.path().join("fifo"), FileType::Fifo, 0);
    for name in ["hostname", "link", "fifo"] {
        let (bytes, counts) = pack(&dir.path().join(name));
        assert_eq!(counts.entries, 1);
        let copy = dir.path().join("copy");
        extract_exactly(&bytes, &copy);
        assert_same(&dir.path().join(name), &copy);
        fs::remove_file(&copy).unwrap();
    }
}

#[test]
fn long_runs_of_zeros_become_holes() {
    let dir = scratch();
    let (large, small) = (16 << 20, 200_000);
    let bytes = stream(|tree| {
        let mut content = vec![0; large];
        content[5_000_000] = 1;
        add_file(tree, b"large", &content);
        add_file(tree, b"small", &vec![0; small]);
        add_file(tree, b"empty", b"");
    });
    let copy = dir.path().join("copy");
    extract_exactly(&bytes, &copy);
    let stat = |name: &str| fs::metadata(copy.join(name)).unwrap();
    assert_eq!((stat("large").len(), stat("small").len()), (large as u64, small as u64));
    assert!(stat("large").blocks() * 512 <= 2 * 65_536, "{} blocks", stat("large").blocks());
    assert!(stat("small").blocks() * 512 <= 65_536, "{} blocks", stat("small").blocks());
    let content = fs::read(copy.join("large")).unwrap();
    assert_eq!(content.iter().position(|b| *b != 0), Some(5_000_000));
}

#[test]
fn states_are_told_and_only_whole_files_are_written() {
    let dir = scratch();
    let big = vec![5; 900_000];
    let bytes = stream(|tree| {
        let whole = || [Ok::<_, &str>(b"1234")];
        let file = file();
        tree.file(b"pending", &file, 4, ContentState::PENDING, whole()).unwrap();
        tree.file(b"torn", &file, 4, ContentState::TORN, whole()).unwrap();
        tree.file(b"missing", &file, 4, ContentState::Missing, whole()).unwrap();
        tree.file(b"damaged", &file, 4, ContentState::Damaged, whole()).unwrap();
        tree.file(b"small half", &file, 9, ContentState::WHOLE, [Ok(&b"1234"[..]), Err("bad")]).unwrap();
        let pieces = [Ok(&big[..]), Err("bad")];
        tree.file(b"large half", &file, 2_000_000, ContentState::PENDING, pieces).unwrap();
        tree.hard_link(b"also missing", b"missing", &file).unwrap();
        tree.hard_link(b"also half", b"large half", &file).unwrap();
        tree.file(b"after", &file, 4, ContentState::WHOLE, whole()).unwrap();
        tree.unseen_directory(b"closed", &directory()).unwrap();
    });
    let copy = dir.path().join("copy");
    let planned = quietly(&bytes, &copy, &Options { dry_run: true, ..Options::default() }).unwrap();
    let summary = quietly(&bytes, &copy, &Options::default()).unwrap();
    assert_eq!(summary, planned, "a dry run foresees it");
    assert_eq!((summary.written, summary.written_bytes), (5, 12), "the root, a directory and three files");
    let list = |list: &vigie_archive::PathList| {
        assert_eq!(list.count, list.first.len() as u64);
        list.first.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect::<Vec<_>>().join(",")
    };
    assert_eq!(list(&summary.pending), "pending");
    assert_eq!(list(&summary.torn), "torn");
    assert_eq!(list(&summary.missing), "missing,also missing");
    assert_eq!(list(&summary.damaged), "damaged,small half,large half,also half");
    assert_eq!(list(&summary.unseen), "closed");
    assert!(summary.problems.is_empty() && !summary.is_exact());
    let end = summary.end.unwrap();
    assert_eq!((end.pending, end.torn, end.missing, end.damaged), (1, 1, 1, 3));
    assert_eq!((end.unseen, end.entries), (1, 11));
    let mut names: Vec<_> = fs::read_dir(&copy).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["after", "closed", "pending", "torn"]);
}

#[test]
fn a_tree_deeper_than_a_path_may_be() {
    let dir = scratch();
    let part = [b'd'; 200];
    let depth = 40;
    let bytes = stream(|tree| {
        let mut path = Vec::new();
        for _ in 0..depth {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&part);
            tree.directory(&path, &directory()).unwrap();
        }
        path.extend_from_slice(b"/file");
        add_file(tree, &path, b"found");
        tree.hard_link(b"shortcut", &path, &file()).unwrap();
    });
    let copy = dir.path().join("copy");
    extract_exactly(&bytes, &copy);
    assert_eq!(fs::read(copy.join("shortcut")).unwrap(), b"found");
    // The standard library's own removal walks by descriptors, so it can take this tree away.
    fs::remove_dir_all(&copy).unwrap();
}

#[test]
fn sizes_past_eight_gibibytes_are_announced() {
    let mut tree = TreeWriter::new(std::io::sink(), b"huge");
    let piece = vec![0u8; 1 << 20];
    let size = (8u64 << 30) + 5;
    let mut left = size;
    let pieces = std::iter::from_fn(|| {
        let now = left.min(piece.len() as u64);
        left -= now;
        (now > 0).then(|| Ok::<_, ()>(&piece[..now as usize]))
    });
    let end = tree.file(b"", &meta(NodeType::File, 0o600), size, ContentState::WHOLE, pieces).unwrap();
    assert_eq!(end, vigie_archive::FileEnd::Whole);
    assert_eq!(tree.finish().unwrap().1.bytes, size);
}

#[test]
fn a_default_list_above_the_target_leaves_no_trace() {
    let dir = scratch();
    let acl = vigie_archive::acl::from_text(b"u::rwx,u:1234:rwx,g::r-x,m::rwx,o::---").unwrap();
    set_xattr(dir.path(), "system.posix_acl_default", &acl);
    let bytes = stream(|tree| {
        tree.directory(b"dir", &directory()).unwrap();
        add_file(tree, b"dir/file", b"x");
        add_file(tree, b"file", b"x");
        tree.other(b"fifo", &meta(NodeType::Fifo, 0o600)).unwrap();
        tree.other(b"link", &symlink(b"file")).unwrap();
    });
    let check = |copy: &Path| {
        for (name, mode) in
            [("", 0o755), ("dir", 0o755), ("dir/file", 0o644), ("file", 0o644), ("fifo", 0o600)]
        {
            let meta = look(&copy.join(name));
            assert_eq!((meta.mode, &meta.xattrs[..]), (mode, &[][..]), "{name:?}");
        }
    };
    extract_exactly(&bytes, &dir.path().join("new"));
    check(&dir.path().join("new"));
    fs::create_dir(dir.path().join("empty")).unwrap();
    extract_exactly(&bytes, &dir.path().join("empty"));
    check(&dir.path().join("empty"));
}

#[test]
fn times_of_every_age_survive() {
    let dir = scratch();
    let times = [(-1, 1), (-1, 999_999_999), (0, 0), (1, 500_000_000), (5_000_000_000, 100)];
    let bytes = stream(|tree| {
        for (i, (secs, nanos)) in times.into_iter().enumerate() {
            let meta =
                vigie_model::Metadata { mtime: FileTime { secs, nanos }, ..meta(NodeType::Fifo, 0o600) };
            tree.other(format!("{i}").as_bytes(), &meta).unwrap();
        }
    });
    let copy = dir.path().join("copy");
    extract_exactly(&bytes, &copy);
    for (i, (secs, nanos)) in times.into_iter().enumerate() {
        assert_eq!(look(&copy.join(i.to_string())).mtime, FileTime { secs, nanos });
    }
}

#[test]
fn progress_and_a_dry_run_tell_what_happens() {
    let dir = scratch();
    let bytes = stream(|tree| {
        add_file(tree, b"big", &vec![1; 20 << 20]);
        tree.other(b"link", &symlink(b"big")).unwrap();
    });
    let mut seen = Vec::new();
    let mut observe = |event: vigie_archive::Event<'_>| {
        if let vigie_archive::Event::Progress { bytes, .. } = event {
            seen.push(bytes);
        }
    };
    vigie_archive::extract(&bytes[..], &dir.path().join("copy"), &Options::default(), &mut observe).unwrap();
    assert!(seen.len() > 5 && seen.is_sorted() && seen.last() == Some(&(20 << 20)), "{seen:?}");

    let mut planned = Vec::new();
    let options = Options { dry_run: true, ..Options::default() };
    let mut observe = |event: vigie_archive::Event<'_>| {
        if let vigie_archive::Event::Planned { path, kind, action } = event {
            planned.push(format!("{} {kind} {action:?}", path.escape_ascii()));
        }
    };
    let target = dir.path().join("dry");
    let summary = vigie_archive::extract(&bytes[..], &target, &options, &mut observe).unwrap();
    assert!(summary.is_exact() && !target.exists());
    assert_eq!(planned, [" directory Create", "big file Create", "link symlink Create"]);
}

#[test]
fn root_a_real_tree_is_the_same_for_rsync() {
    if skip_unless_root("root_a_real_tree_is_the_same_for_rsync") || !has("rsync") {
        return;
    }
    let dir = scratch();
    let original = dir.path().join("original");
    run(Command::new("cp").args(["-a", "/usr/share/perl5"]).arg(&original));
    run(Command::new("cp").args(["-a", "/etc"]).arg(original.join("etc")));
    let copy = dir.path().join("copy");
    extract_exactly(&pack(&original).0, &copy);
    assert_eq!(rsync_differences(&original, &copy), "");
}
