//! What open ports are: by their own words, and by nmap's.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vigie_ports::host::Host;
use vigie_ports::ports::PortSet;
use vigie_ports::{Scoped, State, Target, banner, nmap};

/// Connections for banners at the same time.
const BANNERS: usize = 64;

/// Runs of nmap at the same time: each opens many connections of its own.
const NMAPS: usize = 2;

/// Asks open ports, as far as the user wishes.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    banner: bool,
    service: bool,
    banners: Arc<Semaphore>,
    nmaps: Arc<Semaphore>,
    stop: Arc<AtomicBool>,
}

/// A report with what was asked, and what could not be.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) host: Host,
    pub(super) problem: Option<String>,
}

impl Asking {
    pub(super) fn new(banner: bool, service: bool, stop: Arc<AtomicBool>) -> Self {
        let (banners, nmaps) = (Arc::new(Semaphore::new(BANNERS)), Arc::new(Semaphore::new(NMAPS)));
        Asking { banner, service, banners, nmaps, stop }
    }

    /// Whether there is anything to ask a target.
    pub(super) fn has_questions(&self, host: &Host) -> bool {
        (self.banner || self.service) && host.ports.iter().any(|port| port.state == State::Open)
    }

    /// Asks the open ports of a target.
    pub(super) async fn ask(self, mut host: Host) -> Asked {
        let open: PortSet =
            host.ports.iter().filter(|port| port.state == State::Open).map(|port| port.port).collect();
        if self.banner {
            self.banners(&mut host, &open).await;
        }
        let problem = if self.service { self.services(&mut host, open).await } else { None };
        if self.is_stopped() {
            let problem =
                format!("stopped before all open ports of {} were asked what they are", host.target);
            return Asked { host, problem: Some(problem) };
        }
        Asked { host, problem }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn banners(&self, host: &mut Host, open: &PortSet) {
        let without_interface = host.target.split('%').next().unwrap_or_default();
        let is_name = without_interface.parse::<IpAddr>().is_err();
        let name: Option<Arc<str>> = is_name.then(|| host.target.as_str().into());
        let mut tasks = JoinSet::new();
        for port in open.as_slice().iter().copied() {
            let (asking, name, address) = (self.clone(), name.clone(), with_port(host.scoped(), port));
            tasks.spawn(async move {
                let _turn = asking.banners.acquire().await;
                let banner =
                    if asking.is_stopped() { None } else { banner::read(address, name.as_deref()).await };
                (port, banner)
            });
        }
        while let Some(done) = tasks.join_next().await {
            let Ok((number, banner)) = done else { continue };
            if let Some(port) = host.ports.iter_mut().find(|port| port.port == number) {
                port.banner = banner;
            }
        }
    }

    /// Has nmap look; what it says of why it could not.
    async fn services(&self, host: &mut Host, open: PortSet) -> Option<String> {
        let _turn = self.nmaps.acquire().await;
        if self.is_stopped() {
            return None;
        }
        let (target, stop) =
            (Target { scope: host.scope, ..Target::of(host.address) }, Arc::clone(&self.stop));
        let asked = tokio::task::spawn_blocking(move || nmap::services(&target, &open, &stop)).await;
        match asked {
            Ok(Ok(Some(seen))) => host.take_services(&seen),
            Ok(Ok(None)) => return Some(format!("nmap said nothing of the services of {}", host.target)),
            Ok(Err(error)) => {
                return Some(format!("cannot find out the services of {}: {error}", host.target));
            }
            Err(error) => return Some(format!("cannot find out the services of {}: {error}", host.target)),
        }
        None
    }
}

fn with_port((address, scope): Scoped, port: u16) -> SocketAddr {
    match address {
        IpAddr::V4(_) => SocketAddr::new(address, port),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, scope).into(),
    }
}
