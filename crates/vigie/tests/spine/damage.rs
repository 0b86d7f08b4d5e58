//! A store that was damaged behind the hub's back: whatever needs the damaged bytes says so.

use crate::process::{Process, eventually};
use crate::tree::sh;
use crate::world::{Agent, Said, VIGIE, World};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flips the bits of one byte, that many hundredths into the only pack.
fn damage(world: &World, hundredths: usize) {
    let packs = std::fs::read_dir(world.data().join("store/packs")).unwrap();
    let packs: Vec<_> = packs.map(|entry| entry.unwrap().path()).collect();
    let [pack] = &packs[..] else { panic!("one pack, not {packs:?}") };
    let mut bytes = std::fs::read(pack).unwrap();
    let at = bytes.len() * hundredths / 100;
    bytes[at] ^= 0xff;
    std::fs::write(pack, bytes).unwrap();
}

/// Every file below a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A hub with one agent that watched some files, of a size at which each is stored alone, and is gone, stopped in order.
fn stopped() -> (World, Agent) {
    let mut world = World::start();
    let mut alpha = world.agent("alpha");
    sh(&alpha.root, "for i in 1 2 3 4 5 6 7 8; do head -c 70000 /dev/urandom > f$i; done");
    world.enrol(&mut alpha);
    world.flush(&alpha);
    alpha.stop();
    world.stop_hub();
    (world, alpha)
}

#[test]
fn a_damaged_index_mends_itself_and_nothing_wrong_is_said() {
    let (mut world, alpha) = stopped();
    let store = world.data().join("store");
    for (damage, at_start) in [("a flipped bit in every table", false), ("a table that is gone", true)] {
        let index = store.join("index/keyspaces");
        if at_start {
            std::fs::remove_file(index.join("1/current")).unwrap();
        } else {
            let tables = files_below(&index).into_iter().filter(|path| {
                path.parent().is_some_and(|dir| dir.ends_with("tables")) && !path.starts_with(index.join("0"))
            });
            for table in tables {
                let mut bytes = std::fs::read(&table).unwrap();
                bytes[40] ^= 4;
                std::fs::write(&table, bytes).unwrap();
            }
        }
        world.start_hub();
        let target = world.path(if at_start { "second" } else { "first" });
        // Away for a moment, perhaps; but never "nothing is there".
        eventually("the index is built anew", || {
            let said = world.run(["ls".into(), alpha.place()]);
            if said.code == 4 {
                assert!(said.err.contains("the index of the store is"), "{damage}: {}", said.err);
                assert!(said.err.contains("hint: nothing that is stored is lost"), "{damage}: {}", said.err);
                return None;
            }
            assert_eq!(said.out.lines().count(), 8, "{damage}: {} {}", said.out, said.err);
            Some(())
        });
        world.run(["restore".into(), alpha.place(), target.clone().into_os_string()]);
        sh(&alpha.root, &format!("diff -r . {}", target.display()));
        assert_eq!(world.run(["verify"]).code, 0, "{damage}");
        world.stop_hub();
    }
}

#[test]
fn verify_finds_a_damaged_index_and_mends_it() {
    let (world, _alpha) = stopped();
    let index = world.data().join("store/index/keyspaces");
    let table =
        files_below(&index.join("3")).into_iter().find(|path| path.parent().unwrap().ends_with("tables"));
    let table = table.unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[40] ^= 4;
    std::fs::write(&table, bytes).unwrap();
    let verify = || world.run(["verify".as_ref(), "--data".as_ref(), world.data().as_os_str()]);
    let said = verify();
    assert_eq!(said.code, 1, "{} {}", said.out, said.err);
    assert!(
        said.out.contains("damaged  index: ") && said.out.contains("nothing is lost by that"),
        "{}",
        said.out
    );
    assert_eq!(verify().code, 0);
}

#[test]
fn of_a_pack_that_was_cut_all_is_given_that_lies_before_the_cut() {
    let (mut world, alpha) = stopped();
    let pack = world.data().join("store/packs/00000001.pack");
    let len = std::fs::metadata(&pack).unwrap().len();
    std::fs::File::options().write(true).open(&pack).unwrap().set_len(len / 2).unwrap();
    let said = world.run(["verify".as_ref(), "--data".as_ref(), world.data().as_os_str()]);
    assert_eq!(said.code, 1, "{} {}", said.out, said.err);
    assert!(said.out.contains("damaged  packs/00000001.pack at byte "), "{}", said.out);
    let named = said.out.lines().filter(|line| line.contains(":/") && line.contains("/f")).count();
    assert!((1..8).contains(&named), "{}", said.out);

    world.start_hub();
    let store = || {
        let status: Value = serde_json::from_str(&world.run(["status", "--json"]).out).unwrap();
        status["store"].as_str().unwrap().to_owned()
    };
    let known = "damage found since the start: 1 pack is missing or cut short";
    assert_eq!(store(), format!("{known}; `vigie verify` names the files"));
    assert_eq!(world.run(["verify"]).code, 1);
    assert!(store().starts_with(&format!("{known}, {named} block")), "{}", store());
    let target = world.path("restored");
    let said = world.run(["restore".into(), alpha.place(), target.clone().into_os_string()]);
    assert_eq!(said.code, 3, "{} {}", said.out, said.err);
    assert_eq!(said.err.matches("NOT restored").count(), named, "{}", said.err);
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 8 - named);
    world.stop_hub();
}

#[test]
fn a_damaged_journal_is_refused_and_given_for_reading() {
    let (world, alpha) = stopped();
    let journal = files_below(&world.data().join("store/journal"));
    let [segment] = &journal[..] else { panic!("one segment, not {journal:?}") };
    let mut bytes = std::fs::read(segment).unwrap();
    let at = 48 + 40; // In the body of the first frame.
    bytes[at] ^= 1;
    std::fs::write(segment, &bytes).unwrap();
    let data = world.data();
    let refused =
        Command::new(VIGIE).arg("hub").arg("--data").arg(&data).args(["--listen", "127.0.0.1:0"]).output();
    let refused = Said::from(refused.unwrap());
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(refused.err.contains("is damaged at offset 48") && refused.err.contains("vigie hub --read-only"));
    let said = world.run(["verify".as_ref(), "--data".as_ref(), data.as_os_str()]);
    assert_eq!(said.code, 1, "{} {}", said.out, said.err);
    assert!(said.out.contains("at byte 48: ") && said.out.contains(" lost"), "{}", said.out);

    // The index was whole, and so everything can be given; without it, what is given says what it may lack.
    for with_index in [true, false] {
        if !with_index {
            std::fs::remove_dir_all(data.join("store/index")).unwrap();
        }
        let mut command = Command::new(VIGIE);
        command.args(["hub", "--read-only", "--data"]).arg(&data);
        let hub = Process::start(&mut command, &world.path("read-only.out"));
        eventually("the hub answers", || (world.run(["status"]).code == 0).then_some(()));
        assert!(world.ok(["status"]).contains("opened for reading only"), "{}", world.ok(["status"]));
        let said = world.run(["ls".into(), alpha.place()]);
        if with_index {
            assert_eq!(said.out.lines().count(), 8, "{} {}", said.out, said.err);
        } else {
            assert_ne!(said.code, 0, "{} {}", said.out, said.err);
        }
        assert_eq!(world.run(["verify"]).code, 1);
        let said = world.run(["hub", "invite", "beta"]);
        assert_eq!((said.code, said.out.as_str()), (4, ""), "nobody could come with it");
        assert!(said.err.contains("gives no certificates"), "{}", said.err);
        assert!(hub.stop().success());
        assert_eq!(std::fs::read(segment).unwrap(), bytes);
    }
}

#[test]
fn a_damaged_file_is_called_damaged() {
    let world = World::start();
    let mut alpha = world.agent("alpha");
    // Of many chunks, which do not compress: the damaged one is far from the front.
    sh(&alpha.root, "head -c 4000000 /dev/urandom > large");
    world.enrol(&mut alpha);
    damage(&world, 60);

    let said = world.run(["cat".into(), alpha.at("large"), "--json".into()]);
    assert_eq!(said.code, 4, "{}", said.err);
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["kind"], "damaged", "{error}");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("/large is damaged: block ") && message.contains("were printed"), "{message}");

    let target = world.path("restored");
    let said = world.run(["restore".into(), alpha.place(), target.clone().into_os_string()]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("large: NOT restored"), "{}", said.err);
    assert!(said.out.starts_with("restored 1 of 2 objects (0 B) to "), "{}", said.out);
    assert!(!target.join("large").exists());
    assert_eq!(world.run(["verify"]).code, 1);
}
