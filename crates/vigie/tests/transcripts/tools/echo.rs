//! The echo, with netcat, socat, ncat and small Python programs on the other side, both ways.

use crate::Home;
use crate::talking::Talking;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Command, Stdio};

/// `vigie echo serve --json`, with the addresses that port 0 became.
fn serve(home: &Home, args: &[&str]) -> (Talking, Vec<String>) {
    let mut all = vec!["echo", "serve", "--json"];
    all.extend(args);
    let mut served = Talking::start(&mut home.command(&all));
    let listening: serde_json::Value = serde_json::from_str(&served.line()).unwrap();
    assert_eq!(listening["event"], "listening");
    let addresses = ["tcp", "udp"].iter().filter_map(|over| listening[over].as_str().map(str::to_owned));
    (served, addresses.collect())
}

/// What a program prints that is given this on standard input.
fn told(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {program}: {e}; cargo xtask setup installs it"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// The message within an answer, which has to have the form that is documented.
fn message(answer: &str) -> &str {
    let rest = answer.strip_prefix("Données reçues à ").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let (time, message) = rest.split_once(" : ").unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "no RFC 3339: {time}");
    message
}

#[test]
fn netcat_socat_and_ncat_are_answered() {
    let home = Home::new();
    let (served, addresses) = serve(&home, &["--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    let [tcp, udp] = addresses.as_slice() else { panic!("{addresses:?}") };
    let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
    let (tcp_port, udp_port) = (port(tcp), port(udp));
    let over_tcp = format!("TCP:{tcp}");
    let over_udp = format!("UDP:{udp}");
    let by_ncat_over_udp = format!("(cat; sleep 5) | ncat -u -i5 127.0.0.1 {udp_port}");
    for (program, args) in [
        ("nc", &["-N", "127.0.0.1", tcp_port.as_str()][..]),
        ("nc", &["-u", "-w3", "127.0.0.1", udp_port.as_str()]),
        ("socat", &["-t5", "-", &over_tcp]),
        ("socat", &["-t3", "-", &over_udp]),
        ("ncat", &["127.0.0.1", &tcp_port]),
        // At the end of its input it would not wait for a datagram.
        ("sh", &["-c", &by_ncat_over_udp]),
    ] {
        let answer = told(program, args, "Hello, é !!\n");
        assert!(!answer.is_empty(), "{program} {args:?} was not answered");
        assert_eq!(message(&answer), "Hello, é !!\n", "{program} {args:?}");
    }
    let (code, said) = served.interrupt();
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn a_client_in_python_as_the_course_has_it() {
    let home = Home::new();
    let (_served, addresses) = serve(&home, &["--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    for (kind, address) in [("SOCK_STREAM", &addresses[0]), ("SOCK_DGRAM", &addresses[1])] {
        let port = address.rsplit_once(':').unwrap().1;
        let program = format!(
            "import socket\n\
             with socket.socket(socket.AF_INET, socket.{kind}) as s:\n\
             \x20   s.connect(('127.0.0.1', {port}))\n\
             \x20   s.sendall(b'Hello !!')\n\
             \x20   data = s.recv(1024)\n\
             print('got:', data.decode(), end='')\n"
        );
        let said = told("python3", &["-c", &program], "");
        assert_eq!(message(said.strip_prefix("got: ").unwrap()), "Hello !!", "{kind}");
    }
}

/// A server as the course has it: it answers one client, whatever it reads at once, without newlines.
fn python_server() -> (Talking, String) {
    let program = "import socket, datetime\n\
         with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:\n\
         \x20   s.bind(('127.0.0.1', 0))\n\
         \x20   s.listen()\n\
         \x20   print(s.getsockname()[1], flush=True)\n\
         \x20   conn, addr = s.accept()\n\
         \x20   with conn:\n\
         \x20       while True:\n\
         \x20           data = conn.recv(1024)\n\
         \x20           if not data: break\n\
         \x20           conn.sendall(f'got at {datetime.datetime.now()} : {data}'.encode())\n";
    let mut server = Talking::start(Command::new("python3").args(["-c", program]));
    let port = server.line();
    (server, format!("127.0.0.1:{}", port.trim()))
}

#[test]
fn a_server_in_python_as_the_course_has_it() {
    let home = Home::new();
    let (mut server, address) = python_server();
    let said = home.run(&[
        "echo",
        "send",
        &address,
        "Hello !!",
        "--count",
        "3",
        "--interval",
        "1ms",
        "--no-newline",
    ]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    for (n, line) in lines[..3].iter().enumerate() {
        assert!(line.starts_with(&format!("{}: got at 20", n + 1)), "{line}");
        assert!(line.contains(" : b'Hello !!' (") && line.ends_with(" ms)"), "{line}");
    }
    assert_eq!(lines[3], format!("--- {address} ---"));
    assert_eq!(lines[4], "sent: 3, received: 3, lost: 0 %");
    assert!(lines[5].starts_with("round trip min/avg/max/mdev = "), "{}", lines[5]);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn send_is_answered_by_serve_and_by_socat() {
    let home = Home::new();
    let (_served, addresses) = serve(&home, &["--tcp", "[::1]:0", "--udp", "127.0.0.1:0", "--lang", "en"]);
    for args in [
        &["echo", "send", &addresses[0], "a", "--json"][..],
        &["echo", "send", &addresses[1], "a", "--udp", "--json"],
    ] {
        let said = home.run(args);
        assert_eq!(said.code, 0, "{said:?}");
        let lines: Vec<serde_json::Value> =
            said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let text = lines[0]["text"].as_str().unwrap();
        assert!(text.starts_with("Data received at ") && text.ends_with(" : a\n"), "{text}");
        assert_eq!((&lines[1]["sent"], &lines[1]["received"]), (&1.into(), &1.into()));
    }
    let mut socat = Command::new("socat");
    socat
        .args(["-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1", "PIPE"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut socat = socat.spawn().unwrap();
    let mut notes = BufReader::new(socat.stderr.take().unwrap()).lines().map_while(Result::ok);
    let note = notes.find(|line| line.contains("listening on")).unwrap();
    let port = note.rsplit_once(':').unwrap().1;
    let said = home.run(&["echo", "send", &format!("127.0.0.1:{port}"), "pong\u{7}"]);
    assert!(said.out.starts_with("1: pong\\x07 ("), "{said:?}");
    socat.wait().unwrap();
}

#[test]
fn what_cannot_be_is_told() {
    let home = Home::new();
    let (served, addresses) = serve(&home, &["--tcp", "127.0.0.1:0"]);
    let address = addresses[0].as_str();
    let said = home.run(&["echo", "serve", "--tcp", address]);
    assert_eq!(said.code, 4);
    assert_eq!(
        said.err,
        format!(
            "error: cannot listen on {address} (TCP): Address already in use (os error 98)\n\
             hint: another program listens there; choose another port with --tcp or --udp\n"
        )
    );
    let said = home.run(&["echo", "serve", "--udp", "192.0.2.1:9"]);
    assert!(said.code == 4 && said.err.contains("no interface of this machine has this address"), "{said:?}");
    served.interrupt();
    let said = home.run(&["echo", "send", address, "a"]);
    assert!(said.code == 4 && said.err.contains("Connection refused"), "{said:?}");
    // Over UDP the system tells by ICMP.
    let said = home.run(&["echo", "send", address, "a", "--udp"]);
    assert!(said.code == 1 && said.out.starts_with("1: Connection refused"), "{said:?}");
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mute = mute.local_addr().unwrap().to_string();
    let said = home.run(&["echo", "send", &mute, "a", "--udp", "--timeout", "50ms"]);
    assert_eq!(said.code, 1);
    assert_eq!(
        said.out,
        format!("1: no reply within 50ms\n--- {mute} ---\nsent: 1, received: 0, lost: 100 %\n")
    );
}

#[test]
fn a_stop_answers_what_has_come_and_says_goodbye() {
    let home = Home::new();
    let (mut served, addresses) = serve(&home, &["--tcp", "127.0.0.1:0", "--per-address", "2"]);
    let mut first = TcpStream::connect(&addresses[0]).unwrap();
    let _second = TcpStream::connect(&addresses[0]).unwrap();
    let mut third = TcpStream::connect(&addresses[0]).unwrap();
    let mut nothing = Vec::new();
    assert_eq!(third.read_to_end(&mut nothing).unwrap_or(0), 0, "it has no place");
    first.write_all(b"still\n").unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&served.child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert_eq!(message(&answer), "still\n");
    let events: Vec<serde_json::Value> =
        (0..6).map(|_| serde_json::from_str(&served.line()).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["connected", "connected", "refused", "gone", "gone", "stopped"]);
    let last = &events[5];
    assert_eq!((&last["clients"], &last["answers"], &last["refused"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(served.end(), (Some(0), String::new()));
}
