//! Directories that others move, remove or exchange between two looks of the engine.

use crate::driver::Rig;
use crate::fake::rig;
use std::time::Duration;
use vigie_watch::fakes::FakeFs;

/// `/data/a` moves away and `/data/b` takes its name, this many steps back in the kernel's queue. A look at that name,
/// for what was said before, sees it at once: until the queue is read so far, the directory that was there is nowhere.
fn a_name_is_taken_over(fs: &FakeFs, steps: usize) {
    fs.chmod(b"/data/a", 0o700).unwrap();
    for at in 0..steps * vigie_watch::limits::EVENTS_PER_STEP {
        fs.write(&busy(at), b"x").unwrap();
    }
    fs.rename(b"/data/a", b"/data/z").unwrap();
    fs.rename(b"/data/b", b"/data/a").unwrap();
}

/// More files than one step looks at.
const BUSY: usize = vigie_watch::limits::LOOKS_PER_STEP + 50;

fn busy(at: usize) -> Vec<u8> {
    format!("/data/{}", at % BUSY).into_bytes()
}

fn before_a_name_is_taken_over() -> Rig {
    let prepare = |fs: &FakeFs| {
        fs.mkdir_all(b"/data/a/deep").unwrap();
        fs.mkdir_all(b"/data/b").unwrap();
        fs.write(b"/data/a/deep/f", b"old").unwrap();
        (0..BUSY).for_each(|at| fs.write(&busy(at), b"x").unwrap());
    };
    let mut rig = Rig::with_queue(1 << 20, prepare, |_| {});
    rig.settle();
    rig
}

#[test]
fn a_file_to_be_read_while_its_directory_has_no_name_is_read_where_that_turns_up() {
    let mut rig = before_a_name_is_taken_over();
    rig.fs.create_open(b"/data/a/deep/new").unwrap();
    rig.idle();
    a_name_is_taken_over(&rig.fs, 1);
    rig.clock.forward(vigie_watch::limits::AFTER_CREATE);
    rig.flush();
    rig.assert_same("after the cookie");
}

#[test]
fn a_change_in_a_directory_that_has_no_name_is_looked_at_however_late_that_turns_up() {
    let mut rig = before_a_name_is_taken_over();
    rig.fs.write(b"/data/a/deep/f", b"newer").unwrap();
    let steps = usize::from(vigie_watch::limits::LOOK_TRIES) + 2;
    a_name_is_taken_over(&rig.fs, steps);
    // A machine with much to do: the file is looked for in vain again and again meanwhile.
    for _ in 0..steps {
        rig.turn();
        rig.clock.forward(Duration::from_millis(100));
    }
    rig.flush();
    rig.assert_same("after the cookie");
}

/// Where a directory seems to be at two places at once, nothing is mounted: it was here a moment ago.
#[test]
fn a_directory_that_others_exchange_while_it_is_looked_for_hides_nothing() {
    let mut rig = rig(|fs| {
        for dir in ["/data/x/n", "/data/y/m", "/data/z"] {
            fs.mkdir_all(dir.as_bytes()).unwrap();
        }
        fs.write(b"/data/x/n/own", b"of x").unwrap();
        fs.write(b"/data/y/m/own", b"of y").unwrap();
    });
    rig.fs.race(b"n", |fs| {
        fs.exchange(b"/data/x/n", b"/data/y/m").unwrap();
        fs.rename(b"/data/x/n", b"/data/z/k").unwrap();
        fs.write(b"/data/z/k/new", b"later").unwrap();
    });
    rig.fs.exchange(b"/data/x/n", b"/data/y/m").unwrap();
    rig.flush();
    // What they did came after that.
    rig.flush();
    rig.assert_same("others were faster");
    assert!(rig.engine.status().notices.is_empty(), "{:?}", rig.engine.status().notices);
    rig.fs.write(b"/data/z/k/new", b"and later").unwrap();
    rig.flush();
    rig.assert_same("it is watched");
}
