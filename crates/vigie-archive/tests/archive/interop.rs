//! Streams between this crate and the tars people have.

use crate::roundtrip::{build, build_as_root};
use crate::support::*;
use std::fs;
use std::path::Path;
use std::process::Command;
use vigie_archive::{EntryKind, ExtractError, ReadError, Stop, Summary, TreeReader};

const TAR_ALL: [&str; 5] = ["--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-p"];

/// Extracts what another program wrote: all must be there but the closing header.
fn extract_unmarked(stream: &[u8], target: &Path) -> Summary {
    match quietly(stream, target, &Default::default()) {
        Err(ExtractError::Stopped { stop: Stop::Stream(ReadError::Unmarked), done }) => *done,
        other => panic!("{other:?}"),
    }
}

/// GNU tar 1.34 gives no attributes to objects that it cannot open.
fn without_attributes_that_gnu_tar_drops(tree: &Path) {
    rustix::fs::lremovexattr(tree.join("link"), "trusted.on-a-symlink").unwrap();
    rustix::fs::lremovexattr(tree.join("fifo"), "trusted.on-a-fifo").unwrap();
}

#[test]
fn root_gnu_tar_reads_all_we_write() {
    if skip_unless_root("root_gnu_tar_reads_all_we_write") || !has("tar") {
        return;
    }
    let dir = scratch();
    let (original, copy) = (dir.path().join("original"), dir.path().join("copy"));
    fs::create_dir_all(&original).unwrap();
    fs::create_dir(&copy).unwrap();
    build(&original);
    build_as_root(&original);
    // What other tars cannot know.
    fs::remove_file(original.join("socket")).unwrap();
    without_attributes_that_gnu_tar_drops(&original);
    let stream = dir.path().join("stream.tar");
    fs::write(&stream, pack(&original).0).unwrap();
    let listed = run(Command::new("tar").arg("-tf").arg(&stream)).stdout;
    assert_eq!(listed.iter().filter(|b| **b == b'\n').count(), snapshot(&original).len() + 1);
    run(Command::new("tar").args(TAR_ALL).arg("-C").arg(&copy).arg("-xf").arg(&stream));
    assert_same(&original, &copy);
}

#[test]
fn root_we_read_all_gnu_tar_writes() {
    if skip_unless_root("root_we_read_all_gnu_tar_writes") || !has("tar") {
        return;
    }
    let dir = scratch();
    let original = dir.path().join("original");
    fs::create_dir(&original).unwrap();
    build(&original);
    build_as_root(&original);
    without_attributes_that_gnu_tar_drops(&original);
    fs::remove_file(original.join("socket")).unwrap();
    let make = |format: &str| {
        let mut command = Command::new("tar");
        command.args(TAR_ALL).arg(format!("--format={format}")).arg("-C").arg(&original);
        run(command.args(["--sort=name", "-cf", "-", "."])).stdout
    };
    let copy = dir.path().join("posix");
    let summary = extract_unmarked(&make("posix"), &copy);
    assert!(summary.is_exact(), "{summary:?}");
    assert_same(&original, &copy);

    // The older format keeps neither nanoseconds nor attributes; names and contents it does.
    let output = Command::new("tar")
        .args(["--format=gnu", "--numeric-owner", "-C"])
        .arg(&original)
        .args(["--sort=name", "-cf", "-", "."])
        .output()
        .unwrap();
    let copy = dir.path().join("gnu");
    extract_unmarked(&output.stdout, &copy);
    for (place, other) in snapshot(&original).iter().zip(snapshot(&copy)) {
        let shape = |line: &str| line.split(" Metadata ").next().unwrap().to_owned();
        assert_eq!(shape(place), shape(&other));
    }
}

#[test]
fn bsdtar_reads_all_we_write_and_we_what_it_writes() {
    if !has("bsdtar") {
        return;
    }
    let dir = scratch();
    let (original, copy) = (dir.path().join("original"), dir.path().join("copy"));
    fs::create_dir(&original).unwrap();
    fs::create_dir(&copy).unwrap();
    build(&original);
    fs::remove_file(original.join("socket")).unwrap();
    // bsdtar does not know how others write `=` in the name of an attribute, and adds fractions of a second to
    // times before 1970 the wrong way.
    rustix::fs::removexattr(original.join("dir/file"), "user.a=b%3D").unwrap();
    set_mtime(&original.join("fifo"), -5, 0);
    let stream = dir.path().join("stream.tar");
    fs::write(&stream, pack(&original).0).unwrap();
    let options = ["--xattrs", "--acls", "--numeric-owner", "-p"];
    run(Command::new("bsdtar").args(options).arg("-C").arg(&copy).arg("-xf").arg(&stream));
    assert_same(&original, &copy);

    let mut command = Command::new("bsdtar");
    command.args(["--format=pax", "--xattrs", "--acls", "--numeric-owner", "-C"]).arg(&original);
    let bytes = run(command.args(["-cf", "-", "."])).stdout;
    let copy = dir.path().join("from bsdtar");
    let summary = extract_unmarked(&bytes, &copy);
    assert!(summary.is_exact(), "{summary:?}");
    assert_same(&original, &copy);
}

#[test]
fn python_reads_every_entry() {
    if !has("python3") {
        return;
    }
    let dir = scratch();
    let original = dir.path().join("original");
    fs::create_dir(&original).unwrap();
    build(&original);
    let stream = dir.path().join("stream.tar");
    fs::write(&stream, pack(&original).0).unwrap();
    let script = "import sys, tarfile\n\
        t = tarfile.open(sys.argv[1])\n\
        for m in t: print(m.type.decode(), m.size, m.mode, repr(m.name))\n\
        print(t.extractfile('./dir/file').read(), t.getmember('./fifo').mtime)\n\
        print(t.pax_headers['VIGIE.end'], t.getmember('./socket').pax_headers['VIGIE.type'])\n";
    let output = run(Command::new("python3").args(["-c", script]).arg(&stream));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "5 0 493 './dir'",
        "1 0 2537 './dir/second'",
        "0 1000003 420 './large'",
        "'./not utf-8 \\udcff\\udcfe'",
        "b'content\\n' -4.75",
        "socket",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(text.lines().count(), snapshot(&original).len() + 3);
}

#[test]
fn sparse_files_of_gnu_tar_are_told_and_left() {
    if !has("tar") {
        return;
    }
    let dir = scratch();
    let original = dir.path().join("original");
    fs::create_dir(&original).unwrap();
    let file = fs::File::create(original.join("sparse")).unwrap();
    file.set_len(50 << 20).unwrap();
    for at in 0..60 {
        std::os::unix::fs::FileExt::write_at(&file, b"x", at << 19).unwrap();
    }
    fs::write(original.join("whole"), b"w").unwrap();
    for format in ["gnu", "posix"] {
        let mut command = Command::new("tar");
        command.args(["--sparse", "--sort=name", "-C"]).arg(&original).arg(format!("--format={format}"));
        let bytes = run(command.args(["-cf", "-", "."])).stdout;
        let copy = dir.path().join(format);
        let summary = extract_unmarked(&bytes, &copy);
        assert_eq!(summary.problems.count, 1, "{summary:?}");
        assert_eq!(summary.problems.first[0].path, b"sparse");
        assert!(!copy.join("sparse").exists() && copy.join("whole").exists());
    }
}

#[test]
fn git_archives_with_a_global_comment_are_read() {
    // What `git archive` begins with: a global header with a comment, then entries without a root.
    let body = b"52 comment=0123456789abcdef0123456789abcdef01234567\n";
    let mut bytes = vec![0; 512];
    bytes[..17].copy_from_slice(b"pax_global_header");
    bytes[100..107].copy_from_slice(b"0000666");
    bytes[124..135].copy_from_slice(b"00000000064");
    bytes[156] = b'g';
    bytes[257..265].copy_from_slice(b"ustar\x0000");
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes.iter().map(|b| u32::from(*b)).sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes.extend_from_slice(body);
    bytes.resize(1024, 0);
    let whole = stream(|tree| add_file(tree, b"file", b"x"));
    bytes.extend_from_slice(&whole);
    let mut reader = TreeReader::new(&bytes[..]);
    let mut kinds = 0;
    while let Some(entry) = reader.next_entry().unwrap() {
        assert!(matches!(entry.kind, EntryKind::Object(_)));
        kinds += 1;
    }
    assert_eq!(kinds, 2);
}
