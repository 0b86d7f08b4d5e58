//! What `vigie meter` prints, with a simulated meter on a pseudo-terminal.

use crate::{Home, eventually};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// A simulated meter that ends with its test.
struct Meter(Child);

impl Meter {
    fn start(home: &Home, args: &[&str]) -> Self {
        let mut command = home.command(&[&["meter", "simulate", "--link", "linky"], args].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "linky\n");
        Meter(child)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_frame_is_a_table_of_what_labels_mean() {
    let home = Home::new();
    let _meter = Meter::start(&home, &["--speed", "20"]);
    let said = home.run(&["meter", "--device", "linky", "--once"]);
    assert_eq!(said.code, 0, "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "LABEL     VALUE          AT  MEANING");
    assert!(lines.contains(&"ISOUSC    45 A               subscribed current"), "{}", said.out);
    assert!(!said.out.contains("012345678901"), "{}", said.out);
    let shown = home.run(&["meter", "--device", "linky", "--once", "--show-ids"]);
    assert!(shown.out.contains("ADCO      012345678901"), "{}", shown.out);
}

#[test]
fn json_has_a_line_for_each_frame_and_for_what_happens() {
    let home = Home::new();
    let _meter = Meter::start(&home, &["--mode", "standard", "--speed", "20", "--damage", "150"]);
    let said = home.run(&["meter", "--device", "linky", "-n", "3", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let lines: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["event"], &lines[1]["event"]), (&"opened".into(), &"found".into()));
    let frames: Vec<_> = lines.iter().filter(|line| line["values"].is_object()).collect();
    assert_eq!(frames.len(), 3);
    for frame in frames {
        assert_eq!(frame["mode"], "standard");
        assert_eq!(frame["whole"], frame["faults"].is_null());
    }
}

#[test]
fn what_goes_wrong_is_said() {
    let home = Home::new();
    let absent = home.run(&["meter", "--device", "linky"]);
    assert_eq!(absent.code, 4);
    assert!(absent.err.contains("--wait"), "{}", absent.err);
    let null = home.run(&["meter", "--device", "/dev/null"]);
    assert_eq!(null.code, 2, "{null:?}");
    std::fs::write(home.path().join("noise"), [b'x'; 5000]).unwrap();
    let noise = home.run(&["meter", "--device", "noise"]);
    assert_eq!((noise.code, noise.out.as_str()), (3, ""));
    for url in ["https://h", "http://user:secret@h"] {
        let said = home.run(&["meter", "--device", "noise", "--influx", url]);
        assert_eq!(said.code, 2, "{said:?}");
    }
    std::fs::write(home.path().join("open"), "a:b").unwrap();
    let exposed = home.run(&[
        "meter",
        "--device",
        "noise",
        "--spool",
        "spool",
        "--mqtt",
        "mqtt://h",
        "--mqtt-credentials",
        "open",
    ]);
    assert_eq!(exposed.code, 2);
    assert!(exposed.err.contains("chmod 600"), "{}", exposed.err);
}

#[test]
fn a_line_that_is_read_is_busy_for_others() {
    let home = Home::new();
    let _meter = Meter::start(&home, &["--speed", "20"]);
    let mut first = home.command(&["meter", "--device", "linky"]);
    let mut first = first.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(first.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("PAPP"), "{line}");
    let said = home.run(&["meter", "--device", "linky", "--once"]);
    assert_eq!(said.code, 4);
    assert!(said.err.contains("busy"), "{}", said.err);
    let _ = first.kill();
    let _ = first.wait();
    let again = eventually("the line is free", || {
        Some(home.run(&["meter", "--device", "linky", "--once"])).filter(|said| said.code == 0)
    });
    assert!(again.out.contains("PAPP"));
}
