//! What starts, with what, and what does not.

use std::os::unix::fs::PermissionsExt;
use vigie_exec::{Command, Ending, StartError};

#[tokio::test]
async fn arguments_environment_and_directory_arrive_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let odd = "a b\"c'd\n$e\u{e9}";
    let command =
        Command::new("sh").args(["-c", "printf '%s|%s|%s' \"$1\" \"$ODD\" \"$PWD\"; echo x >&2", "sh"]);
    let command = command.arg(odd).env("ODD", "first").env("ODD", odd).dir(dir.path());
    let outcome = command.run().await.unwrap();
    let pwd = dir.path().canonicalize().unwrap();
    assert_eq!(outcome.stdout.to_text(), format!("{odd}|{odd}|{}", pwd.display()));
    assert_eq!(outcome.stderr.bytes(), b"x\n");
    assert!(outcome.ending.is_success() && !outcome.left_running, "{outcome:?}");
    // The same command once more.
    assert_eq!(command.run().await.unwrap().ending, Ending::Exited(0));
}

#[tokio::test]
async fn nothing_comes_on_standard_input_and_the_group_is_its_own() {
    let outcome = Command::shell("cat; ps -o pgid= -p $$; echo $$").run().await.unwrap();
    let text = outcome.stdout.to_text();
    let numbers: Vec<i32> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert_eq!(numbers[0], numbers[1], "{text}");
}

#[tokio::test]
async fn what_does_not_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let missing = Command::new("/no/such/hook").run().await.unwrap_err();
    assert!(matches!(missing, StartError::NotFound { .. }), "{missing}");
    assert_eq!(missing.to_string(), "cannot run /no/such/hook: there is no such program");
    let missing = Command::new("no-such-program-anywhere").run().await.unwrap_err();
    assert!(matches!(missing, StartError::NotFound { .. }), "{missing}");
    let plain = Command::new(file("plain", "#!/bin/sh\n", 0o644)).run().await.unwrap_err();
    assert!(matches!(plain, StartError::NotExecutable { .. }), "{plain}");
    let bad = Command::new(file("bad", "#!/no/interpreter\n", 0o755)).run().await.unwrap_err();
    assert!(matches!(bad, StartError::NoInterpreter { .. }), "{bad}");
    let format = Command::new(file("format", "\x7fnot a program", 0o755)).run().await.unwrap_err();
    assert!(matches!(format, StartError::Io { .. }), "{format}");
    let nowhere = Command::new("true").dir("/no/such/dir").run().await.unwrap_err();
    assert!(matches!(nowhere, StartError::NoDirectory { .. }), "{nowhere}");
    let nul = Command::new("true").arg("a\0b").run().await.unwrap_err();
    assert!(matches!(nul, StartError::Io { .. }), "{nul}");
    let long = Command::new("true").arg("x".repeat(4 << 20)).run().await.unwrap_err();
    assert!(matches!(long, StartError::Io { .. }), "{long}");
}
