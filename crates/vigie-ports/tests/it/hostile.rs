//! Answers that nobody asked for, damaged ones, and ones that contradict each other: none opens a port.

use std::net::{IpAddr, SocketAddr};

use vigie_ports::{EngineChoice, Plan, Reason, State};

use crate::forger::{ACK, Forger, RST, SYN, Seen, header_len};
use crate::lab::{Lab, V4, V6, plan};

/// What a port does, and what is to be seen of it.
type Case = (&'static str, fn(&Forger, &Seen), State);

/// From the first port on.
const CASES: &[Case] = &[
    ("says yes", yes, State::Open),
    ("says no", no, State::Closed),
    ("says nothing", |_, _| {}, State::Filtered),
    ("acknowledges another number", |far, syn| send(far, syn, 2, SYN | ACK), State::Filtered),
    ("acknowledges sixteen numbers too many", |far, syn| send(far, syn, 17, SYN | ACK), State::Filtered),
    ("acknowledges its own number", |far, syn| send(far, syn, 0, SYN | ACK), State::Filtered),
    ("acknowledges nothing", |far, syn| far.segment(syn.to, syn.from, 0, SYN | ACK), State::Filtered),
    ("refuses another number", |far, syn| send(far, syn, 2, RST | ACK), State::Filtered),
    (
        "guesses numbers",
        |far, syn| (0..200).for_each(|n| send(far, syn, n * 0x0101_0101 + 9, SYN | ACK)),
        State::Filtered,
    ),
    (
        "is answered for by an address that was not asked, yes",
        |far, syn| by_other(far, syn, SYN),
        State::Filtered,
    ),
    (
        "is answered for by an address that was not asked, no",
        |far, syn| by_other(far, syn, RST),
        State::Filtered,
    ),
    (
        "answers from a port that was not asked",
        |far, syn| {
            let from = SocketAddr::new(syn.to.ip(), 3003);
            far.segment(from, syn.from, syn.sequence.wrapping_add(1), SYN | ACK);
        },
        State::Filtered,
    ),
    (
        "answers from another port that was asked",
        |far, syn| {
            let from = SocketAddr::new(syn.to.ip(), syn.to.port() - 1);
            far.segment(from, syn.from, syn.sequence.wrapping_add(1), SYN | ACK);
        },
        State::Filtered,
    ),
    (
        "answers to a port that did not ask",
        |far, syn| {
            let to = SocketAddr::new(syn.from.ip(), syn.from.port() ^ 1);
            far.segment(syn.to, to, syn.sequence.wrapping_add(1), SYN | ACK);
        },
        State::Filtered,
    ),
    (
        "sends segments that are no answer",
        |far, syn| {
            [SYN, ACK, RST, 0, SYN | RST, SYN | RST | ACK, 0xff]
                .into_iter()
                .for_each(|f| send(far, syn, 1, f))
        },
        State::Filtered,
    ),
    ("breaks off in the middle", broken_off, State::Filtered),
    ("says yes very often", |far, syn| (0..50).for_each(|_| yes(far, syn)), State::Open),
    ("says no, then yes", |far, syn| (no(far, syn), yes(far, syn)).1, State::Closed),
    ("says yes, then no", |far, syn| (yes(far, syn), no(far, syn)).1, State::Open),
    ("is prohibited", |far, syn| far.prohibited(syn.from.ip(), &syn.packet), State::Filtered),
    (
        "is prohibited, but says yes",
        |far, syn| (far.prohibited(syn.from.ip(), &syn.packet), yes(far, syn)).1,
        State::Open,
    ),
    ("is prohibited in a few bytes", truncated, State::Filtered),
    ("is prohibited, says a quote of what was never sent", never_sent, State::Filtered),
];

/// Of those that are filtered, the one that was told so; all others were silent.
const PROHIBITED: &str = "is prohibited";

fn send(far: &Forger, syn: &Seen, beyond: u32, flags: u8) {
    far.segment(syn.to, syn.from, syn.sequence.wrapping_add(beyond), flags);
}

fn yes(far: &Forger, syn: &Seen) {
    send(far, syn, 1, SYN | ACK);
}

fn no(far: &Forger, syn: &Seen) {
    send(far, syn, 1, RST | ACK);
}

fn by_other(far: &Forger, syn: &Seen, flags: u8) {
    let other: IpAddr = if syn.to.is_ipv6() { "fd09::77".parse() } else { "10.9.0.77".parse() }.unwrap();
    let from = SocketAddr::new(other, syn.to.port());
    far.segment(from, syn.from, syn.sequence.wrapping_add(1), flags | ACK);
}

/// A good answer, of which only the first bytes come: the acknowledgement may be there, and the flags may not.
fn broken_off(far: &Forger, syn: &Seen) {
    let mut segment = [0; 20];
    segment[..2].copy_from_slice(&syn.to.port().to_be_bytes());
    segment[2..4].copy_from_slice(&syn.from.port().to_be_bytes());
    segment[8..12].copy_from_slice(&syn.sequence.wrapping_add(1).to_be_bytes());
    segment[12..14].copy_from_slice(&[5 << 4, SYN | ACK]);
    (0..14).for_each(|len| far.tcp(syn.to, syn.from, &segment[..len]));
}

/// An error whose quote ends anywhere before the number that would show that the SYN was ours.
fn truncated(far: &Forger, syn: &Seen) {
    let ours = header_len(syn.to.is_ipv6()) + 8;
    (0..ours).for_each(|len| far.prohibited(syn.from.ip(), &syn.packet[..len]));
}

/// Errors that quote our SYN with a bit of each of its numbers turned: addresses, ports, sequence, protocol.
fn never_sent(far: &Forger, syn: &Seen) {
    let is_v6 = syn.to.is_ipv6();
    let header = header_len(is_v6);
    let (protocol, to) = if is_v6 { (6, 24) } else { (9, 16) };
    for at in [0, protocol, to + 1, header, header + 1, header + 3, header + 4, header + 7] {
        let mut quoted = syn.packet.clone();
        quoted[at] ^= 0x10;
        far.prohibited(syn.from.ip(), &quoted);
    }
}

#[test]
fn no_forged_or_damaged_answer_opens_a_port_as_root() {
    for address in [V4, V6] {
        let Some(lab) = Lab::new() else { return };
        // The kernel over there keeps quiet: what answers is forged.
        lab.filter("meta l4proto tcp drop;");
        let plan = Plan { retries: Some(1), ..plan(EngineChoice::Syn, 1..=CASES.len() as u16) };
        let answer = |far: &Forger, syn: &Seen| {
            let case = usize::from(syn.to.port()).checked_sub(1).and_then(|at| CASES.get(at));
            case.iter().for_each(|case| case.1(far, syn));
        };
        let found = lab.forged(address == V6, answer, || lab.findings(&plan, address));
        assert_eq!(found.len(), CASES.len());
        for (finding, (what, _, state)) in found.iter().zip(CASES) {
            let is_told = matches!(finding.reason, Reason::Icmp { .. });
            let seen = (finding.state, is_told);
            assert_eq!(seen, (*state, *what == PROHIBITED), "{address}: a port that {what}: {finding:?}");
        }
    }
}
