//! Links inside one process: for `vigie up`, where hub and agent are one program, and for simulations,
//! which also cut them.

use crate::limits::MEMORY_LINK_BYTES;
use crate::link::{Link, Peer};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Two ends of one link. The first sees `first_sees` at its other end, the second `second_sees`.
///
/// No task and no thread stands behind it: the same calls in the same order give the same bytes.
pub fn memory_pair(first_sees: Peer, second_sees: Peer) -> (Link, Link, Cut) {
    let (first, second) = tokio::io::duplex(MEMORY_LINK_BYTES);
    let cut = Cut(CancellationToken::new());
    let first = Link::new(first_sees, Cuttable::new(first, &cut));
    let second = Link::new(second_sees, Cuttable::new(second, &cut));
    (first, second, cut)
}

/// Cuts a link in memory, as a network does: both ends see a reset, and what was under way is lost.
/// Dropping it does nothing.
#[derive(Clone, Debug)]
pub struct Cut(CancellationToken);

impl Cut {
    /// Cuts the link, for good.
    pub fn cut(&self) {
        self.0.cancel();
    }

    /// Whether it was cut.
    pub fn is_cut(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// One end of a pipe that can be cut while either direction waits.
struct Cuttable {
    pipe: DuplexStream,
    cut: CancellationToken,
    // One for each direction: each remembers only the last task that waited on it.
    cut_read: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_write: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cuttable {
    fn new(pipe: DuplexStream, cut: &Cut) -> Self {
        let waiter = || Box::pin(cut.0.clone().cancelled_owned());
        Cuttable { pipe, cut: cut.0.clone(), cut_read: waiter(), cut_write: waiter() }
    }

    fn poll_cut_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.cut.is_cancelled() || self.cut_write.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.is_cancelled() || self.cut_read.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut_write(cx)?;
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut_write(cx)?;
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut_write(cx)?;
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, WireError};

    fn pair() -> (Link, Link, Cut) {
        memory_pair(Peer::Unenrolled, Peer::Unenrolled)
    }

    #[tokio::test]
    async fn frames_pass_and_a_dropped_end_is_an_end() {
        let (a, b, _cut) = pair();
        let ((mut a_reads, mut a_writes), (mut b_reads, b_writes)) = (a.split(), b.split());
        a_writes.send(&Frame::Cancel { id: 1 }).await.unwrap();
        a_writes.flush().await.unwrap();
        assert_eq!(b_reads.next().await.unwrap(), Some(Frame::Cancel { id: 1 }));
        drop((b_reads, b_writes));
        assert_eq!(a_reads.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_cut_wakes_a_reader_and_a_blocked_writer() {
        let (a, b, cut) = pair();
        let ((mut a_reads, _a_writes), (_b_reads, mut b_writes)) = (a.split(), b.split());
        let fill = async {
            let piece = Frame::BlockMore(vec![0; 60_000].into());
            loop {
                if let Err(error) = b_writes.send(&piece).await {
                    return error;
                }
            }
        };
        // `a` never reads what `b` writes, and waits for nothing that comes.
        let (a2, _b2, cut2) = pair();
        let (mut waits, _writes) = a2.split();
        let cutting = async {
            tokio::task::yield_now().await;
            cut.cut();
            cut2.cut();
        };
        let (write, read, ()) = tokio::join!(fill, waits.next(), cutting);
        assert!(matches!(write, WireError::Io { act: "writing", .. }), "{write}");
        assert!(matches!(read, Err(WireError::Io { act: "reading", .. })));
        assert!(a_reads.next().await.is_err(), "what was under way is lost");
        assert!(matches!(a_reads.next().await, Err(WireError::Failed)));
    }
}
