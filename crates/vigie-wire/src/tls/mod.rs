//! TLS 1.3 on ring, the same way at both ends. Time comes from the caller's [`Clock`], so that tests can
//! let certificates grow old.
//!
//! Sessions are never resumed: a resumed one would not look at certificates again.

pub(crate) mod agent;
pub(crate) mod explain;
pub(crate) mod hub;
mod pinned;
pub(crate) mod slots;

pub use agent::{AgentTls, ConnectError};
pub use hub::{AcceptError, HubTls};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::Arc;
use std::time::Duration;
use vigie_model::Clock;

/// The one protocol spoken under TLS (RFC 7301); its versions are negotiated by frames.
const ALPN: &[u8] = b"vigie";

/// What the TLS layer reads from a socket at once. rustls alone would ask for 4 KiB at a time.
const SOCKET_BUFFER_BYTES: usize = 64 * 1024;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The caller's clock, as rustls wants it.
#[derive(Debug)]
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let nanos = u64::try_from(self.0.wall().0).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_nanos(nanos)))
    }
}
