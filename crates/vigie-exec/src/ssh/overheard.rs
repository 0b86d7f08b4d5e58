//! What the protocol says on a connection besides what is asked for: the server's key, and in which words a channel is
//! refused. (RFC 4254, section 5.1) `russh` tells the words to its handler alone, and there only by a channel's number.

use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{ChannelId, ChannelOpenFailure};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How a request for a channel was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The channel's number on our side.
    pub(super) id: u32,
    /// `None`: it was opened. Else the reason, and the server's words.
    pub(super) refused: Option<(ChannelOpenFailure, String)>,
}

/// Shared by a connection and its handler.
#[derive(Debug, Default)]
pub(super) struct Overheard {
    replies: Mutex<Option<UnboundedSender<Reply>>>,
    requests: AtomicU32,
    key: OnceLock<String>,
}

impl Overheard {
    /// From now on all replies to requests for channels; those that are opened are closed at once.
    pub(super) fn replies(&self) -> UnboundedReceiver<Reply> {
        let (to, replies) = unbounded_channel();
        *self.replies.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
        replies
    }

    /// Takes a reply. True when somebody wanted it, and a channel that was opened has served its purpose.
    pub(super) fn tell(&self, id: ChannelId, refused: Option<(ChannelOpenFailure, String)>) -> bool {
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(to) = replies.as_ref() else { return false };
        // Whoever listened may have gone; then the channel is of no use either.
        let _ = to.send(Reply { id: id.number(), refused });
        true
    }

    /// Requests for channels that were counted.
    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Counts a request, on a connection whose channels are numbered beforehand.
    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
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
