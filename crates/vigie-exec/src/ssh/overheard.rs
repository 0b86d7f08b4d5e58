//! What the protocol says on a connection besides what is asked for: the server's key, and in which words a channel is
//! refused. (RFC 4254, section 5.1) `russh` tells the words to its handler alone, so there, too, is where the requests
//! are made whose words matter: only there is the number of each known.

use super::forward::course::Course;
use russh::client::Session;
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{ChannelId, ChannelOpenFailure};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Shared by a connection and its handler.
#[derive(Debug, Default)]
pub(super) struct Overheard {
    /// Requests for forwarded channels that are made and heard here, while there are any.
    course: Mutex<Option<Course>>,
    /// Something was heard of them.
    pub(super) news: Notify,
    key: OnceLock<String>,
}

impl Overheard {
    /// Begins with requests.
    pub(super) fn begin(&self, course: Course) {
        *self.course.lock().unwrap_or_else(PoisonError::into_inner) = Some(course);
    }

    /// Looks at them; `None` when there are none.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Course) -> T) -> Option<T> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(look)
    }

    /// Ends with them.
    pub(super) fn end(&self) -> Option<Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes the reply to a request for any channel, and makes the next requests.
    pub(super) fn heard(
        &self,
        id: ChannelId,
        refused: Option<(ChannelOpenFailure, &str)>,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(course) = course.as_mut() else { return Ok(()) };
        if refused.is_none() {
            // It has served its purpose.
            session.close(id)?;
        }
        let now = Instant::now();
        course.heard(id.number(), refused, now);
        while let Some((probe, address)) = course.next(now) {
            let (host, port) = (address.ip().to_string(), u32::from(address.port()));
            let id = session.channel_open_direct_tcpip(&host, port, "127.0.0.1", 0)?;
            course.sent(id.number(), probe, now);
        }
        self.news.notify_one();
        Ok(())
    }

    /// Remembers the key that the server showed first.
    pub(super) fn key_was(&self, shown: &PublicKeyOrCertificate) {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            PublicKeyOrCertificate::Certificate(certificate) => {
                PublicKey::from(certificate.public_key().clone())
            }
        };
        self.key.get_or_init(|| key.fingerprint(HashAlg::Sha256).to_string());
    }

    /// The fingerprint of the server's key, as `ssh-keygen -l` shows it.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.get().map(String::as_str)
    }
}
