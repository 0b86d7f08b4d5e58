//! The first bytes that a server says: they tell an SSH server that hangs up from what is no SSH server at all.

use crate::limits::GREETING_MAX;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What `sshd` says in clear before it hangs up on one too many, or on an address that it punishes.
const TURNED_AWAY: [&str; 2] = ["Exceeded MaxStartups", "Not allowed at this time"];

/// What a server said first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing that could be read.
    Nothing,
    /// That it lets nobody in for now, as `sshd` does in clear.
    TurnedAway,
    /// Which SSH it speaks.
    Ssh,
    /// Something else than SSH: its first line, safe to show.
    Other(String),
}

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

    /// What the first bytes show.
    pub(super) fn said(&self) -> Said {
        said(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// RFC 4253, 4.2: lines may come before the one that begins with `SSH-`.
fn said(heard: &[u8]) -> Said {
    let is_ssh = heard.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-"));
    let line = heard.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let shown: String =
        line.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' }).collect();
    let turned_away = TURNED_AWAY.iter().any(|said| shown.starts_with(said));
    match () {
        () if is_ssh => Said::Ssh,
        () if turned_away => Said::TurnedAway,
        () if shown.is_empty() => Said::Nothing,
        () => Said::Other(shown),
    }
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
    use super::{Said, said};

    #[test]
    fn only_what_is_surely_not_ssh_is_called_so() {
        let web = Said::Other("HTTP/1.1 400 Bad Request".to_owned());
        assert_eq!(said(b"HTTP/1.1 400 Bad Request\r\n\r\n"), web);
        assert_eq!(said(b"\x1b[2Jx\r\n"), Said::Other("?[2Jx".to_owned()));
        assert_eq!(said(b""), Said::Nothing);
        assert_eq!(said(b"SSH-2.0-OpenSSH_9.2\r\n"), Said::Ssh);
        assert_eq!(said(b"welcome\r\nSSH-2.0-x\r\n"), Said::Ssh);
        assert_eq!(said(b"Exceeded MaxStartups\r\n"), Said::TurnedAway);
        assert_eq!(said(b"Not allowed at this time\r\n"), Said::TurnedAway);
    }
}
