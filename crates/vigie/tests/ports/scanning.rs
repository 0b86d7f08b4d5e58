//! What is found, and of whom.

use crate::lab::{Lab, has, run, run_with_input, said, without_times};
use std::io::Write;
use std::process::Command;

#[test]
fn open_and_closed_ports_are_told_apart_and_every_time_the_same() {
    let lab = Lab::new(3);
    let first = run(&["127.0.0.1", "-p", &lab.spec(), "--json"]);
    assert_eq!(first.code, 0, "{first:?}");
    let mut host = first.json().remove(0);
    let ports: Vec<u64> =
        host["ports"].as_array().unwrap().iter().map(|port| port["port"].as_u64().unwrap()).collect();
    assert_eq!(ports, lab.open().into_iter().map(u64::from).collect::<Vec<_>>());
    assert!(host["ports"].as_array().unwrap().iter().all(|port| port["state"] == "open"));
    assert_eq!(host["others"][0]["ports"], lab.closed.to_string());
    assert_eq!(host["counts"]["closed"], 1);
    assert_eq!(host["coverage"], 1.0);
    let mut again = run(&["127.0.0.1", "-p", &lab.spec(), "--json"]).json().remove(0);
    without_times(&mut host);
    without_times(&mut again);
    assert_eq!(serde_json::to_string(&host).unwrap(), serde_json::to_string(&again).unwrap());
}

#[test]
fn people_get_a_table() {
    let lab = Lab::new(1);
    let said = run(&["127.0.0.1", "-p", &lab.spec()]);
    assert_eq!(said.code, 0, "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("127.0.0.1"), "{said:?}");
    assert!(lines[1].starts_with("PORT ") && lines[1].contains("STATE"), "{said:?}");
    let rows: Vec<(&str, &str)> = lines[2..4]
        .iter()
        .map(|line| line.split_once("/tcp").map(|(port, rest)| (port, rest.trim())).unwrap())
        .collect();
    for (port, rest) in rows {
        let state = if port == lab.closed.to_string() { "closed" } else { "open" };
        assert!(rest.starts_with(state), "{said:?}");
    }
    assert!(said.err.contains("1 target, 2 ports each: 1 open"), "{said:?}");
    let many = run(&["127.0.0.1", "-p", &format!("{},1-100", lab.open()[0])]);
    assert!(many.out.contains("others: 100 closed (reset)"), "{many:?}");
}

#[test]
fn targets_come_in_their_order_each_once_and_without_the_excluded() {
    let lab = Lab::new(1);
    let dir = tempfile::tempdir().unwrap();
    let list = crate::lab::file(dir.path(), "list", "127.0.0.9 # nine\n127.0.0.1-3\n");
    let args =
        ["127.0.0.7", "--targets", &list, "--exclude", "127.0.0.2", "-p", &lab.spec(), "--no-ping", "--json"];
    let said = run(&args);
    assert_eq!(said.code, 0, "{said:?}");
    let targets: Vec<String> =
        said.json().iter().map(|host| host["target"].as_str().unwrap().to_owned()).collect();
    assert_eq!(targets, ["127.0.0.7", "127.0.0.9", "127.0.0.1", "127.0.0.3"]);
    let piped = run_with_input(&["-", "-p", &lab.spec(), "--json"], "127.0.0.[4-5]\n127.0.0.4\n");
    let targets: Vec<_> = piped.json().iter().map(|host| host["target"].clone()).collect();
    assert_eq!(targets, ["127.0.0.4", "127.0.0.5"]);
}

#[test]
fn a_name_without_address_is_said_and_the_rest_goes_on() {
    let lab = Lab::new(1);
    let said = run(&["nosuch.invalid", "localhost,127.0.0.1", "-p", &lab.spec(), "--json"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("cannot resolve nosuch.invalid"), "{said:?}");
    assert!(said.json().iter().all(|host| host["counts"]["open"] == 1), "{said:?}");
    assert_eq!(said.json()[0]["target"], "localhost");
    let only = run(&["nosuch.invalid", "-p", "22"]);
    assert_eq!((only.code, only.out.as_str()), (3, ""), "{only:?}");
    let excluded = run(&["127.0.0.1", "--exclude", "nosuch.invalid", "-p", "22"]);
    assert_eq!(excluded.code, 4, "what was to be left out must not be scanned by accident: {excluded:?}");
}

#[test]
fn a_banner_is_shown_and_cannot_hurt_a_terminal() {
    let lab = Lab::new(1);
    let listener = lab.listeners[0].try_clone().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"220 \x1b[2Jmail\r\n"));
        }
    });
    let said = run(&["127.0.0.1", "-p", &lab.spec(), "--banner", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.json()[0]["ports"][0]["banner"]["text"], "220 \\x1b[2Jmail");
    let table = run(&["127.0.0.1", "-p", &lab.spec(), "--banner"]);
    assert!(table.out.contains("220 \\x1b[2Jmail"), "{table:?}");
    assert!(!table.out.contains('\u{1b}'), "{table:?}");
}

#[test]
fn few_descriptors_do_not_hide_that_raw_sockets_are_not_permitted() {
    if !has("setpriv") {
        return;
    }
    let lab = Lab::new(1);
    // The SYN engine alone takes more files than that.
    let low = |under: &[&str], more: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", r#"ulimit -n 16; exec "$@""#, "sh"]).args(under);
        command.args([env!("CARGO_BIN_EXE_vigie"), "ports", "127.0.0.1", "-p", &lab.spec()]).args(more);
        said(command.output().unwrap())
    };
    let is_root = rustix::process::geteuid().is_root();
    let denied: &[&str] =
        if is_root { &["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"] } else { &[] };
    let auto = low(denied, &[]);
    assert_eq!(auto.code, 0, "{auto:?}");
    assert!(auto.err.contains("1 open"), "{auto:?}");
    assert!(auto.err.contains("probing with connect"), "{auto:?}");
    let json = low(denied, &["--json"]);
    let host = json.json().remove(0);
    let note = host["notes"][0].as_str().unwrap_or_default();
    assert!(note.starts_with("probing with connect, because the SYN engine "), "{json:?}");
    assert!(note.contains("Operation not permitted"), "{json:?}");
    assert_eq!((host["engine"].as_str(), json.err.as_str()), (Some("connect"), ""), "{json:?}");
    let asked_for = low(denied, &["--json", "--engine", "connect"]);
    assert_eq!(asked_for.json()[0].get("notes"), None, "{asked_for:?}");
    let syn = low(denied, &["--engine", "syn"]);
    assert_eq!(syn.code, 4, "{syn:?}");
    for said in [&auto, &syn] {
        assert!(said.err.contains("Operation not permitted"), "{said:?}");
        assert!(said.err.contains("Too many open files"), "{said:?}");
    }
    if is_root {
        let files = low(&[], &["--engine", "syn"]);
        assert_eq!(files.code, 4, "{files:?}");
        assert!(files.err.contains("Too many open files") && files.err.contains("ulimit -n"), "{files:?}");
        assert!(!files.err.contains("cap_net_raw"), "as root, permission is not what lacks: {files:?}");
    }
}
