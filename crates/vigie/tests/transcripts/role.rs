//! Roles as the course describes them: a server, netcat as its clients, `ss` and `netstat` to see the connections;
//! and the commands around it.

use crate::talking::Talking;
use crate::{Home, eventually};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;

/// `vigie role serve --json` on a free port, with that port.
fn serve(home: &Home) -> (Talking, String) {
    let args = ["role", "serve", "--json", "--listen", "127.0.0.1:0", "--state", "roles"];
    let mut served = Talking::start(&mut home.command(&args));
    let listening: serde_json::Value = serde_json::from_str(&served.line()).unwrap();
    assert_eq!(listening["event"], "listening");
    let address = listening["address"].as_str().unwrap();
    let port = address.rsplit_once(':').unwrap().1.to_owned();
    (served, port)
}

fn nc(port: &str) -> Talking {
    Talking::start(Command::new("nc").args(["127.0.0.1", port]))
}

fn output(program: &str, args: &[&str]) -> String {
    let ran = Command::new(program).args(args).output();
    String::from_utf8(ran.unwrap_or_else(|e| panic!("cannot run {program}: {e}")).stdout).unwrap()
}

#[test]
fn the_exercise_with_netcat_alone() {
    let home = Home::new();
    let (mut served, port) = serve(&home);
    let mut first = nc(&port);
    assert_eq!(first.line(), "principal\n");
    let mut second = nc(&port);
    assert_eq!(second.line(), "secondaire\n");
    let mut third = nc(&port);
    assert_eq!(third.line(), "secondaire\n");

    // Each connection is shown from both of its ends.
    let here = format!("127.0.0.1:{port}");
    for (program, args, word) in [("ss", ["-t", "-an"], "ESTAB"), ("netstat", ["-a", "-n"], "ESTABLISHED")] {
        let shown = output(program, &args);
        let established =
            shown.lines().filter(|l| l.split_whitespace().any(|w| w == here) && l.contains(word));
        assert_eq!(established.count(), 6, "{program}:\n{shown}");
    }

    first.child.kill().unwrap();
    assert_eq!(second.line(), "principal\n");
    second.child.kill().unwrap();
    assert_eq!(third.line(), "principal\n");

    let mut story = Vec::new();
    while story.len() < 7 {
        let line: serde_json::Value = serde_json::from_str(&served.line()).unwrap();
        story.push(format!("{} {}", line["event"].as_str().unwrap(), line["epoch"]));
    }
    assert_eq!(story, ["role 1", "role 1", "role 1", "gone null", "role 2", "gone null", "role 3"]);
    assert_eq!(served.interrupt(), (Some(0), String::new()));
    // The server is gone, and so is what netcat has been waiting for.
    third.stdin = None;
    assert_eq!(third.line(), "");
}

#[test]
fn a_reader_that_does_not_read_holds_up_nobody() {
    let home = Home::new();
    let (served, port) = serve(&home);
    let address = format!("127.0.0.1:{port}");
    let connect = || {
        let mut client = BufReader::new(TcpStream::connect(&address).unwrap());
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        (client, line)
    };
    let (first, line) = connect();
    assert_eq!(line, "principal\n");
    let (mut second, _) = connect();
    // What is printed about these is more than a pipe holds.
    for _ in 0..2000 {
        assert_eq!(connect().1, "secondaire\n");
    }
    drop(first);
    let mut line = String::new();
    second.read_line(&mut line).unwrap();
    assert_eq!(line, "principal\n");
    assert_eq!(served.interrupt().0, Some(0));
}

#[test]
fn telnet_is_a_client_and_can_ask_for_more() {
    let home = Home::new();
    let (_served, port) = serve(&home);
    let mut telnet = Talking::start(Command::new("telnet").args(["127.0.0.1", &port]));
    let until = |telnet: &mut Talking, wanted: &str| loop {
        let line = telnet.line();
        assert_ne!(line, "", "telnet has ended before it said {wanted}");
        if line.trim_end() == wanted {
            break;
        }
    };
    until(&mut telnet, "principal");
    // It ends its lines as terminals do, with CR LF.
    telnet.stdin.as_mut().unwrap().write_all(b"vigie/1\n").unwrap();
    until(&mut telnet, "principal epoch=1 reason=first");
}

#[test]
fn ten_lines_of_python_are_a_client() {
    let home = Home::new();
    let (_served, port) = serve(&home);
    let program = format!(
        "import socket\n\
         with socket.create_connection(('127.0.0.1', {port})) as s:\n\
         \x20   for line in s.makefile():\n\
         \x20       print(line.strip(), flush=True)\n"
    );
    let mut first = nc(&port);
    assert_eq!(first.line(), "principal\n");
    let mut python = Talking::start(Command::new("python3").args(["-c", &program]));
    assert_eq!(python.line(), "secondaire\n");
    first.child.kill().unwrap();
    assert_eq!(python.line(), "principal\n");
}

#[test]
fn join_prints_the_role_and_runs_hooks() {
    let home = Home::new();
    let (served, port) = serve(&home);
    let mut first = nc(&port);
    assert_eq!(first.line(), "principal\n");
    let server = format!("127.0.0.1:{port}");
    let hook = "echo $VIGIE_ROLE,$VIGIE_OLD_ROLE,$VIGIE_EPOCH,$VIGIE_GROUP,$VIGIE_REASON >> hooks";
    let args = ["role", "join", &server, "--on-principal", hook, "--on-secondaire", hook];
    let mut joined = Talking::start(&mut home.command(&args));
    assert_eq!(joined.line(), "secondaire  epoch 1  joined\n");
    // A role that is over before its hook began has none.
    let hooks = || std::fs::read_to_string(home.path().join("hooks")).unwrap_or_default();
    eventually("the hook of joining", || hooks().contains(",joined\n").then_some(()));
    first.child.kill().unwrap();
    assert_eq!(joined.line(), "principal  epoch 2  connection-lost\n");
    eventually("the hook of the promotion", || hooks().contains("\nprincipal,").then_some(()));
    assert_eq!(joined.interrupt(), (Some(0), format!("connected to {server}\n")));
    let hooks = hooks();
    assert_eq!(
        hooks,
        "secondaire,,,default,joined\n\
         principal,secondaire,2,default,connection-lost\n\
         secondaire,principal,2,default,left\n"
    );
    assert_eq!(served.interrupt().0, Some(0));
}

#[test]
fn a_promotion_whose_hook_hangs_is_killed_with_all_its_children() {
    let home = Home::new();
    let (_served, port) = serve(&home);
    let server = format!("127.0.0.1:{port}");
    // A child in the background, and one that ignores what can be ignored.
    let hook = "sleep 987 & echo $! > child; trap '' TERM; sleep 987";
    let args = ["role", "join", &server, "--on-principal", hook, "--hook-timeout", "5s"];
    let mut joined = Talking::start(&mut home.command(&args));
    assert_eq!(joined.line(), "principal  epoch 1  first\n");
    assert_eq!(joined.line(), "secondaire  epoch 1  hook-failed\n");
    let (code, said) = joined.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("ran for more than 5000 ms and was killed"), "{said}");
    assert!(said.contains("hint: it has stepped down and left"), "{said}");
    let child = std::fs::read_to_string(home.path().join("child")).unwrap();
    // Killed; perhaps it has not had its turn to end, or nobody has collected it yet.
    eventually("it is gone", || match std::fs::read_to_string(format!("/proc/{}/stat", child.trim())) {
        Ok(state) if !state.contains(") Z ") => None,
        _ => Some(()),
    });
}

#[test]
fn a_missing_hook_fails_the_promotion() {
    let home = Home::new();
    let (_served, port) = serve(&home);
    let server = format!("127.0.0.1:{port}");
    let said = home.run(&["role", "join", &server, "--on-principal", "/no/such/command"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.err.contains("`/no/such/command` ended with exit code 127"), "{}", said.err);
}

#[test]
fn only_the_newest_epoch_passes_the_fence() {
    let home = Home::new();
    let fence = |epoch: &str, json: bool| {
        let mut args = vec!["role", "fence", "--file", "fence", "--epoch", epoch];
        args.extend(json.then_some("--json"));
        let said = home.run(&args);
        (said.code, said.out, said.err)
    };
    let nothing = String::new;
    assert_eq!(fence("7", false), (0, nothing(), nothing()));
    assert_eq!(fence("7", false), (0, nothing(), nothing()));
    assert_eq!(fence("6", false), (75, nothing(), "epoch 6 is stale: 7 has passed before\n".to_owned()));
    let (code, out, _) = fence("5", true);
    assert_eq!((code, out.as_str()), (75, "{\"passed\":false,\"epoch\":5,\"highest\":7}\n"));
    std::fs::write(home.path().join("fence"), "").unwrap();
    let (code, _, err) = fence("8", false);
    assert_eq!(code, 4);
    assert!(err.starts_with("error: the fence fence is damaged: it does not hold an epoch\nhint: "), "{err}");
}

#[test]
fn an_address_in_use_is_told_with_a_hint() {
    let home = Home::new();
    let (_served, port) = serve(&home);
    let said = home.run(&["role", "serve", "--listen", &format!("127.0.0.1:{port}")]);
    assert_eq!(said.code, 4);
    assert!(said.err.contains("cannot listen on 127.0.0.1") && said.err.contains("hint: "), "{}", said.err);
}
