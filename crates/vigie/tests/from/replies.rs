//! What real servers reply to a wish to forward, and what is made of it: every row of the table.

use crate::lab::{Lab, Server, TARGET, TARGET_V6};

const OPEN: u16 = 8001;
const CLOSED: u16 = 8002;
const DROPPED: u16 = 8003;
const PORT_UNREACH: u16 = 8004;
const ADMIN_PROHIBITED: u16 = 8005;
const LOCAL_DROP: u16 = 8006;
const NET_UNREACH: u16 = 8007;

/// The target and its router as both servers see them.
fn plant(lab: &mut Lab) {
    lab.listen([OPEN, DROPPED]);
    lab.rules(
        "c",
        "forward",
        &format!(
            "tcp dport {DROPPED} drop; tcp dport {PORT_UNREACH} reject with icmpx type port-unreachable; \
             tcp dport {ADMIN_PROHIBITED} reject with icmpx type admin-prohibited; \
             tcp dport {NET_UNREACH} reject with icmpx type no-route"
        ),
    );
    for place in ["v1", "v2"] {
        lab.rules(place, "output", &format!("tcp dport {LOCAL_DROP} drop"));
    }
}

fn spec() -> String {
    format!("{OPEN}-{NET_UNREACH}")
}

#[test]
fn root_every_reply_of_openssh_and_dropbear_has_its_meaning() {
    let Some(mut lab) = Lab::new(&[Server::OpenSsh(""), Server::Dropbear(&[])]) else { return };
    plant(&mut lab);
    for (target, is_v4) in [(TARGET, true), (TARGET_V6, false)] {
        let said = lab.ports(&[target, "--from", "v[1-2]", "-p", &spec(), "--timeout", "1500ms", "--json"]);
        for place in 1..=2 {
            let seen = |port: u16| {
                let (state, reason) = said.seen(port, place);
                format!("{state} {reason}")
            };
            assert_eq!(seen(OPEN), "open connected", "v{place} {said:?}");
            assert_eq!(seen(CLOSED), "closed refused", "v{place} {said:?}");
            assert_eq!(seen(DROPPED), "filtered no-response", "v{place} {said:?}");
            assert_eq!(seen(PORT_UNREACH), "closed refused", "v{place} {said:?}");
            assert_eq!(seen(ADMIN_PROHIBITED), "unreachable unreachable", "v{place} {said:?}");
            if is_v4 {
                assert_eq!(seen(NET_UNREACH), "unreachable unreachable", "v{place} {said:?}");
            }
            // A rule of the place itself is never a word of the target.
            let (state, _) = said.seen(LOCAL_DROP, place);
            assert!(["unknown", "filtered"].contains(&state.as_str()), "v{place} {said:?}");
        }
    }
}

#[test]
fn root_a_place_without_a_way_knows_nothing() {
    let Some(lab) = Lab::new(&[Server::OpenSsh(""), Server::Dropbear(&[])]) else { return };
    for (place, route) in [("v1", "unreachable"), ("v2", "prohibit")] {
        lab.ip(place, &format!("route add {route} {TARGET}/32"));
    }
    let said = lab.ports(&[TARGET, "--from", "v[1-2]", "-p", "8001-8003", "--json"]);
    assert_eq!(said.code, 3, "{said:?}");
    for place in 1..=2 {
        let (state, reason) = said.seen(8002, place);
        assert_ne!(state, "closed", "v{place} {reason}");
        assert_ne!(state, "open", "v{place} {reason}");
    }
}

#[test]
fn root_what_a_server_forbids_is_never_closed() {
    let servers = [
        Server::OpenSsh("AllowTcpForwarding no"),
        Server::OpenSsh("PermitOpen 10.77.100.2:8001"),
        Server::OpenSsh("MaxSessions 0"),
        Server::Dropbear(&["-j"]),
    ];
    let Some(mut lab) = Lab::new(&servers) else { return };
    lab.listen([OPEN]);
    let said = lab.ports(&[TARGET, "--from", "v[1-4]", "-p", "8001-8002", "--json", "--by", "forwarding"]);
    let seen = |port: u16, place: usize| said.seen(port, place);
    let pair = |state: &str, reason: &str| (state.to_owned(), reason.to_owned());
    assert_eq!(seen(8001, 1), pair("unknown", "prohibited"), "{said:?}");
    assert_eq!(seen(8002, 1), pair("unknown", "prohibited"));
    assert_eq!(seen(8001, 2), pair("open", "connected"));
    assert_eq!(seen(8002, 2), pair("unknown", "prohibited"));
    // A limit of sessions is none of forwarding.
    assert_eq!(seen(8001, 3), pair("open", "connected"));
    assert_eq!(seen(8002, 3), pair("closed", "refused"));
    assert_eq!(seen(8001, 4), pair("unknown", "prohibited"));
    assert_eq!(said.code, 3, "{said:?}");
}

#[test]
fn root_a_server_without_open_files_is_asked_more_gently() {
    let Some(mut lab) = Lab::new(&[Server::OpenSsh(""), Server::OpenSsh("")]) else { return };
    lab.listen([OPEN]);
    // Its sessions get what the server has.
    lab.limit_files(1, 40);
    let said = lab.ports(&[TARGET, "--from", "v[1-2]", "-p", "7000-8100", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.with_verdict("consistent").len(), 2, "{said:?}");
}
