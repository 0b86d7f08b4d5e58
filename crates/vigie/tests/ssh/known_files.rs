//! Files of known hosts as people have them: several, with aliases, names beside addresses, lines of other systems and
//! lines that make no sense. The judge is `ssh -o BatchMode=yes`, with the same configuration.

use crate::server::{Server, can_run, make_key, said};
use std::process::{Command, Stdio};

/// A name and further configuration of its host; the contents of three files, two of the user's and the machine's. In all of
/// them stand for: `AT` address and port, `KEY` the server's key, `WRONG` another one.
const CASES: &[(&str, &str, [&str; 3])] = &[
    ("srv", "", ["", "AT KEY\n", ""]),
    ("srv", "", ["AT WRONG\n", "AT KEY\n", ""]),
    ("srv", "", ["AT WRONG\n", "", "AT KEY\n"]),
    ("srv", "", ["", "", "AT KEY\n"]),
    ("srv", "", ["AT KEY\n", "", "@revoked * KEY\n"]),
    ("srv", "", ["AT KEY\n", "@revoked AT WRONG\n", ""]),
    ("srv", "", ["", "", "@cert-authority AT KEY\n"]),
    ("srv", "", ["srv KEY\n", "", ""]),
    ("srv", "", ["[srv]:PORT KEY\n", "", ""]),
    ("localhost", "HostName localhost\n", ["AT KEY\n", "", ""]),
    ("localhost", "HostName localhost\n", ["[localhost]:PORT KEY\n", "", ""]),
    ("localhost", "HostName localhost\n", ["[localhost]:PORT WRONG\nAT KEY\n", "", ""]),
    ("localhost", "HostName LocalHost\n", ["[LOCALHOST]:PORT KEY\n", "", ""]),
    ("localhost", "HostName localhost\nCheckHostIP yes\n", ["[localhost]:PORT KEY\n", "", ""]),
    ("srv", "HostKeyAlias farm\n", ["farm KEY\n", "", ""]),
    ("srv", "HostKeyAlias farm\n", ["FARM KEY\n", "", ""]),
    ("srv", "HostKeyAlias Farm\n", ["farm KEY\n", "", ""]),
    ("srv", "HostKeyAlias farm\n", ["[farm]:PORT KEY\n", "", ""]),
    ("srv", "HostKeyAlias farm\n", ["AT KEY\n", "", ""]),
    ("srv", "HostKeyAlias farm\n", ["farm WRONG\n", "AT KEY\n", ""]),
    ("srv", "HostKeyAlias farm\n", ["f*,!farm KEY\n", "", ""]),
    ("srv", "HostKeyAlias farm\n", ["@revoked farm KEY\nfarm KEY\n", "", ""]),
    ("srv", "", ["AT KEY\r\n", "", ""]),
    ("srv", "", ["AT WRONG\r\nAT KEY\r\n", "", ""]),
    ("srv", "", ["# comment\r\n\r\nAT KEY comment\r\n", "", ""]),
    ("srv", "", ["AT\tKEY\n", "", ""]),
    ("srv", "", ["\t AT  KEY\n", "", ""]),
    ("srv", "", ["AT KEY", "", ""]),
    ("srv", "", ["AT ssh-new-kind AAAA\nAT KEY\n", "", ""]),
    ("srv", "", ["AT ssh-new-kind AAAA\n", "", ""]),
    ("srv", "", ["AT ssh-dss AAAAB3NzaC1kc3MAAACBAA==\n", "", ""]),
    ("srv", "", ["AT 2048 65537 1234567890\nAT KEY\n", "", ""]),
    ("srv", "", ["AT\nAT ssh-ed25519\nAT KEY\n", "", ""]),
    ("srv", "", ["AT ssh-ed25519 !!!not-base64!!!\n", "", ""]),
    ("srv", "", ["AT ssh-rsa BLOB\n", "", ""]),
    ("srv", "", ["AT BLOB\n", "", ""]),
    ("srv", "", ["AT, KEY\n", "", ""]),
    ("srv", "", [",AT KEY\n", "", ""]),
    ("srv", "", ["other,AT,third KEY\n", "", ""]),
    ("srv", "", ["!AT KEY\n", "", ""]),
    ("srv", "", ["*,!other KEY\n", "", ""]),
    ("srv", "", ["*:PORT KEY\n", "", ""]),
    ("srv", "", ["[127.0.0.1]:* KEY\n", "", ""]),
    ("srv", "", ["[127.0.0.1]:1 WRONG\n127.0.0.1 WRONG\nAT KEY\n", "", ""]),
    ("srv", "", ["@revoked AT KEY trailing\n", "AT KEY\n", ""]),
    ("srv", "", ["@REVOKED AT KEY\nAT KEY\n", "", ""]),
    ("srv", "", ["@revoked  \tAT KEY\nAT KEY\n", "", ""]),
    ("srv", "", ["@revoked@cert-authority AT KEY\nAT KEY\n", "", ""]),
    ("srv", "", ["|1|AAAA|BBBB KEY\nAT KEY\n", "", ""]),
    ("srv", "", ["|1|notbase64 KEY\n", "", ""]),
    ("srv", "", ["\u{feff}AT KEY\n", "", ""]),
    ("srv", "", ["é,AT KEY\n", "", ""]),
];

#[test]
fn root_files_as_people_have_them_are_judged_as_ssh_does() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    make_key(&server.path("wrong"), "ed25519");
    let (key, wrong) = (server.public("host_ed25519"), server.public("wrong"));
    let port = server.port.to_string();
    let blob = key.split(' ').nth(1).unwrap().to_owned();
    let filled = |text: &str| {
        let text = text.replace("AT", &format!("[127.0.0.1]:{port}")).replace("PORT", &port);
        text.replace("WRONG", &wrong).replace("KEY", &key).replace("BLOB", &blob)
    };
    let (mut differences, mut accepted) = (Vec::new(), 0);
    for (host, more, files) in CASES {
        for policy in ["yes", "accept-new"] {
            let names = ["one", "two", "machines"];
            // Whoever accepts a key writes it down.
            let write =
                || names.iter().zip(files).for_each(|(name, text)| drop(server.write(name, &filled(text))));
            let at = |name: &str| server.path(name).display().to_string();
            let config = server.write(
                "config",
                &format!(
                    "{more}HostName 127.0.0.1\nPort {port}\nUser root\nIdentityFile {}\nIdentitiesOnly yes\n\
                     UserKnownHostsFile {} {}\nGlobalKnownHostsFile {}\nStrictHostKeyChecking {policy}\nUpdateHostKeys no\n",
                    at("id"), at("one"), at("two"), at("machines"),
                ),
            );
            write();
            let mut ssh = Command::new("ssh");
            ssh.arg("-F").arg(&config).args(["-o", "BatchMode=yes", host, "true"]).stdin(Stdio::null());
            let theirs = said(ssh);
            assert!(theirs.code == 0 || theirs.code == 255, "{theirs:?}");
            write();
            let ours = said(server.command(&[
                "--on",
                host,
                "--ssh-config",
                config.to_str().unwrap(),
                "--json",
                "--",
                "true",
            ]));
            assert!(ours.code == 0 || ours.code == 125, "{ours:?}");
            accepted += usize::from(theirs.code == 0);
            if (ours.code == 0) != (theirs.code == 0) {
                let told: serde_json::Value = serde_json::from_str(ours.out.trim()).unwrap_or_default();
                let says = if theirs.code == 0 { "accepts" } else { "refuses" };
                differences.push(format!(
                    "{policy}: ssh {says}, we say {}: {host} {more:?} {files:?}",
                    told["class"]
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    assert!((20..CASES.len() * 2 - 20).contains(&accepted), "{accepted} accepted: this decides nothing");
}
