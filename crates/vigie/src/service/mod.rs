//! Hub and agent as parts of a process that stays: started, told to stop, and their changes shown.

pub(crate) mod agent;
pub(crate) mod checks;
mod enrolling;
pub(crate) mod health;
pub(crate) mod hooks;
pub(crate) mod hub;
pub(crate) mod identity;
pub(crate) mod live;
pub(crate) mod own_roles;
pub(crate) mod role_files;
pub(crate) mod roots;
mod token;

use std::time::Duration;

/// How long a stop may take: what is under way is sent and made durable first. Service managers wait 90 s.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(20);

/// How long answers of the API that are under way may go on after that.
pub(crate) const API_STOP_WITHIN: Duration = Duration::from_secs(2);
