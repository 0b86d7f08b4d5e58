//! The hub's end of TLS.

use super::slots::Slots;
use super::{ALPN, SOCKET_BUFFER_BYTES, Time, explain, provider};
use crate::authority::{Authority, AuthorityError, IssueError, LIFE};
use crate::card::{AuthorityPrint, CardError};
use crate::frame::{Failure, FailureCode, Renew, Renewed};
use crate::limits::{HANDSHAKE_TIME_MAX, STRANGERS_EACH_MAX, STRANGERS_MAX, TLS_BUFFER_BYTES};
use crate::link::{Link, MachineCard, Peer, linger};
use crate::socket;
use bytes::Bytes;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use vigie_model::{Clock, MachineId, UnixNanos};

/// Why a connection did not become a link. The connection is closed; the hub goes on.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Too many connections have not proved anything yet.
    #[error(
        "too many connections without a certificate: {STRANGERS_MAX} in all, {STRANGERS_EACH_MAX} from one host"
    )]
    Busy,
    /// The handshake took too long.
    #[error("the TLS handshake was not done within {HANDSHAKE_TIME_MAX:?}")]
    Slow,
    /// The handshake failed: in words, why.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// The connection broke.
    #[error("the connection broke during the TLS handshake: {0}")]
    Io(#[from] std::io::Error),
    /// A certificate of this authority that names no machine.
    #[error(transparent)]
    Card(#[from] CardError),
}

/// The hub's authority and its end of TLS. Cheap to clone.
#[derive(Clone)]
pub struct HubTls {
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    config: Arc<ServerConfig>,
    strangers: Slots,
}

impl std::fmt::Debug for HubTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubTls({})", self.authority.print())
    }
}

impl HubTls {
    /// Opens the authority in the directory `dir` (usually `DATA/pki`), or makes both.
    ///
    /// # Errors
    /// When the directory cannot be used, or holds something else.
    pub fn open_or_create(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, AuthorityError> {
        let authority = Arc::new(Authority::open_or_create(dir)?);
        let config = Arc::new(server_config(&authority, &clock)?);
        Ok(HubTls { authority, clock, config, strangers: Slots::default() })
    }

    /// The hub, as a machine.
    pub fn hub_id(&self) -> MachineId {
        self.authority.print().hub_id()
    }

    /// What tokens of this hub pin.
    pub fn authority(&self) -> AuthorityPrint {
        self.authority.print()
    }

    pub(crate) fn now(&self) -> UnixNanos {
        self.clock.wall()
    }

    /// Makes a link of a connection, or closes it. Bounded in time; who is at the other end is in the link.
    ///
    /// # Errors
    /// About this connection only.
    pub async fn accept(&self, tcp: TcpStream) -> Result<Link, AcceptError> {
        // An IPv4 address that came to an IPv6 socket is shown as people write it.
        let remote = tcp.peer_addr()?;
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let slot = self.strangers.take(remote.ip()).ok_or(AcceptError::Busy)?;
        socket::prepare(&tcp)?;
        let tcp = BufReader::with_capacity(SOCKET_BUFFER_BYTES, tcp);
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let handshake = acceptor.accept(tcp).into_fallible();
        let mut tls = match tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await {
            Err(_) => return Err(AcceptError::Slow),
            Ok(Ok(tls)) => tls,
            Ok(Err((error, tcp))) => {
                // The alert that says why must not be lost to a reset.
                linger(tcp).await;
                return Err(explain::io_error(&error).map_or(AcceptError::Io(error), AcceptError::Tls));
            }
        };
        tls.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        Ok(match tls.get_ref().1.peer_certificates() {
            Some([leaf, ..]) => Link::new(Peer::Machine(MachineCard::from_der(leaf)?), tls),
            // A stranger keeps its place until it is gone.
            _ => Link::new(Peer::Unenrolled, tls).holding(slot),
        }
        .with_remote(remote))
    }

    /// Answers the request [`crate::RENEW`] of a machine: the body of the reply.
    ///
    /// # Errors
    /// The failure to answer with.
    pub fn renew(&self, peer: &MachineCard, body: &[u8]) -> Result<Bytes, Failure> {
        let malformed = |why: String| Failure::new(FailureCode::Malformed, why);
        let renew = Renew::read(body).map_err(malformed)?;
        let chain = self.issue(&renew.csr, peer.id, &peer.name).map_err(|e| match e {
            IssueError::Request(_) => malformed(e.to_string()),
            IssueError::Make(_) => Failure::new(FailureCode::Failed, e.to_string()),
        })?;
        Ok(Renewed { chain }.write())
    }

    pub(crate) fn issue(&self, csr: &[u8], id: MachineId, name: &str) -> Result<Vec<Vec<u8>>, IssueError> {
        self.authority.issue_machine(csr, id, name, self.now())
    }
}

fn server_config(authority: &Arc<Authority>, clock: &Arc<dyn Clock>) -> Result<ServerConfig, AuthorityError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .map_err(|e| rustls::Error::General(e.to_string()))?;
    let certificate = OwnCertificate::new(Arc::clone(authority), Arc::clone(clock))?;
    let time = Arc::new(Time(Arc::clone(clock)));
    let mut config = ServerConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The hub's own certificate. It is not stored: a new one, with a new key, is made at start and whenever
/// less than a third of its life is left, also in a hub that runs for years.
struct OwnCertificate {
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    current: Mutex<Issued>,
}

#[derive(Clone)]
struct Issued {
    key: Arc<CertifiedKey>,
    /// Outside of this span another one is made; a clock that was set back counts, too.
    fresh: (UnixNanos, UnixNanos),
}

impl OwnCertificate {
    fn new(authority: Arc<Authority>, clock: Arc<dyn Clock>) -> Result<Self, AuthorityError> {
        let current = Mutex::new(issue(&authority, clock.wall())?);
        Ok(OwnCertificate { authority, clock, current })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let now = self.clock.wall();
        // A whole value is behind a poisoned lock, too.
        let mut current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if now < current.fresh.0 || now >= current.fresh.1 {
            match issue(&self.authority, now) {
                Ok(issued) => *current = issued,
                Err(error) => tracing::error!(%error, "cannot make a new certificate for this hub"),
            }
        }
        Arc::clone(&current.key)
    }
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnCertificate").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn issue(authority: &Authority, now: UnixNanos) -> Result<Issued, AuthorityError> {
    let (certificate, key) = authority.issue_server(now)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = provider().key_provider.load_private_key(key)?;
    // The authority's certificate goes along: who enrols knows only its print.
    let chain = vec![certificate, authority.certificate().clone()];
    Ok(Issued { key: Arc::new(CertifiedKey::new(chain, key)), fresh: (now, now.plus(LIFE * 2 / 3)) })
}
