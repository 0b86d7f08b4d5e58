//! The first bytes that a server says: they tell an SSH server that hangs up from what is no SSH server at all.

use crate::limits::GREETING_MAX;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What `sshd` says in clear before it hangs up on one too many, or on an address that it punishes.
const TURNED_AWAY: [&str; 2] = ["Exceeded MaxStartups", "Not allowed at this time"];

/// What was heard first, shared with the stream that hears it.
#[derive(Clone, Debug, Default)]
pub(super) struct Greeting(Arc<Mutex<Vec<u8>>>);

/// A stream whose first bytes are kept.
pub(super) struct Heard<S> {
    inner: S,
    greeting: Greeting,
}

impl Greeting {
    /// The stream, with its first bytes kept here.
    pub(super) fn of<S>(&self, inner: S) -> Heard<S> {
        Heard { inner, greeting: self.clone() }
    }

    /// Whether nothing was heard at all.
    pub(super) fn is_silent(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether a server of SSH has said who it is.
    pub(super) fn is_of_ssh(&self) -> bool {
        is_of_ssh(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first line, when it is of something else than SSH; safe to show.
    pub(super) fn of_another_protocol(&self) -> Option<String> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        another_protocol(&heard)
    }
}

/// RFC 4253, 4.2: lines may come before the one that begins with `SSH-`.
fn is_of_ssh(heard: &[u8]) -> bool {
    heard.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-"))
}

fn another_protocol(heard: &[u8]) -> Option<String> {
    let line = heard.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let shown: String =
        line.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' }).collect();
    let turned_away = TURNED_AWAY.iter().any(|said| shown.starts_with(said));
    (!is_of_ssh(heard) && !shown.is_empty() && !turned_away).then_some(shown)
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, into);
        let new = into.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            let mut kept = self.greeting.0.lock().unwrap_or_else(PoisonError::into_inner);
            let room = GREETING_MAX.saturating_sub(kept.len());
            kept.extend(new.iter().take(room));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::another_protocol;

    #[test]
    fn only_what_is_surely_not_ssh_is_called_so() {
        let web = another_protocol(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert_eq!(web.as_deref(), Some("HTTP/1.1 400 Bad Request"));
        assert_eq!(another_protocol(b"\x1b[2Jx\r\n").as_deref(), Some("?[2Jx"));
        let ssh: [&[u8]; 5] = [
            b"",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"welcome\r\nSSH-2.0-x\r\n",
            b"Exceeded MaxStartups\r\n",
            b"Not allowed at this time\r\n",
        ];
        for heard in ssh {
            assert_eq!(another_protocol(heard), None, "{heard:?}");
        }
    }
}
