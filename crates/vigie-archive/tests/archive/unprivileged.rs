//! What is left to a user who is not root. A test that runs as root starts itself once more without its rights.

use crate::support::*;
use std::fs;
use std::process::Command;
use vigie_archive::{Act, Options};
use vigie_model::{Metadata, NodeType, Xattr};

/// Where the test that gave up its rights finds its directory.
const PLACE: &str = "VIGIE_ARCHIVE_TEST_PLACE";

/// Runs `body` in a directory that belongs to a user without rights, as that user.
fn as_nobody(test: &str, body: impl FnOnce(&std::path::Path)) {
    if let Some(place) = std::env::var_os(PLACE) {
        return body(place.as_ref());
    }
    let dir = scratch();
    if !is_root() {
        return body(dir.path());
    }
    if !has("setpriv") {
        return;
    }
    std::os::unix::fs::chown(dir.path(), Some(65_534), Some(65_534)).unwrap();
    // The test binary may lie where that user cannot go.
    let binary = dir.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let place = dir.path().join("place");
    fs::create_dir(&place).unwrap();
    std::os::unix::fs::chown(&place, Some(65_534), Some(65_534)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
    run(command.args(["--exact", test]).env(PLACE, &place).current_dir(dir.path()));
}

#[test]
fn what_is_not_allowed_is_told_and_the_rest_goes_on() {
    as_nobody("unprivileged::what_is_not_allowed_is_told_and_the_rest_goes_on", |place| {
        let foreign = |meta: Metadata| Metadata { uid: 0, gid: 0, ..meta };
        let bytes = stream(|tree| {
            let pieces = || [Ok::<_, ()>(b"1234")];
            let suid = Metadata { mode: 0o6755, ..foreign(file()) };
            tree.file(b"suid", &suid, 4, vigie_archive::ContentState::WHOLE, pieces()).unwrap();
            let own_suid = Metadata { mode: 0o6755, ..file() };
            tree.file(b"own suid", &own_suid, 4, vigie_archive::ContentState::WHOLE, pieces()).unwrap();
            tree.other(b"null", &meta(NodeType::CharDevice { major: 1, minor: 3 }, 0o666)).unwrap();
            let xattr = |name: &[u8]| Xattr { name: name.to_vec(), value: b"v".to_vec() };
            let attributes = vec![xattr(b"trusted.no"), xattr(b"user.yes")];
            let attributed = Metadata { xattrs: attributes, mode: 0o400, ..file() };
            tree.file(b"attributes", &attributed, 4, vigie_archive::ContentState::WHOLE, pieces()).unwrap();
            let closed = Metadata { mode: 0o0, ..directory() };
            tree.directory(b"closed", &closed).unwrap();
            add_file(tree, b"closed/in it", b"hidden");
            tree.directory(b"closed/below", &Metadata { mode: 0o500, ..directory() }).unwrap();
            add_file(tree, b"closed/below/too", b"hidden");
            tree.other(b"socket", &meta(NodeType::Socket, 0o600)).unwrap();
            tree.other(b"fifo", &meta(NodeType::Fifo, 0o620)).unwrap();
        });
        let target = place.join("target");
        let summary = quietly(&bytes, &target, &Options::default()).unwrap();
        let mut problems: Vec<_> = summary.problems.first.iter().map(|p| (p.path.clone(), p.act)).collect();
        problems.sort();
        let expected = [(&b"attributes"[..], Act::Xattr), (b"null", Act::Create), (b"suid", Act::Owner)]
            .map(|(p, a)| (p.to_vec(), a));
        assert_eq!(problems, expected, "{summary:?}");
        let mode = |name: &str| look(&target.join(name)).mode;
        assert_eq!((mode("suid"), mode("own suid"), mode("closed")), (0o755, 0o6755, 0));
        assert_eq!((mode("socket"), mode("fifo"), mode("attributes")), (0o600, 0o620, 0o400));
        assert_eq!(look(&target.join("attributes")).xattrs.len(), 1);
        set_mode(&target.join("closed"), 0o700);
        assert_eq!(mode("closed/below"), 0o500);
        assert_eq!(fs::read(target.join("closed/below/too")).unwrap(), b"hidden");

        // Once more over directories that forbid their owner to write.
        set_mode(&target.join("closed"), 0o0);
        let summary = quietly(&bytes, &target, &forced()).unwrap();
        assert_eq!(summary.problems.count, 3, "{summary:?}");
        set_mode(&target.join("closed"), 0o700);
        set_mode(&target.join("closed/below"), 0o700);
    });
}
