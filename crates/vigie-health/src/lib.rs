//! Is this machine fit to serve, and may it? Checks say the one, role and drain the other, and load balancers are
//! answered in their own languages on one port: HAProxy's agent-check line, and HTTP.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`verdict`] what a check finds, and what follows from several ·
//! [`hysteresis`] how often it must be found ·
//! [`spec`] a check as people write it ·
//! [`outside`] what is handed in: commands, roles ·
//! [`checks`] one look: TCP, HTTP, a command, a role ·
//! [`monitor`] looks again and again ·
//! [`drain`] taken out of service by hand, and remembered ·
//! [`answers`] what load balancers are told ·
//! [`service`] all of it together.
//!
//! ```
//! use vigie_health::answers::{OnSecondaire, Seen, agent_line};
//! use vigie_health::{Role, RoleSeen, State};
//!
//! let role = RoleSeen { group: "web".into(), role: Some(Role::Principal), epoch: Some(7), lease: None };
//! let seen = Seen { state: State::Up, role: Some(role), ..Seen::default() };
//! let line = agent_line(&seen, OnSecondaire::Down);
//! assert_eq!(line, "up ready # role=principal group=web epoch=7\n");
//! ```

pub mod answers;
pub mod checks;
pub mod drain;
pub mod hysteresis;
pub mod limits;
pub mod monitor;
pub mod outside;
pub mod service;
pub mod spec;
pub mod verdict;

pub use checks::{Finding, check_once};
pub use drain::{Drain, DrainError, Drained};
pub use hysteresis::Hysteresis;
pub use outside::{
    CommandEnd, CommandReport, CommandRun, LeaseEnd, Outside, Role, RoleSeen, Roles, RunCommand,
};
pub use service::{Config, HealthService, StartError, Status};
pub use spec::{BadSpec, CheckSpec, Target};
pub use verdict::{State, Verdict};
