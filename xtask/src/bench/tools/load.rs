//! Many clients in one thread, each of which says something, waits for the answer, and says it again.

use anyhow::{Context, Result, bail};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::sockopt;
use rustix::time::Timespec;
use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// What is said. The answer ends as it does.
const MESSAGE: &[u8] = b"what the bench says, 32 bytes..\n";

/// How long nobody may be answered before the load is given up.
const SILENCE: Duration = Duration::from_secs(20);

/// How long it may take until all are connected: ncat takes longer for each the more it has.
const CONNECTING: Duration = Duration::from_secs(90);

/// Connected clients.
pub(super) struct Load {
    clients: Vec<TcpStream>,
    epoll: OwnedFd,
}

impl Load {
    /// Connects so many, one after the other.
    pub(super) fn connect(address: SocketAddr, count: usize) -> Result<Load> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context("cannot watch sockets")?;
        let mut load = Load { clients: Vec::with_capacity(count), epoll };
        let start = Instant::now();
        for number in 0..count {
            if start.elapsed() > CONNECTING {
                bail!("{number} of {count} clients were connected within {CONNECTING:?}");
            }
            let connecting = || format!("cannot connect client {number}");
            let client = TcpStream::connect_timeout(&address, SILENCE).with_context(connecting)?;
            client.set_nodelay(true).with_context(connecting)?;
            client.set_nonblocking(true).with_context(connecting)?;
            // A reset at the end: no port has to wait before the next load.
            sockopt::set_socket_linger(&client, Some(Duration::ZERO)).with_context(connecting)?;
            epoll::add(&load.epoll, &client, EventData::new_u64(number as u64), EventFlags::IN)
                .with_context(connecting)?;
            load.clients.push(client);
        }
        Ok(load)
    }

    /// Every client is answered once, so that all of them are really there; then they talk for as long as told. The requests
    /// that were answered meanwhile, a second.
    pub(super) fn requests_per_second(&mut self, duration: Duration) -> Result<u64> {
        self.talk(None)?;
        let start = Instant::now();
        let answered = self.talk(Some(start + duration))?;
        Ok((answered as f64 / start.elapsed().as_secs_f64()) as u64)
    }

    /// Everybody speaks; whoever is answered speaks again until the end, if there is one. Waits for the last answers.
    fn talk(&mut self, end: Option<Instant>) -> Result<u64> {
        for client in &self.clients {
            speak(client)?;
        }
        let (mut waiting, mut answered, mut last) = (self.clients.len(), 0, Instant::now());
        let mut buffer = [0; 4096];
        let mut events = [const { MaybeUninit::<Event>::uninit() }; 1024];
        while waiting > 0 {
            let turn = Timespec { tv_sec: 1, tv_nsec: 0 };
            let (ready, _) =
                epoll::wait(&self.epoll, &mut events, Some(&turn)).context("cannot wait for sockets")?;
            let now = Instant::now();
            if ready.is_empty() && last.elapsed() > SILENCE {
                bail!("{waiting} of {} clients were not answered", self.clients.len());
            }
            let is_over = end.is_none_or(|end| now >= end);
            for event in ready {
                last = now;
                let client = &self.clients[event.data.u64() as usize];
                let mut reader = client;
                match reader.read(&mut buffer) {
                    Ok(0) => bail!("a client was sent away"),
                    // The answer may come in pieces: only its last one ends so.
                    Ok(length) if buffer[..length].ends_with(b"\n") => {
                        answered += 1;
                        if is_over {
                            waiting -= 1;
                        } else {
                            speak(client)?;
                        }
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error).context("a client lost its connection"),
                }
            }
        }
        Ok(answered)
    }
}

fn speak(mut client: &TcpStream) -> Result<()> {
    client.write_all(MESSAGE).context("a client cannot speak")
}
