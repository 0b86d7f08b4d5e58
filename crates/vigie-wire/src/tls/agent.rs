//! The agent's end of TLS.

use super::pinned::PinnedAuthority;
use super::{ALPN, SOCKET_BUFFER_BYTES, Time, explain, provider};
use crate::card::AuthorityPrint;
use crate::identity::Identity;
use crate::limits::{CONNECT_TIME_MAX, HANDSHAKE_TIME_MAX, TLS_BUFFER_BYTES};
use crate::link::{Link, Peer};
use crate::socket;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use vigie_model::Clock;

/// Why there is no link to the hub.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is not `HOST:PORT`, or the host is not found.
    #[error("cannot find the hub {hub}: {source}")]
    Resolve {
        /// As given.
        hub: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// None of its addresses answered; the last one tried.
    #[error("cannot connect to the hub {hub} at {address}: {source}")]
    Tcp {
        /// As given.
        hub: String,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The handshake failed: in words, why, and what to do.
    #[error("no safe connection to {hub}: {why}")]
    Tls {
        /// As given.
        hub: String,
        /// In words.
        why: String,
    },
    /// The handshake took too long, or the connection broke under it.
    #[error("the TLS handshake with {hub} failed: {source}")]
    Handshake {
        /// As given.
        hub: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The identity cannot be used for TLS.
    #[error("TLS cannot use this machine's certificate: {0}")]
    Identity(#[from] rustls::Error),
}

impl From<InvalidDnsNameError> for ConnectError {
    fn from(error: InvalidDnsNameError) -> Self {
        ConnectError::Identity(rustls::Error::General(error.to_string()))
    }
}

/// A machine's end of TLS, for connections to its hub. To be made anew when the identity is renewed.
#[derive(Clone)]
pub struct AgentTls {
    config: Arc<ClientConfig>,
    authority: AuthorityPrint,
}

impl std::fmt::Debug for AgentTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AgentTls({})", self.authority)
    }
}

impl AgentTls {
    /// For this machine.
    ///
    /// # Errors
    /// [`ConnectError::Identity`] when key and certificate do not fit.
    pub fn new(identity: &Identity, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        let mut roots = RootCertStore::empty();
        roots.add(identity.authority_certificate().clone())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|e| rustls::Error::General(e.to_string()))?;
        let config = builder(clock)?
            .with_webpki_verifier(verifier)
            .with_client_auth_cert(identity.chain().to_vec(), identity.tls_key())?;
        Ok(AgentTls { config: Arc::new(finish(config)), authority: identity.authority() })
    }

    /// Connects to the hub at `HOST:PORT`, trying each of its addresses in turn. Bounded in time.
    ///
    /// A hub that does not accept this machine's certificate says so only after this has succeeded: the
    /// first read then fails with [`crate::WireError::Tls`].
    ///
    /// # Errors
    /// Each tells what to do in its text.
    pub async fn connect(&self, hub: &str) -> Result<Link, ConnectError> {
        connect(hub, &self.config, self.authority).await
    }
}

/// Connects to a hub that is known by its authority's print only, and shows no certificate.
pub(crate) async fn connect_pinned(
    hub: &str,
    authority: AuthorityPrint,
    clock: Arc<dyn Clock>,
) -> Result<Link, ConnectError> {
    let config = builder(clock)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedAuthority::new(authority)))
        .with_no_client_auth();
    connect(hub, &Arc::new(finish(config)), authority).await
}

fn builder(clock: Arc<dyn Clock>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_details(provider(), Arc::new(Time(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])
}

fn finish(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config
}

async fn connect(
    hub: &str,
    config: &Arc<ClientConfig>,
    authority: AuthorityPrint,
) -> Result<Link, ConnectError> {
    let tcp = reach(hub).await?;
    let broken = |source| ConnectError::Handshake { hub: hub.to_owned(), source };
    let remote = tcp.peer_addr().map_err(broken)?;
    let tcp = BufReader::with_capacity(SOCKET_BUFFER_BYTES, tcp);
    let name = ServerName::try_from(authority.server_name())?;
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
    let mut tls = match tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await {
        Err(_) => return Err(broken(io::ErrorKind::TimedOut.into())),
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            return Err(match explain::io_error(&error) {
                Some(why) => ConnectError::Tls { hub: hub.to_owned(), why },
                None => broken(error),
            });
        }
    };
    tls.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
    Ok(Link::new(Peer::Hub { hub: authority.hub_id() }, tls).with_remote(remote))
}

async fn reach(hub: &str) -> Result<TcpStream, ConnectError> {
    let resolve = |source| ConnectError::Resolve { hub: hub.to_owned(), source };
    let mut last = None;
    for address in tokio::net::lookup_host(hub).await.map_err(resolve)? {
        let tried = match tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => socket::prepare(&tcp).map(|()| tcp),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match tried {
            Ok(tcp) => return Ok(tcp),
            Err(source) => last = Some(ConnectError::Tcp { hub: hub.to_owned(), address, source }),
        }
    }
    Err(last.unwrap_or_else(|| resolve(io::ErrorKind::NotFound.into())))
}
