//! Where values go, besides the screen.
//!
//! In reading order: [`metrics`] asked for by Prometheus · [`record`] a frame as a sink stores it · `spool` what a sink could
//! not take yet, on disk · [`delivery`] from frames to a sink, through all its absences · [`influx`] and [`mqtt`] the sinks ·
//! [`secret`] who we are to them.

pub mod delivery;
pub mod influx;
pub mod metrics;
pub mod mqtt;
pub mod record;
pub mod secret;
mod spool;

pub use delivery::{Delivery, Progress, Sink, SinkError};
pub use spool::{Spool, SpoolError};
