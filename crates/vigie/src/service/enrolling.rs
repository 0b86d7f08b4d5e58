//! An agent that is not enrolled yet, as its socket shows it.

use futures_util::future::BoxFuture;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use vigie_model::status::{AgentStatus, LinkStatus, QueueStatus};
use vigie_model::{Clock, SystemClock};
use vigie_web::messages::{FlushOutcome, FlushReport, MachineFlush};
use vigie_web::server::AgentSide;

/// What waits to be enrolled, and why it still waits.
pub(crate) struct Enrolling {
    status: Mutex<AgentStatus>,
}

impl Enrolling {
    /// A machine of this name, which asks the hub at `hub`.
    pub(crate) fn new(name: &str, hub: &str) -> Self {
        let since_unix_ns = SystemClock::default().wall().0;
        let status = AgentStatus {
            roles: Vec::new(),
            machine: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hub: hub.to_owned(),
            link: LinkStatus { state: "enrolling".to_owned(), since_unix_ns, why: None },
            queue: QueueStatus::default(),
            roots: Vec::new(),
            notices: Vec::new(),
        };
        Enrolling { status: Mutex::new(status) }
    }

    /// Notes why the last try was in vain.
    pub(crate) fn note(&self, why: String) {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).link.why = Some(why);
    }

    fn status(&self) -> AgentStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AgentSide for Enrolling {
    fn status(&self) -> BoxFuture<'_, serde_json::Value> {
        // Plain text and numbers: there always is a JSON form.
        let status = serde_json::to_value(Enrolling::status(self)).unwrap_or_default();
        Box::pin(std::future::ready(status))
    }

    fn flush(&self, _: Duration) -> BoxFuture<'_, FlushReport> {
        let AgentStatus { machine, link, .. } = Enrolling::status(self);
        let why = match link.why {
            Some(why) => format!("it is not enrolled yet: {why}"),
            None => "it is not enrolled yet".to_owned(),
        };
        let flush = MachineFlush { machine, outcome: FlushOutcome::Failed, n: None, why: Some(why) };
        Box::pin(std::future::ready(FlushReport { machines: vec![flush] }))
    }
}
