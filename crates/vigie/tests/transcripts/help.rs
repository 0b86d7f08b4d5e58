//! Every command explains itself.

use crate::Home;

const COMMANDS: [&str; 25] = [
    "up", "hub", "agent", "status", "log", "ls", "cat", "restore", "flush", "verify", "watch", "ports",
    "health", "drain", "undrain", "role", "run", "copy", "meter", "inspect", "echo", "cast", "ip", "http",
    "repeat",
];

#[test]
fn the_program_names_all_commands_and_exit_codes() {
    let home = Home::new();
    let said = home.run(&["--help"]);
    assert_eq!(said.code, 0);
    for command in COMMANDS {
        assert!(said.out.contains(&format!("\n  {command} ")), "{command} is missing:\n{}", said.out);
    }
    assert!(said.out.contains("EXAMPLES:") && said.out.contains("Exit codes:"), "{}", said.out);
    let bare = home.run(&[]);
    assert_eq!((bare.code, bare.out.as_str()), (2, ""));
}

#[test]
fn every_command_has_examples() {
    let home = Home::new();
    let nested = [
        ["hub", "invite"],
        ["health", "serve"],
        ["health", "check"],
        ["meter", "simulate"],
        ["role", "serve"],
        ["role", "join"],
        ["role", "fence"],
        ["role", "show"],
        ["role", "step-down"],
        ["role", "pause"],
        ["role", "resume"],
        ["role", "set"],
        ["role", "history"],
        ["echo", "serve"],
        ["echo", "send"],
        ["cast", "send"],
        ["cast", "listen"],
    ];
    let mut all: Vec<Vec<&str>> = COMMANDS.iter().map(|command| vec![*command, "--help"]).collect();
    all.extend(nested.iter().map(|words| vec![words[0], words[1], "--help"]));
    for args in all {
        let said = home.run(&args);
        assert_eq!(said.code, 0, "{args:?}");
        assert!(said.out.contains("EXAMPLES:"), "{args:?}:\n{}", said.out);
        assert!(said.out.lines().all(|line| line.chars().count() <= 130), "{args:?}:\n{}", said.out);
    }
}

#[test]
fn the_options_are_those_of_the_contract() {
    let home = Home::new();
    for (command, options) in [
        ("up", &["DIR", "--data", "--listen", "--api"][..]),
        ("hub", &["--data", "--listen", "[::]:7700", "--api", "--read-only", "invite"]),
        ("agent", &["--hub", "--token-file", "--watch", "--name", "--state", "--ignore"]),
        ("log", &["MACHINE:PATH", "-f", "-n", "--since", "--kind"]),
        ("ls", &["MACHINE:PATH", "-l", "-R", "--at"]),
        ("cat", &["MACHINE:PATH", "--at"]),
        ("restore", &["MACHINE:PATH", "TARGET", "--at", "--dry-run", "--force"]),
        ("flush", &["MACHINE", "--timeout", "30s"]),
        ("verify", &["--data"]),
        ("watch", &["DIR", "--events"]),
        (
            "ports",
            &[
                "TARGET",
                "-p",
                "--top",
                "--all-ports",
                "--exclude",
                "--targets",
                "--from",
                "--no-ping",
                "--engine",
            ],
        ),
        ("ports", &["--from", "--by", "--baseline", "--save", "--ask-target", "--ssh-port", "--host-keys"]),
        (
            "ports",
            &["--banner", "--service", "--rate", "--timeout", "--retries", "--xml", "--grep", "--diff"],
        ),
        ("role serve", &["--listen", "127.0.0.1:9999", "--state", "--heartbeat"]),
        ("role join", &["HOST:PORT", "--on-principal", "--on-secondaire", "--hook-timeout", "30s"]),
        ("role fence", &["--file", "--epoch", "75"]),
        ("echo serve", &["--tcp", "--udp", "--lang", "127.0.0.1:9999"]),
        ("echo send", &["<HOST:PORT>", "<TEXT>", "--udp", "--count", "--interval"]),
        ("cast send", &["<GROUP:PORT>", "[TEXT]", "--count", "--rate", "--size", "--interface", "--ttl"]),
        ("cast listen", &["<GROUP:PORT>", "--interface", "--once", "--for"]),
        ("ip", &["-4", "-6", "--source", "--quiet", "--fresh", "--resolve", "--proxy"]),
        (
            "http",
            &["<URL>", "-X", "--data", "-H", "--resolve", "--path", "--retries", "--timeout", "--max-size"],
        ),
        ("copy", &["HOSTS:/PATH", "-r", "-p", "--no-verify", "--timeout", "--host-keys", "--fan-out"]),
        ("repeat", &["<LACHAINE>", "--repete", "[default: 2]"]),
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let said = home.run(&words);
        for option in options.iter().chain(&["--json", "--hub-api", "--agent-api"]) {
            assert!(said.out.contains(option), "{command} lacks {option}:\n{}", said.out);
        }
    }
}
