//! A small hub on a loopback socket: it enrols strangers, echoes what machines send, and keeps what went
//! wrong for the test to look at.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vigie_model::{Clock, MachineId, UnixNanos};
use vigie_wire::{
    AgentTls, EnrolError, EnrolKey, Enroller, Frame, HubTls, Identity, Invites, Link, Peer, Token, enrol,
    farewell, listen, serve_stranger,
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A clock that stands until a test moves it.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    /// At some day of 2026.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(HandClock(AtomicI64::new(1_790_000_000_000_000_000)))
    }

    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as i64, Ordering::SeqCst);
    }

    pub(crate) fn back(&self, by: Duration) {
        self.0.fetch_sub(by.as_nanos() as i64, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn wall(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst) as u64)
    }
}

/// Gives out ids, and fails while told to.
#[derive(Debug, Default)]
pub(crate) struct Register {
    known: Mutex<HashMap<String, MachineId>>,
    pub(crate) broken: Mutex<bool>,
}

#[async_trait::async_trait]
impl Enroller for Register {
    async fn enrol(&self, name: &str) -> Result<MachineId, Box<dyn std::error::Error + Send + Sync>> {
        if *self.broken.lock().unwrap() {
            return Err("the disk is full".into());
        }
        let mut known = self.known.lock().unwrap();
        let next = known.len() as u8 + 1;
        Ok(*known.entry(name.to_owned()).or_insert(MachineId([next; 16])))
    }
}

pub(crate) struct Hub {
    pub(crate) tls: HubTls,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) invites: Arc<Invites>,
    pub(crate) register: Arc<Register>,
    pub(crate) address: SocketAddr,
    /// How each connection ended, in words, in the order of their ends.
    pub(crate) ends: mpsc::UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
    pub(crate) data: TempDir,
}

impl Hub {
    pub(crate) async fn start() -> Hub {
        let clock = HandClock::new();
        Self::start_on(tempfile::tempdir().unwrap(), clock).await
    }

    pub(crate) async fn start_on(data: TempDir, clock: Arc<HandClock>) -> Hub {
        let pki = data.path().join("pki");
        let tls = HubTls::open_or_create(&pki, clock.clone()).unwrap();
        let invites = Arc::new(Invites::open(&pki, tls.authority()).unwrap());
        let register = Arc::new(Register::default());
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (report, ends) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let served = (tls.clone(), Arc::clone(&invites), Arc::clone(&register));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (tls, invites, register) = served.clone();
                let report = report.clone();
                connections.spawn(async move {
                    let end = match tls.accept(tcp).await {
                        Ok(link) => serve(link, &tls, &invites, &register).await,
                        Err(error) => format!("accept: {error}"),
                    };
                    report.send(end).ok();
                });
            }
        });
        Hub { tls, clock, invites, register, address, ends, _tasks: tasks, data }
    }

    pub(crate) fn place(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn token(&self, name: &str) -> Token {
        self.invites.invite(name, HOUR, self.clock.wall()).unwrap()
    }

    /// Enrols with a key that is kept in `state`.
    pub(crate) async fn enrol(&self, token: &Token, state: &TempDir) -> Result<Identity, EnrolError> {
        let key = EnrolKey::load_or_create(state.path()).unwrap();
        enrol(&self.place(), token, &key, self.clock.clone()).await
    }

    pub(crate) async fn new_machine(&self, name: &str) -> Identity {
        let state = tempfile::tempdir().unwrap();
        self.enrol(&self.token(name), &state).await.unwrap()
    }

    pub(crate) async fn connect(&self, identity: &Identity) -> Link {
        let tls = AgentTls::new(identity, self.clock.clone()).unwrap();
        tls.connect(&self.place()).await.unwrap()
    }

    /// Proves that the hub still serves: a machine's ping is answered.
    pub(crate) async fn assert_serves(&self, identity: &Identity) {
        let (mut reader, mut writer) = self.connect(identity).await.split();
        writer.send(&Frame::Ping { token: 7 }).await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Some(Frame::Pong { token: 7 }));
        writer.close().await.unwrap();
    }

    /// How the next connection ended that did not end well.
    pub(crate) async fn bad_end(&mut self) -> String {
        loop {
            let end = self.ends.recv().await.unwrap();
            if end != "well" {
                return end;
            }
        }
    }
}

/// A session: pings are answered, renewals granted, all else comes back.
async fn serve(link: Link, tls: &HubTls, invites: &Arc<Invites>, register: &Register) -> String {
    let Peer::Machine(card) = link.peer().clone() else {
        return match serve_stranger(link, tls, invites, register, &CancellationToken::new()).await {
            Ok(_) => "well".into(),
            Err(error) => format!("stranger: {error}"),
        };
    };
    let (mut reader, mut writer) = link.split();
    let mut calls = vigie_wire::Calls::new();
    loop {
        let answer = tokio::select! {
            frame = reader.next() => match frame {
                Ok(Some(Frame::Ping { token })) => Frame::Pong { token },
                Ok(Some(frame)) => match calls.take(frame) {
                    Ok(Some(call)) => {
                        if call.capability() != vigie_wire::RENEW {
                            tokio::spawn(call.unknown());
                        } else {
                            match tls.renew(&card, call.body()) {
                                Ok(body) => drop(tokio::spawn(call.finish(body))),
                                Err(failure) => drop(tokio::spawn(call.fail(failure))),
                            }
                        }
                        continue;
                    }
                    Ok(None) => continue,
                    Err(other) => other,
                },
                Ok(None) => {
                    let _ = writer.close().await;
                    return "well".into();
                }
                Err(error) => {
                    let close = vigie_wire::frame::Close {
                        code: vigie_wire::frame::CloseCode::Protocol,
                        reason: error.to_string(),
                    };
                    let _ = farewell(reader, writer, Some(Frame::Close(close))).await;
                    return format!("{}: {error}", card.name);
                }
            },
            frame = calls.next_frame() => frame,
        };
        if writer.send(&answer).await.is_err() || writer.flush().await.is_err() {
            return format!("{}: gone", card.name);
        }
    }
}
