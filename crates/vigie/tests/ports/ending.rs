//! How a scan ends that does not come to its end.

use crate::lab::{Lab, run, said, vigie};
use rustix::net::{AddressFamily, RecvFlags, SocketType, ipproto, recv, socket};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

#[test]
fn ctrl_c_gives_what_was_found_so_far_and_says_so() {
    let lab = Lab::new(20);
    let args = ["127.0.0.1", "-p", &lab.spec(), "--rate", "2", "--engine", "connect", "--json"];
    let child = vigie(&args).spawn().unwrap();
    // The first probe has come; at two a second the last one is far away.
    wait_for_any(&lab);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said = said(child.wait_with_output().unwrap());
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("stopped before the end"), "{said:?}");
    let host = &said.json()[0];
    assert!(host["counts"]["unknown"].as_u64().unwrap() > 0, "{said:?}");
    assert!(host["coverage"].as_f64().unwrap() < 1.0, "{said:?}");
    assert!(said.out.contains("\"reason\":\"stopped\""), "{said:?}");
}

#[test]
fn ctrl_c_of_the_syn_engine_gives_what_was_found_so_far_as_root() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    // An address that no other test has, so that a segment to it is this scan's. At twenty a second, the last of two
    // thousand ports is far away.
    let target = Ipv4Addr::new(127, 20, 77, 1);
    let heard = raw_tcp();
    let name = target.to_string();
    let args = [&name, "-p", "1-2000", "--no-ping", "--rate", "20", "--engine", "syn", "--json"];
    let child = vigie(&args).spawn().unwrap();
    wait_for_segment(&heard, target);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said = said(child.wait_with_output().unwrap());
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("stopped before the end"), "{said:?}");
    let host = &said.json()[0];
    assert_eq!(host["engine"], "syn", "{said:?}");
    assert!(host["counts"]["unknown"].as_u64().unwrap() > 0, "{said:?}");
    assert!(host["coverage"].as_f64().unwrap() < 1.0, "{said:?}");
    assert!(said.out.contains("\"reason\":\"stopped\""), "{said:?}");
}

/// A socket that is given a copy of every TCP segment that comes to this machine over IPv4.
fn raw_tcp() -> OwnedFd {
    socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::TCP)).unwrap()
}

/// Returns when a segment has come for `target`.
fn wait_for_segment(heard: &OwnedFd, target: Ipv4Addr) {
    let mut packet = [0; 2048];
    loop {
        let (got, _) = recv(heard, &mut packet, RecvFlags::empty()).unwrap();
        // An IPv4 header has its destination from byte 16 on.
        if packet[..got].get(16..20) == Some(&target.octets()) {
            return;
        }
    }
}

/// Returns when one of the listeners has a connection.
fn wait_for_any(lab: &Lab) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut all: Vec<PollFd<'_>> =
        lab.listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)).collect();
    let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
    assert!(poll(&mut all, Some(&patience)).unwrap() > 0, "nobody was probed");
}

#[test]
fn a_reader_that_goes_away_ends_the_scan() {
    let lab = Lab::new(1);
    let args = ["127.0.0.0/20", "-p", &lab.spec(), "--no-ping", "--json"];
    let mut child = vigie(&args).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"target\":\"127.0.0.0\""), "{first}");
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.code() == Some(0), "{ended:?}");
}

#[test]
fn a_target_without_a_route_is_never_called_closed() {
    // Documentation only (RFC 3849): there is no route, or nobody answers.
    let said = run(&["2001:db8::1", "-p", "22", "--timeout", "200ms", "--retries", "0", "--json"]);
    let host = &said.json()[0];
    assert_eq!((&host["counts"]["open"], &host["counts"]["closed"]), (&0.into(), &0.into()), "{said:?}");
    let reason = host["others"][0]["reason"].as_str().unwrap();
    assert!(
        ["no-route", "no-neighbour", "no-response", "host-unreach", "net-unreach"].contains(&reason),
        "{said:?}"
    );
}
