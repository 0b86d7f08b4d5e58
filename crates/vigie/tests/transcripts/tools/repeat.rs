//! The exercise of parameters: what is printed, and what is told to whoever asks in a wrong way.

use crate::Home;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

#[test]
fn the_text_is_printed_twice_or_as_often_as_asked() {
    let home = Home::new();
    for (args, printed) in [
        (&["repeat", "bonjour"][..], "bonjour\nbonjour\n"),
        (&["repeat", "la première valeur", "--repete", "3"], &"la première valeur\n".repeat(3)),
        (&["repeat", "-r", "1", "a"], "a\n"),
        (&["repeat", "--repeat=1", ""], "\n"),
        (&["repeat", "a", "--repete", "0"], ""),
        (&["repeat", "--repete", "1", "--", "--help"], "--help\n"),
        (&["repeat", "é", "--json"], "{\"n\":1,\"text\":\"é\"}\n{\"n\":2,\"text\":\"é\"}\n"),
    ] {
        let said = home.run(args);
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, printed, ""), "{args:?}");
    }
}

#[test]
fn wrong_numbers_are_told_what_is_right() {
    let home = Home::new();
    for wrong in ["deux", "-1", "1.5", "", "99999999999999999999"] {
        let said = home.run(&["repeat", "a", "--repete", wrong]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{wrong}: {said:?}");
        let told = format!(
            "error: invalid value '{wrong}' for '--repete <N>': N is a whole number, 0 or more, such as 3\n\n\
             For more information, try '--help'.\n"
        );
        assert_eq!(said.err, told);
    }
}

#[test]
fn bytes_that_are_no_text_are_printed_as_they_are() {
    let home = Home::new();
    let text = OsStr::from_bytes(b"a\xffb");
    let output = home.command(&["repeat"]).arg(text).output().unwrap();
    assert_eq!(output.stdout, b"a\xffb\na\xffb\n");
    let output = home.command(&["repeat", "--json", "--repete=1"]).arg(text).output().unwrap();
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&line["text"], &line["text_b64"]), (&"a\u{fffd}b".into(), &"Yf9i".into()));
}

#[test]
fn a_reader_that_stops_early_ends_it_in_silence() {
    let home = Home::new();
    let mut command = home.command(&["repeat", "a", "--repete", &u64::MAX.to_string()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 4];
    let mut reader = child.stdout.take().unwrap();
    reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"a\na\n");
    drop(reader);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}
