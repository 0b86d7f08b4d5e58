//! Copies that fail leave nothing half-written, say why, and lead nowhere else, whatever the server says.

use crate::copying::{SFTP, names, noise, told};
use crate::server::{Said, Server, can_run, eventually, said};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn one_class(said: &Said) -> String {
    let told = told(&said.out);
    let bad: Vec<&Value> = told.iter().filter(|told| told["class"] != "ok").collect();
    assert_eq!(bad.len(), 1, "{said:?}");
    assert!(bad[0]["error"].is_string(), "{said:?}");
    bad[0]["class"].as_str().unwrap().to_owned()
}

#[test]
fn root_every_way_to_fail_has_its_class_and_leaves_nothing() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let file = server.write("file", "content\n");
    let file = file.to_str().unwrap();
    let dir = server.path("dir");
    fs::create_dir_all(dir.join("file")).unwrap();
    let class = |more: &[&str], to: &str| {
        let to = format!("127.0.0.1:{to}");
        let said = said(server.copy(&[more, &["--json", file, &to]].concat()));
        assert_eq!(said.code, 1, "{said:?}");
        one_class(&said)
    };
    let at = |name: &str| server.path(name).to_str().unwrap().to_owned();
    assert_eq!(class(&[], &at("none/file")), "not-found");
    assert_eq!(class(&[], &at("none/")), "not-found");
    assert_eq!(class(&[], &at("dir")), "in-the-way", "a directory is not replaced by a file");
    assert_eq!(class(&[], "/dev/null"), "in-the-way");
    assert_eq!(names(&dir), ["file"]);
    let usage = |args: &[&str]| said(server.copy(args)).code;
    assert_eq!(usage(&[dir.to_str().unwrap(), "127.0.0.1:/tmp"]), 2, "a directory needs -r");
    assert_eq!(usage(&[file, file, "127.0.0.1:/tmp"]), 2, "the same name twice");
    assert_eq!(usage(&[file, dir.to_str().unwrap()]), 2, "nothing is elsewhere");
    assert_eq!(usage(&[&at("gone"), "127.0.0.1:/tmp"]), 4);
    let from = format!("127.0.0.1:{}", at("gone"));
    let said_copy = said(server.copy(&["--json", &from, dir.to_str().unwrap()]));
    assert_eq!((said_copy.code, one_class(&said_copy).as_str()), (1, "not-found"));
    let without = Server::start();
    let said_copy = said(without.copy(&["--json", file, "127.0.0.1:/tmp"]));
    assert_eq!((said_copy.code, one_class(&said_copy).as_str()), (125, "prohibited"));
    let said_copy =
        said(server.copy(&["--json", file, &format!("127.0.0.1,no-such-host.invalid:{}", at("new"))]));
    assert_eq!((said_copy.code, one_class(&said_copy).as_str()), (3, "resolve"), "{said_copy:?}");
    assert_eq!(fs::read_to_string(server.path("new")).unwrap(), "content\n");
}

#[test]
fn root_who_may_not_write_is_told_so_and_who_has_no_shell_reads_back() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    fs::set_permissions(server.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(server.path("authorized"), fs::Permissions::from_mode(0o644)).unwrap();
    let (closed, open) = (server.path("closed"), server.path("open"));
    for (dir, mode) in [(&closed, 0o755), (&open, 0o777)] {
        fs::create_dir(dir).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
    }
    let file = server.path("file");
    fs::write(&file, noise(2 << 20)).unwrap();
    let copy = |to: &Path| {
        let to = format!("127.0.0.1:{}/", to.display());
        said(server.copy(&["--user", "nobody", "--json", file.to_str().unwrap(), &to]))
    };
    let said = copy(&closed);
    assert_eq!((said.code, one_class(&said).as_str()), (1, "denied"), "{said:?}");
    let said = copy(&open);
    assert_eq!((said.code, &told(&said.out)[0]["verified"]), (0, &"read-back".into()), "{said:?}");
    assert_eq!(fs::read(open.join("file")).unwrap(), fs::read(&file).unwrap());
}

/// A file system of a megabyte.
struct Small(PathBuf);

impl Small {
    fn at(path: PathBuf) -> Option<Small> {
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&path).stderr(Stdio::null());
        if mount.status().unwrap().success() {
            return Some(Small(path));
        }
        eprintln!("skipped: nothing can be mounted here");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What is not unmounted goes with the machine.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn root_a_full_disk_is_called_so_on_both_sides() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let Some(small) = Small::at(server.path("small")) else { return };
    let file = server.path("file");
    fs::write(&file, noise(3 << 20)).unwrap();
    let there = format!("127.0.0.1:{}/", small.0.display());
    let said_copy = said(server.copy(&["--json", file.to_str().unwrap(), &there]));
    assert_eq!((said_copy.code, one_class(&said_copy).as_str()), (1, "no-space"), "{said_copy:?}");
    assert_eq!(names(&small.0), [""; 0]);
    let from = format!("127.0.0.1:{}", file.display());
    let said_copy = said(server.copy(&["--json", &from, small.0.to_str().unwrap()]));
    assert_eq!((said_copy.code, one_class(&said_copy).as_str()), (1, "no-space"), "{said_copy:?}");
    assert_eq!(names(&small.0), [""; 0]);
}

#[test]
fn root_a_link_on_the_way_is_not_followed_in_either_direction() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let (tree, outside) = (server.path("tree"), server.path("outside"));
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(tree.join("sub/file"), "x").unwrap();
    fs::write(tree.join("beside"), "x").unwrap();
    let to = server.path("to");
    let prepare = |dir: &Path| {
        fs::create_dir_all(dir).unwrap();
        symlink(&outside, dir.join("sub")).unwrap();
        symlink(outside.join("beside"), dir.join("beside")).unwrap();
    };
    prepare(&to.join("tree"));
    let said_copy =
        said(server.copy(&["-r", "--json", tree.to_str().unwrap(), &format!("127.0.0.1:{}", to.display())]));
    assert_eq!(said_copy.code, 1, "{said_copy:?}");
    assert!(said_copy.out.contains("leads-out"), "{said_copy:?}");
    let back = server.path("back");
    prepare(&back.join("tree"));
    let from = format!("127.0.0.1:{}", tree.display());
    let said_copy = said(server.copy(&["-r", "--json", &from, back.to_str().unwrap()]));
    assert_eq!(said_copy.code, 1, "{said_copy:?}");
    assert!(said_copy.out.contains("leads-out"), "{said_copy:?}");
    assert_eq!(names(&outside), [""; 0], "nothing was led there");
    for dir in [to, back] {
        assert!(dir.join("tree/beside").symlink_metadata().unwrap().is_file(), "a link was replaced");
    }
}

/// A copy of what has no end soon, into a directory there, caught in the middle.
fn caught(server: &Server, there: &Path) -> Child {
    let file = server.path("endless");
    fs::File::create(&file).unwrap().set_len(1 << 36).unwrap();
    fs::create_dir(there).unwrap();
    let to = format!("127.0.0.1:{}", there.display());
    let mut command = server.copy(&["--json", file.to_str().unwrap(), &to]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it is under way", || {
        let half = names(there).into_iter().find(|name| name.ends_with(".part"))?;
        (there.join(half).metadata().ok()?.len() > 0).then_some(())
    });
    child
}

fn end_of(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

#[test]
fn root_when_it_is_interrupted_nothing_is_left_there() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let there = server.path("there");
    let child = caught(&server, &there);
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let said = end_of(child);
    assert_eq!(said.code, 130, "{said:?}");
    assert!(told(&said.out).iter().all(|told| told["class"] == "stopped"), "{said:?}");
    assert_eq!(names(&there), [""; 0]);
}

#[test]
fn root_when_the_connection_ends_the_name_stays_free_and_what_is_left_is_named() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let there = server.path("there");
    let child = caught(&server, &there);
    // Its children are the connections.
    let killed = Command::new("pkill").args(["-KILL", "-P", &server.pid().to_string()]).status().unwrap();
    assert!(killed.success());
    let said = end_of(child);
    assert_eq!(said.code, 125, "{said:?}");
    let told = told(&said.out);
    assert_eq!(told[0]["class"], "lost", "{said:?}");
    let left = names(&there);
    assert_eq!(left.len(), 1);
    assert!(told[0]["error"].as_str().unwrap().contains(&left[0]), "{said:?}");
}

#[test]
fn root_without_its_extensions_a_server_replaces_nothing_and_syncs_nothing() {
    if !can_run() {
        return;
    }
    let server = Server::with("Subsystem sftp internal-sftp -P posix-rename,fsync,limits,statvfs");
    let file = server.path("file");
    fs::write(&file, noise(300_000)).unwrap();
    let there = server.path("there");
    let to = format!("127.0.0.1:{}", there.display());
    let said_copy = said(server.copy(&["--json", file.to_str().unwrap(), &to]));
    let told_first = &told(&said_copy.out)[0];
    assert_eq!((said_copy.code, &told_first["synced"]), (0, &false.into()), "{said_copy:?}");
    fs::write(&there, "old").unwrap();
    let said_copy = said(server.copy(&["--json", file.to_str().unwrap(), &to]));
    assert_eq!((said_copy.code, one_class(&said_copy).as_str()), (1, "failed"), "{said_copy:?}");
    assert!(said_copy.out.contains("posix-rename"), "{said_copy:?}");
    assert_eq!(fs::read_to_string(&there).unwrap(), "old");
    assert!(names(&server.path("")).iter().all(|name| !name.ends_with(".part")));
}

/// A server of files that names what it should not, and gives another content each time.
const LIAR: &str = r#"
import os, struct, sys
NAMES = [b"good", b"..", b"../up", b"/abs", b"a/b", b"nul\0x", b"", b"x" * 300, b"\xff", b"lnk", b"out"]
def s(b): return struct.pack(">I", len(b)) + b
def attrs(mode, size): return struct.pack(">IQIII", 0xd, size, mode, 5, 5)
def send(kind, body): sys.stdout.buffer.write(struct.pack(">IB", len(body) + 1, kind) + body); sys.stdout.buffer.flush()
def status(i, code): send(101, struct.pack(">II", i, code) + s(b"") + s(b""))
listed, reads = set(), 0
while True:
    head = sys.stdin.buffer.read(4)
    if len(head) < 4: break
    data = sys.stdin.buffer.read(struct.unpack(">I", head)[0])
    kind, body = data[0], data[1:]
    if kind == 1: send(2, struct.pack(">I", 3)); continue
    i = struct.unpack(">I", body[:4])[0]
    n = struct.unpack(">I", body[4:8])[0]
    path, rest = body[8:8 + n], body[8 + n:]
    last = path.split(b"/")[-1]
    if kind in (7, 17):
        mode = 0o40755 if last == b"top" else 0o120777 if last in (b"lnk", b"out") else 0o100644
        send(105, struct.pack(">I", i) + attrs(mode, 4))
    elif kind == 8: send(105, struct.pack(">I", i) + attrs(0o100644, 4))
    elif kind == 11: listed.discard(path); send(102, struct.pack(">I", i) + s(path))
    elif kind == 12:
        if path in listed: status(i, 1)
        else:
            listed.add(path)
            send(104, struct.pack(">II", i, len(NAMES)) + b"".join(s(n) + s(n) + attrs(0o100644, 4) for n in NAMES))
    elif kind == 3: send(102, struct.pack(">I", i) + s(path))
    elif kind == 5:
        offset = struct.unpack(">Q", rest[:8])[0]
        if offset: status(i, 1)
        else:
            reads += 1
            word = b"same" if os.environ.get("HONEST") or last == b"good" else b"%04d" % reads
            send(103, struct.pack(">I", i) + s(word))
    elif kind == 19: send(104, struct.pack(">II", i, 1) + s(b"/etc" if last == b"lnk" else b"../../../out") * 2 + struct.pack(">I", 0))
    elif kind == 4: status(i, 0)
    else: status(i, 8)
"#;

#[test]
fn root_a_server_that_lies_leads_no_file_elsewhere() {
    if !can_run() {
        return;
    }
    let script = tempfile::NamedTempFile::new().unwrap();
    fs::write(&script, LIAR).unwrap();
    let server = Server::with(&format!("Subsystem sftp /usr/bin/python3 {}", script.path().display()));
    let around = server.path("around");
    let into = around.join("into");
    fs::create_dir_all(&into).unwrap();
    let said_copy = said(server.copy(&["-r", "--json", "127.0.0.1:/x/top", into.to_str().unwrap()]));
    assert_eq!(said_copy.code, 1, "{said_copy:?}");
    let refused = told(&said_copy.out).iter().filter(|told| told["class"] == "leads-out").count();
    assert_eq!(refused, 9, "all but `..`, which every listing has: {said_copy:?}");
    assert_eq!(names(&around), ["into"]);
    assert_eq!(names(&into), ["top"]);
    assert_eq!(names(&into.join("top")), ["good"]);
    assert_eq!(fs::read_to_string(into.join("top/good")).unwrap(), "same");
    let said_copy = said(server.copy(&["--json", "127.0.0.1:/x/other", into.to_str().unwrap()]));
    assert_eq!((said_copy.code, one_class(&said_copy).as_str()), (1, "mismatch"), "{said_copy:?}");
    assert_eq!(names(&into), ["top"], "what is not the same gets no name");
}
