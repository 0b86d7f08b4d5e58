//! Echo: each message is answered with the time of its arrival and what it said.
//!
//! In reading order: [`answer`] the text of an answer · [`server`] whoever answers, over TCP and UDP ·
//! [`client`] whoever asks, and measures.

pub mod answer;
pub mod client;
mod places;
pub mod server;
mod stream;
mod udp;
