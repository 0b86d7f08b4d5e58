//! Servers that flood, say nothing, hang up or are none: nobody waits for them for ever, and others are not held up.

use crate::pretenders::listener;
use crate::server::{Server, can_run, eventually, said};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

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
fn root_only_who_hangs_up_before_saying_who_it_is_may_be_throttling() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let knocks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&knocks);
    let leaves = listener(move |mut stream| {
        counted.fetch_add(1, Relaxed);
        let _ = stream.write_all(b"SSH-2.0-leaves\r\n");
        let _ = stream.read(&mut [0; 4096]);
    });
    assert_eq!(class_at(&server, leaves), "handshake");
    assert_eq!(knocks.load(Relaxed), 1, "what is no throttling is not tried again");
    let config = server.write("config", "Host behind\n  ProxyCommand /bin/false\n");
    let args = ["--on", "behind", "--ssh-config", config.to_str().unwrap(), "--json", "--", "true"];
    let said = said(server.command(&args));
    assert!(said.out.contains("\"class\":\"unreachable\"") && said.out.contains("ProxyCommand"), "{said:?}");
}

#[test]
fn root_a_full_sshd_is_waited_for() {
    if !can_run() {
        return;
    }
    let server = Server::with("MaxStartups 1:100:1");
    let mut in_the_way = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    // Now it holds the one place that there is.
    in_the_way.read_exact(&mut [0; 4]).unwrap();
    let command = server.run_command("127.0.0.1", &["--", "echo", "in"]);
    let running = thread::spawn(move || said(command));
    eventually("it was turned away", || server.logged("past MaxStartups").first().cloned());
    drop(in_the_way);
    let said = running.join().unwrap();
    assert_eq!((said.code, said.out.as_str()), (0, "in\n"), "{said:?}");
}

#[test]
fn root_a_flood_is_bounded_and_ends_with_its_time() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let said = server.run("127.0.0.1", &["--json", "--timeout", "6s", "--", "cat", "/dev/zero"]);
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
