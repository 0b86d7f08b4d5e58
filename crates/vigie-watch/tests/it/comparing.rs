//! Changes while a root is being compared.

use crate::driver::Rig;
use vigie_watch::fakes::FakeFs;

#[test]
fn a_directory_that_moves_while_it_is_to_be_compared_is_watched_where_it_is() {
    for steps in 0..30 {
        for (from, to) in [("/data/a/x", "/data/b/x"), ("/data/b/x", "/data/a/x"), ("/data/a", "/data/b/x")] {
            let prepare = |fs: &FakeFs| {
                fs.mkdir_all(b"/data/a/y/deep").unwrap();
                fs.mkdir_all(b"/data/b/y").unwrap();
                fs.mkdir_all(&[from.as_bytes(), b"/deep/er"].concat()).unwrap();
            };
            let mut rig = Rig::new(prepare, |_| {});
            rig.flush();
            rig.restart(|_| {});
            for _ in 0..steps {
                rig.engine.step();
            }
            rig.fs.rename(from.as_bytes(), to.as_bytes()).unwrap();
            rig.flush();
            for below in ["/new", "/deep/new", "/deep/er/new"] {
                rig.fs.write(&[to.as_bytes(), below.as_bytes()].concat(), b"x").unwrap();
            }
            rig.flush();
            rig.assert_same(&format!("{from} to {to} after {steps} steps"));
        }
    }
}

#[test]
fn a_directory_that_moves_while_its_root_is_compared_again_is_compared_where_it_is() {
    for steps in 0..40 {
        for (from, to) in [("/data/a/x", "/data/b/x"), ("/data/b/x", "/data/a/x"), ("/data/a", "/data/b/x")] {
            let prepare = |fs: &FakeFs| {
                fs.mkdir_all(b"/data/a/y/deep").unwrap();
                fs.mkdir_all(b"/data/b/y").unwrap();
                fs.mkdir_all(&[from.as_bytes(), b"/deep/er"].concat()).unwrap();
                (0..20).for_each(|i| fs.write(format!("/data/b/y/{i}").as_bytes(), b"x").unwrap());
            };
            let mut rig = Rig::with_queue(8, prepare, |_| {});
            rig.settle();
            // More than the queue holds: what comes behind is heard of by nobody.
            (0..20).for_each(|i| rig.fs.write(format!("/data/b/y/{i}").as_bytes(), b"xy").unwrap());
            for below in ["/new", "/deep/new", "/deep/er/new"] {
                rig.fs.write(&[from.as_bytes(), below.as_bytes()].concat(), b"x").unwrap();
            }
            for _ in 0..steps {
                rig.engine.step();
            }
            rig.fs.rename(from.as_bytes(), to.as_bytes()).unwrap();
            rig.flush();
            rig.assert_same(&format!("{from} to {to} after {steps} steps"));
        }
    }
}

#[test]
fn a_directory_that_moves_while_rules_change_is_listed_where_it_is() {
    for steps in 0..12 {
        for (from, to) in [("/data/a/x", "/data/b/x"), ("/data/b/x", "/data/a/x"), ("/data/a", "/data/b/x")] {
            let prepare = |fs: &FakeFs| {
                fs.mkdir_all(b"/data/a/y/deep").unwrap();
                fs.mkdir_all(b"/data/b/y").unwrap();
                fs.mkdir_all(&[from.as_bytes(), b"/deep/er"].concat()).unwrap();
                for below in ["/new", "/deep/new", "/deep/er/new"] {
                    fs.write(&[from.as_bytes(), below.as_bytes()].concat(), b"x").unwrap();
                }
                fs.write(b"/data/.vigieignore", b"new\n").unwrap();
            };
            let mut rig = Rig::new(prepare, |_| {});
            rig.settle();
            rig.fs.write(b"/data/.vigieignore", b"").unwrap();
            for _ in 0..steps {
                rig.engine.step();
            }
            rig.fs.rename(from.as_bytes(), to.as_bytes()).unwrap();
            rig.flush();
            rig.assert_same(&format!("{from} to {to} after {steps} steps"));
        }
    }
}
