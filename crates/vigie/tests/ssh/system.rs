//! Through the system's `ssh`: the same as without it, and its 255 never mixed up with a command's own.

use crate::server::{Said, Server, TIME_TO_BEGIN, can_run, eventually, said};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::{io::Read, thread};

fn told(said: &Said) -> Value {
    serde_json::from_str(said.out.trim()).unwrap_or_else(|e| panic!("{e}: {said:?}"))
}

fn through_system(server: &Server, host: &str, args: &[&str]) -> Said {
    server.run(host, &[&["--transport", "system"], args].concat())
}

#[test]
fn root_both_transports_tell_the_same() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let lines = [
        "echo out; echo err >&2; exit 7",
        "exit 255",
        "printf 'no end of line' >&2",
        "echo \"it's\n $LC_ALL\"; wc -c",
        "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2",
        "no-such-command-at-all",
    ];
    for line in lines {
        let [own, system] = ["own", "system"].map(|transport| {
            let said = server.run("127.0.0.1", &["--transport", transport, "--json", "--shell", line]);
            (said.code, told(&said))
        });
        assert_eq!(own.0, system.0, "{line}");
        for field in ["host", "class", "exit_code", "stdout", "stdout_bytes", "argv", "reading", "error"] {
            assert_eq!(own.1[field], system.1[field], "{field} of {line}");
        }
        // A shell numbers the lines of what it complains about by itself.
        if !line.starts_with("no-such") {
            assert_eq!(own.1["stderr"], system.1["stderr"], "{line}");
        }
    }
    let said =
        through_system(&server, "127.0.0.1", &["--", "printf", "%s|", "a  b", "it's", "$HOME", "\n", "*"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "a  b|it's|$HOME|\n|*|", ""));
    let said = through_system(&server, "127.0.0.[1-9]", &["--fold", "--", "echo", "same"]);
    assert!(said.out.contains("---- 127.0.0.[1-9] (9)"), "{said:?}");
}

#[test]
fn root_a_lost_connection_is_lost_also_through_the_systems_ssh() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    // From the shell up to the sshd of this session, whatever is between.
    let line = "p=$$; while [ \"$(cat /proc/$p/comm)\" != sshd ]; do p=$(ps -o ppid= -p $p | tr -d ' '); done; kill -9 $p; sleep 60";
    let said = through_system(&server, "127.0.0.1", &["--json", "--shell", line]);
    let told = told(&said);
    assert_eq!((said.code, &told["class"], &told["exit_code"]), (125, &"lost".into(), &Value::Null));
}

#[test]
fn root_at_the_end_of_its_time_nothing_is_left_there_through_the_systems_ssh() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let mark = server.path("pids");
    let line = format!(
        "(trap '' TERM; sleep 599 & echo $! >> {0}; wait) & echo $$ >> {0}; sleep 600",
        mark.display()
    );
    let said =
        through_system(&server, "127.0.0.1", &["--json", "--timeout", TIME_TO_BEGIN, "--shell", &line]);
    assert_eq!((said.code, &told(&said)["class"]), (124, &"timeout".into()), "{said:?}");
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
fn root_every_way_not_to_begin_has_its_class_through_the_systems_ssh() {
    if !can_run() {
        return;
    }
    let server = Server::with("MaxSessions 0");
    let class = |host: &str, more: &[&str]| {
        let args = [more, &["--json", "--connect-timeout", "60s", "--", "true"]].concat();
        let said = through_system(&server, host, &args);
        assert_eq!(said.code, 125, "{said:?}");
        let told = told(&said);
        assert!(told["error"].is_string() && told["exit_code"].is_null(), "{told}");
        told["class"].as_str().unwrap().to_owned()
    };
    assert_eq!(class("127.0.0.1", &["--host-keys", "strict"]), "hostkey-unknown");
    assert_eq!(class("127.0.0.1", &[]), "prohibited");
    assert_eq!(class("no-such-host.invalid", &[]), "resolve");
    assert_eq!(class("127.0.0.1", &["--user", "nobody-at-all"]), "auth");
    let wrong = server.write("wrong", &format!("[127.0.0.1]:{} {}\n", server.port, server.public("id")));
    assert_eq!(class("127.0.0.1", &["--known-hosts", wrong.to_str().unwrap()]), "hostkey-changed");
    let config = server.write("config", "Host odd\n  Port many\n");
    assert_eq!(class("odd", &["--ssh-config", config.to_str().unwrap()]), "config");
    let behind = server.write("behind", "Host odd\n  ProxyCommand /bin/false\n");
    assert_eq!(class("odd", &["--ssh-config", behind.to_str().unwrap()]), "unreachable");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let args = ["--transport", "system", "--on", "127.0.0.1", "--port", &free, "--json", "--", "true"];
    let refused = said(server.command(&args));
    assert_eq!(told(&refused)["class"], "refused", "{refused:?}");
}

#[test]
fn root_a_full_sshd_is_waited_for_through_the_systems_ssh() {
    if !can_run() {
        return;
    }
    let server = Server::with("MaxStartups 1:100:1");
    let mut in_the_way = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    in_the_way.read_exact(&mut [0; 4]).unwrap();
    let command = server.run_command("127.0.0.1", &["--transport", "system", "--", "echo", "in"]);
    let running = thread::spawn(move || said(command));
    eventually("it was turned away", || server.logged("past MaxStartups").first().cloned());
    drop(in_the_way);
    let said = running.join().unwrap();
    assert_eq!((said.code, said.out.as_str()), (0, "in\n"), "{said:?}");
}

#[test]
fn root_the_users_own_control_master_is_used_and_left_alone() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let socket = server.path("control");
    let text =
        format!("Host *\n  ControlMaster auto\n  ControlPath {}\n  ControlPersist 60\n", socket.display());
    let config = server.write("config", &text);
    let args = ["--ssh-config", config.to_str().unwrap(), "--", "echo", "there"];
    for _ in 0..2 {
        let said = through_system(&server, "127.0.0.1", &args);
        assert_eq!((said.code, said.out.as_str()), (0, "there\n"), "{said:?}");
    }
    // The second goes over the connection of the first.
    server.logs("Accepted publickey", 1);
    let ended =
        Command::new("ssh").arg("-F").arg(&config).args(["-O", "exit", "127.0.0.1"]).output().unwrap();
    assert!(ended.status.success(), "it is still open, as the user's configuration says");
}

#[test]
fn what_would_need_an_answer_does_not_go_with_it() {
    for more in [&["--sudo"][..], &["--ask-password"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
        command
            .args(["run", "--on", "nowhere.invalid", "--transport", "system"])
            .args(more)
            .args(["--", "true"]);
        let said = said(command);
        assert!(said.code == 2 && said.err.contains("answers no questions"), "{said:?}");
    }
}
