//! Which TCP ports of a target are open, said so that it can be relied upon: complete, the same twice, and with
//! "closed", "filtered", "unreachable" and "could not probe" kept apart.
//!
//! In reading order:
//! [`finding`] what a probe saw · [`report`] all that was found of one target · [`sink`] whom it is told.
//!
//! Scanning: [`plan`] what is asked for · [`scan`](mod@scan) the entry · `logic` what to probe next, and what answers mean ·
//! `work` what threads share · `engine` who probes · `connect` and `syn` how · `discovery` whether anything is there ·
//! `route`, `here`, `icmp` what this machine and the network say.

mod connect;
mod discovery;
mod engine;
pub mod finding;
mod here;
mod icmp;
mod logic;
pub mod plan;
pub mod report;
mod route;
pub mod scan;
pub mod sink;
mod syn;
mod work;

pub use finding::{Banner, Finding, Reason, State};
pub use plan::{EngineChoice, Ping, Plan, ScanError, Summary, Target};
pub use report::{Counts, EngineName, Liveness, Loss, TargetReport};
pub use scan::scan;
pub use sink::{Progress, Sink};
