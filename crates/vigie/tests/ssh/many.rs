//! Many hosts at once, and hosts in between.

use crate::server::{Server, can_run};
use serde_json::Value;

#[test]
fn root_sixty_hosts_at_the_default_max_startups_lose_none() {
    if !can_run() {
        return;
    }
    let server = Server::with("MaxStartups 10:30:100");
    let said = server.run("127.0.1.[1-60]", &["--json", "--", "echo", "hi"]);
    assert_eq!(said.code, 0, "{said:?}");
    let told: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 60);
    assert!(told.iter().all(|told| told["stdout"] == "hi\n"), "{said:?}");
}

#[test]
fn root_the_same_output_is_shown_once_and_differences_against_the_majority() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let line = "echo same; case $SSH_CONNECTION in *' 127.0.0.3 '*) echo more; exit 4;; esac";
    let said = server.run("127.0.0.[1-5]", &["--fold", "--shell", line]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.out, "---- 127.0.0.[1-2,4-5] (4)\nsame\n---- 127.0.0.3 (1), exit code 4\nsame\nmore\n");
    assert!(said.err.contains("5 hosts: 4 ok, 1 exit 4 (127.0.0.3)"), "{said:?}");
    let said = server.run("127.0.0.[1-5]", &["--diff", "--shell", line]);
    assert!(said.out.contains("+more"), "{said:?}");
    let said = server.run("127.0.0.[1-2]", &["--shell", "echo a; echo b >&2"]);
    let mut lines: Vec<&str> = said.out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["127.0.0.1: a", "127.0.0.2: a"]);
}

#[test]
fn root_some_unreachable_is_partial_and_the_others_run() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let inventory =
        server.write("inventory.toml", "[groups]\nall = \"127.0.0.[1-2],no-such-host.invalid\"\n");
    let said = server.run("@all", &["--inventory", inventory.to_str().unwrap(), "--", "echo", "hi"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("127.0.0.1: hi") && said.out.contains("127.0.0.2: hi"), "{said:?}");
    assert!(said.err.contains("2 ok, 1 resolve (no-such-host.invalid)"), "{said:?}");
    let said = server.run("@none", &["--inventory", inventory.to_str().unwrap(), "--", "true"]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn root_one_connection_to_a_host_in_between_serves_all_behind_it() {
    if !can_run() {
        return;
    }
    let (bastion, server) = (Server::start(), Server::start());
    std::fs::copy(server.path("id.pub"), bastion.path("authorized")).unwrap();
    let config = server.write(
        "config",
        &format!(
            "Host bastion\n  HostName 127.0.0.9\n  Port {}\n  ProxyJump none\nHost 127.*\n  ProxyJump bastion\n  Port {}\n\
             Host *\n  User root\n  IdentityFile {}\n",
            bastion.port,
            server.port,
            server.path("id").display()
        ),
    );
    let known = server.path("known");
    let args = [
        "--on",
        "127.0.2.[1-10]",
        "--ssh-config",
        config.to_str().unwrap(),
        "--known-hosts",
        known.to_str().unwrap(),
        "--host-keys",
        "accept-new",
        "--fold",
        "--",
        "echo",
        "through",
    ];
    let said = crate::server::said(server.command(&args));
    assert_eq!((said.code, said.out.as_str()), (0, "---- 127.0.2.[1-10] (10)\nthrough\n"), "{said:?}");
    server.logs("Accepted publickey", 10);
    bastion.logs("Accepted publickey", 1);
}

#[test]
fn root_hosts_in_between_that_lead_back_are_refused_and_not_waited_for() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let config = server.write(
        "config",
        "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\nHost c\n  ProxyJump a,d\nHost d\n  ProxyJump none\n",
    );
    for host in ["a", "b", "c"] {
        let args = ["--on", host, "--ssh-config", config.to_str().unwrap(), "--json", "--", "true"];
        let said = crate::server::said(server.command(&args));
        let told: Value = serde_json::from_str(said.out.trim()).unwrap();
        assert_eq!((said.code, &told["class"]), (125, &"config".into()), "{said:?}");
        assert!(told["error"].as_str().unwrap().contains("leads back to itself"), "{told}");
    }
}
