//! What `vigie inspect` prints.

use crate::Home;

#[test]
fn a_script_is_told_by_what_it_does() {
    let home = Home::new();
    let script = "import serial\nPORT = '/dev/ttyUSB0'\n\ndef main():\n    serial.Serial(PORT, 9600)\n";
    std::fs::write(home.path().join("read.py"), script).unwrap();
    let said = home.run(&["inspect", "read.py"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(
        said.out,
        "\
read.py: Python 3, 5 lines

TO INSTALL
  import serial  pip: pyserial  Debian: python3-serial  PyPI's `serial` is another thing

DOES
  5    uses the serial line /dev/ttyUSB0 (9600 baud)

NEEDS
  group dialout, for /dev/ttyUSB0

VERDICT
  low: it does what such scripts do
"
    );
    let said = home.run(&["inspect", "read.py", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["imports"][0]["distribution"], "pyserial");
    assert_eq!((&report["verdict"], &report["findings"][0]["rule"]), (&"low".into(), &"serial".into()));
}

#[test]
fn ends_say_what_was_found() {
    let home = Home::new();
    for (name, text, code) in [
        ("bad.py", &b"import base64\nexec(base64.b64decode(x))\n"[..], 1),
        ("broken.py", b"def (:\n", 3),
        ("binary.py", b"\x7fELF\x00\x01", 3),
        ("empty.py", b"", 0),
    ] {
        std::fs::write(home.path().join(name), text).unwrap();
        let said = home.run(&["inspect", name]);
        assert_eq!(said.code, code, "{name}: {said:?}");
    }
    let said = home.run(&["inspect", "broken.py"]);
    assert!(said.out.ends_with("\nVERDICT\n  low, as far as it was understood\n"), "{said:?}");
    assert!(said.err.contains("lines that are not understood, and may do anything: 1\n"), "{said:?}");
    assert_eq!(home.run(&["inspect", "absent.py"]).code, 4);
    assert_eq!(home.run(&["inspect"]).code, 2);
}
