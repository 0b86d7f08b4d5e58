//! Many names of which most have no address, by a name server of our own.

use crate::lab::{Lab, has, said};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::process::Command;

/// Names without an address.
const NOBODY: usize = 20_000;

#[test]
fn twenty_thousand_names_without_address_are_each_said_once_as_root() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    if !["unshare", "mount", "ip"].into_iter().all(has) {
        return;
    }
    let space = format!("vigie-names{}", std::process::id());
    let ip = |args: &[&str]| Command::new("ip").args(args).status().unwrap().success();
    assert!(ip(&["netns", "add", &space]) && ip(&["-n", &space, "link", "set", "lo", "up"]));
    let network = File::open(format!("/run/netns/{space}")).unwrap();
    // Entered by a thread of its own; what it starts is born there.
    let ended = std::thread::spawn(move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        each_is_said_once();
    });
    let ended = ended.join();
    assert!(ip(&["netns", "delete", &space]));
    ended.unwrap();
}

fn each_is_said_once() {
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    std::thread::spawn(move || serve(&server));
    let lab = Lab::new(1);
    let dir = tempfile::tempdir().unwrap();
    let resolver = crate::lab::file(dir.path(), "resolv.conf", "nameserver 127.0.0.1\nsearch .\n");
    let names: String = (0..NOBODY).map(|n| format!("n{n}.invalid\n")).collect();
    let list = crate::lab::file(dir.path(), "list", &format!("127.0.0.2\n{names}here.invalid\n"));
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        r#"mount --bind "$1" /etc/resolv.conf && shift && exec "$@""#,
        "sh",
    ]);
    command.args([&resolver, env!("CARGO_BIN_EXE_vigie"), "ports", "--targets", &list, "-p", &lab.spec()]);
    let said = said(command.arg("--json").output().unwrap());
    assert_eq!(said.code, 3, "{}", said.err.lines().last().unwrap_or_default());
    let targets: Vec<_> = said.json().iter().map(|host| host["target"].clone()).collect();
    assert_eq!(targets, ["127.0.0.2", "here.invalid"], "the rest goes on, in its order");
    assert!(said.json().iter().all(|host| host["counts"]["open"] == 1), "{:?}", said.out);
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for line in said.err.lines() {
        if let Some((_, rest)) = line.split_once("cannot resolve ") {
            *times.entry(rest.split_once(':').unwrap().0).or_default() += 1;
        }
    }
    assert_eq!((times.len(), times.values().sum::<usize>()), (NOBODY, NOBODY), "each once");
}

/// Answers queries (RFC 1035) until the process ends: `here.invalid` is 127.0.0.1, nobody else is there.
fn serve(server: &UdpSocket) {
    let mut query = [0; 512];
    while let Ok((len, from)) = server.recv_from(&mut query) {
        // A question follows the header of 12 bytes: a name that ends with an empty label, its type and its class.
        let Some(end) = query[12..len].iter().position(|byte| *byte == 0).map(|at| 12 + at + 5) else {
            continue;
        };
        let is_here = query[12..].starts_with(b"\x04here\x07invalid\0");
        let is_v4 = query[end - 4..end - 2] == [0, 1];
        let mut answer = query[..end].to_vec();
        answer[2..4].copy_from_slice(&[0x81, if is_here { 0x80 } else { 0x83 }]);
        let answers = u8::from(is_here && is_v4);
        answer[4..12].copy_from_slice(&[0, 1, 0, answers, 0, 0, 0, 0]);
        if answers == 1 {
            // The name of the question, A, IN, one second, four bytes.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
        }
        let _ = server.send_to(&answer, from);
    }
}
