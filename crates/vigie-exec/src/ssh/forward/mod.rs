//! Whether ports answer, as a host over there sees them: by requests for forwarded channels (`direct-tcpip`, RFC 4254,
//! section 7.2). Nothing is installed or run there; each port that is not open costs it a line in its log.
//!
//! In reading order: [`answer`] what replies mean · `flight` the requests of one connection · this file: one connection
//! after the other. A request without a reply cannot be taken back, and holds an open file over there for some two
//! minutes; so when many are stuck the connection is ended, which frees them, and the next one goes on.

mod answer;
mod flight;

pub use answer::Answer;

use super::config::Settings;
use super::connect::{Connection, Connector, Refusal};
use crate::limits::FORWARD_BREAKS_MAX;
use flight::{Flight, Landed};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A host that ports are looked at from.
#[derive(Debug)]
pub struct Lookout {
    connector: Arc<Connector>,
    settings: Arc<Settings>,
    /// Channels are opened on it for nothing else: their numbers tell replies apart.
    connection: Option<Connection>,
    connections: u32,
}

/// A port that is to be asked, and what is known of it.
#[derive(Debug)]
struct Probe {
    address: IpAddr,
    port: u16,
    tries: u8,
    answer: Option<Answer>,
}

// === impl Lookout ===

impl Lookout {
    /// At a host, with nothing connected yet.
    #[must_use]
    pub fn new(connector: &Arc<Connector>, settings: &Arc<Settings>) -> Self {
        let (connector, settings) = (Arc::clone(connector), Arc::clone(settings));
        Lookout { connector, settings, connection: None, connections: 0 }
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

    /// Asks ports, each once, and waits `patience` for each; the answers come in the order of the ports.
    ///
    /// # Errors
    /// The host cannot be connected to. What was answered before is lost with it: it is asked again, or not known.
    pub async fn ask(
        &mut self,
        ports: &[SocketAddr],
        patience: Duration,
        stop: &watch::Receiver<bool>,
    ) -> Result<Vec<Answer>, Refusal> {
        let probe = |at: &SocketAddr| Probe { address: at.ip(), port: at.port(), tries: 0, answer: None };
        let mut probes: Vec<Probe> = ports.iter().map(probe).collect();
        let mut queue: VecDeque<usize> = (0..probes.len()).collect();
        let mut breaks = 0;
        while !queue.is_empty() && !*stop.borrow() && breaks < FORWARD_BREAKS_MAX {
            self.connect().await?;
            let Some(connection) = self.connection.take() else { break };
            let known = probes.iter().filter(|probe| probe.answer.is_some()).count();
            let mut flight = Flight::new(&connection, &mut probes, &mut queue, patience);
            let landed = flight.fly(stop.clone()).await;
            let has_stuck = flight.has_stuck();
            drop(flight);
            let is_better = probes.iter().filter(|probe| probe.answer.is_some()).count() > known;
            match landed {
                Landed::Done if !has_stuck => self.connection = Some(connection),
                // Only its end frees what is stuck over there.
                Landed::Done | Landed::Full => connection.close().await,
                Landed::Broken if is_better => breaks = 0,
                Landed::Broken => breaks += 1,
            }
        }
        let rest = if *stop.borrow() { Answer::Stopped } else { Answer::Lost };
        Ok(probes.into_iter().map(|probe| probe.answer.unwrap_or_else(|| rest.clone())).collect())
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }
}
