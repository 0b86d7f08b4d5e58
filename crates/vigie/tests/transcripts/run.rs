//! Commands of this machine: their output as it is and as data, and how they end.

use crate::{Home, eventually};
use serde_json::Value;
use std::process::Stdio;

fn told(home: &Home, args: &[&str]) -> Value {
    let said = home.run(args);
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn what_it_prints_passes_and_its_exit_code_is_ours() {
    let home = Home::new();
    let said = home.run(&["run", "--shell", "echo out; echo err >&2; exit 7"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (7, "out\n", "err\n"));
    let said = home.run(&["run", "printf", "%s|", "a b", "--json", "$HOME"]);
    assert_eq!((said.code, said.out.as_str()), (0, "a b|--json|$HOME|"));
    assert_eq!(home.run(&["run", "--shell", "kill -9 $$"]).code, 137);
}

#[test]
fn what_cannot_be_run_is_no_exit_code_of_its_own() {
    let home = Home::new();
    let said = home.run(&["run", "--", "no-such-program"]);
    assert_eq!((said.code, said.out.as_str()), (125, ""));
    assert!(said.err.contains("there is no such program"), "{said:?}");
    std::fs::write(home.path().join("plain"), "").unwrap();
    assert_eq!(home.run(&["run", "--json", "--", "./plain"]).code, 125);
    assert_eq!(home.run(&["run", "--dir", "nowhere", "--", "true"]).code, 125);
    assert_eq!(home.run(&["run"]).code, 2);
    assert_eq!(home.run(&["run", "--timeout", "0s", "--", "true"]).code, 2);
}

#[test]
fn at_the_end_of_its_time_all_that_it_started_is_gone() {
    let home = Home::new();
    let line = "sleep 600 & echo $! > child; echo $$ > leader; wait";
    // Time enough to write both numbers, also where somebody else has the processor.
    let said = home.run(&["run", "--timeout", "5s", "--shell", line]);
    assert_eq!(said.code, 124);
    assert!(said.err.contains("ended after") && said.err.contains("foreground"), "{said:?}");
    for file in ["child", "leader"] {
        let pid = std::fs::read_to_string(home.path().join(file)).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        eventually("it is gone", || match std::fs::read_to_string(&stat) {
            Ok(stat) if !stat.contains(") Z ") => None,
            _ => Some(()),
        });
    }
    // More than is kept, and then nothing: how fast it comes does not matter.
    let flood = "yes | head -c 20000000; sleep 600";
    let said = told(&home, &["run", "--json", "--timeout", "10s", "--shell", flood]);
    assert_eq!((&said["class"], &said["exit_code"]), (&"timeout".into(), &Value::Null));
    assert_eq!(said["reading"]["format"], "raw");
    assert!(said["stdout_cut_bytes"].as_u64().unwrap() > 0, "{}", said["stdout_bytes"]);
}

#[test]
fn an_interrupted_command_ends_with_it() {
    let home = Home::new();
    let mut command = home.command(&["run", "--shell", "echo $$ > leader; sleep 600"]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let pid = eventually("it runs", || {
        std::fs::read_to_string(home.path().join("leader")).ok().filter(|pid| pid.ends_with('\n'))
    });
    let vigie = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(vigie, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists());
}

#[test]
fn an_output_is_read_as_what_it_is() {
    let home = Home::new();
    let said =
        told(&home, &["run", "--json", "--shell", "printf 'Id=a\\nMainPID=12\\n'; echo oops >&2; exit 3"]);
    assert_eq!(
        (&said["host"], &said["class"], &said["exit_code"]),
        (&"localhost".into(), &"exit".into(), &3.into())
    );
    assert_eq!((&said["stdout"], &said["stderr"]), (&"Id=a\nMainPID=12\n".into(), &"oops\n".into()));
    assert_eq!(
        (&said["reading"]["format"], &said["reading"]["rows"][0]["MainPID"]),
        (&"kv".into(), &12.into())
    );

    let said = home.run(&["run", "--parse", "auto", "--", "df", "--output=target,pcent", "/"]);
    assert_eq!(said.code, 0, "{said:?}");
    let row: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(row["Mounted on"], "/");

    let said = home.run(&["run", "--parse", "json", "--shell", "echo not json"]);
    assert_eq!((said.code, said.out.as_str()), (0, "not json\n"));
    assert!(said.err.contains("not in the format"), "{said:?}");
}

#[test]
fn whoever_can_print_json_is_asked_to_unless_as_is() {
    let home = Home::new();
    let said = told(&home, &["run", "--json", "--", "findmnt", "/proc"]);
    assert_eq!(said["argv"], serde_json::json!(["findmnt", "-J", "/proc"]));
    assert_eq!(said["reading"]["documents"][0]["filesystems"][0]["target"], "/proc");
    let said = told(&home, &["run", "--json", "--as-is", "--", "findmnt", "/proc"]);
    assert_eq!(said["argv"], serde_json::json!(["findmnt", "/proc"]));
    assert_eq!(
        (&said["reading"]["format"], &said["reading"]["rows"][0]["TARGET"]),
        (&"table".into(), &"/proc".into())
    );
}

#[test]
fn messages_are_in_one_language_unless_as_is() {
    let home = Home::new();
    for (args, wanted) in [
        (&["run", "--shell", "echo $LC_ALL"][..], "C.UTF-8\n"),
        (&["run", "--as-is", "--shell", "echo $LC_ALL"], "fr_FR.UTF-8\n"),
    ] {
        let output = home.command(args).env("LC_ALL", "fr_FR.UTF-8").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted);
    }
}
