//! How commands end over there, and what comes back of them.

use crate::server::{Server, TIME_TO_BEGIN, can_run, eventually};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

#[test]
fn root_words_stay_words_and_exit_codes_are_ours() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let said = server.run("127.0.0.1", &["--", "printf", "%s|", "a  b", "it's", "$HOME", "\n", "é", "*"]);
    assert_eq!((said.code, said.out.as_str()), (0, "a  b|it's|$HOME|\n|é|*|"), "{said:?}");
    let said = server.run("127.0.0.1", &["--shell", "echo out; echo err >&2; exit 7"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (7, "out\n", "err\n"));
    let said = server.run("127.0.0.1", &["--shell", "kill -9 $$"]);
    assert_eq!(said.code, 137, "{said:?}");
    let said = server.run("127.0.0.1", &["--json", "--", "cat", "/proc/meminfo"]);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&told["host"], &told["class"], &told["reading"]["format"]),
        (&"127.0.0.1".into(), &"ok".into(), &"blocks".into())
    );
}

#[test]
fn root_at_the_end_of_its_time_nothing_is_left_there() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let mark = server.path("pids");
    let line = format!(
        "(trap '' TERM; sleep 599 & echo $! >> {0}; wait) & echo $$ >> {0}; sleep 600",
        mark.display()
    );
    let said = server.run("127.0.0.1", &["--timeout", TIME_TO_BEGIN, "--shell", &line]);
    assert_eq!(said.code, 124, "{said:?}");
    assert!(said.err.contains("timeout"), "{said:?}");
    let pids = std::fs::read_to_string(&mark).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        eventually("it is gone", || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if !stat.contains(") Z ") => None,
            _ => Some(()),
        });
    }
}

#[test]
fn root_what_stays_in_the_background_holds_nobody_up() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let said = server.run("127.0.0.1", &["--timeout", "50s", "--shell", "echo done; sleep 20 &"]);
    assert_eq!((said.code, said.out.as_str()), (0, "done\n"), "{said:?}");
}

#[test]
fn root_every_way_not_to_begin_has_its_class() {
    if !can_run() {
        return;
    }
    let server = Server::with("MaxSessions 0");
    let class = |server: &Server, host: &str, more: &[&str]| {
        let args = [more, &["--json", "--connect-timeout", "60s", "--", "true"]].concat();
        let said = server.run(host, &args);
        assert_eq!(said.code, 125, "{said:?}");
        let told: Value = serde_json::from_str(said.out.trim()).unwrap();
        assert!(told["error"].is_string(), "{told}");
        told["class"].as_str().unwrap().to_owned()
    };
    assert_eq!(class(&server, "127.0.0.1", &[]), "prohibited");
    assert_eq!(class(&server, "no-such-host.invalid", &[]), "resolve");
    assert_eq!(class(&server, "127.0.0.1", &["--user", "nobody-at-all"]), "auth");
    let config = server.write("config", "Host odd\n  Port many\n");
    assert_eq!(class(&server, "odd", &["--ssh-config", config.to_str().unwrap()]), "config");
    let key = server.write("unreadable", "this is no key\n");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::remove_file(server.path("authorized")).unwrap();
    assert_eq!(class(&server, "127.0.0.1", &[]), "auth");
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listening.local_addr().unwrap().port().to_string();
    drop(listening);
    let args = ["--on", "127.0.0.1", "--port", &free, "--json", "--", "true"];
    let said = crate::server::said(server.command(&args));
    assert!(said.out.contains("\"class\":\"refused\""), "{said:?}");
}

#[test]
fn root_what_is_not_heard_of_any_more_is_lost_and_never_0() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    // Its grandparent is the sshd of this session.
    let line = "p=$(ps -o ppid= -p $$); kill -9 $p; sleep 60";
    let said = server.run("127.0.0.1", &["--json", "--shell", line]);
    let told: Value = serde_json::from_str(said.out.trim()).unwrap();
    assert_eq!(
        (said.code, &told["class"], &told["exit_code"]),
        (125, &"lost".into(), &Value::Null),
        "{said:?}"
    );
}
