//! Whether ports answer, as a host over there sees them: by requests for forwarded channels (`direct-tcpip`, RFC 4254,
//! section 7.2). Nothing is installed or run there; each port that is not open costs it a line in its log.
//!
//! In reading order: `answer` what replies mean · `course` what to ask when, on one connection · `flight` its clock ·
//! this file: one connection after the other. A request without a reply cannot be taken back, and holds an open file over there for some two
//! minutes; so when many are stuck the connection is ended, which frees them, and others go on, a few at the same time.

mod answer;
pub(super) mod course;
mod flight;

pub use answer::Answer;

use super::config::Settings;
use super::connect::{Connection, Connector, Refusal};
use crate::limits::{FORWARD_BREAKS_MAX, FORWARD_CONNECTIONS_MAX, FORWARD_STUCK_MAX};
use course::{Course, Probe};
use flight::{Landed, fly};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A host that ports are looked at from.
#[derive(Debug)]
pub struct Lookout {
    connector: Arc<Connector>,
    settings: Arc<Settings>,
    connection: Option<Connection>,
    connections: u32,
}

/// Ports under way, and those whose turn is still to come.
#[derive(Debug, Default)]
struct Asking {
    probes: Vec<Probe>,
    queue: VecDeque<usize>,
}

// === impl Asking ===

impl Asking {
    fn new(ports: &[SocketAddr]) -> Self {
        let probe = |address: &SocketAddr| Probe { address: *address, tries: 0, answer: None };
        Asking { probes: ports.iter().map(probe).collect(), queue: (0..ports.len()).collect() }
    }

    /// Takes a port back from a lane; without an answer it is still to be asked.
    fn put_back(&mut self, index: usize, probe: Probe) {
        if probe.answer.is_none() {
            self.queue.push_back(index);
        }
        if let Some(place) = self.probes.get_mut(index) {
            *place = probe;
        }
    }

    /// However it ended, each port has its answer: `rest` if there is no other.
    fn answers(self, ports: usize, rest: Answer) -> Vec<Answer> {
        let answer = |probe: Probe| probe.answer.unwrap_or_else(|| rest.clone());
        let mut answers: Vec<Answer> = self.probes.into_iter().map(answer).collect();
        answers.resize(ports, rest);
        answers
    }
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
        let mut asking = Asking::new(ports);
        self.go_on(&mut asking, patience, stop, answered, true).await?;
        if asking.queue.len() > FORWARD_STUCK_MAX && !*stop.borrow() {
            self.side_by_side(&mut asking, patience, stop, answered).await?;
        }
        // What is still left is little, or was not answered by any of them.
        self.go_on(&mut asking, patience, stop, answered, false).await?;
        Ok(asking.answers(ports.len(), if *stop.borrow() { Answer::Stopped } else { Answer::Lost }))
    }

    /// Asks what is left, over one connection after the other, or only until the first is full.
    async fn go_on(
        &mut self,
        asking: &mut Asking,
        patience: Duration,
        stop: &watch::Receiver<bool>,
        answered: &Arc<AtomicU64>,
        until_full: bool,
    ) -> Result<(), Refusal> {
        let mut stopping = stop.clone();
        let mut breaks = 0;
        while !asking.queue.is_empty() && !*stop.borrow() && breaks < FORWARD_BREAKS_MAX {
            tokio::select! {
                connected = self.connect() => connected?,
                _ = stopping.wait_for(|stop| *stop) => return Ok(()),
            }
            let Some(connection) = self.connection.take() else { break };
            let left = asking.queue.len();
            let Asking { probes, queue } = std::mem::take(asking);
            let (landed, course) =
                fly(&connection, Course::new(probes, queue, patience, answered), stop.clone()).await;
            let Some(course) = course else { break };
            let has_stuck = course.has_stuck();
            (asking.probes, asking.queue) = course.into_parts();
            match landed {
                Landed::Done if !has_stuck => self.connection = Some(connection),
                // Only its end frees what is stuck over there.
                Landed::Done | Landed::Full => connection.close().await,
                Landed::Broken if asking.queue.len() < left => breaks = 0,
                Landed::Broken => breaks += 1,
            }
            if landed == Landed::Full && until_full {
                break;
            }
        }
        Ok(())
    }

    /// Asks what is left over several connections at once: where little is answered, most of the time is waiting.
    async fn side_by_side(
        &mut self,
        asking: &mut Asking,
        patience: Duration,
        stop: &watch::Receiver<bool>,
        answered: &Arc<AtomicU64>,
    ) -> Result<(), Refusal> {
        let left: Vec<usize> = asking.queue.drain(..).collect();
        let lanes = left.len().div_ceil(FORWARD_STUCK_MAX).min(FORWARD_CONNECTIONS_MAX);
        let mut tasks = JoinSet::new();
        for part in left.chunks(left.len().div_ceil(lanes)) {
            let part = part.to_vec();
            let ports: Vec<SocketAddr> = part
                .iter()
                .filter_map(|probe| asking.probes.get(*probe))
                .map(|probe| probe.address)
                .collect();
            let mut lane = Lookout::new(&self.connector, &self.settings);
            let (stop, answered) = (stop.clone(), Arc::clone(answered));
            tasks.spawn(async move {
                let mut of_lane = Asking::new(&ports);
                lane.go_on(&mut of_lane, patience, &stop, &answered, false).await?;
                let connections = lane.connections;
                lane.close().await;
                Ok::<_, Refusal>((connections, part, of_lane))
            });
        }
        while let Some(done) = tasks.join_next().await {
            // A lane that failed has no answers, and that is what is told of its ports.
            let Ok(done) = done else { continue };
            let (connections, part, of_lane) = done?;
            self.connections += connections;
            for (index, probe) in part.into_iter().zip(of_lane.probes) {
                asking.put_back(index, probe);
            }
        }
        Ok(())
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }
}
