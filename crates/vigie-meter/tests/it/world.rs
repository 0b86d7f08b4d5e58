//! Real peers: an InfluxDB 1.6 and a Mosquitto of their own, which `cargo xtask setup` installs.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vigie_meter::sinks::{Delivery, Progress};
use vigie_meter::tic::{Listener, Ways, samples};
use vigie_meter::{Identity, Sample};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A child that does not outlive its test.
pub(crate) struct Peer(Child);

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        Peer(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program is, or why the test is skipped.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let found = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(|dir| Path::new(dir).join(name));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed (cargo xtask setup)");
    }
    found
}

/// A port that was free a moment ago: these peers cannot be asked which one they took.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something listens.
pub(crate) async fn listens(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "nothing listens on {port}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a delivery is where it should be.
pub(crate) async fn reached(delivery: &Delivery, wanted: impl Fn(&Progress) -> bool) {
    let mut progress = delivery.progress();
    let waited = tokio::time::timeout(PATIENCE, progress.wait_for(|progress| wanted(progress))).await;
    assert!(waited.is_ok(), "waited in vain; {:?}", delivery.progress().borrow());
}

/// One request over HTTP; head and body of the answer.
pub(crate) async fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The reference frame as if it had come at this time.
pub(crate) fn sample(at_ms: i64) -> Sample {
    let mut frames = Vec::new();
    Listener::new(Ways::default()).feed(&samples::historic(), Duration::ZERO, |frame| frames.push(frame));
    let time = jiff::Timestamp::from_millisecond(at_ms).unwrap();
    Sample::new(frames.remove(0), time, &Identity::hashed(b"test"))
}
