//! Which keys are trusted: the same as `ssh -o BatchMode=yes` trusts, whatever the files say.

use crate::server::{Server, can_run, make_key, said};
use std::process::{Command, Stdio};

/// What `ssh` itself decides with such a file of known hosts.
fn ssh_accepts(server: &Server, host: &str, policy: &str, known: &str) -> bool {
    let known = server.write("known_of_ssh", known);
    let mut command = Command::new("ssh");
    command.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "UpdateHostKeys=no",
        "-o",
        "GlobalKnownHostsFile=none",
    ]);
    command.arg("-o").arg(format!("UserKnownHostsFile={}", known.display()));
    command.arg("-o").arg(format!("StrictHostKeyChecking={policy}")).arg("-i").arg(server.path("id"));
    command.args(["-p", &server.port.to_string(), host, "true"]).stdin(Stdio::null());
    let said = said(command);
    assert!(said.code == 0 || said.code == 255, "{said:?}");
    said.code == 0
}

fn vigie_accepts(server: &Server, host: &str, policy: &str, known: &str) -> (bool, String) {
    let known = server.write("known_of_vigie", known);
    let ours = if policy == "yes" { "strict" } else { policy };
    let said = server
        .run(host, &["--known-hosts", known.to_str().unwrap(), "--host-keys", ours, "--json", "--", "true"]);
    let told: serde_json::Value = serde_json::from_str(said.out.trim()).unwrap_or_default();
    assert!(said.code == 0 || said.code == 125, "{said:?}");
    (said.code == 0, told["class"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn root_decisions_are_those_of_ssh() {
    if !can_run() {
        return;
    }
    let server = Server::with("HostKey DIR/host_ed25519\nHostKey DIR/host_ecdsa");
    let only_ed = Server::start();
    make_key(&server.path("other"), "ed25519");
    let hash = |server: &Server, line: &str| {
        let file = server.write("to_hash", line);
        assert!(Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap().status.success());
        std::fs::read_to_string(file).unwrap()
    };
    for server in [&server, &only_ed] {
        let at = format!("[127.0.0.1]:{}", server.port);
        let (key, ecdsa) = (server.public("host_ed25519"), server.public("host_ecdsa"));
        make_key(&server.path("wrong"), "ed25519");
        let wrong = server.public("wrong");
        let cases = [
            String::new(),
            format!("{at} {key}\n"),
            format!("127.0.0.1 {key}\n"),
            format!("{at} {wrong}\n"),
            format!("127.0.0.1 {wrong}\n"),
            format!("{at} {wrong}\n{at} {key}\n"),
            format!("{at} {ecdsa}\n"),
            format!("{at} {ecdsa}\n{at} {wrong}\n"),
            format!("*,!{at} {key}\n"),
            format!("[127.0.0.*]:{} {key}\n", server.port),
            format!("[127.0.0.?]:* {key}\n"),
            format!("[127.0.1.*]:{} {key}\n", server.port),
            format!("@revoked * {key}\n{at} {key}\n"),
            format!("@revoked {at} {wrong}\n{at} {key}\n"),
            format!("@cert-authority {at} {key}\n"),
            format!("# {at} {key}\n  {at} {key} behind blanks\n"),
            format!("{at} {key} trailing words of a comment\n{at} broken\n"),
            format!("@nonsense {at} {key}\n"),
            format!("{at},otherhost {key}\n"),
            hash(server, &format!("{at} {key}\n")),
            hash(server, &format!("{at} {wrong}\n")),
            hash(server, &format!("127.0.0.1 {key}\n")),
        ];
        for known in &cases {
            for policy in ["yes", "accept-new", "ask"] {
                let wanted = ssh_accepts(server, "127.0.0.1", policy, known);
                let (found, class) = vigie_accepts(server, "127.0.0.1", policy, known);
                assert_eq!(found, wanted, "{policy}, we say {class}, with:\n{known}");
            }
        }
    }
}

#[test]
fn root_certificates_of_hosts_are_judged_as_ssh_does() {
    if !can_run() {
        return;
    }
    let server = Server::with("HostKey DIR/host_ed25519\nHostCertificate DIR/host_ed25519-cert.pub");
    let at = format!("[127.0.0.1]:{}", server.port);
    make_key(&server.path("ca"), "ed25519");
    make_key(&server.path("ca2"), "ed25519");
    let (ca, other, key) = (server.public("ca"), server.public("ca2"), server.public("host_ed25519"));
    for sign in [
        &["-h", "-n", "127.0.0.1"][..],
        &["-h", "-n", "elsewhere"],
        &["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"],
        &["-n", "127.0.0.1"],
        &["-h"],
    ] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-s"]).arg(server.path("ca")).args(["-I", "test"]).args(sign);
        assert!(keygen.arg(server.path("host_ed25519.pub")).status().unwrap().success());
        // It reads its certificate when it starts.
        let server = server.again();
        for known in [
            format!("@cert-authority {at} {ca}\n"),
            format!("@cert-authority * {ca}\n"),
            format!("@cert-authority {at} {other}\n"),
            format!("@cert-authority {at} {other}\n{at} {key}\n"),
            format!("{at} {key}\n"),
            format!("@cert-authority {at} {ca}\n@revoked * {ca}\n"),
            format!("@cert-authority {at} {ca}\n@revoked * {key}\n"),
        ] {
            let known = known.replace(&at, &format!("[127.0.0.1]:{}", server.port));
            let wanted = ssh_accepts(&server, "127.0.0.1", "yes", &known);
            let (found, class) = vigie_accepts(&server, "127.0.0.1", "yes", &known);
            assert_eq!(found, wanted, "signed with {sign:?}, we say {class}, with:\n{known}");
        }
    }
}

#[test]
fn root_a_changed_key_is_refused_with_what_to_do() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    make_key(&server.path("wrong"), "ed25519");
    let line = format!("[127.0.0.1]:{} {}\n", server.port, server.public("wrong"));
    server.write("known", &line);
    let said = server.run("127.0.0.1", &["--", "touch", server.path("ran").to_str().unwrap()]);
    assert_eq!(said.code, 125, "{said:?}");
    assert!(said.err.contains("hostkey-changed") && said.err.contains("ssh-keygen"), "{said:?}");
    assert!(!server.path("ran").exists());
    assert_eq!(std::fs::read_to_string(server.path("known")).unwrap(), line, "nothing is written");
    assert_eq!(server.run("127.0.0.1", &["--host-keys", "off", "--", "true"]).code, 0);
}

#[test]
fn root_a_new_host_is_written_down_once_and_known_then() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let known = server.path("dir/known");
    let said = server.run("127.0.0.[1-9]", &["--known-hosts", known.to_str().unwrap(), "--", "true"]);
    assert_eq!(said.code, 0, "{said:?}");
    let lines = std::fs::read_to_string(&known).unwrap();
    assert_eq!(lines.lines().count(), 9, "{lines}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(known.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let said = server
        .run("127.0.0.1", &["--known-hosts", known.to_str().unwrap(), "--host-keys", "strict", "--", "true"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(std::fs::read_to_string(&known).unwrap(), lines);
    assert!(ssh_accepts(&server, "127.0.0.1", "yes", &lines), "ssh reads what we wrote");
}
