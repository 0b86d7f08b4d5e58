//! The sessions that the documentation shows, run line by line.
//!
//! In a block ```` ```console ```` a line that begins with `$ ` is given to a shell; the lines below it are what must be
//! printed; those of a here-document, up to `FIN`, go to the shell, too. `…` stands for any text, and alone on its line for
//! any lines. One shell runs all blocks of a page, in a network
//! namespace of its own, so that ports are free; where that may not be had, the test says so and is left out.

use crate::{Home, PATIENCE};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

const DONE: &str = "__vigie_done__";

/// A command of a page, and what it prints.
struct Step {
    line: usize,
    command: String,
    printed: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut is_document) = (false, false);
    for (number, line) in page.lines().enumerate() {
        match (inside, line) {
            (false, _) => inside = line == "```console",
            (true, "```") => inside = false,
            (true, _) if is_document => {
                is_document = line != "FIN";
                steps.last_mut().unwrap().command += &format!("\n{line}");
            }
            (true, _) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    is_document = command.contains("<<'FIN'") || command.ends_with("<<FIN");
                    steps.push(Step { line: number + 1, command: command.to_owned(), printed: vec![] });
                }
                (None, Some(step)) => step.printed.push(line.to_owned()),
                (None, None) => panic!("line {}: a session begins with a command", number + 1),
            },
        }
    }
    steps
}

/// Whether a line is as the page says.
fn matches(pattern: &str, line: &str) -> bool {
    let mut pieces = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

/// Whether all lines are as the page says.
fn all_match(patterns: &[String], lines: &[String]) -> bool {
    match (patterns.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((pattern, patterns)), _) if pattern == "…" => {
            (0..=lines.len()).any(|skipped| all_match(patterns, &lines[skipped..]))
        }
        (Some((pattern, patterns)), Some((line, lines))) => {
            matches(pattern, line) && all_match(patterns, lines)
        }
        _ => false,
    }
}

/// A shell that ends, with all that it started, when this is dropped.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    /// None where no network namespace can be had.
    fn start(home: &Home) -> Option<Shell> {
        let prepared = "set +m; ip link set lo up; exec 2>&1; exec bash --norc --noprofile";
        let bin = std::path::Path::new(env!("CARGO_BIN_EXE_vigie")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        // The namespace of processes takes everything along that the session left running.
        let mut unshare = vec!["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
        // Root needs no map, in which an sshd would miss its unprivileged user.
        if !rustix::process::geteuid().is_root() {
            unshare.push("--map-root-user");
        }
        if !Command::new("unshare").args(&unshare).arg("true").status().is_ok_and(|s| s.success()) {
            return None;
        }
        let mut command = Command::new("unshare");
        command.args(&unshare).args(["bash", "-c", prepared]).current_dir(home.path());
        command.env("HOME", home.path()).env("TZ", "Europe/Paris").env("PATH", path).env("COLUMNS", "100");
        command.env("VIGIE_API", home.path().join("data/api.sock"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let stdin = child.stdin.take().unwrap();
        Some(Shell { child, stdin, lines })
    }

    /// What a command prints. One in the background is waited for until it has printed as much as the page has.
    fn run(&mut self, step: &Step) -> Vec<String> {
        let is_background = step.command.ends_with('&');
        let end = if is_background { String::new() } else { format!("\necho; echo {DONE}") };
        writeln!(self.stdin, "{}{end}", step.command).unwrap();
        let mut lines = Vec::new();
        while !is_background || !all_match(&step.printed, &lines) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line == DONE => break,
                Ok(line) => lines.push(line),
                Err(e) => panic!("line {}: {}: {e}; it printed {lines:#?}", step.line, step.command),
            }
        }
        // The empty line in front of the mark, which stands for an end of line that may be missing.
        if !is_background && lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Gone already, when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs all sessions of a page.
fn play(name: &str, page: &str) {
    let home = Home::new();
    let Some(mut shell) = Shell::start(&home) else {
        eprintln!("skipped: {name} is played in a network namespace, which this user may not have here");
        return;
    };
    let steps = steps(page);
    assert!(!steps.is_empty(), "{name} shows no sessions");
    for step in &steps {
        let lines = shell.run(step);
        assert!(
            all_match(&step.printed, &lines),
            "{name}, line {}: $ {}\nprinted:\n{}\n\nthe page says:\n{}",
            step.line,
            step.command,
            lines.join("\n"),
            step.printed.join("\n")
        );
    }
}

#[test]
fn patterns_match_what_they_say() {
    let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    assert!(matches("a … c…", "a b c") && matches("…", "") && matches("x", "x") && !matches("x", "xy"));
    assert!(!matches("a…b", "ab c") && matches("a…b…d", "a b c d"));
    assert!(all_match(&texts(&["a", "…", "b"]), &texts(&["a", "x", "y", "b"])));
    assert!(
        !all_match(&texts(&["a"]), &texts(&["a", "b"])) && !all_match(&texts(&["a", "b"]), &texts(&["a"]))
    );
}

#[test]
fn the_page_of_the_course() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: the page of the course starts an sshd of its own, which only root may");
        return;
    }
    play("docs/cours.md", include_str!("../../../../docs/cours.md"));
}

#[test]
fn the_page_of_tools() {
    play("docs/tools.md", include_str!("../../../../docs/tools.md"));
}
