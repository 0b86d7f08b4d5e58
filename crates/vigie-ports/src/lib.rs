//! Which TCP ports of a target are open, said so that it can be relied upon: complete, the same twice, and with
//! "closed", "filtered", "unreachable" and "could not probe" kept apart.
//!
//! In reading order:
//! [`targets`] what to look at · [`ports`] and where, with [`services`] and [`likely`] · [`finding`] what a probe saw ·
//! [`report`] all that was found of one target · [`sink`] whom it is told.
//!
//! Scanning: [`plan`] what is asked for · [`scan`](mod@scan) the entry · `logic` what to probe next, and what answers mean ·
//! `work` what threads share · `engine` who probes · `connect` and `syn` how · `discovery` whether anything is there ·
//! `route`, `here`, `icmp` what this machine and the network say.
//!
//! Beyond: [`host`] a report as it is printed, in [`words`] · [`banner`] what services say · [`nmap`] the user's own nmap ·
//! [`xml`], [`grep`] formats of others · [`files`], [`diff`] two scans compared · [`vantages`] the same ports from several
//! places · [`limits`] · `fuzzing` a door to the readers of packets, for their fuzz target.

pub mod banner;
mod connect;
pub mod diff;
mod discovery;
mod engine;
pub mod files;
pub mod finding;
#[doc(hidden)]
pub mod fuzzing;
pub mod grep;
mod here;
pub mod host;
mod icmp;
pub mod likely;
pub mod limits;
mod logic;
pub mod nmap;
pub mod plan;
pub mod ports;
pub mod report;
mod route;
pub mod scan;
pub mod services;
pub mod sink;
mod syn;
pub mod targets;
pub mod vantages;
pub mod words;
mod work;
pub mod xml;

pub use finding::{Banner, Finding, Reason, State};
pub use plan::{EngineChoice, Ping, Plan, ScanError, Scoped, Summary, Target};
pub use report::{Counts, EngineName, Liveness, Loss, TargetReport};
pub use scan::scan;
pub use sink::{Progress, Sink};
