//! Keys, agents, passwords and names that are of no use: each is told as what it is, and nobody waits for it.

use crate::server::{Said, Server, can_run, make_key, said};
use serde_json::Value;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

fn told(said: &Said) -> (String, String) {
    let told: Value = serde_json::from_str(said.out.trim()).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    assert_eq!((said.code, &told["exit_code"]), (125, &Value::Null), "{said:?}");
    let text = |field: &str| told[field].as_str().unwrap().to_owned();
    (text("class"), text("error"))
}

/// `vigie run` on the server with this key and this agent.
fn with(server: &Server, key: &str, agent: Option<&str>, args: &[&str]) -> Said {
    let (port, known) = (server.port.to_string(), server.path("known"));
    let key = server.path(key);
    let reach = ["--on", "127.0.0.1", "--port", &port, "-i", key.to_str().unwrap()];
    let trust = ["--known-hosts", known.to_str().unwrap(), "--host-keys", "accept-new"];
    let mut command = server.command(&[&reach[..], &trust, args].concat());
    if let Some(agent) = agent {
        command.env("SSH_AUTH_SOCK", server.path(agent));
    }
    said(command)
}

#[test]
fn root_an_agent_that_is_gone_keeps_no_key_file_from_letting_in() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    // A socket that nobody listens to any more, one that never was, and one whose agent is stuck.
    drop(UnixListener::bind(server.path("gone")).unwrap());
    let _stuck = UnixListener::bind(server.path("stuck")).unwrap();
    make_key(&server.path("stranger"), "ed25519");
    for agent in ["gone", "never", "stuck"] {
        let said = with(&server, "id", Some(agent), &["--", "echo", "in"]);
        assert_eq!((said.code, said.out.as_str()), (0, "in\n"), "{agent}: {said:?}");
        let (class, error) = told(&with(&server, "stranger", Some(agent), &["--json", "--", "true"]));
        assert_eq!(class, "auth");
        let why = format!("the agent at {} does not answer", server.path(agent).display());
        assert!(error.contains(&why) && error.contains("stranger"), "{error}");
    }
}

#[test]
fn root_a_key_that_cannot_be_used_is_named_with_its_reason() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    server.write("garbage", "this is no key\n");
    std::fs::create_dir(server.path("directory")).unwrap();
    let locked = server.path("locked");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "passphrase", "-C", "test", "-f"]).arg(&locked);
    assert!(keygen.status().unwrap().success());
    for (key, why) in
        [("garbage", "is of no use"), ("directory", "is of no use"), ("locked", "locked with a passphrase")]
    {
        let (class, error) = told(&with(&server, key, None, &["--json", "--", "true"]));
        assert_eq!(class, "auth", "{key}");
        assert!(error.contains(&server.path(key).display().to_string()) && error.contains(why), "{error}");
    }
}

#[test]
fn root_a_password_is_asked_for_at_a_terminal_only() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let run = server.run_command("127.0.0.1", &["--ask-password", "--", "true"]);
    let mut alone = Command::new("setsid");
    alone.arg("--wait").arg(run.get_program()).args(run.get_args()).stdin(Stdio::null());
    let said = said(alone);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.err.contains("cannot ask for a password") && said.err.contains("at a terminal only"),
        "{said:?}"
    );
    assert!(server.logged("Connection from").is_empty(), "nobody was bothered before");
}

#[test]
fn root_odd_names_and_groups_are_refused_and_run_nothing() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let made = server.path("made");
    let touch = format!("touch${{IFS}}{}", made.display());
    for host in
        ["a b", "a\nb", "it's", "\"quoted\"", "a\u{1b}[2Jb", &format!("`{touch}`"), &format!("'; {touch}; '")]
    {
        let command = server.command(&["--connect-timeout", "1s", &format!("--on={host}"), "--", "true"]);
        let said = said(command);
        assert!([2, 3, 125].contains(&said.code), "{host:?}: {said:?}");
        assert!(!said.err.contains('\u{1b}') && !said.err.is_empty(), "{said:?}");
    }
    assert!(!made.exists());
    let odd = format!("[groups]\nodd = \"it's;{touch}\"\na = \"@b\"\nb = \"x,@c\"\nc = \"@a\"\n");
    let inventory = server.write("inventory.toml", &odd);
    let on = |group: &str| {
        said(server.command(&["--inventory", inventory.to_str().unwrap(), "--on", group, "--", "true"]))
    };
    let circle = on("@a");
    assert!(circle.code == 2 && circle.err.contains("the group @a contains itself"), "{circle:?}");
    let odd = on("@odd");
    assert!([2, 125].contains(&odd.code), "{odd:?}");
    assert!(!made.exists());
}
