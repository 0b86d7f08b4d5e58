//! How an agent reaches its hub.

use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use vigie_model::{Clock, MachineId};
use vigie_wire::{
    AgentTls, Caller, ConnectError, Cut, Identity, Link, MachineCard, Peer, RENEW, memory_pair,
};

/// Why there is no link. For people: each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Over the network.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// In this process.
    #[error("the hub of this process is gone")]
    NoHub,
}

/// A way to the hub.
pub trait Dial: Send + Sync {
    /// Where it leads to, for people.
    fn hub(&self) -> String;

    /// Makes a link.
    fn dial(&self) -> BoxFuture<'_, Result<Link, DialError>>;

    /// Runs beside each session: what has to be asked of the hub for the next link to succeed.
    fn attend(&self, caller: Caller) -> BoxFuture<'_, ()>;
}

/// Over TLS, with this machine's certificate, which it keeps fresh.
pub struct TlsDial {
    hub: String,
    state: PathBuf,
    clock: Arc<dyn Clock>,
    current: Mutex<(Arc<Identity>, AgentTls)>,
}

/// How often it is checked whether the certificate is to be renewed. Far below a third of its life.
const RENEWAL_CHECK: Duration = Duration::from_secs(3600);
/// How long the hub has to give a new certificate.
const RENEWAL_WITHIN: Duration = Duration::from_secs(60);
/// Bytes that the answer may have.
const RENEWAL_BYTES_MAX: usize = 64 * 1024;

impl TlsDial {
    /// To the hub at `HOST:PORT`, with the identity that lies in the state directory `state`.
    ///
    /// # Errors
    /// [`ConnectError::Identity`] when key and certificate do not fit.
    pub fn new(
        hub: String,
        identity: Identity,
        state: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        let tls = AgentTls::new(&identity, Arc::clone(&clock))?;
        Ok(TlsDial { hub, state, clock, current: Mutex::new((Arc::new(identity), tls)) })
    }

    fn current(&self) -> (Arc<Identity>, AgentTls) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn renew(&self, caller: &Caller) -> Result<(), String> {
        let (identity, _) = self.current();
        let renewal = identity.renewal().map_err(|e| e.to_string())?;
        let answer = caller.call(RENEW, renewal.body(), RENEWAL_WITHIN, RENEWAL_BYTES_MAX).await;
        let renewed = renewal.finish(&answer.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        let tls = AgentTls::new(&renewed, Arc::clone(&self.clock)).map_err(|e| e.to_string())?;
        renewed.save(&self.state).map_err(|e| e.to_string())?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = (Arc::new(renewed), tls);
        Ok(())
    }
}

impl Dial for TlsDial {
    fn hub(&self) -> String {
        self.hub.clone()
    }

    fn dial(&self) -> BoxFuture<'_, Result<Link, DialError>> {
        Box::pin(async move {
            let (_, tls) = self.current();
            Ok(tls.connect(&self.hub).await?)
        })
    }

    fn attend(&self, caller: Caller) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                if self.current().0.needs_renewal(self.clock.wall()) {
                    match self.renew(&caller).await {
                        Ok(()) => tracing::info!("renewed this machine's certificate"),
                        Err(why) => tracing::warn!("could not renew this machine's certificate: {why}"),
                    }
                }
                tokio::time::sleep(RENEWAL_CHECK).await;
            }
        })
    }
}

/// To a hub in the same process, which vouches for the machine.
pub struct MemoryDial {
    card: MachineCard,
    hub: MachineId,
    links: mpsc::UnboundedSender<Link>,
    cut: Mutex<Option<Cut>>,
}

impl MemoryDial {
    /// The hub's ends of the links come out of the receiver. `card` is who the hub will see.
    pub fn new(card: MachineCard, hub: MachineId) -> (Self, mpsc::UnboundedReceiver<Link>) {
        let (links, hub_ends) = mpsc::unbounded_channel();
        (MemoryDial { card, hub, links, cut: Mutex::new(None) }, hub_ends)
    }

    /// Cuts the link that was made last, as a network does.
    pub fn cut(&self) {
        if let Some(cut) = &*self.cut.lock().unwrap_or_else(PoisonError::into_inner) {
            cut.cut();
        }
    }
}

impl Dial for MemoryDial {
    fn hub(&self) -> String {
        "this process".into()
    }

    fn dial(&self) -> BoxFuture<'_, Result<Link, DialError>> {
        let hub_sees = Peer::Machine(self.card.clone());
        let (hub_end, our_end, cut) = memory_pair(hub_sees, Peer::Hub { hub: self.hub });
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = Some(cut);
        let sent = self.links.send(hub_end).map_err(|_| DialError::NoHub);
        Box::pin(std::future::ready(sent.map(|()| our_end)))
    }

    fn attend(&self, _caller: Caller) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
