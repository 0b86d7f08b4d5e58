use super::host::SeenHost;
use super::{Item, Reader, RunInfo, RunStats, Writer, XmlError};
use crate::finding::{Banner, State, Tls};
use crate::host::{Host, Port, Verdicts};
use crate::ports::PortSet;
use crate::services::Services;
use std::time::Duration;

/// Every state and reason, with texts that XML must escape.
fn host() -> Host {
    let mut verdicts = Verdicts::new();
    let mut add = |number: u16, state, reason: &str| {
        let port = Port {
            port: number,
            proto: "tcp".into(),
            state,
            reason: reason.into(),
            service: (number == 22).then(|| "ssh".into()),
            version: (number == 22).then(|| "OpenSSH <9.2> & \"co\"".into()),
            banner: (number == 22).then(|| Banner {
                text: Some("SSH-2.0-x<&>'\"\\x00".into()),
                tls: Some(Tls { version: "TLSv1.3".into(), names: vec!["a<b".into()], ..Tls::default() }),
            }),
            rtt_us: None,
        };
        verdicts.insert(number, port);
    };
    add(22, State::Open, "syn-ack");
    add(23, State::Unreachable, "no-neighbour");
    add(24, State::Unknown, "no-resources");
    (100..=126).for_each(|number| add(number, State::Filtered, "no-response"));
    add(127, State::Filtered, "admin-prohibited");
    (200..=300).for_each(|number| add(number, State::Closed, "reset"));
    let mut host = SeenHost { address: Some("192.0.2.1".parse().unwrap()), ..SeenHost::default() }
        .into_host(&PortSet::default())
        .unwrap();
    host.target = "a.example".into();
    host.set_ports(verdicts);
    host.set_coverage();
    host
}

fn asked() -> PortSet {
    (22..=24).chain(100..=127).chain(200..=300).collect()
}

fn written(hosts: &[Host], asked: &PortSet) -> String {
    let mut out = Vec::new();
    let run = RunInfo {
        args: "vigie ports 'a<b>' \u{1b}[31m".into(),
        version: "0.1.0".into(),
        start_unix: 1_700_000_000,
        start_text: "Tue Nov 14 22:13:20 2023".into(),
        is_syn: false,
    };
    let services = Services::parse("foo 127/tcp");
    let mut writer = Writer::start(&mut out, &run, asked, services).unwrap();
    hosts.iter().for_each(|host| writer.host(&mut out, host).unwrap());
    let stats = RunStats {
        end_unix: 1_700_000_001,
        end_text: "Tue Nov 14 22:13:21 2023".into(),
        elapsed: Duration::from_millis(1500),
        incomplete: false,
    };
    writer.finish(&mut out, &stats).unwrap();
    String::from_utf8(out).unwrap()
}

fn items(text: &[u8]) -> (Vec<Item>, Option<XmlError>) {
    let mut reader = Reader::new(text);
    let mut items = Vec::new();
    loop {
        match reader.next_item() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, None),
            Err(error) => return (items, Some(error)),
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let dead = Host { alive: "no-answer".into(), ..host() };
    let text = written(&[host(), dead], &asked());
    let (items, error) = items(text.as_bytes());
    assert!(error.is_none(), "{error:?}\n{text}");
    let [
        Item::Run { args, .. },
        Item::Asked { ports, .. },
        Item::Host(first),
        Item::Host(second),
        Item::Finished { error: None },
    ] = &items[..]
    else {
        panic!("{items:?}")
    };
    assert_eq!(args, "vigie ports 'a<b>' ?[31m");
    assert_eq!(*ports, asked().to_string());
    let back = first.clone().into_host(&asked()).unwrap();
    assert_eq!(back.target, "a.example");
    assert_eq!(back.states(), host().states());
    assert_eq!(back.counts, host().counts);
    assert_eq!(back.ports[0].version.as_deref(), Some("OpenSSH <9.2> & \"co\""));
    let dead = second.clone().into_host(&asked()).unwrap();
    assert!(dead.is_dead() && dead.ports.is_empty() && dead.others.is_empty());
}

#[test]
fn many_ports_of_a_state_are_summed_up_as_nmap_does() {
    let text = written(&[host()], &asked());
    assert!(text.contains("<extraports state=\"closed\" count=\"101\">\n<extrareasons reason=\"reset\" count=\"101\" proto=\"tcp\" ports=\"200-300\"/>"), "{text}");
    // What the network refuses is filtered in nmap's words, so it is summed up with the silent ones.
    assert!(text.contains("<extraports state=\"filtered\" count=\"29\">"), "{text}");
    assert!(
        text.contains("<extrareasons reason=\"host-unreach\" count=\"1\" proto=\"tcp\" ports=\"23\"/>"),
        "{text}"
    );
    assert!(
        text.contains(
            "<port protocol=\"tcp\" portid=\"24\"><state state=\"unknown\" reason=\"no-resources\""
        )
    );
    assert!(!text.contains("portid=\"127\""));
}

#[test]
fn nmaps_own_xml_is_read_in_all_its_ages() {
    // As nmap 7.80 writes it: no list of the ports that are summed up, and plurals.
    let text = r#"<?xml version="1.0"?><!DOCTYPE nmaprun><nmaprun scanner="nmap" args="nmap x" version="7.80">
<scaninfo type="syn" protocol="tcp" numservices="4" services="21-24"/><scaninfo type="udp" protocol="udp" services="53"/>
<taskprogress task="SYN Stealth Scan" time="1" percent="12.50" remaining="1" etc="1"/>
<host><status state="up" reason="arp-response"/><address addr="192.0.2.7" addrtype="ipv4"/>
<address addr="02:00:00:00:00:01" addrtype="mac"/><hostnames><hostname name="x.example" type="PTR"/></hostnames>
<ports><extraports state="closed" count="2"><extrareasons reason="conn-refused" count="2"/></extraports>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="64"/>
<service name="http" product="nginx" version="1.22" tunnel="ssl" method="probed" conf="10"/><script id="x" output="&lt;"/></port>
<port protocol="tcp" portid="23"><state state="filtered" reason="host-unreach" reason_ttl="64"/></port>
<port protocol="udp" portid="53"><state state="open|filtered" reason="no-response" reason_ttl="0"/></port></ports></host>
<runstats><finished time="1" elapsed="1" exit="error" errormsg="boom"/><hosts up="1" down="0" total="1"/></runstats></nmaprun>"#;
    let (items, error) = items(text.as_bytes());
    assert!(error.is_none(), "{error:?}");
    assert!(matches!(&items[2], Item::Progress { percent, .. } if *percent == 12.5));
    let Item::Host(seen) = &items[3] else { panic!("{items:?}") };
    let asked = PortSet::parse("21-24", &Services::default()).unwrap();
    let host = seen.clone().into_host(&asked).unwrap();
    let states: Vec<_> = host.states().into_iter().collect();
    let closed = State::Closed;
    assert_eq!(states, [(21, closed), (22, State::Open), (23, State::Unreachable), (24, closed)]);
    assert_eq!((host.target.as_str(), host.alive.as_str()), ("x.example", "arp-response"));
    assert_eq!(host.ports[0].service.as_deref(), Some("ssl/http"));
    assert_eq!(host.ports[0].version.as_deref(), Some("nginx 1.22"));
    assert_eq!(items[4], Item::Finished { error: Some("boom".into()) });
}

#[test]
fn ports_that_are_not_told_are_unknown() {
    let seen = SeenHost { address: Some("::1".parse().unwrap()), status: "up".into(), ..SeenHost::default() };
    let host = seen.into_host(&asked()).unwrap();
    assert_eq!((host.counts.unknown, host.coverage), (asked().as_slice().len() as u32, 0.0));
}

#[test]
fn every_cut_and_any_damage_is_told() {
    let text = written(&[host()], &asked());
    let end = text.trim_end().len();
    for cut in 0..end {
        let (_, error) = items(&text.as_bytes()[..cut]);
        assert!(error.is_some(), "cut at {cut} of {end} was not noticed");
    }
    for at in (0..end).step_by(7) {
        let mut damaged = text.clone().into_bytes();
        damaged[at] ^= 0x15;
        // Whatever comes of it, it ends.
        let _ = items(&damaged);
    }
    for (text, told) in [
        ("<html></html>", "not nmap's XML"),
        ("", "cut off"),
        ("plain", "cut off"),
        ("<nmaprun a=\"&boom;\"/>", "damaged"),
        ("<nmaprun></host>", "damaged"),
    ] {
        let error = items(text.as_bytes()).1.unwrap_or_else(|| panic!("{text} was taken"));
        assert!(error.to_string().contains(told), "{text}: {error}");
    }
    let huge = format!("<nmaprun args=\"{}\"/>", "x".repeat(5 << 20));
    assert!(items(huge.as_bytes()).1.unwrap().to_string().contains("longer than"));
}
