//! One habit of the kernel, or of its users, at a time. All in one file, because each is a few lines on the same rig, they
//! share nothing else, and who looks for a habit looks for it by the test's name.

use crate::driver::Rig;
use crate::replica::path;
use std::time::Duration;
use vigie_model::FileEvent;
use vigie_watch::fakes::FakeFs;
use vigie_watch::{ReadOutcome, RootState};

pub(crate) fn rig(prepare: impl FnOnce(&FakeFs)) -> Rig {
    let mut rig = Rig::new(prepare, |_| {});
    rig.settle();
    rig.log();
    rig
}

/// Words but those of directories' own times, which follow every change of entries.
fn log(rig: &mut Rig) -> Vec<String> {
    let dirs: Vec<Vec<u8>> = {
        let all = rig.fs.snapshot(b"/").into_iter();
        all.filter(|(_, n)| n.content.is_none()).map(|(path, _)| [b"/", &path[..]].concat()).collect()
    };
    let of_dir =
        |line: &String| dirs.iter().any(|dir| *line == format!("metadata {}", String::from_utf8_lossy(dir)));
    rig.log().into_iter().filter(|line| !of_dir(line)).collect()
}

#[test]
fn a_chain_of_directories_makes_one_event_and_is_recorded_whole() {
    let mut rig = rig(|_| {});
    rig.fs.mkdir_all(b"/data/a/b/c").unwrap();
    rig.fs.write(b"/data/a/b/c/f", b"x").unwrap();
    rig.flush();
    assert_eq!(
        log(&mut rig),
        [
            "created /data/a",
            "created /data/a/b",
            "created /data/a/b/c",
            "created /data/a/b/c/f",
            "content /data/a/b/c/f"
        ]
    );
    rig.assert_same("after mkdir -p");
}

#[test]
fn renaming_a_directory_is_one_record() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/a/b").unwrap();
        (0..50).for_each(|i| fs.write(format!("/data/a/b/{i}").as_bytes(), b"x").unwrap());
    });
    rig.fs.rename(b"/data/a", b"/data/z").unwrap();
    rig.fs.write(b"/data/z/b/7", b"later").unwrap();
    rig.flush();
    assert_eq!(log(&mut rig), ["renamed /data/a /data/z", "content /data/z/b/7"]);
    rig.assert_same("after mv");
}

#[test]
fn a_file_that_is_written_and_renamed_at_once_keeps_its_history() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"old").unwrap());
    rig.fs.append(b"/data/f", b" and new").unwrap();
    rig.fs.rename(b"/data/f", b"/data/g").unwrap();
    rig.flush();
    assert_eq!(log(&mut rig), ["renamed /data/f /data/g", "content /data/g"]);
    rig.fs.append(b"/data/g", b" again").unwrap();
    rig.fs.rename(b"/data/g", b"/data/h").unwrap();
    rig.fs.write(b"/data/g", b"another").unwrap();
    rig.pass(100);
    assert_eq!(
        log(&mut rig),
        ["renamed /data/g /data/h", "created /data/g", "content /data/h", "content /data/g"]
    );
    rig.assert_same("after both");
}

#[test]
fn a_file_replaced_by_rename_needs_no_record_of_its_own() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"old").unwrap());
    rig.fs.write(b"/data/f.new", b"new").unwrap();
    rig.fs.rename(b"/data/f.new", b"/data/f").unwrap();
    rig.settle();
    assert_eq!(log(&mut rig), ["created /data/f", "content /data/f"]);
    rig.fs.write(b"/data/g", b"newer").unwrap();
    rig.flush();
    rig.fs.rename(b"/data/g", b"/data/f").unwrap();
    rig.settle();
    assert_eq!(log(&mut rig), ["created /data/g", "content /data/g", "renamed /data/g /data/f"]);
    rig.assert_same("after replacing");
}

#[test]
fn an_exchange_is_two_renames() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/a").unwrap();
        fs.mkdir_all(b"/data/b").unwrap();
        fs.write(b"/data/a/in-a", b"a").unwrap();
        fs.write(b"/data/b/in-b", b"b").unwrap();
    });
    rig.fs.exchange(b"/data/a", b"/data/b").unwrap();
    rig.settle();
    // The second comes from a name that is not its own any more, as the replica's rules allow.
    assert_eq!(log(&mut rig).len(), 2);
    rig.assert_same("after the exchange");
}

#[test]
fn a_truncation_by_path_is_read_when_it_is_quiet() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"long enough").unwrap());
    rig.fs.truncate(b"/data/f", 4).unwrap();
    rig.pass(45);
    assert_eq!(log(&mut rig), [""; 0]);
    rig.pass(10);
    assert_eq!(log(&mut rig), ["content /data/f"]);
    rig.assert_same("after truncate");
}

#[test]
fn a_log_that_never_rests_is_read_once_a_second() {
    let mut rig = rig(|fs| fs.write(b"/data/log", b"").unwrap());
    let mut reads = 0;
    for _ in 0..300 {
        rig.fs.append_open(b"/data/log", b"line\n").unwrap();
        rig.pass(10);
        reads += log(&mut rig).iter().filter(|line| *line == "content /data/log").count();
    }
    assert!((2..=4).contains(&reads), "{reads} reads in three seconds");
}

#[test]
fn a_new_file_is_given_time_for_its_first_write() {
    let mut rig = rig(|_| {});
    rig.fs.create_open(b"/data/f").unwrap();
    rig.pass(3);
    assert_eq!(log(&mut rig), ["created /data/f"]);
    rig.fs.append(b"/data/f", b"bytes").unwrap();
    rig.idle();
    assert_eq!(log(&mut rig), ["content /data/f"]);
    rig.fs.create_open(b"/data/empty").unwrap();
    rig.pass(6);
    assert_eq!(log(&mut rig), ["created /data/empty", "content /data/empty"]);
    rig.flush();
    rig.assert_same("after both");
}

#[test]
fn an_unnamed_file_and_a_link_are_complete_when_they_appear() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"f").unwrap());
    rig.fs.write_unnamed(b"/data/u", b"whole").unwrap();
    rig.fs.link(b"/data/f", b"/data/g").unwrap();
    rig.idle();
    assert_eq!(log(&mut rig), ["created /data/u", "linked /data/g", "content /data/u"]);
    rig.flush();
    rig.assert_same("with no time passed");
}

#[test]
fn what_moved_out_is_gone_after_a_moment_and_comes_back_as_itself() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/a/b").unwrap();
        fs.write(b"/data/a/b/f", b"f").unwrap();
    });
    rig.fs.rename(b"/data/a", b"/away").unwrap();
    rig.pass(2);
    rig.fs.rename(b"/away", b"/data/z").unwrap();
    rig.settle();
    assert_eq!(log(&mut rig), ["renamed /data/a /data/z"]);
    rig.fs.rename(b"/data/z", b"/away").unwrap();
    rig.settle();
    assert_eq!(log(&mut rig), ["removed /data/z/b/f", "removed /data/z/b", "removed /data/z"]);
    rig.fs.write(b"/away/b/f", b"changed where nobody looked").unwrap();
    rig.fs.rename(b"/away", b"/data/a").unwrap();
    rig.flush();
    assert_eq!(
        log(&mut rig),
        ["created /data/a", "created /data/a/b", "created /data/a/b/f", "content /data/a/b/f"]
    );
    rig.assert_same("after the return");
}

#[test]
fn a_used_inode_number_is_not_the_same_file() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"one").unwrap());
    let before = rig.replica.tree("/data")[&b"f"[..]].node;
    rig.fs.unlink(b"/data/f").unwrap();
    rig.fs.write(b"/data/f", b"two").unwrap();
    rig.flush();
    assert_ne!(rig.replica.tree("/data")[&b"f"[..]].node, before);
    rig.assert_same("after the reuse");
}

#[test]
fn a_change_is_not_lost_with_the_name_it_was_made_through() {
    let mut rig = rig(|fs| {
        fs.write(b"/data/f", b"old").unwrap();
        fs.link(b"/data/f", b"/data/g").unwrap();
    });
    rig.fs.write(b"/data/f", b"new").unwrap();
    rig.fs.unlink(b"/data/f").unwrap();
    rig.flush();
    assert_eq!(log(&mut rig), ["removed /data/f", "content /data/g"]);
    rig.assert_same("after all");
}

#[test]
fn an_overflow_is_a_gap_that_is_closed_by_looking_at_everything() {
    let mut rig = Rig::with_queue(8, |_| {}, |_| {});
    rig.settle();
    rig.log();
    for i in 0..40 {
        rig.fs.mkdir_all(format!("/data/{i}/x").as_bytes()).unwrap();
        rig.fs.write(format!("/data/{i}/f").as_bytes(), b"x").unwrap();
    }
    rig.idle();
    let log = rig.log();
    assert!(log.contains(&"gap-opened /data".to_string()));
    assert_eq!(log.iter().filter(|l| *l == "gap-closed /data").count(), 1);
    rig.settle();
    rig.assert_same("after the overflow");
}

#[test]
fn a_root_that_vanished_is_not_a_deletion() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/a").unwrap();
        fs.write(b"/data/a/f", b"f").unwrap();
    });
    rig.fs.rename(b"/data", b"/elsewhere").unwrap();
    rig.settle();
    assert_eq!(rig.log(), ["error /data", "gap-opened /data"]);
    assert_eq!(rig.replica.gaps.iter().map(|g| g.1).collect::<Vec<_>>(), ["root-lost"]);
    assert_eq!(rig.engine.status().roots[0].state, RootState::Lost);
    rig.fs.write(b"/elsewhere/a/f", b"changed").unwrap();
    rig.fs.rename(b"/elsewhere", b"/data").unwrap();
    rig.settle();
    assert_eq!(log(&mut rig), ["content /data/a/f", "gap-closed /data"]);
    rig.assert_same("after the return");
}

#[test]
fn an_empty_directory_in_place_of_a_full_root_is_a_missing_mount() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"f").unwrap());
    rig.fs.rename(b"/data", b"/unmounted").unwrap();
    rig.fs.mkdir(b"/data").unwrap();
    rig.settle();
    let status = rig.engine.status();
    assert_eq!(status.roots[0].state, RootState::Lost);
    assert!(status.roots[0].warning.as_ref().is_some_and(|w| w.contains("mounted")), "{status:?}");
    assert!(!rig.log().iter().any(|line| line.starts_with("removed")));
    // The same after a restart, when only the hub remembers.
    rig.restart(|_| {});
    rig.settle();
    assert_eq!(rig.engine.status().roots[0].state, RootState::Lost);
    assert!(!rig.log().iter().any(|line| line.starts_with("removed")));
    // Something in it makes it believable.
    rig.fs.write(b"/data/g", b"g").unwrap();
    rig.settle();
    assert_eq!(rig.engine.status().roots[0].state, RootState::Watching);
    rig.assert_same("after the replacement");
}

#[test]
fn a_root_removed_and_made_again_is_watched_again() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/a").unwrap();
        fs.write(b"/data/a/f", b"f").unwrap();
    });
    rig.fs.remove_all(b"/data").unwrap();
    rig.settle();
    rig.fs.mkdir(b"/data").unwrap();
    rig.settle();
    assert!(rig.replica.gaps.is_empty(), "{:?}", rig.replica.gaps);
    rig.fs.write(b"/data/new", b"n").unwrap();
    rig.flush();
    rig.assert_same("after the return");
}

#[test]
fn a_watch_limit_is_said_and_stays_a_gap_until_it_is_lifted() {
    let mut rig = Rig::new(
        |fs| {
            (0..5).for_each(|i| fs.mkdir_all(format!("/data/{i}/x").as_bytes()).unwrap());
            fs.set_watches_max(4);
        },
        |_| {},
    );
    rig.settle();
    assert_eq!(rig.replica.gaps.iter().map(|g| g.1).collect::<Vec<_>>(), ["first-scan", "watch-limit"]);
    let errors: Vec<_> = rig.replica.errors.iter().map(|e| (e.1, e.2)).collect();
    assert_eq!(errors, [("watch", libc::ENOSPC)]);
    let warning = rig.engine.status().roots[0].warning.clone().unwrap_or_default();
    assert!(warning.contains("max_user_watches"), "{warning}");
    assert!(warning.contains("every minute or so") && warning.contains("next in "), "{warning}");
    // Unwatched directories are compared from time to time.
    for i in 0..5 {
        rig.fs.write(format!("/data/{i}/x/unseen").as_bytes(), b"u").unwrap();
    }
    (0..70).for_each(|_| rig.pass(1_000));
    rig.assert_same("after a sweep");
    assert!(!rig.replica.gaps.is_empty());
    rig.fs.set_watches_max(100);
    (0..70).for_each(|_| rig.pass(1_000));
    assert!(rig.replica.gaps.is_empty(), "{:?}", rig.replica.gaps);
    assert_eq!(rig.engine.status().roots[0].warning, None);
}

#[test]
fn what_cannot_be_read_is_said_once_and_tried_when_it_may_be() {
    let mut rig = Rig::with_queue(
        30,
        |fs| {
            fs.mkdir_all(b"/data/shut").unwrap();
            fs.write(b"/data/shut/f", b"f").unwrap();
            fs.write(b"/data/secret", b"s").unwrap();
            fs.chmod(b"/data/shut", 0o300).unwrap();
            fs.chmod(b"/data/secret", 0o200).unwrap();
        },
        |_| {},
    );
    rig.settle();
    let mut errors = rig.replica.errors.clone();
    errors.sort();
    assert_eq!(
        errors,
        [(b"/data/secret".to_vec(), "read", libc::EACCES), (b"/data/shut".to_vec(), "list", libc::EACCES)]
    );
    assert!(rig.replica.tree("/data")[&b"secret"[..]].pending);
    (0..100).for_each(|i| rig.fs.write(format!("/data/{i}").as_bytes(), b"").unwrap());
    rig.settle();
    assert_eq!(rig.replica.errors.len(), 2, "a scan repeats what is known");
    rig.fs.chmod(b"/data/shut", 0o700).unwrap();
    rig.fs.chmod(b"/data/secret", 0o600).unwrap();
    rig.flush();
    rig.assert_same("once allowed");
}

#[test]
fn a_file_that_is_written_and_may_not_be_read_is_pending_and_not_read_for_ever() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"old").unwrap());
    rig.fs.chmod(b"/data/f", 0o200).unwrap();
    rig.settle();
    rig.fs.append(b"/data/f", b" and new").unwrap();
    rig.settle();
    let line = &rig.replica.tree("/data")[&b"f"[..]];
    assert!(line.pending && line.meta.size == 11, "{line:?}");
    assert_eq!(rig.engine.status().roots[0].unreadable, 1);
    rig.fs.chmod(b"/data/f", 0o600).unwrap();
    rig.settle();
    rig.assert_same("once allowed");
    assert_eq!(rig.engine.status().roots[0].unreadable, 0);
}

#[test]
fn ignored_files_are_left_out_and_come_when_the_rules_change() {
    let mut rig = Rig::new(
        |fs| {
            fs.mkdir_all(b"/data/build").unwrap();
            fs.write(b"/data/build/x.o", b"o").unwrap();
            fs.write(b"/data/a.tmp", b"t").unwrap();
            fs.mkdir_all(b"/data/sub/deep").unwrap();
            fs.write(b"/data/sub/deep/keep.log", b"l").unwrap();
            fs.write(b"/data/sub/.vigieignore", b"*.log\n").unwrap();
        },
        |config| config.ignore = vec!["*.tmp".into(), "/build/".into()],
    );
    rig.settle();
    let names = |rig: &Rig| -> Vec<String> {
        rig.replica.tree("/data").keys().map(|k| String::from_utf8_lossy(k).into_owned()).collect()
    };
    assert_eq!(names(&rig), ["", "sub", "sub/.vigieignore", "sub/deep"]);
    rig.fs.write(b"/data/b.tmp", b"t").unwrap();
    rig.fs.write(b"/data/build/y.o", b"o").unwrap();
    rig.fs.write(b"/data/sub/.vigieignore", b"deep/*.txt\n!*.tmp\n").unwrap();
    rig.fs.write(b"/data/sub/deep/a.txt", b"t").unwrap();
    rig.fs.write(b"/data/sub/deep/a.tmp", b"t").unwrap();
    rig.flush();
    assert_eq!(
        names(&rig),
        ["", "sub", "sub/.vigieignore", "sub/deep", "sub/deep/a.tmp", "sub/deep/keep.log"]
    );
    rig.fs.unlink(b"/data/sub/.vigieignore").unwrap();
    rig.flush();
    assert_eq!(names(&rig), ["", "sub", "sub/deep", "sub/deep/a.txt", "sub/deep/keep.log"]);
}

#[test]
fn the_programs_own_places_are_never_looked_into() {
    let mut rig = Rig::new(
        |fs| {
            fs.mkdir_all(b"/data/own/blocks").unwrap();
            fs.mkdir_all(b"/data/state").unwrap();
        },
        |config| {
            config.exclude = vec![path("/data/own"), path("/data/later")];
            config.cookies = Some(path("/data/state"));
        },
    );
    rig.settle();
    rig.fs.write(b"/data/own/blocks/1", b"x").unwrap();
    rig.fs.mkdir_all(b"/data/later/x").unwrap();
    rig.fs.write(b"/data/user", b"x").unwrap();
    rig.flush();
    let names: Vec<_> = rig.replica.tree("/data").into_keys().collect();
    assert_eq!(names, [&b""[..], b"user"]);
    assert_eq!(rig.engine.status().watches, 1);
}

#[test]
fn a_restart_with_nothing_changed_says_nothing_and_reads_nothing() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/a/b").unwrap();
        fs.write(b"/data/a/f", b"f").unwrap();
        fs.link(b"/data/a/f", b"/data/a/b/g").unwrap();
        fs.symlink(b"f", b"/data/a/l").unwrap();
        fs.mkfifo(b"/data/a/p").unwrap();
    });
    rig.restart(|_| {});
    rig.flush();
    assert_eq!(rig.log(), ["gap-opened /data", "gap-closed /data"]);
}

#[test]
fn a_restart_finds_renames_across_directories() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/a/sub").unwrap();
        fs.mkdir_all(b"/data/b").unwrap();
        fs.write(b"/data/a/sub/f", b"f").unwrap();
        fs.write(b"/data/a/sub/g", b"g").unwrap();
    });
    rig.restart(|fs| {
        fs.rename(b"/data/a/sub", b"/data/b/moved").unwrap();
        fs.unlink(b"/data/b/moved/g").unwrap();
    });
    rig.flush();
    assert_eq!(
        log(&mut rig),
        [
            "gap-opened /data",
            "renamed /data/a/sub /data/b/moved",
            "removed /data/b/moved/g",
            "gap-closed /data"
        ]
    );
    rig.assert_same("after the restart");
}

#[test]
fn a_directory_whose_whereabouts_died_with_the_agent_comes_back_with_what_is_there() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/a/sub").unwrap();
        fs.mkdir_all(b"/data/b").unwrap();
        fs.write(b"/data/a/sub/gone", b"g").unwrap();
        fs.write(b"/data/a/sub/kept", b"k").unwrap();
    });
    rig.fs.rename(b"/data/a", b"/away").unwrap();
    rig.fs.rename(b"/data/b", b"/data/a").unwrap();
    rig.idle();
    // Another has its name, and it may yet turn up under a new one.
    assert_eq!(log(&mut rig), ["renamed /data/b /data/a"]);
    rig.restart(|fs| {
        fs.unlink(b"/away/sub/gone").unwrap();
        fs.rename(b"/away", b"/data/back").unwrap();
    });
    rig.flush();
    rig.assert_same("after the return");
}

#[test]
fn a_mapped_store_is_found_by_the_next_scan() {
    let mut rig = rig(|fs| fs.write(b"/data/db", b"page").unwrap());
    rig.fs.write_mapped(b"/data/db", b"PAGE").unwrap();
    rig.flush();
    assert_eq!(log(&mut rig), [""; 0]);
    rig.restart(|_| {});
    rig.flush();
    rig.assert_same("after the scan");
}

#[test]
fn a_file_that_changes_under_its_reader_is_tried_again_and_then_stored_torn() {
    let mut rig = rig(|_| {});
    rig.fs.write(b"/data/busy", b"0").unwrap();
    let mut tries = 0;
    loop {
        rig.engine.step();
        rig.engine.take(usize::MAX).iter().for_each(|fact| rig.replica.apply(fact));
        match rig.engine.next_read() {
            Some(job) if job.torn => {
                rig.read(job);
                break;
            }
            Some(job) => {
                tries += 1;
                assert_eq!(rig.engine.read_done(job, ReadOutcome::Changed), None);
            }
            None => rig.clock.forward(Duration::from_millis(5)),
        }
    }
    assert_eq!(tries, 3);
    rig.assert_same("read in the end");
}

#[test]
fn content_that_takes_long_is_announced() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"old").unwrap());
    rig.fs.write(b"/data/f", b"newer").unwrap();
    rig.engine.step();
    let job = rig.engine.next_read().unwrap();
    let mut announced = None;
    for _ in 0..150 {
        rig.clock.forward(Duration::from_millis(1));
        rig.engine.step();
        for fact in rig.engine.take(usize::MAX) {
            if let FileEvent::Metadata(e) = &fact.event
                && e.node == job.node
            {
                announced = Some(e.pending);
            }
            rig.replica.apply(&fact);
        }
    }
    assert_eq!(announced, Some(true));
    rig.read(job);
    rig.settle();
    rig.assert_same("in the end");
}

#[test]
fn a_change_during_the_read_leaves_the_content_pending_until_the_next() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"old").unwrap());
    rig.fs.write(b"/data/f", b"newer").unwrap();
    rig.engine.step();
    let job = rig.engine.next_read().unwrap();
    let bytes = crate::driver::read(&rig.reader, &job, &mut rig.replica);
    rig.fs.write(b"/data/f", b"newest").unwrap();
    rig.engine.step();
    let fact = rig.engine.read_done(job, bytes).unwrap();
    assert!(matches!(&fact.event, FileEvent::Content(e) if e.content.pending), "{fact:?}");
    rig.replica.apply(&fact);
    rig.flush();
    rig.assert_same("after the second read");
}

#[test]
fn content_that_did_not_become_durable_is_read_again() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"f").unwrap());
    let node = rig.replica.tree("/data")[&b"f"[..]].node;
    rig.engine.requeue(node);
    rig.idle();
    assert_eq!(log(&mut rig), ["content /data/f"]);
}

#[test]
fn live_files_are_read_before_those_of_a_scan_and_small_before_large() {
    let mut rig = Rig::new(
        |fs| {
            fs.write(b"/data/large", &vec![1; 600_000]).unwrap();
            fs.write(b"/data/small", b"s").unwrap();
        },
        |_| {},
    );
    while rig.engine.step().busy {}
    rig.fs.write(b"/data/live", &vec![2; 600_000]).unwrap();
    while rig.engine.step().busy {}
    assert_eq!(rig.engine.next_read(), None, "nothing is read before the fact that it exists was taken");
    rig.engine.take(usize::MAX);
    let order: Vec<_> = std::iter::from_fn(|| rig.engine.next_read()).map(|job| job.below).collect();
    assert_eq!(order, [&b"live"[..], b"small", b"large"]);
}

#[test]
fn a_root_within_a_root_is_declared_and_read_once() {
    let mut rig = Rig::new(
        |fs| {
            fs.mkdir_all(b"/data/in/ner").unwrap();
            fs.write(b"/data/in/ner/f", b"f").unwrap();
        },
        |config| {
            config.roots.push(path("/data/in/ner"));
            config.ignore = vec!["ner".into()];
        },
    );
    rig.settle();
    let reads = rig.log().iter().filter(|line| line.starts_with("content")).count();
    assert_eq!(reads, 1);
    assert!(rig.replica.gaps.is_empty());
    let outer = rig.replica.tree("/data")[&b"in/ner"[..]].node;
    assert_eq!(rig.replica.tree("/data/in/ner")[&b""[..]].node, outer);
    rig.replica.assert_same("/data/in/ner", &rig.fs.snapshot(b"/data/in/ner"), "the inner root");
    rig.fs.rename(b"/data/in", b"/data/out").unwrap();
    rig.settle();
    assert_eq!(rig.replica.gaps.iter().map(|g| &g.0[..]).collect::<Vec<_>>(), [b"/data/in/ner"]);
    rig.fs.rename(b"/data/out", b"/data/in").unwrap();
    rig.settle();
    assert!(rig.replica.gaps.is_empty(), "{:?}", rig.replica.gaps);
    rig.assert_same("after there and back");
}

#[test]
fn a_root_that_is_not_asked_for_any_more_loses_its_label_only() {
    let mut rig = Rig::new(
        |fs| {
            fs.mkdir_all(b"/other").unwrap();
            fs.write(b"/other/f", b"f").unwrap();
        },
        |config| config.roots.push(path("/other")),
    );
    rig.settle();
    rig.config.roots.truncate(1);
    rig.log();
    rig.restart(|_| {});
    rig.flush();
    assert_eq!(rig.log(), ["gap-opened /data", "removed /other", "gap-closed /data"]);
    assert_eq!(rig.engine.status().nodes, 1);
}

#[test]
fn a_root_that_is_asked_for_again_holds_what_is_there() {
    let mut rig = Rig::new(
        |fs| {
            fs.mkdir_all(b"/other/sub").unwrap();
            fs.write(b"/other/f", b"f").unwrap();
            fs.write(b"/other/g", b"g").unwrap();
            fs.write(b"/other/sub/h", b"h").unwrap();
        },
        |config| config.roots.push(path("/other")),
    );
    rig.settle();
    let other = rig.config.roots.pop().unwrap();
    rig.restart(|_| {});
    rig.flush();
    rig.config.roots.push(other);
    rig.restart(|fs| {
        fs.unlink(b"/other/f").unwrap();
        fs.remove_all(b"/other/sub").unwrap();
    });
    rig.flush();
    rig.replica.assert_same("/other", &rig.fs.snapshot(b"/other"), "asked for again");
}

#[test]
fn a_directory_of_a_root_may_become_the_root() {
    let mut rig = rig(|fs| {
        fs.mkdir_all(b"/data/sub/deep").unwrap();
        fs.write(b"/data/sub/deep/f", b"f").unwrap();
        fs.write(b"/data/g", b"g").unwrap();
    });
    rig.fs.rename(b"/data", b"/old").unwrap();
    rig.fs.rename(b"/old/sub", b"/data").unwrap();
    rig.settle();
    rig.assert_same("with another root");
}

#[test]
fn a_full_outbox_holds_everything_up_and_loses_nothing() {
    let mut rig = rig(|_| {});
    let big = vec![b'v'; 60_000];
    for i in 0..300 {
        let name = format!("/data/{i}");
        rig.fs.write(name.as_bytes(), b"x").unwrap();
        (0..2).for_each(|x| rig.fs.setxattr(name.as_bytes(), format!("user.{x}").as_bytes(), &big).unwrap());
    }
    for _ in 0..10_000 {
        rig.engine.step();
    }
    let waiting = rig.engine.status().outbox;
    assert!(waiting < 150, "{waiting} facts of 120 KB wait");
    rig.flush();
    rig.assert_same("in the end");
}

#[test]
fn nothing_is_asked_of_the_clock_that_only_room_can_give() {
    let mut rig = rig(|_| {});
    let big = vec![b'v'; 60_000];
    rig.fs.write(b"/data/first", b"x").unwrap();
    for i in 0..300 {
        let name = format!("/data/{i}");
        rig.fs.write(name.as_bytes(), b"x").unwrap();
        (0..2).for_each(|x| rig.fs.setxattr(name.as_bytes(), format!("user.{x}").as_bytes(), &big).unwrap());
        rig.fs.append_open(b"/data/first", b"more").unwrap();
    }
    // Nobody takes a fact or a read, as when the hub is away.
    for ms in 0..5_000 {
        let step = rig.engine.step();
        let now = vigie_model::Clock::monotonic(&*rig.clock);
        assert!(step.busy || step.wake_at.is_none_or(|at| at > now), "a wait of no time after {ms} ms");
        if !step.busy {
            rig.clock.forward(Duration::from_millis(1));
        }
    }
    rig.flush();
    rig.assert_same("in the end");
}

#[test]
fn a_fact_about_metadata_that_waits_does_not_undo_the_content_that_overtakes_it() {
    let mut rig = rig(|fs| fs.write(b"/data/f", b"old").unwrap());
    rig.fs.write(b"/data/f", b"newer").unwrap();
    rig.engine.step();
    let job = rig.engine.next_read().unwrap();
    rig.fs.chmod(b"/data/f", 0o600).unwrap();
    rig.engine.step();
    // The metadata is in the outbox, and the content goes first.
    rig.read(job);
    rig.flush();
    rig.assert_same("in the end");
}
