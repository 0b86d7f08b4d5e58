//! Node sets beside ClusterShell's `nodeset`, whose notation they have.

use std::process::{Command, Stdio};
use vigie_model::NodeSet;
use vigie_model::nodeset::fold;

/// What `nodeset` says, or `None` if it refuses; panics when it cannot be run.
fn nodeset(args: &[&str]) -> Option<String> {
    let output = Command::new("nodeset").args(args).stdin(Stdio::null()).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

fn is_installed() -> bool {
    let found = Command::new("nodeset").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: nodeset is not installed (cargo xtask setup)");
    }
    found
}

#[test]
fn sets_stand_for_the_same_names() {
    if !is_installed() {
        return;
    }
    for text in [
        "web1",
        "web[01-12]",
        "w[8-11]",
        "w[008-012]",
        "w[9,09,009]",
        "w[9-11,09-11]",
        "w[00-03]",
        "w[0-10/3]",
        "w[1-3,2]x[1-2]",
        "w[1-2]-[3-4]",
        "10.0.[1-3].4",
        "r[1-2]n[08-11],db1,db[2-3]",
        // And these are none.
        "w[01-100]",
        "w[1-010]",
        "w[3-1]",
        "w[]",
        "w[a-b]",
        "w[1-3",
        "w1]",
        "w[1-]",
        "w[1-2/0]",
    ] {
        let ours = text.parse::<NodeSet>().ok().map(|set| {
            let mut names: Vec<String> = set.names().collect();
            names.sort();
            names
        });
        let theirs = nodeset(&["-e", text]).map(|names| {
            let mut names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
            names.sort();
            names
        });
        assert_eq!(ours, theirs, "{text}");
    }
}

#[test]
fn names_fold_to_the_same_sets() {
    if !is_installed() {
        return;
    }
    for names in [
        "w08,w09,w10,w11",
        "w098,w099,w100,w101",
        "w08,w09,w10,w99,w100,w101",
        "w9,w10,w09,w11",
        "w1n1,w1n2,w2n1,w2n2,w3n1",
        "a1,a3,a5,b",
        "10.0.1.4,10.0.2.4",
        "1,2,3",
        "a1b,a2b,a3c",
        "rack1node1,rack1node2,rack2node1,rack2node2",
    ] {
        let ours = fold(names.split(',')).unwrap();
        let theirs = nodeset(&["-f", names]).unwrap();
        assert_eq!(ours, theirs, "{names}");
        // Each reads the other's.
        assert_eq!(nodeset(&["-f", &ours]), Some(theirs), "{names}");
    }
}
