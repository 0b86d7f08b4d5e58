//! The users of a web server: so many requests a second, whatever becomes of the ones before.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Threads that ask: while one waits for an answer, the others go on.
const USERS: u32 = 20;

/// When a user gives up. Longer than whatever HAProxy waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Those who ask. They stop when this is dropped.
pub(super) struct Load {
    shared: Arc<Shared>,
    users: Vec<JoinHandle<()>>,
}

struct Shared {
    address: SocketAddr,
    is_over: AtomicBool,
    asked: AtomicU64,
    failed: AtomicU64,
}

impl Load {
    /// So many requests a second, from now on.
    pub(super) fn start(address: SocketAddr, per_second: u32) -> Load {
        let shared = Shared { address, is_over: false.into(), asked: 0.into(), failed: 0.into() };
        let shared = Arc::new(shared);
        let each = Duration::from_secs(1) * USERS / per_second;
        let user = |number: u32| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.ask_on(each * number / USERS, each))
        };
        let users = (0..USERS).map(user).collect();
        Load { shared, users }
    }

    pub(super) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Requests that got anything but a whole answer with 200.
    pub(super) fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for user in self.users.drain(..) {
            let _ended = user.join();
        }
    }
}

impl Shared {
    fn ask_on(&self, first: Duration, each: Duration) {
        let mut next = Instant::now() + first;
        while !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += each;
            if let Err(error) = ask(self.address) {
                eprintln!("bench: a request failed: {error:#}");
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn ask(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE)).context("cannot set a limit")?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").context("cannot ask")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("no whole answer")?;
    let is_good = answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok\n");
    let first = answer.lines().next().unwrap_or("nothing").to_owned();
    is_good.then_some(()).with_context(|| format!("answered `{first}`"))
}
