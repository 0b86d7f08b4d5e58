//! As root through a real `sudo`: without a password, with one that is asked for at a terminal, and not at all. The
//! accounts are those of the test's own server only.

use crate::server::{Said, Server, TIME_TO_BEGIN, can_run, eventually, said};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const PASSWORD: &str = "c0rrect-h0rse";

/// Accounts: `free` needs no password for `sudo`, `asked` does and is lectured first, `none` may not use it.
const SUDOERS: &str = "\
Defaults env_reset, use_pty, timestamp_timeout=0, passwd_tries=3
Defaults:asked lecture=always
free ALL=(ALL) NOPASSWD: ALL
asked ALL=(ALL) ALL
";

fn can_sudo() -> bool {
    if !can_run() {
        return false;
    }
    for needed in ["/usr/bin/sudo", "/usr/bin/python3", "/usr/bin/unshare", "/usr/bin/openssl"] {
        if !Path::new(needed).exists() {
            eprintln!("skipped: {needed} is not installed");
            return false;
        }
    }
    true
}

fn server(more: &str) -> Server {
    let read = |name: &str| std::fs::read_to_string(format!("/etc/{name}")).unwrap();
    let hash = said({
        let mut command = Command::new("openssl");
        command.args(["passwd", "-6", PASSWORD]);
        command
    });
    let (mut passwd, mut shadow) = (read("passwd"), read("shadow"));
    for (user, uid) in [("free", 47_001), ("asked", 47_002), ("none", 47_003)] {
        passwd.push_str(&format!("{user}:x:{uid}:65534::/tmp:/bin/sh\n"));
        shadow.push_str(&format!("{user}:{}:19000:0:99999:7:::\n", hash.out.trim()));
    }
    Server::with_etc(more, &[("passwd", passwd), ("shadow", shadow), ("sudoers", SUDOERS.to_owned())])
}

/// Runs it at a terminal of its own, where this answers every question for a password.
fn at_a_terminal(command: &Command, answer: &str) -> Said {
    const DRIVER: &str = "
import os, pty, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
said, answered = b'', 0
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    said += piece
    if said.count(b'password for sudo on ') > answered and said.endswith(b': '):
        answered += 1
        # The question is there before the echo is off, and a person does not type that soon.
        while termios.tcgetattr(fd)[3] & termios.ECHO:
            time.sleep(0.005)
        os.write(fd, sys.argv[1].encode() + b'\\n')
sys.stdout.buffer.write(said.replace(b'\\r\\n', b'\\n'))
if not termios.tcgetattr(fd)[3] & termios.ECHO:
    sys.stderr.write('the terminal is left mute')
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
    let mut driver = Command::new("python3");
    driver
        .env("NO_COLOR", "1")
        .args(["-c", DRIVER, answer])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => driver.env(name, value),
            None => driver.env_remove(name),
        };
    }
    said(driver)
}

/// Where nobody can be asked: a session without a terminal.
fn without_a_terminal(command: &Command) -> Said {
    let mut alone = Command::new("setsid");
    alone
        .arg("--wait")
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(std::process::Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => alone.env(name, value),
            None => alone.env_remove(name),
        };
    }
    said(alone)
}

fn class(said: &Said) -> String {
    let told: Value = serde_json::from_str(said.out.trim()).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    assert_eq!((said.code, &told["exit_code"]), (125, &Value::Null), "{said:?}");
    told["class"].as_str().unwrap().to_owned()
}

#[test]
fn root_where_sudo_needs_no_password_a_command_is_root_and_else_itself() {
    if !can_sudo() {
        return;
    }
    let server = server("");
    let said = server.run("free@127.0.0.1", &["--sudo", "--", "id", "-un"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "root\n", ""));
    let line = "echo out; echo \"it's\n$LC_ALL\" >&2; wc -c; exit 7";
    let said = server.run("free@127.0.0.1", &["--sudo", "--shell", line]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (7, "out\n0\n", "it's\nC.UTF-8\n"));
    let said = server.run("free@127.0.0.1", &["--sudo", "--", "printf", "%s|", "a  b", "it's", "\n", "*"]);
    assert_eq!(said.out, "a  b|it's|\n|*|", "{said:?}");
    let said = server.run("free@127.0.0.1", &["--sudo", "--shell", "kill -9 $$"]);
    assert_eq!(said.code, 137, "{said:?}");
}

#[test]
fn root_at_the_end_of_its_time_what_sudo_started_is_ended_too() {
    if !can_sudo() {
        return;
    }
    let server = server("");
    let mark = server.path("pids");
    let line = format!("sleep 599 & echo $! >> {0}; echo $$ >> {0}; sleep 600", mark.display());
    let args = ["--sudo", "--timeout", TIME_TO_BEGIN, "--json", "--shell", &line];
    let said = server.run("free@127.0.0.1", &args);
    let told: Value = serde_json::from_str(said.out.trim()).unwrap();
    assert_eq!((said.code, &told["class"]), (124, &"timeout".into()), "{said:?}");
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
fn root_a_password_is_asked_for_once_and_shown_nowhere() {
    if !can_sudo() {
        return;
    }
    let server = server("");
    let line =
        "id -un; echo err >&2; wc -c; tr '\\0' ' ' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/environ";
    let command = server.run_command("asked@127.0.0.[1-3]", &["--sudo", "--shell", line]);
    let said = at_a_terminal(&command, PASSWORD);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out.matches("password for sudo on 3 hosts: ").count(), 1, "{}", said.out);
    for host in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        for word in ["root", "0", "err"] {
            assert!(said.out.contains(&format!("{host}: {word}\n")), "{}", said.out);
        }
    }
    // Of `sudo` itself: it has the words that it is to say, and not what is answered.
    assert!(said.out.contains("sudo -S -p vigie-") && !said.out.contains(PASSWORD), "{}", said.out);
    assert!(!said.out.contains("usual lecture"), "{}", said.out);
    let mixed = server.run_command("free@127.0.0.1,asked@127.0.0.2", &["--sudo", "--", "id", "-un"]);
    let said = at_a_terminal(&mixed, PASSWORD);
    assert_eq!((said.code, said.out.matches(": root\n").count()), (0, 2), "{said:?}");
    assert!(said.out.contains("password for sudo on asked@127.0.0.2: "), "{said:?}");
}

#[test]
fn root_ctrl_c_at_the_question_ends_it_and_leaves_the_terminal_as_it_was() {
    if !can_sudo() {
        return;
    }
    let server = server("");
    let said = at_a_terminal(&server.run_command("asked@127.0.0.1", &["--sudo", "--", "true"]), "\u{3}");
    assert_eq!((said.code, said.err.as_str()), (130, ""), "{said:?}");
    let some = server.run_command("free@127.0.0.1,asked@127.0.0.2", &["--sudo", "--fold", "--", "id", "-un"]);
    let said = at_a_terminal(&some, "\u{3}");
    assert_eq!((said.code, said.err.as_str()), (3, ""), "{said:?}");
    assert!(
        said.out.contains("\nroot\n") && said.out.contains("1 ok, 1 stopped"),
        "what has ended is told: {said:?}"
    );
}

#[test]
fn root_a_command_of_an_asked_user_ends_with_its_time_too() {
    if !can_sudo() {
        return;
    }
    let server = server("");
    let mark = server.path("pid");
    let line = format!("echo $$ > {}; exec sleep 600", mark.display());
    let command =
        server.run_command("asked@127.0.0.1", &["--sudo", "--timeout", TIME_TO_BEGIN, "--shell", &line]);
    let said = at_a_terminal(&command, PASSWORD);
    assert_eq!(said.code, 124, "{said:?}");
    assert!(said.out.contains("timeout"), "{said:?}");
    let pid = std::fs::read_to_string(&mark).unwrap();
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists());
}

#[test]
fn root_every_way_in_which_sudo_refuses_has_its_class() {
    if !can_sudo() {
        return;
    }
    let server = server("");
    let args = ["--json", "--sudo", "--", "touch", "/tmp/vigie-sudo-must-not-run"];
    let asked = server.run_command("asked@127.0.0.1", &args);
    assert_eq!(class(&without_a_terminal(&asked)), "sudo-password");
    let last = |said: Said| Said { out: said.out.lines().last().unwrap_or_default().to_owned(), ..said };
    let wrong = last(at_a_terminal(&asked, "wr0ng"));
    assert_eq!(class(&wrong), "sudo-password");
    assert!(wrong.out.contains("does not take the password") && !wrong.out.contains("wr0ng"), "{wrong:?}");
    let denied = last(at_a_terminal(&server.run_command("none@127.0.0.1", &args), PASSWORD));
    assert_eq!(class(&denied), "sudo-denied");
    assert!(denied.out.contains("none is not in the sudoers file"), "{denied:?}");
    assert!(!Path::new("/tmp/vigie-sudo-must-not-run").exists());
}

#[test]
fn root_a_machine_without_sudo_says_so() {
    if !can_sudo() {
        return;
    }
    let bin = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/usr/bin/env", bin.path().join("env")).unwrap();
    let server = Server::with(&format!("SetEnv SHLVL=9 PATH={}", bin.path().display()));
    let said = server.run("127.0.0.1", &["--json", "--sudo", "--", "true"]);
    assert_eq!(class(&said), "sudo-missing");
}
