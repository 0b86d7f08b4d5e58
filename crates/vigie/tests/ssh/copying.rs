//! Files go there and come back whole. `sha256sum`, `diff` and `stat` are the judges.

use crate::server::{Server, can_run, said};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

pub(crate) const SFTP: &str = "Subsystem sftp internal-sftp";

pub(crate) fn told(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Names in a directory, in order; those of half-written files are among them.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Bytes that do not compress and do not repeat.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(bytes)
    .collect()
}

fn sha256sum(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn root_files_arrive_compared_and_nothing_else_is_left() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let small = server.write("small", "hello\n");
    let large = server.path("large");
    fs::write(&large, noise(5_000_001)).unwrap();
    fs::set_permissions(&small, fs::Permissions::from_mode(0o640)).unwrap();
    let there = server.path("there");
    fs::create_dir(&there).unwrap();
    let to = format!("127.0.0.1:{}", there.display());
    let said_copy = said(server.copy(&["--json", small.to_str().unwrap(), large.to_str().unwrap(), &to]));
    assert_eq!(said_copy.code, 0, "{said_copy:?}");
    let files = told(&said_copy.out);
    assert_eq!(files.len(), 2);
    for (name, bytes, verified) in [("small", 6, "read-back"), ("large", 5_000_001, "sha256sum")] {
        let path = there.join(name);
        let file = files.iter().find(|file| file["path"] == path.to_str().unwrap()).unwrap();
        assert_eq!(
            (&file["host"], &file["class"], &file["bytes"], &file["verified"], &file["synced"]),
            (&"127.0.0.1".into(), &"ok".into(), &bytes.into(), &verified.into(), &true.into()),
            "{file}"
        );
        assert_eq!(file["digest"], format!("sha256:{}", sha256sum(&path)));
        assert_eq!(sha256sum(&path), sha256sum(&server.path(name)));
    }
    assert_eq!(names(&there), ["large", "small"]);
    assert_eq!(there.join("small").metadata().unwrap().mode() & 0o777, 0o640);
    // A file that is replaced keeps its mode and its owner; a new name beside it is a new file.
    std::os::unix::fs::chown(there.join("small"), Some(65_534), Some(65_534)).unwrap();
    fs::set_permissions(there.join("small"), fs::Permissions::from_mode(0o604)).unwrap();
    let inode = there.join("small").metadata().unwrap().ino();
    let to = format!("127.0.0.1:{}/small", there.display());
    let said_copy = said(server.copy(&["--no-verify", "--json", large.to_str().unwrap(), &to]));
    assert_eq!((said_copy.code, &told(&said_copy.out)[0]["verified"]), (0, &Value::Null), "{said_copy:?}");
    let found = there.join("small").metadata().unwrap();
    assert_eq!((found.mode() & 0o777, found.uid(), found.len()), (0o604, 65_534, 5_000_001));
    assert_ne!(found.ino(), inode, "replaced, and never written into");
    let said_copy = said(server.copy(&[large.to_str().unwrap(), &to]));
    assert!(said_copy.err.contains("1 file copied (4.77 MiB), compared"), "{said_copy:?}");
}

#[test]
fn root_a_directory_comes_back_from_each_host_as_it_was() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let tree = server.path("tree");
    fs::create_dir_all(tree.join("deep/er")).unwrap();
    for n in 0..60 {
        fs::write(tree.join(format!("deep/er/{n} file's \"name\" é\n")), noise(n * 997)).unwrap();
    }
    fs::write(tree.join("large"), noise(3 << 20)).unwrap();
    fs::write(tree.join("empty"), "").unwrap();
    symlink("deep/er", tree.join("link")).unwrap();
    symlink("../empty", tree.join("deep/up")).unwrap();
    fs::set_permissions(tree.join("large"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(tree.join("deep"), fs::Permissions::from_mode(0o750)).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(tree.join("large")).unwrap().set_modified(old).unwrap();
    fs::File::open(tree.join("deep")).unwrap().set_modified(old).unwrap();
    // There, under a new name; then into the directory of that name.
    let there = server.path("there");
    let to = format!("127.0.0.1:{}", there.display());
    for place in [there.clone(), there.join("tree")] {
        let said_copy = said(server.copy(&["-rp", tree.to_str().unwrap(), &to]));
        assert_eq!(said_copy.code, 0, "{said_copy:?}");
        same_trees(&tree, &place);
        if place == there {
            fs::rename(&there, server.path("first")).unwrap();
            fs::create_dir(&there).unwrap();
        }
    }
    let back = server.path("back");
    let from = format!("127.0.0.[1-3]:{}", server.path("first").display());
    let said_copy = said(server.copy(&["-rp", "--json", &from, back.to_str().unwrap()]));
    assert_eq!(said_copy.code, 0, "{said_copy:?}");
    assert_eq!(told(&said_copy.out).len(), 3 * 64);
    assert_eq!(names(&back), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    for host in names(&back) {
        same_trees(&tree, &back.join(host).join("first"));
    }
    // One host, one file, a name of its own; and once more over what is there.
    let from = format!("127.0.0.1:{}/large", tree.display());
    let mine = server.path("mine");
    for _ in 0..2 {
        let said_copy = said(server.copy(&[&from, mine.to_str().unwrap()]));
        assert_eq!(said_copy.code, 0, "{said_copy:?}");
        assert_eq!(sha256sum(&mine), sha256sum(&tree.join("large")));
    }
}

fn same_trees(one: &Path, other: &Path) {
    let diff = Command::new("diff").args(["-r", "--no-dereference"]).args([one, other]).output().unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
    let listed = |dir: &Path| {
        let line = "find . -printf '%p %y %m %l %TY%Tm%Td%TH%TM%.2TS\\n' | grep -v ' l ' | sort";
        Command::new("sh").args(["-c", line]).current_dir(dir).output().unwrap().stdout
    };
    let text = |dir| String::from_utf8(listed(dir)).unwrap();
    assert_eq!(text(one), text(other));
}

#[test]
fn root_what_is_not_text_or_has_no_length_is_told_from_what_is_copied() {
    if !can_run() {
        return;
    }
    use std::os::unix::ffi::OsStrExt;
    let server = Server::with(SFTP);
    let tree = server.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join(std::ffi::OsStr::from_bytes(b"odd\xff")), "x").unwrap();
    fs::write(tree.join("plain"), "x").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, tree.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let to = format!("127.0.0.1:{}", server.path("there").display());
    let said_copy = said(server.copy(&["-r", tree.to_str().unwrap(), &to]));
    assert_eq!(said_copy.code, 1, "{said_copy:?}");
    assert!(said_copy.err.contains("UTF-8") && said_copy.err.contains("pipe"), "{said_copy:?}");
    assert_eq!(names(&server.path("there")), ["plain"]);
    let from = format!("127.0.0.1:{}", tree.display());
    let said_copy = said(server.copy(&["-r", &from, server.path("back").to_str().unwrap()]));
    assert_eq!(said_copy.code, 1, "{said_copy:?}");
    assert_eq!(names(&server.path("back")), ["plain"]);
    // The kernel makes it as it is read.
    let said_copy = said(server.copy(&["127.0.0.1:/proc/version", server.path("version").to_str().unwrap()]));
    assert_eq!(said_copy.code, 0, "{said_copy:?}");
    assert_eq!(fs::read(server.path("version")).unwrap(), fs::read("/proc/version").unwrap());
}
