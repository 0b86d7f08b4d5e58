//! Probing with SYN segments of our own: quicker, and no service is woken. Needs root or `CAP_NET_RAW`.
//!
//! The kernel answers a SYN-ACK of which it knows nothing with a reset, and so closes what was half open; netfilter is
//! never touched. In reading order: `engine` the thread · `peers` who is asked, and how its answers are known ·
//! `sockets` the raw sockets and their filters · `packet` segments and ICMP errors as bytes.

pub(crate) mod engine;
pub(crate) mod packet;
mod peers;
pub(crate) mod sockets;
