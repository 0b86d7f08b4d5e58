//! Roles as lines of text over TCP, for anything that can open a connection.
//!
//! ```text
//! server   principal                                  on connecting, or secondaire; principal on promotion
//! client   vigie/1                                    from now on more is told, beginning with the role it has
//! server   principal epoch=7 reason=connection-lost
//! server   ping                                       with a heartbeat, to clients that said vigie/1
//! client   pong
//! ```
//!
//! [`line`](mod@line) the lines · [`server`] · [`client`] · `socket` what both set on their sockets.

pub mod client;
pub mod line;
pub mod server;
mod socket;
