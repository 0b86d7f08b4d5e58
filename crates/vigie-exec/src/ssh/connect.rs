//! A connection to a host: directly, through other hosts, or through a command.

use super::class::{Class, Failed};
use super::config::{Overrides, Settings, settings};
use super::gate::{Gate, Pass};
use super::greeting::{Greeting, Said};
use super::keys::Keys;
use super::overheard::Overheard;
use super::trust::{Stranger, Trust};
use crate::limits::{BACKOFF_FIRST, HANDSHAKE_PATIENCE, QUICK_CONNECT, QUICK_WORD, TRIES_MAX};
use russh::client::{self, Handle};
use russh::keys::Algorithm;
use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelId, ChannelOpenFailure, Preferred, kex};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

/// Why there is no connection; with the host's key, when it only waits for the user's word.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What happened.
    pub failed: Failed,
    /// A host that is not known.
    pub stranger: Option<Box<Stranger>>,
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        Refusal { failed, stranger: None }
    }
}

/// What all connections of this process share.
#[derive(Debug)]
pub struct Connector {
    overrides: Overrides,
    gate: Arc<Gate>,
    trust: Arc<Trust>,
    keys: Keys,
    /// Hosts in between, each connected to once for all that are behind it.
    bastions: Mutex<HashMap<String, Arc<OnceCell<Arc<Connection>>>>>,
}

/// A connection that was let in.
pub struct Connection {
    /// What opens channels.
    pub handle: Handle<Handler>,
    /// Where it leads.
    pub settings: Arc<Settings>,
    /// What was said on it besides.
    pub(super) overheard: Arc<Overheard>,
    /// Kept as long as this is: the way leads through it.
    _through: Option<Arc<Connection>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("host", &self.settings.written).finish_non_exhaustive()
    }
}

/// What a connection is asked about by the protocol.
#[derive(Debug)]
pub struct Handler {
    settings: Arc<Settings>,
    trust: Arc<Trust>,
    refusal: Arc<Mutex<Option<Refusal>>>,
    overheard: Arc<Overheard>,
}

impl client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        self.overheard.key_was(shown);
        let decision = self.trust.decide(&self.settings, shown);
        Ok(match decision {
            Ok(()) => true,
            Err((failed, stranger)) => {
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Refusal { failed, stranger });
                false
            }
        })
    }

    async fn channel_open_confirmation(
        &mut self,
        id: ChannelId,
        _: u32,
        _: u32,
        session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        self.overheard.heard(id, None, session)
    }

    async fn channel_open_failure(
        &mut self,
        id: ChannelId,
        reason: ChannelOpenFailure,
        description: &str,
        _: &str,
        session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        self.overheard.heard(id, Some((reason, description)), session)
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
type Way = (Box<dyn Stream>, Option<Arc<Connection>>);

// === impl Connector ===

impl Connector {
    /// A connector with nothing connected yet.
    #[must_use]
    pub fn new(overrides: Overrides, keys: Keys) -> Arc<Self> {
        Arc::new(Connector {
            overrides,
            gate: Gate::new(),
            trust: Arc::new(Trust::default()),
            keys,
            bastions: Mutex::default(),
        })
    }

    pub(super) fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// What is known of hosts.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// How a host is reached.
    ///
    /// # Errors
    /// As [`settings`].
    pub async fn settings(&self, host: &str) -> Result<Arc<Settings>, Failed> {
        settings(host, &self.overrides).await.map(Arc::new)
    }

    /// Connects, and tries again while the server only says that too many are knocking.
    ///
    /// # Errors
    /// What stands in the way; no command has been started.
    pub async fn connect(&self, settings: &Arc<Settings>) -> Result<Connection, Refusal> {
        let mut pause = BACKOFF_FIRST;
        for _ in 1..TRIES_MAX {
            match self.try_connect(settings).await {
                Err(refusal) if refusal.failed.class.may_be_retried() => {}
                ended => return ended,
            }
            // Whoever was turned away together must not come back together.
            let jitter = getrandom::u32().map_or(0.5, |n| f64::from(n) / f64::from(u32::MAX));
            sleep(pause.mul_f64(0.5 + jitter)).await;
            pause *= 2;
        }
        self.try_connect(settings).await
    }

    async fn try_connect(&self, settings: &Arc<Settings>) -> Result<Connection, Refusal> {
        let ((stream, through), pass) = self.way(settings).await?;
        let mut pass = Some(pass);
        let refusal = Arc::new(Mutex::new(None));
        let overheard = Arc::new(Overheard::default());
        let handler = Handler {
            settings: Arc::clone(settings),
            overheard: Arc::clone(&overheard),
            trust: Arc::clone(&self.trust),
            refusal: Arc::clone(&refusal),
        };
        let config = Arc::new(self.protocol(settings));
        let host = &settings.written;
        let greeting = Greeting::default();
        let patience = settings.handshake_timeout;
        let shaking = timeout(patience, client::connect_stream(config, greeting.of(stream), handler));
        let mut shaking = std::pin::pin!(shaking);
        let shaken = match timeout(QUICK_WORD, &mut shaking).await {
            Ok(shaken) => shaken,
            Err(_) => {
                // As a host that does not take the connection: others need not wait for this one.
                pass = pass.filter(|_| !greeting.is_silent());
                shaking.await
            }
        };
        let mut handle = match shaken {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) => {
                if let Some(refusal) = refusal.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    return Err(refusal);
                }
                let failed = handshake_failed(settings, &error, greeting.said());
                if let (Class::Throttled, Some(pass)) = (failed.class, pass) {
                    pass.throttled();
                }
                return Err(failed.into());
            }
            Err(_) => {
                if let Said::Other(line) = greeting.said() {
                    return Err(no_ssh_server(host, &line).into());
                }
                let what = if greeting.is_silent() { "says nothing" } else { "does not go on" };
                let text = format!("{host} takes the connection and then {what} for {patience:?}");
                return Err(Failed::new(Class::ConnectTimeout, text).into());
            }
        };
        match timeout(HANDSHAKE_PATIENCE, self.keys.authenticate(&mut handle, settings)).await {
            Ok(Ok(())) => pass.into_iter().for_each(Pass::succeeded),
            Ok(Err(failed)) => return Err(failed.into()),
            Err(_) => {
                let text = format!("{host} does not answer while we say who we are");
                return Err(Failed::new(Class::Auth, text).into());
            }
        }
        Ok(Connection { handle, settings: Arc::clone(settings), overheard, _through: through })
    }

    /// The bytes to and from a server, and the right to a handshake with it.
    async fn way(&self, settings: &Arc<Settings>) -> Result<(Way, Pass), Refusal> {
        if let Some(jump) = &settings.proxy_jump {
            let bastion = self.bastion(jump).await?;
            let pass = self.gate.enter(jump).await;
            return Ok((through_bastion(bastion, settings).await?, pass));
        }
        let pass = self.gate.enter(&settings.hostname).await;
        if let Some(command) = &settings.proxy_command {
            let stream = through_command(command).map_err(|error| {
                Failed::new(
                    Class::Unreachable,
                    format!("cannot run the ProxyCommand for {}: {error}", settings.written),
                )
            })?;
            return Ok(((stream, None), pass));
        }
        let mut connecting = std::pin::pin!(timeout(settings.connect_timeout, direct(settings)));
        // A host that does not answer must not keep others from shaking hands.
        let (connected, pass) = match timeout(QUICK_CONNECT, &mut connecting).await {
            Ok(connected) => (connected, pass),
            Err(_) => {
                drop(pass);
                let connected = connecting.await;
                (connected, self.gate.enter(&settings.hostname).await)
            }
        };
        let stream = connected.map_err(|_| {
            let (host, port) = (&settings.hostname, settings.port);
            Failed::new(Class::ConnectTimeout, format!("{host} port {port} does not answer"))
        })??;
        Ok(((Box::new(stream), None), pass))
    }

    /// The connection to the last host of a list of hosts in between. It is made once, and kept.
    fn bastion<'a>(
        &'a self,
        jump: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<Connection>, Refusal>> + Send + 'a>> {
        Box::pin(async move {
            let cell = {
                let mut bastions = self.bastions.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(bastions.entry(jump.to_owned()).or_default())
            };
            let connected = cell.get_or_try_init(|| async {
                let found = self.last_hop(jump).await?;
                self.refuse_loop(jump, found.proxy_jump.clone()).await?;
                let connection = self.connect(&Arc::new(found)).await.map_err(|refusal| Refusal {
                    failed: Failed {
                        message: format!("on the way there: {}", refusal.failed.message),
                        ..refusal.failed
                    },
                    ..refusal
                })?;
                Ok(Arc::new(connection))
            });
            connected.await.cloned()
        })
    }

    /// The settings of the last host of a list of hosts in between; those before it are its own way there.
    async fn last_hop(&self, jump: &str) -> Result<Settings, Failed> {
        let (before, last) =
            jump.rsplit_once(',').map_or((None, jump), |(before, last)| (Some(before), last));
        let (host, port) = split_port(last.trim().trim_start_matches("ssh://"));
        let overrides = Overrides { user: None, port, ..self.overrides.clone() };
        let mut found = super::config::settings(host, &overrides).await?;
        if let Some(before) = before {
            found.proxy_jump = Some(before.to_owned());
        }
        Ok(found)
    }

    /// Hosts in between that lead back to themselves would wait for each other for ever; `ssh` starts itself without end.
    async fn refuse_loop(&self, jump: &str, mut next: Option<String>) -> Result<(), Failed> {
        let mut seen = vec![jump.to_owned()];
        while let Some(jump) = next {
            let is_loop = seen.contains(&jump);
            seen.push(jump.clone());
            if is_loop {
                let way = seen.join(" → ");
                return Err(Failed::new(Class::Config, format!("its ProxyJump leads back to itself: {way}"))
                    .hint("give the host in between a `ProxyJump none` of its own, above the line that is for all"));
            }
            next = self.last_hop(&jump).await?.proxy_jump;
        }
        Ok(())
    }

    fn protocol(&self, settings: &Settings) -> client::Config {
        let name = settings.known_as();
        let known = self.trust.known(settings);
        let mut preferred = Preferred::DEFAULT;
        // What is known is asked for first: a known key must not be passed over for one of another type.
        let of_known = known.algorithms(&name);
        let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
        let is_known = |algorithm: &Algorithm| {
            of_known.iter().any(|known| known == algorithm || (is_rsa(known) && is_rsa(algorithm)))
        };
        let (first, then): (Vec<_>, Vec<_>) = preferred.key.iter().cloned().partition(is_known);
        preferred.key = first.into_iter().chain(then).collect();
        if known.has_authority(&name) {
            preferred.host_key_certificates = preferred.key.clone();
        }
        // The quantum-safe exchange costs several times as much: it stays on offer, behind the plain one.
        let mut exchanges: Vec<kex::Name> = preferred.kex.to_vec();
        exchanges.sort_by_key(|name| *name != kex::CURVE25519);
        preferred.kex = exchanges.into();
        client::Config {
            preferred,
            nodelay: true,
            keepalive_interval: Some(settings.alive_interval),
            keepalive_max: settings.alive_count,
            ..client::Config::default()
        }
    }
}

async fn direct(settings: &Settings) -> Result<TcpStream, Failed> {
    let (host, port) = (settings.hostname.as_str(), settings.port);
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| {
        let text = error.to_string();
        let why = text.rsplit(": ").next().unwrap_or_default();
        Failed::new(Class::Resolve, format!("{host} has no address: {why}"))
    })?;
    let addresses: Vec<SocketAddr> = found
        .filter(|address| settings.family.is_none_or(|family| address.is_ipv4() == (family == 4)))
        .collect();
    let mut last =
        Failed::new(Class::Resolve, format!("{host} has no address of the family that is asked for"));
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small messages back and forth; without it they are slower, and work.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                let class = match error.kind() {
                    io::ErrorKind::ConnectionRefused => Class::Refused,
                    io::ErrorKind::TimedOut => Class::ConnectTimeout,
                    _ => Class::Unreachable,
                };
                last = Failed::new(class, format!("cannot connect to {address}: {error}"));
            }
        }
    }
    Err(last)
}

async fn through_bastion(bastion: Arc<Connection>, settings: &Settings) -> Result<Way, Failed> {
    let port = u32::from(settings.port);
    let opened = bastion.handle.channel_open_direct_tcpip(settings.hostname.clone(), port, "127.0.0.1", 0);
    let (host, way) = (&settings.written, &bastion.settings.written);
    match timeout(settings.connect_timeout, opened).await {
        Ok(Ok(channel)) => {
            let stream: Box<dyn Stream> = Box::new(channel.into_stream());
            Ok((stream, Some(bastion)))
        }
        Ok(Err(russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::AdministrativelyProhibited))) => {
            Err(Failed::new(Class::Prohibited, format!("{way} does not forward to {host}")))
        }
        Ok(Err(error)) => {
            let text = format!("{way} cannot connect to {host}: {}", plain_words(&error));
            Err(Failed::new(Class::Unreachable, text))
        }
        Err(_) => Err(Failed::new(Class::ConnectTimeout, format!("{host} does not answer to {way}"))),
    }
}

fn through_command(command: &str) -> io::Result<Box<dyn Stream>> {
    let mut child = tokio::process::Command::new("/bin/sh");
    child.args(["-c", &format!("exec {command}")]).kill_on_drop(true);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    // It ends when its input does; until then somebody must wait for it.
    tokio::spawn(async move { child.wait().await });
    Ok(Box::new(tokio::io::join(output, input)))
}

/// `host:port`, `[::1]:port`, `host`.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let (user, rest) = text.rfind('@').map_or(("", text), |at| text.split_at(at + 1));
    if let Some(end) = rest.find(']') {
        let port = rest[end + 1..].strip_prefix(':').and_then(|port| port.parse().ok());
        return (if user.is_empty() { rest[..end].trim_start_matches('[') } else { text }, port);
    }
    match rest.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => match port.parse() {
            Ok(port) => (&text[..user.len() + name.len()], Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

fn no_ssh_server(host: &str, line: &str) -> Failed {
    Failed::new(Class::Handshake, format!("{host} is not an SSH server: it says `{line}`"))
        .hint("is the port the right one?")
}

/// Only who hangs up before saying who it is may just have too many at its door; whoever has said so had room.
fn handshake_failed(settings: &Settings, error: &russh::Error, said: Said) -> Failed {
    let (host, why) = (settings.written.as_str(), plain_words(error));
    match (said, has_hung_up(error)) {
        (Said::Other(line), _) => no_ssh_server(host, &line),
        (Said::Nothing, Some(true)) if settings.proxy_command.is_some() && settings.proxy_jump.is_none() => {
            let text = format!("the ProxyCommand for {host} ends before the server says anything");
            Failed::new(Class::Unreachable, text).hint("run it by hand: what it says is not seen here")
        }
        (Said::Nothing | Said::TurnedAway, Some(true)) => {
            Failed::new(Class::Throttled, format!("{host} hangs up before it says who it is: {why}"))
                .hint("its MaxStartups lets few in at once, or it refuses this address; see its log")
        }
        (_, Some(true)) => {
            Failed::new(Class::Handshake, format!("{host} hangs up in the middle of the handshake: {why}"))
                .hint("its log says why")
        }
        (_, Some(false)) => Failed::new(
            Class::Unreachable,
            format!("the connection to {host} breaks in the handshake: {why}"),
        ),
        (_, None) => Failed::new(Class::Handshake, format!("no handshake with {host}: {why}")),
    }
}

/// Whether the other side ended the connection, or the network did; none when the connection is not what failed.
fn has_hung_up(error: &russh::Error) -> Option<bool> {
    use io::ErrorKind as Kind;
    use russh::Error as E;
    match error {
        E::HUP | E::Disconnect | E::SendError => Some(true),
        E::IO(error) => Some(matches!(
            error.kind(),
            Kind::UnexpectedEof | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe
        )),
        _ => None,
    }
}

/// An error in words for people.
pub(super) fn plain_words(error: &russh::Error) -> String {
    use russh::Error as E;
    match error {
        E::HUP | E::Disconnect | E::SendError => "the connection was closed".to_owned(),
        E::IO(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection was closed".to_owned()
        }
        E::Version => "what it says is not SSH".to_owned(),
        E::ChannelOpenFailure(why) => format!("{why:?}"),
        other => other.to_string(),
    }
}

impl Connection {
    /// The fingerprint of the server's key, as `ssh-keygen -l` shows it.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.overheard.key()
    }

    /// Says goodbye; a server that does not listen is left after a moment.
    pub async fn close(self) {
        let goodbye = self.handle.disconnect(russh::Disconnect::ByApplication, "", "");
        // Dropping the handle closes the connection all the same.
        let _ = timeout(Duration::from_secs(1), goodbye).await;
    }
}
