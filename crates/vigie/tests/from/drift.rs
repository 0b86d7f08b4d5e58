//! Baselines: what has changed, what may, and until when; and what the target says itself.

use crate::lab::{Lab, Server, TARGET};

const PLAIN: Server = Server::OpenSsh("");

#[test]
fn root_drift_is_found_allowed_and_no_longer_allowed() {
    let Some(mut lab) = Lab::new(&[PLAIN; 2]) else { return };
    lab.listen([22, 80, 443]);
    let path = lab.path("baseline.toml");
    let file = path.to_str().unwrap().to_owned();
    let args = [
        TARGET,
        "--from",
        "v[1-2]",
        "-p",
        "1-500,8080",
        "--json",
        "--timeout",
        "1100ms",
        "--baseline",
        &file,
    ];
    let missing = lab.ports(&args);
    assert_eq!(missing.code, 2, "{missing:?}");
    let saved = lab.ports(&[&args[..], &["--save"]].concat());
    assert_eq!(saved.code, 0, "{saved:?}");
    assert_eq!(lab.ports(&args).code, 0);

    lab.quit(443);
    lab.listen([8080]);
    lab.rules("c", "forward", "tcp dport 300 drop");
    let said = lab.ports(&args);
    assert_eq!(said.code, 1, "{said:?}");
    let drifts = said.lines("drift");
    let told: Vec<(u64, &str)> = drifts
        .iter()
        .map(|line| (line["port"].as_u64().unwrap(), line["change"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [(300, "changed"), (443, "removed"), (8080, "added")]);
    assert_eq!(drifts[0]["from"], "v[1-2]");

    let text = std::fs::read_to_string(&path).unwrap();
    let allow = |expires: &str| format!("{text}\n[[allow]]\nports = \"300,443,8080\"\nexpires = {expires}\n");
    std::fs::write(&path, allow("2999-12-31")).unwrap();
    let said = lab.ports(&args);
    assert_eq!((said.code, said.lines("end")[0]["allowed"].as_u64()), (0, Some(3)), "{said:?}");
    std::fs::write(&path, allow("2020-12-31")).unwrap();
    let said = lab.ports(&args);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("is over since 2020-12-31"), "{said:?}");

    // A place that the baseline does not know is not the same as one that is as it was.
    let other =
        [TARGET, "--from", "v1,here", "-p", "1-500", "--json", "--timeout", "1100ms", "--baseline", &file];
    assert!(lab.ports(&other).err.contains("does not know what here sees"));
}

#[test]
fn root_the_target_itself_explains() {
    let Some(mut lab) = Lab::new(&[PLAIN; 2]) else { return };
    lab.listen([80]);
    lab.rules("c", "forward", "iifname v2 tcp dport 80 drop");
    // As its host another one is asked, whose SSH server listens where the target's would.
    let path = lab.path("baseline.toml");
    let args = [
        TARGET,
        "--from",
        "v1",
        "-p",
        "80",
        "--json",
        "--ask-target=v1",
        "--baseline",
        path.to_str().unwrap(),
    ];
    assert_eq!(lab.ports(&[&args[..], &["--save"]].concat()).code, 0);
    assert_eq!(lab.ports(&args).code, 0);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once("SHA256:").unwrap();
    std::fs::write(&path, format!("{before}SHA256:x{after}")).unwrap();
    let said = lab.ports(&args);
    assert_eq!((said.code, said.lines("drift")[0]["change"].as_str()), (1, Some("host-key")), "{said:?}");
    let said = lab.ports(&[
        TARGET,
        "--from",
        "v[1-2]",
        "-p",
        "80",
        "--json",
        "--timeout",
        "1100ms",
        "--ask-target=v1",
    ]);
    assert_eq!(said.code, 1, "{said:?}");
    let told = said.lines("ports")[0]["explanation"].as_str().unwrap().to_owned();
    assert!(told.contains("nobody listens there"), "{told}");
    let said =
        lab.ports(&[TARGET, "--from", "v[1-2]", "-p", "80", "--json", "--timeout", "1100ms", "--ask-target"]);
    assert!(said.err.contains("cannot be asked itself"), "{said:?}");
}

#[test]
fn root_a_difference_that_is_known_or_allowed_is_none() {
    let Some(mut lab) = Lab::new(&[PLAIN; 3]) else { return };
    lab.listen([22, 80]);
    lab.rules("c", "forward", "iifname v2 tcp dport 80 reject with tcp reset");
    let path = lab.path("baseline.toml");
    let file = path.to_str().unwrap().to_owned();
    let args = [TARGET, "--from", "v[1-3]", "-p", "1-100", "--json", "--baseline", &file];
    let saved = lab.ports(&[&args[..], &["--save"]].concat());
    assert_eq!(
        (saved.code, saved.with_verdict("vantage-dependent")),
        (1, vec!["80".to_owned()]),
        "{saved:?}"
    );
    let known = lab.ports(&args);
    assert_eq!((known.code, known.lines("end")[0]["allowed"].as_u64()), (0, Some(1)), "{known:?}");

    lab.rules("c", "forward", "iifname v3 tcp dport 22 reject with tcp reset");
    let new = lab.ports(&args);
    assert_eq!((new.code, new.lines("drift")[0]["from"].as_str()), (1, Some("v3")), "{new:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    let allow =
        |from: &str| format!("{text}\n[[allow]]\nports = \"22\"\nfrom = \"{from}\"\nstate = \"closed\"\n");
    std::fs::write(&path, allow("v2")).unwrap();
    assert_eq!(lab.ports(&args).code, 1);
    std::fs::write(&path, allow("v3")).unwrap();
    let allowed = lab.ports(&args);
    assert_eq!(allowed.code, 0, "{allowed:?}");
}
