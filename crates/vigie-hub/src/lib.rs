//! The hub: takes what agents tell, makes it durable, and only then says so.
//!
//! In reading order:
//! [`hub`] the whole, started and stopped ·
//! `sessions` who is connected · `refusals` connections that come to nothing · `session` one connection · `intake` what comes in and is checked ·
//! `room` how much of it may wait · [`cpu`] where blocks are verified · `flow` what becomes durable together ·
//! `own` the hub's own records · [`roles`] who is principal · `serve` what an agent may ask · `tree` what is recorded of a machine ·
//! [`flush`] waiting for everything before now · `away` who is not heard of · [`status`] how everyone does.

mod away;
pub mod cpu;
mod flow;
pub mod flush;
mod gaps;
pub mod hub;
mod intake;
mod own;
mod refusals;
pub mod roles;
mod room;
mod serve;
mod session;
mod sessions;
pub mod status;
mod tree;

pub use cpu::Cpu;
pub use flush::FlushEnd;
pub use hub::{Config, EnrolmentError, Hub, InviteError, Parts, Running, StartError};
pub use roles::{Change, RoleError};
pub use status::HubStatus;
