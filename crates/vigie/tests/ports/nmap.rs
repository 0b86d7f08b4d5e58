//! The user's own nmap as an engine.

use crate::lab::{Lab, has, run, said, vigie};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

#[test]
fn nmap_finds_what_we_find() {
    if !has("nmap") {
        return;
    }
    let lab = Lab::new(2);
    // Loopback has both kinds of addresses, and the closed ones are summed up.
    let spec = format!("{},1-60", lab.spec());
    let args = ["127.0.0.1-2", "::1", "-p", &spec, "--no-ping", "--json"];
    let (ours, theirs) = (run(&args), run(&[&args[..], &["--engine", "nmap"]].concat()));
    assert_eq!((ours.code, theirs.code), (0, 0), "{ours:?}\n{theirs:?}");
    let facts = |said: &crate::lab::Said| -> Vec<(String, String)> {
        let fact = |host: &serde_json::Value| (host["target"].to_string(), host["counts"].to_string());
        said.json().iter().map(fact).collect()
    };
    assert_eq!(facts(&ours), facts(&theirs));
    assert!(theirs.json().iter().all(|host| host["engine"] == "nmap"), "{theirs:?}");
    let open: Vec<_> =
        theirs.json()[0]["ports"].as_array().unwrap().iter().map(|p| p["port"].clone()).collect();
    assert_eq!(open, lab.open().into_iter().map(serde_json::Value::from).collect::<Vec<_>>());
}

#[test]
fn nmap_finds_out_services_on_open_ports_only() {
    if !has("nmap") {
        return;
    }
    let lab = Lab::new(1);
    let listener = lab.listeners[0].try_clone().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
            let _ = stream.read(&mut [0; 512]);
        }
    });
    let said = run(&["127.0.0.1", "-p", &lab.spec(), "--service", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let port = &said.json()[0]["ports"][0];
    assert_eq!(port["service"], "ssh", "{said:?}");
    assert!(port["version"].as_str().unwrap().starts_with("OpenSSH 9.2p1"), "{said:?}");
}

#[test]
fn an_nmap_that_is_missing_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    for args in [["127.0.0.1", "--engine", "nmap"], ["127.0.0.1", "--service", "--json"]] {
        let output = vigie(&args).env("PATH", dir.path()).output().unwrap();
        let said = said(output);
        assert_eq!((said.code, said.out.as_str()), (4, ""), "{said:?}");
        assert!(
            said.err.contains("nmap is not installed") && said.err.contains("apt-get install nmap"),
            "{said:?}"
        );
    }
}

/// The process of nmap that this one has started.
fn nmap_of(parent: u32) -> Pid {
    let start = Instant::now();
    loop {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            let Some((head, tail)) = stat.rsplit_once(") ") else { continue };
            let is_child = tail.split(' ').nth(1) == Some(&parent.to_string());
            if is_child && head.ends_with("(nmap") {
                let id: i32 = head.split(' ').next().unwrap().parse().unwrap();
                return Pid::from_raw(id).unwrap();
            }
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no nmap was started");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Slow enough that nobody is faster.
const SLOW: [&str; 7] = ["127.0.0.1-4", "-p", "1-2000", "--engine", "nmap", "--rate", "5"];

#[test]
fn an_nmap_that_is_killed_is_said() {
    if !has("nmap") {
        return;
    }
    let child = vigie(&SLOW).spawn().unwrap();
    kill_process(nmap_of(child.id()), Signal::KILL).unwrap();
    let said = said(child.wait_with_output().unwrap());
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.err.contains("was killed by signal 9"), "{said:?}");
}

#[test]
fn ctrl_c_ends_nmap_too() {
    if !has("nmap") {
        return;
    }
    let child = vigie(&SLOW).spawn().unwrap();
    let nmap = nmap_of(child.id());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said = said(child.wait_with_output().unwrap());
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("stopped before the end"), "{said:?}");
    assert!(rustix::process::test_kill_process(nmap).is_err(), "nmap was left behind");
}
