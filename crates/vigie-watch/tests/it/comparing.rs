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
