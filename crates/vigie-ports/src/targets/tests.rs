use super::resolve::Resolved;
use super::spec::{Spec, TargetError, parse};
use super::{Request, TargetList, list, size};
use std::net::IpAddr;

fn request(words: &[&str]) -> Request {
    let mut request = Request::default();
    words.iter().for_each(|word| request.add(word).unwrap_or_else(|e| panic!("{word}: {e}")));
    request
}

/// What names have which addresses in these tests.
fn names() -> Resolved {
    let v4 = |text: &str| (text.parse::<IpAddr>().unwrap(), 0);
    [
        ("a.example".to_owned(), Ok(vec![v4("192.0.2.1"), v4("192.0.2.2"), v4("2001:db8::1")])),
        ("b.example".to_owned(), Ok(vec![v4("192.0.2.1")])),
        ("none.example".to_owned(), Ok(vec![])),
        ("bad.example".to_owned(), Err("Name or service not known".to_owned())),
    ]
    .into_iter()
    .collect()
}

fn listed(request: Request) -> TargetList {
    let (list, failed) = request.resolved(&names()).unwrap();
    assert_eq!(failed, []);
    list
}

fn addresses(words: &[&str]) -> Vec<String> {
    listed(request(words)).iter().map(|target| target.address.to_string()).collect()
}

#[test]
fn addresses_blocks_and_ranges() {
    for (words, expected) in [
        (&["192.0.2.7"][..], &["192.0.2.7"][..]),
        (&["192.0.2.7/30"], &["192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"]),
        (&["192.0.2.7/32"], &["192.0.2.7"]),
        (&["10.0.0-1.1-2"], &["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.2"]),
        (&["10.0.0.1,5,7-8"], &["10.0.0.1", "10.0.0.5", "10.0.0.7", "10.0.0.8"]),
        (&["10.0.0.254-"], &["10.0.0.254", "10.0.0.255"]),
        (&["10.0.0.-1"], &["10.0.0.0", "10.0.0.1"]),
        (&["10.0.[1-3].4"], &["10.0.1.4", "10.0.2.4", "10.0.3.4"]),
        (&["10.0.0.1,10.0.0.2"], &["10.0.0.1", "10.0.0.2"]),
        (&["2001:db8::fffe/127"], &["2001:db8::fffe", "2001:db8::ffff"]),
        (&["[2001:db8::1]", "::1"], &["2001:db8::1", "::1"]),
        (&["::ffff:192.0.2.1"], &["192.0.2.1"]),
        // Each address once, at its first place.
        (&["10.0.0.2", "10.0.0.1-3", "10.0.0.3", "10.0.0.2/31"], &["10.0.0.2", "10.0.0.1", "10.0.0.3"]),
        (&["10.0.0.1-2", "10.0.0.1"], &["10.0.0.1", "10.0.0.2"]),
    ] {
        assert_eq!(addresses(words), expected, "{words:?}");
    }
    assert_eq!(addresses(&["10.1-2.*.-"]).len(), 2 * 65_536);
}

#[test]
fn a_slash_eight_is_two_numbers() {
    let request = request(&["10.0.0.0/8"]);
    assert_eq!(request.size(), 1 << 24);
    let list = listed(request);
    assert_eq!(list.count(1000), 1 << 24);
    assert_eq!(list.iter().nth(1_000_000).unwrap().address.to_string(), "10.15.66.64");
    let all = listed(self::request(&["::/0"]));
    assert_eq!(all.iter().take(3).map(|t| t.address.to_string()).collect::<Vec<_>>(), ["::", "::1", "::2"]);
    assert_eq!(all.count(10), u128::MAX);
}

#[test]
fn names_keep_their_other_addresses_and_share_probes() {
    let list = listed(request(&["a.example", "b.example", "192.0.2.0/30"]));
    let targets: Vec<_> = list.iter().collect();
    assert_eq!((targets[0].written.as_str(), targets[0].other_addresses.len()), ("a.example", 2));
    let rest: Vec<_> = targets[1..].iter().map(|target| target.written.as_str()).collect();
    assert_eq!(rest, ["192.0.2.0", "192.0.2.2", "192.0.2.3"]);
    let aliases = list.aliases(("192.0.2.1".parse().unwrap(), 0));
    assert_eq!(aliases.iter().map(|t| t.written.as_str()).collect::<Vec<_>>(), ["b.example"]);
    assert_eq!(list.count(100), 4);
    let list = listed(request(&["a.example", "192.0.2.1", "192.0.2.1"]));
    let aliases = list.aliases(("192.0.2.1".parse().unwrap(), 0));
    assert!(aliases.iter().all(|target| target.written == "192.0.2.1") && !aliases.is_empty());
    assert_eq!(list.count(100), 1);
}

#[test]
fn names_without_address_are_told_and_the_rest_goes_on() {
    let (list, failed) = request(&["bad.example,192.0.2.9", "none.example"]).resolved(&names()).unwrap();
    assert_eq!(list.iter().count(), 1);
    let told: Vec<_> = failed.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "cannot resolve bad.example: Name or service not known",
            "cannot resolve none.example: it has no address"
        ]
    );
}

#[test]
fn what_is_excluded_is_never_a_target() {
    let mut request = request(&["192.0.2.0/29"]);
    for word in ["192.0.2.0/31", "192.0.2.5-6", "a.example", "2001:db8::/32"] {
        request.exclude(word).unwrap();
    }
    let names_to_resolve = request.names();
    assert_eq!(names_to_resolve, ["a.example"]);
    let left: Vec<_> = listed(request).iter().map(|t| t.address.to_string()).collect();
    assert_eq!(left, ["192.0.2.3", "192.0.2.4", "192.0.2.7"], "every address of the name is left out");
    let mut request = self::request(&["192.0.2.0/24"]);
    request.exclude("bad.example").unwrap();
    assert_eq!(request.resolved(&names()).unwrap_err().name, "bad.example", "it might be any of them");
}

#[test]
fn a_link_local_address_is_another_one_on_each_interface() {
    let targets = |words: &[&str]| -> Vec<(String, u32)> {
        listed(request(words)).iter().map(|target| (target.written, target.scope)).collect()
    };
    let pair = |written: &str, scope| (written.to_owned(), scope);
    // An interface that is not there keeps its number.
    let words = ["fe80::1%lo", "fe80::1%99999", "fe80::%99999/127", "fe80::1%1"];
    assert_eq!(
        targets(&words),
        [pair("fe80::1%lo", 1), pair("fe80::1%99999", 99999), pair("fe80::%99999", 99999)]
    );
    // Nowhere else does an interface mean anything.
    assert_eq!(targets(&["fd00::1%lo", "fd00::1"]), [pair("fd00::1", 0)]);
    let mut request = self::request(&["fe80::1%lo", "fe80::1%99999", "fe80::2%lo"]);
    request.exclude("fe80::1%lo").unwrap();
    let left: Vec<_> = listed(request).iter().map(|target| target.written).collect();
    assert_eq!(left, ["fe80::1%99999", "fe80::2%lo"]);
    let mut request = self::request(&["fe80::1%lo", "fe80::1%99999", "fd00::1"]);
    request.exclude("::/0").unwrap();
    assert_eq!(listed(request).iter().count(), 0);
}

#[test]
fn node_sets_are_names() {
    let [Spec::Names(set), Spec::Block(_)] = &parse("web[01-03],10.0.0.1").unwrap()[..] else {
        panic!("not a set and an address")
    };
    assert_eq!(set.names().collect::<Vec<_>>(), ["web01", "web02", "web03"]);
    assert_eq!(request(&["web[1-9/2],db"]).names(), ["web1", "web3", "web5", "web7", "web9", "db"]);
    assert_eq!(request(&["n[1-3].example.org."]).names().len(), 3);
}

#[test]
fn what_is_no_target_is_refused_with_its_reason() {
    let error = |word: &str| parse(word).unwrap_err();
    for word in ["", ",", "a,,b", "web1,", "10.0.0.1/24,"] {
        assert_eq!(error(word), TargetError::Empty, "{word:?}");
    }
    assert!(matches!(error("-oN"), TargetError::Dash(_)));
    assert!(matches!(error("a,-iL"), TargetError::Dash(_)));
    for word in [
        "10",
        "10.1",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        "10.0.0.1-300",
        "10.0.0.[1",
        "10..0.1",
        "1.2.3.4,,5",
        "10.0.0.1--3",
        "10.0.0.1-2-3",
    ] {
        assert!(matches!(error(word), TargetError::NotV4(_)), "{word:?}: {:?}", error(word));
    }
    assert!(matches!(error("a.10"), TargetError::NotAName(_)));
    assert!(matches!(error("10.0.0.010"), TargetError::Octal(_)));
    assert!(matches!(error("10.0.[01-03].4"), TargetError::Octal(_)));
    assert!(matches!(error("10.0.0.9-3"), TargetError::Reversed(_)));
    for word in ["host:80", "::g", "1:2:3", "[::1", ":", "10.0.0.1:80"] {
        assert!(matches!(error(word), TargetError::NotV6(_)), "{word:?}: {:?}", error(word));
    }
    assert!(matches!(error("fe80::1"), TargetError::NoScope(_)));
    for (word, host) in [
        ("http://web1/", "web1"),
        ("https://me@web1:8443?x#y", "web1"),
        ("http://[2001:db8::1]:80/a", "2001:db8::1"),
        ("http://", ""),
    ] {
        assert_eq!(error(word), TargetError::Url(word.to_owned(), host.to_owned()));
    }
    for word in ["0.0.0.0", "::", "[::]", "224.0.0.1", "ff02::1%lo", "255.255.255.255", "::ffff:224.0.0.1"] {
        assert!(matches!(error(word), TargetError::NoMachine(..)), "{word:?}: {:?}", error(word));
    }
    assert!(matches!(error("fe80::1%nosuch0"), TargetError::NoInterface(_)));
    assert!(matches!(error("fe80::1%../../etc"), TargetError::NoInterface(_) | TargetError::NotANetwork(_)));
    for word in
        ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "host/24", "::/129", "10.0.0.0/0x8", "web[1-2]/24"]
    {
        assert!(matches!(error(word), TargetError::NotANetwork(_)), "{word:?}: {:?}", error(word));
    }
    for word in ["a b", "a..b", "é.example", "a;b", "$(x)", "a\u{202e}b", &"x".repeat(64), "user@host"] {
        assert!(matches!(error(word), TargetError::NotAName(_)), "{word:?}: {:?}", error(word));
    }
    assert!(matches!(error("w[3-1]"), TargetError::NodeSet(_)));
    assert!(matches!(error("w[1-70000]"), TargetError::TooManyNames { .. }));
    assert!(matches!(error(&"a".repeat(300_000)), TargetError::TooLong(_)));
}

#[test]
fn lists_have_comments_and_errors_have_lines() {
    let mut request = Request::default();
    let text = "# all\n10.0.0.1 10.0.0.2\t10.0.0.3 # three\n\nweb[1-2]\r\n";
    list::read(text.as_bytes(), "hosts", &mut request).unwrap();
    assert_eq!(request.size(), 5);
    let bad = list::read("a\nb\n10.0.0.999\n".as_bytes(), "hosts", &mut request).unwrap_err();
    assert!(bad.to_string().starts_with("hosts, line 3: `10.0.0.999` is no IPv4"), "{bad}");
    assert!(list::read(&b"\xff\xfe\n"[..], "hosts", &mut request).is_err());
    let endless = list::read(std::io::repeat(b' '), "hosts", &mut Request::default());
    assert!(matches!(endless, Err(list::ListError::TooLong { .. })));
}

#[test]
fn what_would_take_days_is_estimated() {
    assert_eq!(size::check(1, 65_535, None), Ok(()));
    assert_eq!(size::check(65_536, 1000, None), Ok(()));
    let whole = size::check(1 << 32, 1000, None).unwrap_err();
    assert!(whole.to_string().ends_with("take about 14 years"), "{whole}");
    let v6 = size::check(u128::MAX, 65_535, Some(1)).unwrap_err();
    assert!(v6.to_string().contains("years"), "{v6}");
    assert!(size::check(1 << 16, 65_535, None).unwrap_err().to_string().ends_with("5 days"));
}
