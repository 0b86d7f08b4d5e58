//! Directories that cannot be seen whole: what is recorded of them is the last known, and is said to be.

use crate::driver::Rig;
use std::time::Duration;
use vigie_watch::fakes::FakeFs;

fn closed(fs: &FakeFs) {
    fs.mkdir_all(b"/data/top/shut/deep").unwrap();
    fs.write(b"/data/top/shut/f", b"f").unwrap();
    fs.write(b"/data/top/shut/deep/g", b"g").unwrap();
    fs.chmod(b"/data/top/shut", 0o300).unwrap();
}

fn of_seeing(rig: &mut Rig) -> Vec<String> {
    let seeing = |line: &String| line.starts_with("unseen") || line.starts_with("seen");
    rig.log().into_iter().filter(seeing).collect()
}

#[test]
fn a_directory_that_cannot_be_listed_does_not_look_empty() {
    let mut rig = Rig::new(closed, |_| {});
    rig.settle();
    assert_eq!(rig.replica.unseen("/data"), ["top/shut"]);
    assert_eq!(of_seeing(&mut rig), ["unseen /data/top/shut"]);
    let status = rig.engine.status();
    assert_eq!((status.roots[0].unseen, status.roots[0].unreadable), (1, 0));
    assert!(status.notices.iter().any(|n| n.contains("/data/top/shut cannot be listed")), "{status:?}");
    rig.fs.chmod(b"/data/top/shut", 0o700).unwrap();
    rig.flush();
    assert_eq!(of_seeing(&mut rig), ["seen /data/top/shut"]);
    rig.assert_same("once allowed");
    assert_eq!((rig.engine.status().roots[0].unseen, rig.engine.status().notices.len()), (0, 0));
}

#[test]
fn what_a_directory_held_before_it_was_closed_is_the_last_known() {
    let mut rig = Rig::new(
        |fs| {
            closed(fs);
            fs.chmod(b"/data/top/shut", 0o700).unwrap();
        },
        |_| {},
    );
    rig.settle();
    rig.fs.chmod(b"/data/top/shut", 0o000).unwrap();
    rig.flush();
    assert_eq!(rig.replica.unseen("/data"), ["top/shut"], "before anything happens in it");
    rig.fs.write(b"/data/top/shut/later", b"l").unwrap();
    rig.fs.unlink(b"/data/top/shut/f").unwrap();
    rig.fs.write(b"/data/top/shut/deep/g", b"longer").unwrap();
    rig.flush();
    let tree = rig.replica.tree("/data");
    assert!(tree.contains_key(&b"top/shut/f"[..]) && !tree.contains_key(&b"top/shut/later"[..]));
    assert_eq!(rig.replica.unseen("/data"), ["top/shut"]);
    rig.fs.chmod(b"/data/top/shut", 0o500).unwrap();
    rig.flush();
    rig.assert_same("once opened");
}

#[test]
fn it_stays_unseen_over_restarts_and_renames_and_heals_when_nobody_looks() {
    for told in [true, false] {
        let mut rig = Rig::new(closed, |_| {});
        rig.settle();
        let restart = |rig: &mut Rig, meanwhile: &dyn Fn(&FakeFs)| match told {
            true => rig.restart(meanwhile),
            false => rig.restart_from_snapshot(meanwhile),
        };
        rig.log();
        restart(&mut rig, &|_| {});
        rig.settle();
        assert_eq!(of_seeing(&mut rig), [""; 0], "it is known already");
        rig.fs.rename(b"/data/top", b"/data/moved").unwrap();
        rig.flush();
        assert_eq!(rig.replica.unseen("/data"), ["moved/shut"]);
        restart(&mut rig, &|fs| fs.chmod(b"/data/moved/shut", 0o700).unwrap());
        rig.settle();
        assert_eq!(of_seeing(&mut rig), ["seen /data/moved/shut"]);
        rig.assert_same("after a restart");
    }
}

#[test]
fn one_that_is_made_anew_is_seen_and_one_that_is_moved_in_is_not() {
    let mut rig = Rig::new(|fs| fs.mkdir_all(b"/outside").unwrap(), |_| {});
    rig.settle();
    closed(&rig.fs);
    rig.fs.remove_all(b"/data/top/shut").unwrap();
    rig.fs.mkdir(b"/data/top/shut").unwrap();
    rig.flush();
    assert_eq!(rig.replica.unseen("/data"), [""; 0]);
    rig.fs.rename(b"/data/top", b"/outside/top").unwrap();
    rig.fs.write(b"/outside/top/shut/f", b"f").unwrap();
    rig.fs.chmod(b"/outside/top/shut", 0o300).unwrap();
    rig.flush();
    rig.fs.rename(b"/outside/top", b"/data/back").unwrap();
    rig.flush();
    assert_eq!(rig.replica.unseen("/data"), ["back/shut"]);
}

#[test]
fn what_no_event_tells_of_is_tried_again() {
    let mut rig = Rig::new(closed, |_| {});
    rig.settle();
    rig.fs.chmod_unheard(b"/data/top/shut", 0o700).unwrap();
    rig.clock.forward(Duration::from_secs(61));
    rig.pass(1_100);
    assert_eq!(rig.replica.unseen("/data"), [""; 0]);
    assert!(rig.replica.tree("/data").contains_key(&b"top/shut/deep/g"[..]));
}

#[test]
fn a_link_to_a_file_in_a_closed_directory_is_no_rename() {
    let mut rig = Rig::new(
        |fs| {
            closed(fs);
            fs.chmod(b"/data/top/shut", 0o700).unwrap();
        },
        |_| {},
    );
    rig.settle();
    rig.fs.chmod(b"/data/top/shut", 0o000).unwrap();
    rig.flush();
    rig.log();
    rig.fs.link(b"/data/top/shut/f", b"/data/here").unwrap();
    rig.flush();
    assert!(rig.log().contains(&"linked /data/here".to_owned()));
    assert!(rig.replica.tree("/data").contains_key(&b"top/shut/f"[..]));
}
