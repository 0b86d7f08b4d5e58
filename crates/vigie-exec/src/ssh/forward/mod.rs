//! Whether ports answer, as a host over there sees them: by requests for forwarded channels (`direct-tcpip`, RFC 4254,
//! section 7.2). Nothing is installed or run there; each port that is not open costs it a line in its log.
//!
//! In reading order: `answer` what replies mean · `course` what to ask when, on one connection · `flight` its clock ·
//! this file: one connection after the other. A request without a reply cannot be taken back, and holds an open file over there for some two
//! minutes; so when many are stuck the connection is ended, which frees them, and the next one goes on.

mod answer;
pub(super) mod course;
mod flight;

pub use answer::Answer;

use super::config::Settings;
use super::connect::{Connection, Connector, Refusal};
use crate::limits::FORWARD_BREAKS_MAX;
use course::{Course, Probe};
use flight::{Landed, fly};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::watch;

/// A host that ports are looked at from.
#[derive(Debug)]
pub struct Lookout {
    connector: Arc<Connector>,
    settings: Arc<Settings>,
    connection: Option<Connection>,
    connections: u32,
}

// === impl Lookout ===

impl Lookout {
    /// At a host, with nothing connected yet.
    #[must_use]
    pub fn new(connector: &Arc<Connector>, settings: &Arc<Settings>) -> Self {
        let (connector, settings) = (Arc::clone(connector), Arc::clone(settings));
        Lookout { connector, settings, connection: None, connections: 0 }
    }

    /// How the host is reached.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Connections that were made so far.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// Connects, if it is not connected.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn connect(&mut self) -> Result<(), Refusal> {
        if self.connection.as_ref().is_none_or(|connection| connection.handle.is_closed()) {
            self.connection = Some(self.connector.connect(&self.settings).await?);
            self.connections += 1;
        }
        Ok(())
    }

    /// Asks ports, each once, and waits `patience` for each; the answers come in the order of the ports, and are counted
    /// as they come.
    ///
    /// # Errors
    /// The host cannot be connected to. What was answered before is lost with it: it is asked again, or not known.
    pub async fn ask(
        &mut self,
        ports: &[SocketAddr],
        patience: Duration,
        stop: &watch::Receiver<bool>,
        answered: &Arc<AtomicU64>,
    ) -> Result<Vec<Answer>, Refusal> {
        let probe = |address: &SocketAddr| Probe { address: *address, tries: 0, answer: None };
        let mut probes: Vec<Probe> = ports.iter().map(probe).collect();
        let mut queue: VecDeque<usize> = (0..probes.len()).collect();
        let mut breaks = 0;
        while !queue.is_empty() && !*stop.borrow() && breaks < FORWARD_BREAKS_MAX {
            self.connect().await?;
            let Some(connection) = self.connection.take() else { break };
            let left = queue.len();
            let course =
                Course::new(std::mem::take(&mut probes), std::mem::take(&mut queue), patience, answered);
            let (landed, course) = fly(&connection, course, stop.clone()).await;
            let Some(course) = course else { break };
            let has_stuck = course.has_stuck();
            (probes, queue) = course.into_parts();
            match landed {
                Landed::Done if !has_stuck => self.connection = Some(connection),
                // Only its end frees what is stuck over there.
                Landed::Done | Landed::Full => connection.close().await,
                Landed::Broken if queue.len() < left => breaks = 0,
                Landed::Broken => breaks += 1,
            }
        }
        let rest = if *stop.borrow() { Answer::Stopped } else { Answer::Lost };
        let mut answers: Vec<Answer> =
            probes.into_iter().map(|probe| probe.answer.unwrap_or_else(|| rest.clone())).collect();
        // However it ended, each port has its answer.
        answers.resize(ports.len(), rest);
        Ok(answers)
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }
}
