//! The agent: the long-running part on every machine. It has its directories captured, reads what changed,
//! and tells the hub, whatever happens to the link between them.
//!
//! It keeps no index on disk: what is recorded is known to the hub, and told to the agent at the start. Only a clean
//! stop leaves a snapshot, which is used if the hub has recorded nothing since.
//!
//! In reading order:
//! [`agent`] the whole, and how it is started · [`stop`] how it is stopped ·
//! [`state`] its directory ·
//! [`dial`] ways to the hub ·
//! `capture` the owner of the engine ·
//! `readers` files into parcels · `parcel` what these are · `budget` how many at once ·
//! `lanes` parcels on their way out · `packing` what is sent of them, with `packers` for its threads · `window` how much at once · `numbers` the numbers of records · `ledger` what a flush waits for ·
//! `session` one connection · `link` one connection after the other · [`roles`] who is principal · `serve` what the hub may ask ·
//! [`cpu`] threads or none.

pub mod agent;
mod budget;
mod capture;
pub mod cpu;
pub mod dial;
mod lanes;
mod ledger;
mod link;
mod numbers;
mod packers;
mod packing;
mod parcel;
mod readers;
pub mod roles;
mod serve;
mod session;
pub mod state;
pub mod stop;
mod window;

pub use agent::{Agent, AgentError, Config, Parts, Running};
pub use capture::MakeEngine;
pub use cpu::Cpu;
pub use dial::{Dial, DialError, MemoryDial, TlsDial};
pub use roles::{RoleConfig, RoleNow, RolesNow};
pub use state::{CleanStop, Left, State, StateError};
pub use stop::Stopped;
