//! Ctrl-C, wherever it finds the program: it ends with 130, what ran over there is ended, and the terminal is as it was.

use crate::copying::{SFTP, names};
use crate::pretenders::{gagged, listener};
use crate::server::{Server, can_run, eventually};
use crate::terminal::Terminal;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// `vigie run --on 127.0.0.1` at the port of a server, with its key.
fn run(server: &Server, port: u16, more: &[&str]) -> Command {
    let (port, id, known) = (port.to_string(), server.path("id"), server.path("known"));
    let reach = ["--on", "127.0.0.1", "--port", &port, "-i", id.to_str().unwrap()];
    let known = ["--known-hosts", known.to_str().unwrap()];
    server.command(&[&reach[..], &known, more].concat())
}

/// Waits until a process is gone, whose number stands in a file.
fn is_gone(file: &Path) {
    let pid = std::fs::read_to_string(file).unwrap();
    eventually("it is gone there", || match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
        Ok(stat) if !stat.contains(") Z ") => None,
        _ => Some(()),
    });
}

#[test]
fn root_at_the_question_about_unknown_hosts_nothing_is_remembered() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let ran = server.path("ran");
    let touch = ["--host-keys", "ask", "--", "touch", ran.to_str().unwrap()];
    let terminal = Terminal::start(&run(&server, server.port, &touch));
    terminal.shows("accept and remember all of them? [y/N]");
    terminal.interrupt();
    let (code, seen) = terminal.ends();
    assert_eq!(code, 130, "{seen}");
    assert!(!ran.exists() && !server.path("known").exists(), "{seen}");
    let terminal = Terminal::start(&run(&server, server.port, &touch));
    terminal.shows("accept and remember all of them? [y/N]");
    terminal.types("n\n");
    let (code, seen) = terminal.ends();
    assert_eq!(code, 125, "{seen}");
    assert!(seen.contains("hostkey-unknown") && !ran.exists(), "{seen}");
    let terminal = Terminal::start(&run(&server, server.port, &touch));
    terminal.shows("accept and remember all of them? [y/N]");
    terminal.types("y\n");
    let (code, seen) = terminal.ends();
    assert_eq!(code, 0, "{seen}");
    assert!(ran.exists() && server.path("known").exists(), "{seen}");
}

#[test]
fn root_at_the_question_of_a_copy_nothing_is_copied() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let file = server.write("file", "content\n");
    let there = server.path("there");
    let to = format!("127.0.0.1:{}", there.display());
    let terminal = Terminal::start(&server.copy(&["--host-keys", "ask", file.to_str().unwrap(), &to]));
    terminal.shows("accept and remember all of them? [y/N]");
    terminal.interrupt();
    let (code, seen) = terminal.ends();
    assert_eq!(code, 130, "{seen}");
    assert!(!there.exists() && !server.path("known").exists(), "{seen}");
}

#[test]
fn root_at_the_prompt_for_a_password_the_echo_comes_back() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let args = ["--ask-password", "--host-keys", "off", "--", "true"];
    let command = run(&server, server.port, &args);
    let hidden = |terminal: &Terminal| {
        terminal.shows("password: ");
        eventually("nothing is echoed", || (!terminal.echoes()).then_some(()));
        terminal.types("secret");
    };
    let terminal = Terminal::start(&command);
    hidden(&terminal);
    terminal.interrupt();
    let (code, seen) = terminal.ends();
    assert_eq!(code, 130, "{seen}");
    assert!(!seen.contains("secret"), "{seen}");
    let terminal = Terminal::start(&command);
    hidden(&terminal);
    let pid = rustix::process::Pid::from_raw(i32::try_from(terminal.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (code, seen) = terminal.ends();
    assert_eq!(code, 130, "asked from outside: {seen}");
    let terminal = Terminal::start(&command);
    hidden(&terminal);
    terminal.types("\n");
    let (code, seen) = terminal.ends();
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("secret"), "{seen}");
}

#[test]
fn root_during_handshakes_nobody_is_waited_for() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let (told, knocks) = std::sync::mpsc::channel();
    let silent = listener(move |stream| told.send(stream).unwrap());
    let terminal = Terminal::start(&run(&server, silent, &["--", "true"]));
    let _held = knocks.recv().unwrap();
    terminal.interrupt();
    let (code, seen) = terminal.ends();
    assert_eq!(code, 130, "{seen}");
    assert!(seen.contains("stopped before it was begun"), "{seen}");
}

#[test]
fn root_during_a_command_it_is_ended_there_even_under_a_flood() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let pid = server.path("pid");
    for work in ["sleep 600", "exec yes"] {
        let line = format!("(trap '' INT HUP; echo $BASHPID > {}; {work}) & wait", pid.display());
        let args = ["--host-keys", "accept-new", "--shell", &line];
        let terminal = Terminal::start(&run(&server, server.port, &args));
        eventually("it runs there", || std::fs::read_to_string(&pid).ok().filter(|pid| pid.ends_with('\n')));
        terminal.interrupt();
        let (code, seen) = terminal.ends();
        assert_eq!(code, 130, "{work}: {}", &seen[seen.len().saturating_sub(2000)..]);
        is_gone(&pid);
        std::fs::remove_file(&pid).unwrap();
    }
}

#[test]
fn root_a_second_time_nothing_more_is_waited_for() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let gag = server.path("gag");
    let port = gagged(SocketAddr::from(([127, 0, 0, 1], server.port)), &gag);
    let line = format!("touch {}; sleep 600", gag.display());
    let args = ["--host-keys", "accept-new", "--shell", &line];
    let mut terminal = Terminal::start(&run(&server, port, &args));
    eventually("it runs there, and nothing passes any more", || gag.exists().then_some(()));
    terminal.interrupt();
    terminal.shows("Ctrl-C once more does not wait for it");
    // The second one, however soon: what comes with the first is taken for its echo.
    eventually("it ends", || {
        if terminal.ended().is_none() {
            terminal.interrupt();
        }
        terminal.ended()
    });
    let (code, seen) = terminal.ends();
    assert_eq!(code, 130, "{seen}");
    assert!(!seen.contains("maybe-running"), "its end was not waited for: {seen}");
}

#[test]
fn root_during_a_copy_the_bar_goes_and_nothing_is_left_there() {
    if !can_run() {
        return;
    }
    let server = Server::with(SFTP);
    let file = server.path("endless");
    std::fs::File::create(&file).unwrap().set_len(1 << 36).unwrap();
    let there = server.path("there");
    std::fs::create_dir(&there).unwrap();
    let to = format!("127.0.0.1:{}", there.display());
    let terminal = Terminal::start(&server.copy(&[file.to_str().unwrap(), &to]));
    terminal.shows("0%");
    eventually("it is under way", || {
        let half = names(&there).into_iter().find(|name| name.ends_with(".part"))?;
        (there.join(half).metadata().ok()?.len() > 0).then_some(())
    });
    terminal.interrupt();
    let (code, seen) = terminal.ends();
    assert_eq!(code, 130, "{seen}");
    assert_eq!(names(&there), [""; 0]);
    let last = seen.rsplit("\r").next().unwrap();
    assert!(!last.contains('%'), "a bar is left: {seen:?}");
}
