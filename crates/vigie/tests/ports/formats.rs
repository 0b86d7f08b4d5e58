//! What others read: nmap's XML, grepable lines, and comparisons.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::lab::{Lab, Said, file, has, peer, run};

/// nmap's own definition of its XML, as Debian installs it.
const DTD: &str = "/usr/share/nmap/nmap.dtd";

#[test]
fn our_xml_is_valid_and_ndiff_finds_no_change_to_nmaps() {
    if !["nmap", "ndiff", "xmllint"].into_iter().all(has) {
        return;
    }
    let lab = Lab::new(3);
    let dir = tempfile::tempdir().unwrap();
    // Some of them have names, and more than 25 are closed.
    let spec = format!("{},1-60,443,8080", lab.spec());
    let said = run(&["127.0.0.1", "-p", &spec, "--xml"]);
    assert_eq!(said.code, 0, "{said:?}");
    let ours = file(dir.path(), "ours.xml", &said.out);
    let checked = peer("xmllint", &["--noout", "--dtdvalid", DTD, &ours]);
    assert_eq!(checked.code, 0, "{checked:?}\n{}", said.out);
    let nmaps = dir.path().join("nmaps.xml");
    let nmaps = nmaps.to_str().unwrap();
    assert_eq!(peer("nmap", &["-n", "-Pn", "-oX", nmaps, "-p", &spec, "127.0.0.1"]).code, 0);
    let differs = peer("ndiff", &[&ours, nmaps]);
    assert_eq!((differs.code, changes(&differs)), (0, vec![]), "{differs:?}\n{}", said.out);
    let own = run(&["--diff", &ours, nmaps]);
    assert_eq!((own.code, own.out.as_str()), (0, ""), "{own:?}");
    // Few ports: all of them are listed, and those without a listener are closed in both.
    let few = run(&["127.0.0.1", "-p", &lab.spec(), "--xml"]);
    let few = file(dir.path(), "few.xml", &few.out);
    assert_eq!(peer("nmap", &["-n", "-Pn", "-oX", nmaps, "-p", &lab.spec(), "127.0.0.1"]).code, 0);
    let differs = peer("ndiff", &[&few, nmaps]);
    assert_eq!((differs.code, changes(&differs)), (0, vec![]), "{differs:?}");
}

#[test]
fn ndiff_finds_no_port_changed_where_ports_are_dropped_and_rejected_as_root() {
    if !rustix::process::geteuid().is_root() || !["nmap", "ndiff", "ip", "nft", "socat"].into_iter().all(has)
    {
        eprintln!("skipped: this needs root, nmap, ndiff, ip, nft and socat");
        return;
    }
    let spaces = Spaces::new();
    let _listening: Vec<Child> = [1001, 1002].map(|port| spaces.listen(port)).into();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (ours, nmaps) = (path("ours.xml"), path("nmaps.xml"));
    // One of each kind alone, and more of each than both list one by one.
    for spec in ["1000-1005", "1000-1300"] {
        for (engine, scan) in [("syn", "-sS"), ("connect", "-sS"), ("syn", "-sT")] {
            let xml = spaces.here(
                env!("CARGO_BIN_EXE_vigie"),
                &["ports", "10.9.0.2", "-p", spec, "--engine", engine, "--xml"],
            );
            assert_eq!(xml.code, 0, "{xml:?}");
            std::fs::write(&ours, &xml.out).unwrap();
            let nmap = spaces.here("nmap", &["-n", scan, "-T4", "-oX", &nmaps, "-p", spec, "10.9.0.2"]);
            assert_eq!(nmap.code, 0, "{nmap:?}");
            let differs = peer("ndiff", &[&ours, &nmaps]);
            assert!([0, 1].contains(&differs.code), "{differs:?}");
            assert_eq!(ports(&differs), [""; 0], "{engine} {scan} {spec}: {differs:?}");
        }
    }
}

/// Lines about ports in what ndiff printed. nmap also tells hardware addresses, which are not compared.
fn ports(said: &Said) -> Vec<&str> {
    // `-22/tcp open ssh` and `+Not shown: 40 filtered ports`.
    let changed = said.out.lines().filter(|line| line.starts_with(['-', '+']));
    changed.filter(|line| line.contains("/tcp") || line[1..].starts_with("Not shown")).collect()
}

/// Two network namespaces and a cable: `10.9.0.2` has ports that are open, closed, dropped and rejected.
struct Spaces(String);

impl Spaces {
    fn new() -> Self {
        let spaces = Spaces(format!("vigiend{}", std::process::id()));
        let (a, b) = (format!("{}a", spaces.0), format!("{}b", spaces.0));
        for words in [
            format!("netns add {a}"),
            format!("netns add {b}"),
            format!("-n {a} link add v0 type veth peer name v0 netns {b}"),
            format!("-n {a} address add 10.9.0.1/24 dev v0"),
            format!("-n {b} address add 10.9.0.2/24 dev v0"),
            format!("-n {a} link set v0 up"),
            format!("-n {b} link set v0 up"),
            // Rejections come as they are asked for, not once a second.
            format!("netns exec {b} sysctl -qw net.ipv4.icmp_ratelimit=0"),
            format!(
                "netns exec {b} nft table inet t {{ chain c {{ type filter hook input priority 0; \
                 tcp dport {{ 1002, 1003, 1100-1139 }} drop; \
                 tcp dport {{ 1004, 1200-1239 }} reject with icmp type admin-prohibited; \
                 tcp dport 1005 reject with icmp type host-unreachable; }}; }}"
            ),
        ] {
            let done = peer("ip", &words.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>());
            assert_eq!(done.code, 0, "{words}: {done:?}");
        }
        spaces
    }

    /// Runs on the side that scans.
    fn here(&self, program: &str, args: &[&str]) -> Said {
        let space = format!("{}a", self.0);
        peer("ip", &[&["netns", "exec", &space, program], args].concat())
    }

    /// Listens on the side that is scanned; returns when it does.
    fn listen(&self, port: u16) -> Child {
        let space = format!("{}b", self.0);
        let mut listener = Command::new("ip")
            .args(["netns", "exec", &space, "socat", "-dd", "-u"])
            .args([&format!("TCP-LISTEN:{port},fork,reuseaddr"), "OPEN:/dev/null"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(listener.stderr.take().unwrap());
        while !said.contains("listening on") {
            said.clear();
            assert!(lines.read_line(&mut said).unwrap() > 0, "socat ended");
        }
        // What it says of connections is read, so that it can go on.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        listener
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        for side in ["a", "b"] {
            let space = format!("{}{side}", self.0);
            for pid in peer("ip", &["netns", "pids", &space]).out.split_whitespace() {
                let _ = peer("kill", &[pid]);
            }
            let _ = peer("ip", &["netns", "delete", &space]);
        }
    }
}

/// What ndiff printed besides its two heads.
fn changes(said: &Said) -> Vec<&str> {
    said.out.lines().filter(|line| !line.starts_with("-Nmap ") && !line.starts_with("+Nmap ")).collect()
}

#[test]
fn banners_names_and_nothing_at_all_are_valid_xml_too() {
    if !["nmap", "xmllint"].into_iter().all(has) {
        return;
    }
    let lab = Lab::new(1);
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["localhost", "-p", &lab.spec(), "--xml", "--banner"][..],
        &["::1", "127.0.0.1", "-p", &lab.spec(), "--xml"],
        &["127.0.0.0/30", "nosuch.invalid", "-p", &lab.spec(), "--xml", "--engine", "nmap"],
    ] {
        let said = run(args);
        let xml = file(dir.path(), "some.xml", &said.out);
        let checked = peer("xmllint", &["--noout", "--dtdvalid", DTD, &xml]);
        assert_eq!(checked.code, 0, "{args:?}: {checked:?}\n{}", said.out);
    }
}

#[test]
fn a_grepable_line_for_each_target() {
    let lab = Lab::new(1);
    let said = run(&["127.0.0.1", "-p", &lab.spec(), "--grep"]);
    assert_eq!(said.code, 0, "{said:?}");
    let lines: Vec<&str> = said.out.lines().filter(|line| !line.starts_with('#')).collect();
    let open = lab.open()[0];
    assert_eq!(lines[0], "Host: 127.0.0.1 ()\tStatus: Up");
    assert!(lines[1].starts_with(&format!("Host: 127.0.0.1 ()\tPorts: {open}/open/tcp//")), "{said:?}");
    assert!(lines[1].ends_with("\tIgnored State: closed (1)"), "{said:?}");
}

#[test]
fn a_port_that_closed_is_a_change_in_every_format() {
    let mut lab = Lab::new(2);
    let dir = tempfile::tempdir().unwrap();
    let spec = lab.spec();
    let scan = |format: &str| run(&["127.0.0.1", "-p", &spec, format]).out;
    let (json, xml) = (scan("--json"), scan("--xml"));
    let before_json = file(dir.path(), "before.json", &json);
    let before_xml = file(dir.path(), "before.xml", &xml);
    let gone = lab.listeners.pop().unwrap().local_addr().unwrap().port();
    let after_xml = file(dir.path(), "after.xml", &scan("--xml"));
    let after_json = file(dir.path(), "after.json", &scan("--json"));
    for before in [&before_json, &before_xml] {
        for after in [&after_json, &after_xml] {
            let said = run(&["--diff", before, after]);
            assert_eq!(said.code, 1, "{said:?}");
            assert_eq!(said.out, format!("127.0.0.1  {gone}/tcp: open -> closed\n"));
        }
        let same = run(&["--diff", before, before]);
        assert_eq!((same.code, same.out.as_str()), (0, ""), "{same:?}");
    }
    let json = run(&["--diff", &before_xml, &after_json, "--json"]);
    assert_eq!(json.json()[0]["port"], gone);
    assert_eq!((&json.json()[0]["before"], &json.json()[0]["after"]), (&"open".into(), &"closed".into()));
}

#[test]
fn what_cannot_be_compared_is_never_called_the_same() {
    let lab = Lab::new(1);
    let dir = tempfile::tempdir().unwrap();
    let whole = run(&["127.0.0.1", "-p", &lab.spec(), "--json"]).out;
    let part = run(&["127.0.0.1", "-p", &lab.open()[0].to_string(), "--json"]).out;
    let (whole_file, part) = (file(dir.path(), "whole", &whole), file(dir.path(), "part", &part));
    let said = run(&["--diff", &whole_file, &part]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("only one of the two asked for 1 port"), "{said:?}");
    let xml = run(&["127.0.0.1", "-p", &lab.spec(), "--xml"]).out;
    for (name, text, told) in [
        ("cut.json", &whole[..whole.len() / 2], "line 1 is no report"),
        ("cut.xml", &xml[..xml.len() / 2], "cut off"),
        ("text", "hello\n", "neither"),
        ("html", "<html></html>", "not nmap's XML"),
    ] {
        let bad = file(dir.path(), name, text);
        let said = run(&["--diff", &whole_file, &bad]);
        assert_eq!(said.code, 4, "{name}: {said:?}");
        assert!(said.err.contains(told), "{name}: {said:?}");
    }
    assert_eq!(run(&["--diff", &whole_file, "/nonexistent/file"]).code, 4);
}
