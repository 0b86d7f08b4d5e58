//! The rules on dependencies: arrows point down, fences hold.

use super::table::{BANNED, BESIDE, ROOMS, Room};
use anyhow::{Context, Result};
use serde_json::Value;

/// A workspace member with its direct dependencies.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Of normal and build kind: dev-dependencies are exempt, fakes of other crates belong in tests.
    pub(crate) dependencies: Vec<String>,
}

/// Reads the answer of `cargo metadata --format-version 1 --no-deps`.
pub(crate) fn members(metadata: &Value) -> Result<Vec<Member>> {
    let packages = metadata["packages"].as_array().context("cargo metadata gives no packages")?;
    packages.iter().map(member).collect()
}

fn member(package: &Value) -> Result<Member> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let name = text(&package["name"]).context("cargo metadata gives a package without a name")?;
    let all = package["dependencies"].as_array().with_context(|| format!("{name} has no dependency list"))?;
    let real = all.iter().filter(|dependency| dependency["kind"] != "dev");
    let dependencies = real.filter_map(|dependency| text(&dependency["name"])).collect();
    Ok(Member { name, dependencies })
}

/// Everything that breaks a rule, one sentence each.
pub(crate) fn findings(members: &[Member]) -> Vec<String> {
    let mut found = Vec::new();
    for member in members {
        match room(&member.name) {
            Some(room) => found.extend(member.dependencies.iter().filter_map(|dep| breach(room, dep))),
            None if BESIDE.contains(&member.name.as_str()) => {}
            None => found.push(format!(
                "{} is a workspace member without a floor: give it a row in xtask/src/floors/table.rs and an ADR",
                member.name
            )),
        }
    }
    let present = |name: &str| members.iter().any(|member| member.name == name);
    let absent =
        ROOMS.iter().map(|room| room.name).chain(BESIDE.iter().copied()).filter(|name| !present(name));
    found.extend(absent.map(|name| format!("{name} has a row in the table but is not in the workspace")));
    found
}

fn room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// Why `from` may not depend on `to`, if it may not.
fn breach(from: &Room, to: &str) -> Option<String> {
    let name = from.name;
    if BESIDE.contains(&to) {
        return Some(format!("{name} uses {to}, which stands beside the product"));
    }
    if let Some(below) = room(to) {
        let (high, low) = (from.floor, below.floor);
        return (low >= high).then(|| {
            format!("{name} (floor {high}) uses {to} (floor {low}): arrows point down only, to a lower floor")
        });
    }
    if let Some(owner) = ROOMS.iter().find(|room| room.alone.contains(&to)).filter(|owner| owner.name != name)
    {
        return Some(format!("{name} uses {to}, which only {} may use", owner.name));
    }
    let outside = from.only.is_some_and(|only| !only.contains(&to));
    outside.then(|| format!("{name} uses {to}, which is not among the few that floor {} may use", from.floor))
}

/// Banned packages in the text of `Cargo.lock`.
pub(crate) fn banned(lock: &str) -> Vec<String> {
    let here = |name: &str| lock.lines().any(|line| line == format!("name = \"{name}\""));
    let found = BANNED.iter().filter(|(name, _)| here(name));
    found.map(|(name, why)| format!("Cargo.lock holds {name}: {why}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole house without dependencies, but for one member's.
    fn house(name: &str, dependencies: &[&str]) -> Vec<Member> {
        let names = ROOMS.iter().map(|room| room.name).chain(BESIDE.iter().copied());
        let deps = |member: &str| if member == name { dependencies } else { &[] };
        names
            .map(|member| Member {
                name: member.to_owned(),
                dependencies: deps(member).iter().map(|d| (*d).to_owned()).collect(),
            })
            .collect()
    }

    #[test]
    fn arrows_down_and_free_dependencies_are_fine() {
        assert_eq!(findings(&house("vigie", &["vigie-web", "vigie-store", "anyhow"])), [""; 0]);
        assert_eq!(findings(&house("vigie-store", &["vigie-model", "fjall", "zstd", "rustix"])), [""; 0]);
        assert_eq!(findings(&house("sim", &["vigie-hub", "vigie-agent", "zstd"])), [""; 0]);
    }

    #[test]
    fn arrows_up_and_sideways_are_found() {
        for (from, to) in [
            ("vigie-model", "vigie-store"),
            ("vigie-watch", "vigie-store"),
            ("vigie-agent", "vigie-hub"),
            ("vigie-hub", "vigie-web"),
            ("vigie-store", "sim"),
        ] {
            let found = findings(&house(from, &[to]));
            assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
            assert!(found[0].contains(from) && found[0].contains(to), "{found:?}");
        }
    }

    #[test]
    fn fences_hold() {
        for (from, to) in
            [("vigie-hub", "prost"), ("vigie-agent", "zstd"), ("vigie-web", "tar"), ("vigie-model", "tokio")]
        {
            assert_eq!(findings(&house(from, &[to])).len(), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn crates_without_a_row_and_rows_without_a_crate_are_found() {
        let mut members = house("", &[]);
        members.push(Member { name: "vigie-new".into(), dependencies: vec![] });
        members.retain(|member| member.name != "vigie-archive");
        let found = findings(&members);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("vigie-new") && found[1].starts_with("vigie-archive"), "{found:?}");
    }

    #[test]
    fn dev_dependencies_are_exempt_and_build_dependencies_are_not() {
        let metadata = serde_json::json!({ "packages": [{ "name": "a", "dependencies": [
            { "name": "normal", "kind": null },
            { "name": "dev", "kind": "dev" },
            { "name": "build", "kind": "build" },
        ] }] });
        assert_eq!(members(&metadata).unwrap()[0].dependencies, ["normal", "build"]);
    }

    #[test]
    fn banned_packages_are_found_by_their_whole_name() {
        assert_eq!(banned("name = \"notify-debouncer\"\n"), [""; 0]);
        assert_eq!(banned("[[package]]\nname = \"notify\"\n").len(), 1);
    }
}
