//! Servers that flood, say nothing, hang up or are none: nobody waits for them for ever, and others are not held up.

use crate::pretenders::listener;
use crate::server::{Server, can_run, said};
use serde_json::Value;
use std::io::{Read, Write};

fn class_at(server: &Server, port: u16) -> String {
    let port = port.to_string();
    let said = said(server.command(&["--on", "127.0.0.1", "--port", &port, "--json", "--", "true"]));
    assert_eq!(said.code, 125, "{said:?}");
    let told: Value = serde_json::from_str(said.out.trim()).unwrap();
    told["class"].as_str().unwrap().to_owned()
}

#[test]
fn root_what_is_no_ssh_server_is_not_taken_for_one() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let web = listener(|mut stream| {
        // As a web server does; closing with the request unread would reset the connection.
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let garbage = listener(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-odd\r\n");
        let _ = stream.write_all(&[0xff; 4096]);
    });
    assert_eq!(class_at(&server, garbage), "handshake");
    assert_eq!(class_at(&server, web), "handshake");
    let port = web.to_string();
    let said = said(server.command(&["--on", "127.0.0.1", "--port", &port, "--", "true"]));
    assert!(said.err.contains("is not an SSH server: it says `HTTP/1.1 400 Bad Request`"), "{said:?}");
}

#[test]
fn root_a_flood_is_bounded_and_ends_with_its_time() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let said = server.run("127.0.0.1", &["--json", "--timeout", "2s", "--", "cat", "/dev/zero"]);
    let told: Value = serde_json::from_str(said.out.trim()).unwrap();
    assert_eq!((said.code, &told["class"]), (124, &"timeout".into()));
    assert!(told["stdout_cut_bytes"].as_u64().unwrap() > 0, "{}", told["stdout_bytes"]);
    assert!(said.out.len() < 200 << 20);
    let said = server.run("127.0.0.[1-3]", &["--json", "--shell", "head -c 20000000 /dev/zero; echo end"]);
    assert_eq!(said.code, 0);
    for line in said.out.lines() {
        let told: Value = serde_json::from_str(line).unwrap();
        assert_eq!(told["stdout_bytes"], 20_000_004);
        assert!(told["stdout"].as_str().unwrap().ends_with("end\n"));
    }
}

#[test]
fn root_a_name_that_is_an_option_or_a_command_is_no_host() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let made = server.path("made");
    for host in [format!("-oProxyCommand=touch${{IFS}}{}", made.display()), "$(touch made)".to_owned()] {
        let said = said(server.command(&[&format!("--on={host}"), "--", "true"]));
        assert!(said.code == 2 || said.code == 125, "{said:?}");
    }
    assert!(!made.exists());
}
