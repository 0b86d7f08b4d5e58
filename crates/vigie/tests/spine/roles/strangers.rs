//! Members that cannot be.

use super::{Group, LONG};
use crate::process::eventually;
use crate::tree::sh;
use rustix::process::Signal;

#[test]
fn two_machines_under_one_name_are_one_member() {
    let (group, [alpha, _beta]) = Group::with(LONG, ["alpha", "beta"]);
    // Somebody copied a machine, certificate and all; it stands still meanwhile, so that no file changes under the copy.
    let mut twin = group.world.agent("twin");
    alpha.signal(Signal::STOP);
    sh(
        twin.root.parent().unwrap(),
        &format!(
            "cp -a {} {} && rm {}/*.sock",
            alpha.state.display(),
            twin.state.display(),
            twin.state.display()
        ),
    );
    alpha.signal(Signal::CONT);
    let [begin, end] = group.hooks("twin");
    let args = ["--role", "db:9", "--on-principal", &begin, "--on-secondaire", &end];
    group.world.launch(&mut twin, &args.map(AsRef::as_ref));
    let why = eventually("the twin is refused", || {
        let status = twin.status()?;
        eprintln!("{status}");
        (status["link"]["state"] == "refused").then(|| status["link"]["why"].as_str().unwrap().to_owned())
    });
    assert!(!why.is_empty());
    let role = &twin.status().unwrap()["roles"][0];
    assert_eq!(role["role"], "unknown", "{role}");
    let principal = &group.show()["principal"];
    assert_eq!((&principal["machine"], &principal["epoch"]), (&"alpha".into(), &1.into()), "{principal}");
    assert!(group.judge().iter().all(|line| line.name != "twin"));
}

#[test]
fn an_epoch_that_this_hub_never_gave_is_refused_and_said() {
    let (mut group, [mut alpha, beta]) = Group::with(LONG, ["alpha", "beta"]);
    group.world.stop_hub();
    let (data, copy) = (group.world.data(), group.path("copy"));
    sh(group.path("").as_path(), &format!("cp -a {} {}", data.display(), copy.display()));
    group.world.start_hub();
    eventually("both are back", || {
        ["alpha", "beta"]
            .iter()
            .all(|n| group.member(n).is_some_and(|m| m["connected"] == true))
            .then_some(())
    });
    group.world.ok(["role", "step-down", "db"]);
    group.until_begins("beta", 2);

    // The hub's disk is replaced by yesterday's. Whom it then gives the next epoch to, before it has heard of the holder,
    // would have the same one: nobody can tell.
    alpha.stop();
    group.world.kill_hub();
    sh(group.path("").as_path(), &format!("rm -r {0} && mv {1} {0}", data.display(), copy.display()));
    group.world.start_hub();
    let said = "it presents epoch 2, and the highest ever granted here is";
    eventually("the hub says so", || group.world.hub_printed().contains(said).then_some(()));
    // What it was granted it gives up: nobody knows who else is.
    group.until("beta", "end", 2);
    let role = eventually("beta says so", || {
        let role = beta.status()?["roles"][0].clone();
        role["why"].is_string().then_some(role)
    });
    assert!(role["why"].as_str().unwrap().contains(said), "{role}");
    assert!(role["role"] == "unknown" && role["epoch"].is_null(), "{role}");
}
