//! The units for systemd, which are shipped as they are.

use crate::Home;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNITS: [&str; 2] = ["vigie-hub.service", "vigie-agent.service"];

/// Where the units have the program.
const PROGRAM: &str = "/usr/local/bin/vigie";

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_command_lines_of_the_units_are_understood() {
    let home = Home::new();
    for name in UNITS {
        let unit = unit(name);
        let lines: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")).collect();
        let [line] = lines[..] else { panic!("{name} has {} commands", lines.len()) };
        let args = line.strip_prefix(PROGRAM).unwrap();
        // As systemd does, as far as these lines need it.
        let args =
            args.replace("%S", "/var/lib").replace("%d", "/run/credentials").replace("${VIGIE_HUB}", "hub:1");
        let args = args.replace("$VIGIE_WATCH", "/no/such /directory");
        let args: Vec<&str> = args.split_whitespace().collect();
        assert!(!args.iter().any(|arg| arg.contains(['$', '%'])), "{args:?}");
        let said = home.run(&[&args[..], &["--help"]].concat());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}");
    }
    let agent = unit("vigie-agent.service");
    assert!(agent.contains("LoadCredential=vigie-agent.token\n") && agent.contains("%d/vigie-agent.token"));
}

#[test]
fn systemd_has_nothing_to_remark_about_the_units() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        return eprintln!("skipped: systemd-analyze is not installed");
    };
    eprintln!("{}", String::from_utf8_lossy(&version.stdout));
    let home = Home::new();
    let verify = |name: &str, text: &str| {
        let path: PathBuf = home.path().join(name);
        std::fs::write(&path, text.replace(PROGRAM, env!("CARGO_BIN_EXE_vigie"))).unwrap();
        let said = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    for name in UNITS {
        assert_eq!(verify(name, &unit(name)), (true, String::new()), "{name}");
    }
    let (_, said) = verify("wrong.service", &unit(UNITS[0]).replace("ProtectHome=", "ProtectHouse="));
    assert!(said.contains("ProtectHouse"), "what is wrong is seen: {said}");
}
