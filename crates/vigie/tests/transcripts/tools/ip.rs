//! The public address: servers here stand in for the services, under names that lead to them.

use super::stand_in::StandIn;
use crate::talking::Talking;
use crate::{Home, Said};
use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

const A: &str = "9.9.9.9\n";
const B: &str = "8.8.8.8";

fn says(address: &str) -> StandIn {
    StandIn::says("200 OK", "", address)
}

/// `vigie ip` with these services, each of an operator of its own.
fn ip(home: &Home, services: &[&StandIn], more: &[&str]) -> Said {
    let mut args = vec!["ip".to_owned(), "--no-proxy".to_owned()];
    for (n, service) in services.iter().enumerate() {
        let (name, port) = (format!("operator{n}.example"), service.port());
        args.extend(["--source".to_owned(), format!("http://{name}:{port}/ip")]);
        args.extend(["--resolve".to_owned(), format!("{name}:{port}:127.0.0.1")]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    home.run(&args)
}

#[test]
fn two_operators_agree_and_others_are_not_asked() {
    let home = Home::new();
    let (a, b, c, d) = (says(A), says(A), says(B), says(A));
    let said = ip(&home, &[&a, &b, &c, &d], &[]);
    let table = "9.9.9.9  agreed\n  operator0.example  9.9.9.9\n  operator1.example  9.9.9.9\n  operator2.example  8.8.8.8\n";
    // The operators of these names are their last two parts.
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, table, ""), "{said:?}");
    assert_eq!((a.asked(), b.asked(), c.asked(), d.asked()), (1, 1, 1, 0));
    let said = ip(&home, &[&a, &b], &["--quiet", "--fresh"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "9.9.9.9\n", ""));
}

#[test]
fn disagreement_is_shown_and_ends_with_1() {
    let home = Home::new();
    let (a, b) = (says(A), says(B));
    let said = ip(&home, &[&a, &b], &[]);
    assert_eq!(said.code, 1);
    assert_eq!(
        said.out,
        "the operators disagree\n  operator0.example  9.9.9.9\n  operator1.example  8.8.8.8\n"
    );
    let said = ip(&home, &[&a, &b], &["--quiet"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "no variable takes one of two");
    let json = ip(&home, &[&a, &b], &["--json"]);
    let line: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&line["verdict"], &line["address"]), (&"disagree".into(), &serde_json::Value::Null));
    assert_eq!(line["answers"][1]["address"], "8.8.8.8");
}

#[test]
fn one_service_is_taken_at_its_word_and_asked_once_a_minute() {
    let home = Home::new();
    let only = says(A);
    let said = ip(&home, &[&only], &[]);
    assert_eq!((said.code, said.out.as_str()), (0, "9.9.9.9  unconfirmed\n  operator0.example  9.9.9.9\n"));
    let said = ip(&home, &[&only], &[]);
    assert!(said.out.contains("(asked ") && said.out.contains(" ago)"), "{said:?}");
    assert_eq!(only.asked(), 1);
    assert_eq!(ip(&home, &[&only], &["--fresh", "-q"]).out, "9.9.9.9\n");
    assert_eq!(only.asked(), 2);
    let mute = StandIn::says("500 Internal Server Error", "", A);
    let said = ip(&home, &[&only, &mute], &["--quiet"]);
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
    assert!(said.err.contains("only one operator answered: 9.9.9.9"), "{said:?}");
}

#[test]
fn what_is_no_address_is_not_taken_for_one() {
    let home = Home::new();
    let page = "<html><body>Your IP is 9.9.9.9</body></html>";
    for (service, why) in [
        (StandIn::says("200 OK", "", page), "it sent a web page, not an address"),
        (StandIn::says("403 Forbidden", "", page), "it answered 403 Forbidden"),
        (StandIn::says("200 OK", "", "2620:fe::fe"), "it sent 2620:fe::fe, which is no IPv4 address"),
        (StandIn::says("200 OK", "", "10.0.0.1"), "it sent 10.0.0.1, which is a private address"),
        (
            StandIn::says("301 Moved", "Location: /ip\r\n", ""),
            "it sends elsewhere (301 Moved Permanently), to /ip",
        ),
        (StandIn::says("200 OK", "", &"9".repeat(10_000_000)), "it sent more than 4096 bytes"),
        (StandIn::raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "invalid HTTP"),
        (StandIn::raw(vec![]), "operator0.example: "),
    ] {
        let said = ip(&home, &[&service], &["-4"]);
        assert_eq!((said.code, said.out.as_str()), (4, ""), "{why}: {said:?}");
        assert!(said.err.contains(why), "should tell `{why}`: {}", said.err);
        assert_eq!(service.asked(), 1, "{why}: nothing is followed");
    }
}

#[test]
fn whoever_asks_to_be_left_alone_is() {
    let home = Home::new();
    let busy = StandIn::says("429 Too Many Requests", "Retry-After: 300\r\n", "");
    let said = ip(&home, &[&busy], &["-4"]);
    assert!(said.code == 4 && said.err.contains("it answered 429 Too Many Requests"), "{said:?}");
    let said = ip(&home, &[&busy], &["-4", "--fresh"]);
    assert!(said.code == 4 && said.err.contains("it asked to be left alone for "), "{said:?}");
    assert_eq!(busy.asked(), 1);
}

#[test]
fn slow_services_hold_up_nobody_for_long() {
    let home = Home::new();
    let trickle = StandIn::with(|mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        std::thread::spawn(move || {
            while stream.write_all(b" ").is_ok() {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
    });
    let (a, b) = (says(A), says(A));
    let said = ip(&home, &[&trickle, &a, &b], &["--timeout", "5s"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("it took too long") && said.out.starts_with("9.9.9.9  agreed\n"), "{said:?}");
}

#[test]
fn the_family_is_that_of_the_socket() {
    let home = Home::new();
    let v4_only = says("2620:fe::fe");
    let url = v4_only.url("/ip");
    let said = home.run(&["ip", "-6", "--no-proxy", "--source", &url]);
    assert_eq!((said.code, v4_only.asked()), (4, 0), "{said:?}");
    let said = ip(&home, &[&v4_only], &["-6"]);
    assert!(said.err.contains("operator0.example has no IPv6 address"), "{said:?}");
    let said = home.run(&["ip", "-4", "--no-proxy", "--source", "http://no.such.name.invalid/"]);
    assert!(said.code == 4 && said.err.contains("no.such.name.invalid has no address"), "{said:?}");
}

/// A tinyproxy, on a port of its own.
pub(super) fn tinyproxy(home: &Home) -> (Talking, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = home.path().join("tinyproxy.conf");
    let text = format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nLogLevel Info\n");
    std::fs::write(&config, text).unwrap();
    let proxy = Talking::start(Command::new("tinyproxy").arg("-d").arg("-c").arg(config));
    crate::eventually("tinyproxy listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    (proxy, port)
}

#[test]
fn a_proxy_is_used_as_the_variables_say_and_named() {
    let home = Home::new();
    let (_proxy, port) = tinyproxy(&home);
    let service = says(A);
    let url = service.url("/ip");
    let run = |args: &[&str]| {
        let all = [&["ip", "-4", "--fresh", "--source", url.as_str()], args].concat();
        let mut command = home.command(&all);
        command.env("http_proxy", format!("http://user:secret@127.0.0.1:{port}"));
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (out, err) = run(&["--quiet"]);
    assert_eq!(out, "9.9.9.9\n", "{err}");
    let told = format!("asked through the proxy http://127.0.0.1:{port}: ");
    assert!(err.contains(&told) && !err.contains("secret"), "{err}");
    let (out, err) = run(&["--no-proxy", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&line["via_proxy"], err.as_str()), (&serde_json::Value::Null, ""));
}
