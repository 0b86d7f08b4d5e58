//! Whether anything is at an address, before all its ports are asked.
//!
//! On the same link, root asks by ARP: whoever is there must answer, whatever its firewall. Everybody else is asked by
//! an echo request, where this process may send one, and by TCP 22, 80 and 443, to which any answer will do; that part
//! is an ordinary course with other ports. In reading order: `asking` who is being asked · `arp`, `echo` the questions as
//! bytes · `link` the link's own sockets.

pub(crate) mod arp;
pub(crate) mod asking;
pub(crate) mod echo;
mod link;

/// Ports of which one answers, open or closed, on most machines that are there.
pub(crate) const PORTS: [u16; 3] = [22, 80, 443];
