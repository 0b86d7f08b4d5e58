//! The exercises of `docs/run.md`, as they stand there, on a real sshd.

use crate::server::{Server, can_run, said};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The commands of the page's sessions, with the lines that they print. What stands behind `…` may be anything.
fn sessions(page: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line.strip_prefix("$ "), steps.last_mut()) {
            (false, ..) => inside = line == "```console",
            (true, ..) if line == "```" => inside = false,
            (true, Some(command), _) => steps.push((command.to_owned(), Vec::new())),
            (true, None, Some((_, printed))) => printed.push(line.to_owned()),
            (true, None, None) => panic!("a session begins with a command: {line}"),
        }
    }
    steps
}

fn is_as_told(line: &str, told: &str) -> bool {
    match told.split_once('…') {
        Some((begin, _)) => line.starts_with(begin),
        None => line == told,
    }
}

#[test]
fn root_the_exercises_of_the_course() {
    if !can_run() {
        return;
    }
    if Command::new("nmap").arg("--version").output().is_err() {
        eprintln!("skipped: nmap is not installed");
        return;
    }
    let server = Server::start();
    // Names for loopback addresses, as of a user's own configuration, which `ssh` looks for in the home of who runs it.
    let hosts = (1..=3).map(|n| format!("Host srv{n}\n  HostName 127.0.0.{n}\n"));
    let config = format!(
        "{}Host *\n  Port {}\n  User root\n  UserKnownHostsFile {}\n",
        hosts.collect::<String>(),
        server.port,
        server.path("known").display()
    );
    let config = server.write("config", &config);
    std::fs::create_dir(server.path("bin")).unwrap();
    let ssh =
        server.write("bin/ssh", &format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", config.display()));
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let vigie = std::path::Path::new(env!("CARGO_BIN_EXE_vigie")).parent().unwrap();
    let path = format!(
        "{}:{}:{}",
        server.path("bin").display(),
        vigie.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    // One port that is open, and one that was and is not.
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let open_port = open.local_addr().unwrap().port().to_string();
    let filled = |text: &str| {
        text.replace("8081", &closed).replace("8080", &open_port).replace("~/.ssh/id_ed25519", "id")
    };
    let page = include_str!("../../../../docs/run.md");
    let steps = sessions(page);
    assert!(steps.len() >= 4, "the page has its sessions");
    for (command, printed) in steps {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("exec 2>&1; {}", filled(&command))]).current_dir(server.path("."));
        shell.env("HOME", server.path(".")).env("PATH", &path).env_remove("SSH_AUTH_SOCK");
        let said = said(shell);
        let lines: Vec<&str> = said.out.lines().collect();
        let printed: Vec<String> = printed.iter().map(|line| filled(line)).collect();
        let rest = printed.last().is_some_and(|line| line == "…");
        let told = if rest { &printed[..printed.len() - 1] } else { &printed[..] };
        let fits = lines.iter().zip(told).all(|(line, told)| is_as_told(line, told));
        let enough = lines.len() == told.len() || (rest && lines.len() > told.len());
        assert!(fits && enough, "$ {command}\n{}\nthe page says:\n{}", said.out, printed.join("\n"));
    }
}
