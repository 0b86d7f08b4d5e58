//! A store that was damaged behind the hub's back: whatever needs the damaged bytes says so.

use crate::tree::sh;
use crate::world::World;
use serde_json::Value;

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
