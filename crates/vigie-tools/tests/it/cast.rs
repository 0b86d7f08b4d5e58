//! Datagrams over real sockets: through a relay that does what networks do, to groups, and past a buffer that is full.

use rustix::net::sockopt;
use std::collections::{BTreeSet, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;
use vigie_tools::cast::datagram::{Header, Kind};
use vigie_tools::cast::endpoint::{Endpoint, Reach};
use vigie_tools::cast::listen::{self, Heard, Listener, Report};
use vigie_tools::cast::send::{self, Load, send};
use vigie_tools::limits::CAST_RECEIVE_BUFFER;

fn endpoint(target: impl ToString, interface: Option<&str>) -> Endpoint {
    Endpoint { target: target.to_string(), interface: interface.map(str::to_owned) }
}

fn listener(at: Endpoint, receive_buffer: usize) -> Listener {
    let config = listen::Config {
        at,
        report_every: Duration::from_secs(3600),
        time_limit: Some(Duration::from_secs(60)),
        is_once: true,
        receive_buffer,
    };
    Listener::bind(config).unwrap()
}

fn config(to: Endpoint, load: Load, rate: u32) -> send::Config {
    send::Config { to, reach: Reach { ttl: 1, is_looped: true }, load, rate, stream: 0x5eed }
}

fn run(listener: Listener) -> (Report, Vec<Heard>) {
    let (tell, mut heard) = mpsc::channel(1024);
    let report = listener.run(&tell, &AtomicBool::new(false)).unwrap();
    drop(tell);
    (report, std::iter::from_fn(|| heard.try_recv().ok()).collect())
}

/// SplitMix64: the same seed, the same relay.
struct Dice(u64);

impl Dice {
    fn percent(&mut self, percent: u64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % 100 < percent
    }
}

/// What a relay let through, and so what a listener has to have counted.
#[derive(Debug, Default, PartialEq)]
struct Truth {
    lost: u64,
    duplicated: u64,
    reordered: u64,
}

/// Passes datagrams on, but loses, doubles and holds back some of all that come, until the end has come for the last time.
fn relay(socket: &UdpSocket, to: SocketAddr, loss: u64) -> Truth {
    let mut dice = Dice(loss);
    let mut held: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    let (mut passed, mut sent, mut ends) = (Vec::new(), 0, 0);
    let mut buffer = [0; 2048];
    let mut pass = |datagram: &[u8]| {
        let (header, _) = Header::decode(datagram).unwrap();
        if matches!(header.kind, Kind::Filler) {
            passed.push(header.number);
        }
        socket.send_to(datagram, to).unwrap();
    };
    let mut turn = 0;
    while ends < 5 {
        let length = socket.recv(&mut buffer).unwrap();
        let datagram = &buffer[..length];
        let (header, _) = Header::decode(datagram).unwrap();
        match header.kind {
            Kind::End => (ends, sent) = (ends + 1, header.number),
            Kind::Start | Kind::Filler | Kind::Text => {}
        }
        turn += 1;
        for _ in 0..if dice.percent(2) { 2 } else { 1 } {
            if dice.percent(loss) {
                continue;
            }
            if dice.percent(10) {
                held.push_back((turn + 30, datagram.to_vec()));
            } else {
                pass(datagram);
            }
        }
        while held.front().is_some_and(|(due, _)| *due <= turn) {
            pass(&held.pop_front().unwrap().1);
        }
    }
    held.iter().for_each(|(_, datagram)| pass(datagram));
    let (mut seen, mut highest, mut truth) = (BTreeSet::new(), 0, Truth::default());
    for &number in &passed {
        if !seen.insert(number) {
            truth.duplicated += 1;
        } else if number < highest {
            truth.reordered += 1;
        }
        highest = highest.max(number);
    }
    truth.lost = sent - seen.len() as u64;
    truth
}

#[test]
fn counts_are_the_truth_of_a_relay_that_loses_doubles_and_reorders() {
    for loss in [0, 1, 5, 20] {
        let listener = listener(endpoint("127.0.0.1:0", None), CAST_RECEIVE_BUFFER);
        let to = listener.address();
        let between = UdpSocket::bind("127.0.0.1:0").unwrap();
        // What the kernel drops in front of a relay that has no turn would be lost without dice. Without the right to more, the
        // rate leaves it some tenths of a second.
        if sockopt::set_socket_recv_buffer_size_force(&between, CAST_RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&between, CAST_RECEIVE_BUFFER).unwrap();
        }
        let via = between.local_addr().unwrap();
        let relaying = thread::spawn(move || relay(&between, to, loss));
        let load = Load::Filler { count: Some(5000), size: 64 };
        let sending =
            thread::spawn(move || send(&config(endpoint(via, None), load, 4000), &AtomicBool::new(false)));
        let (report, _) = run(listener);
        let sent = sending.join().unwrap().unwrap();
        let truth = relaying.join().unwrap();
        assert_eq!((sent.datagrams, sent.refused), (5000, 0));
        let [stream] = report.streams.as_slice() else { panic!("{report:?}") };
        let c = &stream.counts;
        let counted = Truth { lost: c.lost, duplicated: c.duplicated, reordered: c.reordered };
        assert_eq!(counted, truth, "{loss} %");
        assert_eq!((stream.sent, c.late, c.strange, c.before), (Some(5000), 0, 0, 0));
        assert_eq!((report.kernel_dropped, report.plain), (0, 0));
        assert!(truth.duplicated > 0 && truth.reordered > 0 && (loss == 0) == (truth.lost == 0), "{truth:?}");
    }
}

#[test]
fn what_the_kernel_drops_is_told_apart() {
    let listener = listener(endpoint("127.0.0.1:0", None), 50_000);
    let address = listener.address();
    // Nobody reads yet, so the buffer overflows; nothing else is lost on the way.
    let load = Load::Filler { count: Some(1000), size: 1000 };
    let sent = send(&config(endpoint(address, None), load, 0), &AtomicBool::new(false)).unwrap();
    assert_eq!(sent.datagrams, 1000);
    let (tell, heard) = mpsc::channel(1024);
    let stop = AtomicBool::new(false);
    let mut words = 0;
    let report = thread::scope(|scope| {
        let running = scope.spawn(|| listener.run(&tell, &stop));
        // Until a word has come, which was behind everything else.
        let last = UdpSocket::bind("127.0.0.1:0").unwrap();
        while heard.is_empty() {
            let word = Header { kind: Kind::Text, stream: 1, number: words, sent_ns: 0 };
            last.send_to(&word.encode(), address).unwrap();
            words += 1;
            thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap()
    });
    let [filler, word] = report.streams.as_slice() else { panic!("{report:?}") };
    let missing = 1000 - filler.counts.received + words - word.counts.received;
    assert!((900..1000).contains(&(1000 - filler.counts.received)), "{report:?}");
    // Besides, some of the five ends had no room.
    assert!((missing..=missing + 5).contains(&report.kernel_dropped), "{report:?}");
}

fn texts(heard: &[Heard]) -> Vec<(Option<u64>, &[u8])> {
    let mut texts = Vec::new();
    for one in heard {
        if let Heard::Text { number, bytes, .. } = one {
            texts.push((*number, bytes.as_slice()));
        }
    }
    texts
}

/// An interface that takes IPv6 to groups: loopback has no route for them by itself.
fn v6_interface() -> Option<String> {
    let addresses = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    let names = addresses.lines().filter_map(|line| line.split_whitespace().last());
    names.map(str::to_owned).find(|name| name != "lo")
}

#[test]
fn groups_of_both_families_are_heard_by_all_who_join() {
    let v6 = v6_interface();
    if v6.is_none() {
        eprintln!("skipped in part: no interface here takes IPv6 to groups");
    }
    let groups = [("239.255.77.1", Some("lo".to_owned())), ("[ff15::7:1]", v6)];
    for (group, interface) in
        groups.iter().filter_map(|(group, interface)| Some((group, interface.as_deref()?)))
    {
        let first = listener(endpoint(format!("{group}:0"), Some(interface)), CAST_RECEIVE_BUFFER);
        let at = format!("{group}:{}", first.address().port());
        let second = listener(endpoint(&at, Some(interface)), CAST_RECEIVE_BUFFER);
        let load = Load::Texts(vec![b"bonjour".to_vec(), b"\xff".to_vec()]);
        send(&config(endpoint(&at, Some(interface)), load, 1000), &AtomicBool::new(false)).unwrap();
        for one in [first, second] {
            let (report, heard) = run(one);
            assert_eq!(texts(&heard), [(Some(0), &b"bonjour"[..]), (Some(1), &b"\xff"[..])], "{group}");
            assert_eq!((report.streams.len(), report.streams[0].counts.lost), (1, 0), "{group}");
        }
    }
}

#[test]
fn foreign_datagrams_are_told_as_they_are() {
    let listener = listener(endpoint("127.0.0.1:0", None), CAST_RECEIVE_BUFFER);
    let to = listener.address();
    let load = Load::Plain(vec![b"hello\n".to_vec()]);
    send(&config(endpoint(to, None), load, 0), &AtomicBool::new(false)).unwrap();
    let load = Load::Texts(vec![]);
    let sender = thread::spawn(move || send(&config(endpoint(to, None), load, 0), &AtomicBool::new(false)));
    let (report, heard) = run(listener);
    assert_eq!(texts(&heard), [(None, &b"hello\n"[..])]);
    assert_eq!((report.plain, report.streams[0].sent), (1, Some(0)));
    sender.join().unwrap().unwrap();
}

#[test]
fn what_cannot_be_is_an_error() {
    let bind = |target: &str, interface| {
        let config = listen::Config {
            at: endpoint(target, interface),
            report_every: Duration::from_secs(1),
            time_limit: None,
            is_once: false,
            receive_buffer: 0,
        };
        Listener::bind(config).map(drop).unwrap_err().to_string()
    };
    assert!(bind("127.0.0.1:0", Some("nowhere0")).starts_with("there is no interface nowhere0: "));
    assert!(bind("192.0.2.77:9", None).starts_with("cannot listen on 192.0.2.77:9: "));
    assert!(bind("no.such.name.invalid:9", None).starts_with("no.such.name.invalid:9 has no address: "));
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(bind(&taken.local_addr().unwrap().to_string(), None).contains("in use"));
}
