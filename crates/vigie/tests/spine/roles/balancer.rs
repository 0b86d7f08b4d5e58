//! HAProxy sends requests to the principal, as its agent says.

use super::{Group, SHORT};
use crate::process::{Process, eventually};
use crate::world::Agent;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

/// Where Debian puts it; its directory is not on everybody's path.
const PROGRAM: &str = "/usr/sbin/haproxy";

/// An HAProxy in front of machines, each with a page that says its name.
struct Balancer {
    front: SocketAddr,
    stats: PathBuf,
    process: Process,
}

/// What is served on a machine, and where its agent answers.
struct Served {
    name: &'static str,
    page: SocketAddr,
    health: SocketAddr,
}

impl Served {
    fn start(name: &'static str) -> Served {
        Served { name, page: page(name), health: free_port() }
    }

    /// What an agent gets, to answer there.
    fn options(&self) -> [String; 4] {
        ["--health", &self.health.to_string(), "--stop-delay", "5s"].map(str::to_owned)
    }
}

impl Balancer {
    fn start(group: &Group, served: &[&Served]) -> Balancer {
        let (front, stats) = (free_port(), group.path("stats.sock"));
        let servers: String = served.iter().map(|s| server(s)).collect();
        let config = format!(
            "global\n  stats socket {} level admin\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n  timeout check 5s\n\
             listen db\n  bind {front}\n{servers}",
            stats.display()
        );
        let path = group.path("haproxy.cfg");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("-db").arg("-f").arg(path);
        let process = Process::start(&mut command, &group.path("haproxy.out"));
        let balancer = Balancer { front, stats, process };
        eventually("HAProxy answers", || balancer.show("alpha"));
        balancer
    }

    /// What `show stat` says of a server, by the names of its columns.
    fn show(&self, server: &str) -> Option<HashMap<String, String>> {
        let mut stream = UnixStream::connect(&self.stats).ok()?;
        stream.write_all(b"show stat\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let mut lines = text.trim_start_matches("# ").lines();
        let names: Vec<&str> = lines.next()?.split(',').collect();
        // No text of this test has a comma or a quote, so the cells need no decoder.
        let rows = lines.map(|line| names.iter().map(|n| (*n).into()).zip(line.split(',').map(Into::into)));
        rows.map(Iterator::collect)
            .find(|row: &HashMap<String, String>| row.get("svname").is_some_and(|name| name == server))
    }

    /// Waits until a server has this status, by this word of its agent.
    fn until(&self, server: &str, status: &str, word: &str) {
        let mut last = String::new();
        eventually(&format!("{server} is {status}, {word}"), || {
            let row = self.show(server)?;
            let now = format!("{}, {}", row["status"], row["last_agt"]);
            if now != last {
                eprintln!("{server}: {now}");
                last.clone_from(&now);
            }
            (row["status"] == status && row["last_agt"].contains(word)).then_some(())
        });
    }

    /// Who answers a request.
    fn asked(&self) -> String {
        let answer = get(self.front, "/");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer.rsplit("\r\n").next().unwrap().to_owned()
    }
}

fn server(Served { name, page, health }: &Served) -> String {
    format!(
        "  server {name} {page} check inter 100ms agent-check agent-port {} agent-inter 50ms \
         agent-send \"db/{name}\\n\"\n",
        health.port()
    )
}

fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A page that says this, until the test process ends.
fn page(text: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Checks of TCP say nothing and leave.
            let Ok(mut stream) = stream else { continue };
            if stream.read(&mut [0; 4096]).is_ok_and(|got| got > 0) {
                let _gone = stream.write_all(answer.as_bytes());
            }
        }
    });
    address
}

/// Asks over HTTP. Who says nothing for a moment, as the kernel may make us do, is answered as an agent-check is, and asks again.
fn get(address: SocketAddr, path: &str) -> String {
    eventually("HTTP is answered", || get_once(address, path).filter(|answer| answer.starts_with("HTTP/")))
}

fn get_once(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn drain(group: &Group, agent: &Agent, command: &str) -> String {
    group.world.ok([command.as_ref(), OsStr::new("--json"), "--state".as_ref(), agent.state.as_os_str()])
}

#[test]
fn requests_follow_roles_and_a_drain() {
    let group = Group::start(SHORT);
    let served = ["alpha", "beta"].map(Served::start);
    let [mut alpha, mut beta] = served.each_ref().map(|served| {
        let options = served.options();
        group.join(served.name, &options.each_ref().map(String::as_str))
    });
    group.until_begins("alpha", 1);
    let balancer = Balancer::start(&group, &served.each_ref());
    balancer.until("alpha", "UP", "role=principal group=db epoch=1");
    balancer.until("beta", "DOWN (agent)", "role=secondaire");
    assert_eq!(balancer.asked(), "alpha");

    group.world.ok(["role", "step-down", "db"]);
    balancer.until("beta", "UP", "role=principal group=db epoch=2");
    balancer.until("alpha", "DOWN (agent)", "role=secondaire");
    assert_eq!(balancer.asked(), "beta");

    // A drain outlives the agent that was told; the role does not.
    let report: serde_json::Value = serde_json::from_str(&drain(&group, &beta, "drain")).unwrap();
    assert_eq!((&report["drained"], &report["changed"]), (&true.into(), &true.into()), "{report}");
    balancer.until("beta", "DRAIN (agent)", "drained");
    beta.kill();
    group.note_gone("beta", 2);
    group.until_begins("alpha", 3);
    balancer.until("alpha", "UP", "epoch=3");
    assert_eq!(balancer.asked(), "alpha");
    let options = served[1].options();
    group.launch(&mut beta, &options.each_ref().map(OsStr::new));
    balancer.until("beta", "DOWN (agent)", "role=secondaire");
    let ready = get(served[1].health, "/ready");
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("drained"), "{ready}");
    drain(&group, &beta, "undrain");
    let ready = get(served[1].health, "/ready");
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");

    // Load balancers hear of the end before it comes; afterwards there is nobody to ask.
    alpha.stop();
    balancer.until("alpha", "DOWN (agent)", "");
    balancer.process.prints("via agent : stopped (stopping)");
    balancer.until("beta", "UP", "epoch=4");
    assert_eq!(balancer.asked(), "beta");
    let principal = get(served[1].health, "/principal?group=db");
    assert!(principal.starts_with("HTTP/1.1 200 ") && principal.contains("\"epoch\":4"), "{principal}");
    group.judge();
}
