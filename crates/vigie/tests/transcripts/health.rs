//! Health: one look for scripts; then a service, what it answers, and a drain through its lives.

use crate::{Home, Said, eventually};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

/// A `vigie health serve` on a port that it keeps through its lives.
struct Serve {
    child: Child,
    address: SocketAddr,
}

impl Serve {
    /// Starts it and waits until it says something.
    fn start(home: &Home, address: SocketAddr, args: &[&str]) -> Serve {
        let serve = Serve::spawn(home, address, args);
        eventually("it answers", || serve.line(b"\n").filter(|line| line != "\n"));
        serve
    }

    fn spawn(home: &Home, address: SocketAddr, args: &[&str]) -> Serve {
        let listen = address.to_string();
        let mut all = vec!["health", "serve", "--listen", &listen, "--state", "state", "--interval", "100ms"];
        all.extend(args);
        let log = std::fs::File::options().create(true).append(true).open(home.path().join("log")).unwrap();
        let child = home.command(&all).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Serve { child, address }
    }

    /// What is said to an agent-check that sends this.
    fn line(&self, sent: &[u8]) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.write_all(sent).ok()?;
        let mut line = String::new();
        stream.read_to_string(&mut line).ok()?;
        Some(line)
    }

    /// The first answer to that.
    fn said(&self, sent: &[u8]) -> String {
        eventually("it answers", || self.line(sent))
    }

    /// What is answered over HTTP. Who says nothing for a moment, as the kernel may make us do, is answered as an agent-check
    /// is, and asks again.
    fn http(&self, request: &str) -> String {
        eventually("HTTP is answered", || {
            self.line(request.as_bytes()).filter(|answer| answer.starts_with("HTTP/"))
        })
    }

    fn until(&self, line: &str) {
        let mut last = None;
        eventually(line, || {
            let said = self.line(b"\n");
            if said != last {
                eprintln!("said: {said:?}");
                last.clone_from(&said);
            }
            (said.as_deref() == Some(line)).then_some(())
        });
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    fn stop(mut self) -> i32 {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // Gone already, when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn one_look_ends_as_scripts_expect() {
    let home = Home::new();
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = format!("[name=db] tcp:{}", open.local_addr().unwrap());
    let closed = format!("[name=gone] tcp:{}", free_port());
    let ok = "[name=load] exec:echo 'LOAD OK|load=1'";
    let warning = "[name=disk] exec:echo low; exit 1";
    let unknown = "[name=x] exec:no-such-plugin";
    let said = home.run(&["health", "check", &tcp, ok, warning]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out, "ok       db    connected\nok       load  LOAD OK\nwarning  disk  low\n");
    let said = home.run(&["health", "check", &tcp, unknown]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("unknown  x   exit code 127: "), "{said:?}");
    let Said { code, out, .. } = home.run(&["health", "check", unknown, &closed, "--json"]);
    assert_eq!(code, 1);
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["check"], &lines[0]["verdict"]), (&"x".into(), &"unknown".into()));
    assert_eq!((&lines[1]["check"], &lines[1]["verdict"]), (&"gone".into(), &"critical".into()));
}

#[test]
fn a_hanging_plugin_is_ended_with_all_its_children() {
    let home = Home::new();
    let check = "[timeout=5s] exec:sleep 600 & echo $! > child; echo looking; wait";
    let said = home.run(&["health", "check", check]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("not done within 5s: looking"), "{said:?}");
    assert_gone(&home.path().join("child"));
}

#[test]
fn an_interrupted_look_leaves_nobody() {
    let home = Home::new();
    let mut command = home.command(&["health", "check", "exec:sleep 600 & echo $! > child; wait"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let file = home.path().join("child");
    eventually("the plugin runs", || std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n')));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert_gone(&file);
}

#[test]
fn a_service_that_stops_leaves_nobody() {
    let home = Home::new();
    let hangs = "[timeout=600s] exec:trap '' TERM; sleep 600 & echo $! > child; wait";
    let serve = Serve::spawn(&home, free_port(), &["--check", hangs]);
    let file = home.path().join("child");
    eventually("the plugin runs", || std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n')));
    assert_eq!(serve.stop(), 0);
    assert_gone(&file);
}

/// Waits until the process whose number the file holds has ended.
fn assert_gone(file: &Path) {
    let pid = std::fs::read_to_string(file).unwrap();
    eventually("the child has ended", || {
        // The state follows the name, which is in parentheses (proc_pid_stat(5)).
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, None | Some('Z' | 'X')).then_some(())
    });
}

#[test]
fn a_service_its_drain_and_its_next_life() {
    let home = Home::new();
    std::fs::write(home.path().join("up"), "").unwrap();
    let address = free_port();
    let check = ["--check", "[name=file] exec:test -e up || { echo gone; exit 2; }"];
    let serve = Serve::start(&home, address, &check);
    serve.until("up ready\n");
    std::fs::remove_file(home.path().join("up")).unwrap();
    serve.until("down ready # file: gone\n");
    std::fs::write(home.path().join("up"), "").unwrap();
    serve.until("up ready\n");

    let drain = ["drain", "--state", "state", "--reason", "new kernel"];
    let drained = home.run(&drain);
    assert_eq!((drained.code, drained.out.as_str(), drained.err.as_str()), (0, "drained: new kernel\n", ""));
    assert_eq!(serve.said(b"\n"), "up drain # drained: new kernel\n");
    assert_eq!(home.run(&["drain", "--state", "state"]).out, "drained already: new kernel\n");
    let http = serve.http("GET /ready HTTP/1.0\r\n\r\n");
    assert!(http.starts_with("HTTP/1.0 503 ") && http.contains("\"drained: new kernel\""), "{http}");

    // The plug is pulled, and the next life still knows.
    drop(serve);
    let serve = Serve::start(&home, address, &check);
    serve.until("up drain # drained: new kernel\n");
    let second = home.run(&["health", "serve", "--listen", &free_port().to_string(), "--state", "state"]);
    assert_eq!(second.code, 4, "{second:?}");
    assert!(second.err.contains("--state DIR"), "{second:?}");
    let json = home.run(&["undrain", "--state", "state", "--json"]).out;
    assert_eq!(json, "{\"drained\":false,\"changed\":true}\n");
    serve.until("up ready\n");
    assert_eq!(home.run(&["undrain", "--state", "state"]).out, "it was not drained\n");
    let socket = home.path().join("state/health.sock");
    let status = home.run(&["status", "--hub-api", socket.to_str().unwrap(), "--json"]).out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status["part"], &status["ready"]), (&"health".into(), &true.into()), "{status}");
    assert_eq!(serve.stop(), 0);
    assert!(!socket.exists());
}

#[test]
fn a_stop_is_announced() {
    let home = Home::new();
    let mut serve = Serve::start(&home, free_port(), &["--stop-delay", "600s"]);
    serve.until("up ready\n");
    serve.signal(rustix::process::Signal::TERM);
    serve.until("stopped # stopping\n");
    assert!(serve.child.try_wait().unwrap().is_none(), "it did not wait");
    // A signal that follows at once is taken for an echo of the first.
    let ended = eventually("the end", || {
        serve.signal(rustix::process::Signal::TERM);
        serve.child.try_wait().unwrap()
    });
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn roles_come_from_files() {
    let home = Home::new();
    let file = home.path().join("web.role");
    std::fs::write(&file, "secondaire epoch=6\n").unwrap();
    let args = ["--role", "web=web.role", "--on-secondaire-state", "maint", "--check", "role:web=principal"];
    let serve = Serve::start(&home, free_port(), &args[..4]);
    serve.until("up maint # role=secondaire group=web epoch=6\n");
    std::fs::write(&file, "principal epoch=7 reason=left\n").unwrap();
    serve.until("up ready # role=principal group=web epoch=7\n");
    assert!(serve.http("HEAD /principal HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 "));
    std::fs::remove_file(&file).unwrap();
    serve.until("up maint # role=unknown group=web\n");
    let said = home.run(&["health", "check", "role:web=principal", "--role", "web=web.role"]);
    assert_eq!((said.code, said.out.as_str()), (1, "critical  role:web=principal  no role in web\n"));
}

#[test]
fn wrong_usage_is_refused_before_anything_starts() {
    let home = Home::new();
    for (args, told) in [
        (&["health", "check"][..], "<SPEC>"),
        (&["health", "check", "ping:x"], "tcp:HOST:PORT"),
        (&["health", "check", "role:web=principal"], "--role web=FILE"),
        (&["health", "serve", "--check", "tcp:x"], "HOST:PORT"),
        (&["health", "serve", "--interval", "1ms"], "at least 50ms"),
        (&["health", "serve", "--rise", "0"], "--rise"),
        (&["health", "serve", "--on-secondaire-state", "weight=10"], "0% to 100%"),
        (&["health", "serve", "--role", "web"], "GROUP=FILE"),
        (&["health", "serve", "--check", "tcp:a:1", "--check", "tcp:a:1"], "[name=NAME]"),
    ] {
        let said = home.run(args);
        assert_eq!(said.code, 2, "{args:?}: {said:?}");
        assert!(said.err.contains(told), "{args:?} should tell `{told}`: {}", said.err);
    }
    let nobody = home.run(&["drain", "--state", "nowhere"]);
    assert_eq!(nobody.code, 4, "{nobody:?}");
    assert!(nobody.err.contains("or `vigie health serve`, run here"), "{nobody:?}");
}
