//! Datagrams, with socat on the other side, and from one Vigie to another.

use crate::Home;
use crate::talking::Talking;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::process::{Command, Stdio};

/// `vigie cast listen --json`, with the address that port 0 became.
fn listen(home: &Home, args: &[&str]) -> (Talking, String) {
    let mut all = vec!["cast", "listen", "--json"];
    all.extend(args);
    let mut listening = Talking::start(&mut home.command(&all));
    let line = next(&mut listening);
    assert_eq!(line["event"], "listening");
    (listening, line["address"].as_str().unwrap().to_owned())
}

fn next(listening: &mut Talking) -> serde_json::Value {
    serde_json::from_str(&listening.line()).unwrap()
}

#[test]
fn a_group_hears_what_is_sent_and_counts_it() {
    let home = Home::new();
    let lo = ["--interface", "lo"];
    let (mut first, address) = listen(&home, &[&["239.255.77.2:0", "--once"][..], &lo].concat());
    let (mut second, _) = listen(&home, &[&[address.as_str(), "--once"][..], &lo].concat());
    let said = home.run(&[&["cast", "send", &address, "bonjour", "à tous"][..], &lo].concat());
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.starts_with(&format!("sent to {address}: 2 in ")), "{said:?}");
    for listening in [&mut first, &mut second] {
        let lines: Vec<serde_json::Value> = (0..4).map(|_| next(listening)).collect();
        assert_eq!((&lines[0]["text"], &lines[0]["number"]), (&"bonjour".into(), &0.into()));
        assert_eq!((&lines[1]["text"], &lines[1]["number"]), (&"à tous".into(), &1.into()));
        assert_eq!(
            (&lines[2]["sent"], &lines[2]["received"], &lines[2]["lost"]),
            (&2.into(), &2.into(), &0.into())
        );
        assert_eq!((&lines[3]["event"], &lines[3]["kernel_dropped"]), (&"total".into(), &0.into()));
        assert_eq!(listening.end(), (Some(0), String::new()));
    }
}

#[test]
fn socat_hears_a_group_and_is_heard() {
    let home = Home::new();
    // A port that nobody has: whoever holds it does so for this address alone.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let receive = format!("UDP4-RECVFROM:{port},bind=239.255.77.3,ip-add-membership=239.255.77.3:lo");
    let mut socat = Command::new("socat");
    socat.args(["-d", "-d", "-u", &receive, "-"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut socat = socat.spawn().unwrap();
    let mut notes = BufReader::new(socat.stderr.take().unwrap()).lines().map_while(Result::ok);
    notes.find(|line| line.contains("receiving on")).unwrap();
    let to = format!("239.255.77.3:{port}");
    assert_eq!(home.run(&["cast", "send", &to, "bonjour", "--plain", "--interface", "lo"]).code, 0);
    let mut heard = String::new();
    socat.stdout.take().unwrap().read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "bonjour");
    socat.wait().unwrap();

    let (mut listening, address) = listen(&home, &["127.0.0.1:0"]);
    let send = format!("echo hello | socat - UDP4-SENDTO:{address}");
    assert!(Command::new("sh").args(["-c", &send]).status().unwrap().success());
    let text = next(&mut listening);
    assert_eq!((&text["text"], text.get("number")), (&"hello\n".into(), None));
    assert_eq!(listening.interrupt(), (Some(0), String::new()));
}

#[test]
fn losses_are_a_finding_and_silence_is_none() {
    let home = Home::new();
    let silent = home.run(&["cast", "listen", "127.0.0.1:0", "--for", "10ms"]);
    assert_eq!((silent.code, silent.out.as_str()), (3, "nothing came\n"), "{silent:?}");
    let (mut listening, address) = listen(&home, &["127.0.0.1:0", "--once"]);
    // As `cast send` does it, but for two that are left out.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (kind, number) in [('s', 0), ('d', 0), ('d', 3), ('d', 3), ('e', 4)] {
        let datagram = format!("VC1{kind} 0000000a {number:016x} {:016x} ", 0);
        socket.send_to(datagram.as_bytes(), &address).unwrap();
    }
    let line = next(&mut listening);
    assert_eq!((&line["lost"], &line["duplicated"], &line["burst_max"]), (&2.into(), &1.into(), &2.into()));
    assert_eq!((&line["stream"], &line["bursts"][1]), (&"0000000a".into(), &1.into()));
    assert_eq!(listening.end(), (Some(1), String::new()));
}

#[test]
fn what_cannot_be_is_told() {
    let home = Home::new();
    let said = home.run(&["cast", "listen", "239.255.0.1:0", "--interface", "nowhere0"]);
    assert_eq!(said.code, 4);
    assert!(
        said.err.contains("there is no interface nowhere0: ") && said.err.contains("`ip link`"),
        "{said:?}"
    );
    let said = home.run(&["cast", "listen", "192.0.2.77:9"]);
    assert!(said.code == 4 && said.err.contains("no interface of this machine has this address"), "{said:?}");
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let said = home.run(&["cast", "send", &nobody, "--count", "3"]);
    assert_eq!((said.code, said.err), (0, format!("warning: {nobody} says that nobody listens there\n")));
}
