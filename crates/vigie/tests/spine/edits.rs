//! Two machines, edited by the tools that people use; then everything comes back, now and as it was.

use crate::log;
use crate::tree::{assert_same, differences, is_root, keep, sh, unpack_debian};
use crate::world::{Agent, World};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const GIT: &str = "git -c user.name=t -c user.email=t@example.org -c gc.auto=0 -c init.defaultBranch=main";

/// A day's work: every tool that the issue of a lost change ever named.
fn work(tree: &Path) {
    sh(tree, "tar -C usr -cf - share | (mkdir unpacked && cd unpacked && tar -xpf -)");
    sh(
        tree,
        &format!(
            "mkdir repo && cd repo && {GIT} init -q && cp -a ../etc . && {GIT} add -A && {GIT} commit -qm one"
        ),
    );
    sh(
        tree,
        &format!("cd repo && echo more >> etc/added && {GIT} add -A && {GIT} commit -qm two && {GIT} gc -q"),
    );
    sh(tree, "grep -rIl --null . unpacked | head -z -n 40 | xargs -0 sed -i 's/a/b/'");
    sh(tree, "cp -a usr/lib copied");
    sh(tree, "mv usr/share moved && mv moved/zoneinfo usr/zones && mv usr/bin/perl program");
    sh(tree, "echo first > versions && mv versions old && echo second > versions && mv versions old");
    sh(
        tree,
        "echo x > one && ln one two && ln two copied/three && ln -s one symbolic && ln -sfn ../two symbolic",
    );
    sh(
        tree,
        "printf '%s' more >> one && truncate -s 5000000 sparse && printf x | dd of=sparse seek=9 bs=1 conv=notrunc status=none",
    );
    sh(
        tree,
        "head -c 3000000 /dev/urandom > large && cat one large > larger && dd if=/dev/urandom of=large bs=1 count=7 seek=1000000 conv=notrunc status=none",
    );
    sh(tree, "mkdir -p a/b/c/d/e/f/g && echo deep > a/b/c/d/e/f/g/h && : > empty");
    sh(tree, "chmod 4751 one && chmod 1777 a && touch -d '2001-02-03 04:05:06.789012345' old a/b");
    sh(
        tree,
        "setfattr -n user.note -v 'a note' one && setfattr -n user.bytes -v 0x00ff00 a && setfattr -h -n user.gone -v x old && setfattr -x user.gone old",
    );
    sh(tree, "setfacl -m u:1:rw-,g:2:r-- large && setfacl -d -m u:3:r-x a && mkdir a/inherits");
    sh(tree, "mkfifo fifo && rm -r unpacked/share/doc 2>/dev/null || true");
    sh(tree, "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'");
    if is_root() {
        sh(
            tree,
            "mknod null c 1 3 && mknod disk b 7 99 && chown 1:2 one && chown -h 3:4 symbolic && cp large can && setcap cap_net_raw+ep can",
        );
    }
    let odd = std::ffi::OsStr::from_bytes(b"not utf-8 \xff\xfe\n line");
    std::fs::write(tree.join(odd), "odd name").unwrap();
}

#[test]
fn the_judge_sees_every_kind_of_difference() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, copy) = (dir.path().join("tree"), dir.path().join("copy"));
    std::fs::create_dir(&tree).unwrap();
    unpack_debian(&tree);
    work(&tree);
    keep(&tree, &copy);
    let harms = [
        (
            "large",
            "printf X | dd of=large bs=1 seek=77 conv=notrunc status=none && touch -r ../copy/large large",
        ),
        ("empty", "rm empty"),
        ("old", "chmod 755 old"),
        ("versions", "echo > versions"),
        ("one", "setfattr -n user.note -v 'other' one"),
        ("larger", "setfacl -m u:1:r-- larger"),
        ("copied/three", "rm copied/three && cp -a one copied/three"),
        ("symbolic", "ln -sfn elsewhere symbolic"),
        ("a/b/", "touch -d 2000-01-01 a/b"),
    ];
    harms.iter().for_each(|(_, harm)| sh(&tree, harm));
    let found = differences(&tree, &copy);
    for (path, harm) in harms {
        let seen = found.lines().any(|line| line.split_whitespace().nth(1) == Some(path));
        assert!(seen, "not seen: {harm}\n{found}");
    }
}

#[test]
fn what_was_edited_on_two_machines_comes_back_exactly() {
    let world = World::start();
    let (mut alpha, mut beta) = (world.agent("alpha"), world.agent("beta"));
    unpack_debian(&alpha.root);
    sh(&beta.root, "echo here before > old && mkdir dir && echo in > dir/file");
    world.enrol(&mut alpha);
    world.enrol(&mut beta);

    let first = log::newest(&log::all(&world, &alpha));
    let before = world.path("before");
    keep(&alpha.root, &before);
    assert_same(&alpha.root, &world.restore(&alpha, None, "first-scan"));

    work(&alpha.root);
    sh(&beta.root, "echo changed >> old && mv dir moved");
    world.flush(&alpha);
    world.flush(&beta);

    assert_same(&alpha.root, &world.restore(&alpha, None, "alpha-now"));
    assert_same(&beta.root, &world.restore(&beta, None, "beta-now"));
    assert_same(&before, &world.restore(&alpha, Some(&first), "alpha-first"));

    the_log_tells_it(&world, &alpha);
    parts_come_back_too(&world, &alpha, &first);
    let report = world.run(["verify"]);
    assert_eq!(report.code, 0, "{}{}", report.out, report.err);
    alpha.stop();
    beta.stop();
}

fn the_log_tells_it(world: &World, alpha: &Agent) {
    let lines = log::all(world, alpha);
    let kinds = log::kinds(&lines);
    for kind in log::KINDS.iter().filter(|kind| !["error", "unseen", "seen"].contains(kind)) {
        assert!(kinds.contains(kind), "nothing of kind {kind} among {kinds:?}");
    }
    let moved = lines.iter().filter(|line| line["kind"] == "renamed");
    let moved: Vec<_> =
        moved.filter(|line| line["path"].as_str() == alpha.root.join("moved").to_str()).collect();
    assert_eq!(moved.len(), 1, "a renamed directory is one record, however much is in it");
    assert_eq!(moved[0]["from"].as_str(), alpha.root.join("usr/share").to_str());
    assert_eq!(log::count(&lines, "created", alpha, "moved/zoneinfo"), 0, "nothing below it was told again");
    assert!(
        lines.iter().any(|line| line["path_b64"].is_string()),
        "a name that is not UTF-8 is given in base64"
    );
}

fn parts_come_back_too(world: &World, alpha: &Agent, first: &str) {
    let args = |at: &str, path: &str| vec!["cat".into(), alpha.at(path), "--at".into(), at.into()];
    let newest = log::newest(&log::all(world, alpha));
    assert_eq!(world.ok(args(&newest, "old")), "second\n");
    assert_eq!(world.run(args(first, "old")).code, 4, "it was not there yet");

    let target = world.path("one-file");
    world.ok(["restore".into(), alpha.at("a/b/c/d/e/f/g/h"), target.clone().into_os_string()]);
    assert_eq!(std::fs::read(&target).unwrap(), b"deep\n", "the target becomes the object itself");

    let listed = world.ok(["ls".into(), alpha.at("a/b"), "-R".into(), "--json".into()]);
    assert_eq!(listed.lines().count(), 6, "c, d, e, f, g and h: {listed}");
}
