//! Whoever sends datagrams.

use super::answer;
use super::places::owner;
use super::server::Desk;
use crate::limits::{DATAGRAM_BYTES_MAX, ECHO_ADDRESSES_MAX, ECHO_DATAGRAMS_PER_SECOND};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Services that answer whatever they are sent: echo, quote of the day, chargen (RFC 862, 865 and 864). Two of a kind
/// would never stop.
const ANSWERING_PORTS: [u16; 3] = [7, 17, 19];

/// Answers each datagram with one, for ever.
pub(super) async fn serve(socket: &UdpSocket, desk: &Desk) {
    let mut message = vec![0; DATAGRAM_BYTES_MAX + 1];
    let mut out = Vec::new();
    let mut budget = Budget::new(Instant::now());
    loop {
        // Errors are of an answer before, which its receiver did not want: ICMP says so.
        let Ok((length, sender)) = socket.recv_from(&mut message).await else { continue };
        let message = &message[..length];
        if !is_question(message, sender) || !budget.spend(sender.ip(), Instant::now()) {
            desk.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        out.clear();
        answer::write_datagram(&mut out, desk.language, desk.clock.now(), message);
        match socket.send_to(&out, sender).await {
            Ok(_) => desk.answers.fetch_add(1, Ordering::Relaxed),
            // Nobody can be told; the sender sees that nothing comes.
            Err(_) => desk.refused.fetch_add(1, Ordering::Relaxed),
        };
    }
}

/// Whether to answer: not what is an answer itself, nor anyone who answers everything.
fn is_question(message: &[u8], sender: SocketAddr) -> bool {
    sender.port() != 0 && !ANSWERING_PORTS.contains(&sender.port()) && !answer::is_answer(message)
}

/// How much each address was answered in this second.
struct Budget {
    since: Instant,
    spent: HashMap<IpAddr, u32>,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Budget { since: now, spent: HashMap::new() }
    }

    /// Whether this address may have one more answer.
    fn spend(&mut self, address: IpAddr, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            self.spent.clear();
            self.since = now;
        }
        let is_full = self.spent.len() >= ECHO_ADDRESSES_MAX;
        match self.spent.get_mut(&owner(address)) {
            Some(spent) if *spent < ECHO_DATAGRAMS_PER_SECOND => *spent += 1,
            None if !is_full => drop(self.spent.insert(owner(address), 1)),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_do_not_answer_each_other() {
        let from = |port| SocketAddr::from(([192, 0, 2, 1], port));
        assert!(is_question(b"Hello !!", from(40_000)));
        assert!(!is_question("Données reçues à 2026".as_bytes(), from(40_000)));
        assert!(!is_question(b"Data received at 2026", from(40_000)));
        assert!(!is_question(b"Hello !!", from(7)) && !is_question(b"Hello !!", from(0)));
    }

    #[test]
    fn an_address_gets_so_many_answers_a_second_and_so_many_addresses_do() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let forged: IpAddr = "192.0.2.1".parse().unwrap();
        let answered = (0..2 * ECHO_DATAGRAMS_PER_SECOND).filter(|_| budget.spend(forged, start)).count();
        assert_eq!(answered, ECHO_DATAGRAMS_PER_SECOND as usize);
        let others = (0..20_000_u32).filter(|n| budget.spend((0x0a00_0000 + n).to_be_bytes().into(), start));
        assert_eq!(others.count(), ECHO_ADDRESSES_MAX - 1);
        assert!(budget.spend(forged, start + Duration::from_secs(1)));
    }
}
