//! The output of a command as it comes.

use crate::capture::{Capture, Captured, Keep};
use crate::limits::PIECE_BYTES;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Both outputs of a command.
#[derive(Debug)]
pub(crate) struct Pipes {
    out: Pipe,
    err: Pipe,
}

#[derive(Debug)]
struct Pipe {
    /// None once nobody holds the writing end any more, or when there is no pipe.
    from: Option<Receiver>,
    piece: Vec<u8>,
    into: Capture,
}

impl Pipes {
    /// An output without a descriptor is not read.
    pub(crate) fn new(out: Option<OwnedFd>, err: Option<OwnedFd>, keep: Keep) -> io::Result<Self> {
        Ok(Pipes { out: Pipe::new(out, keep)?, err: Pipe::new(err, keep)? })
    }

    /// Reads whatever comes until `until` is ready.
    pub(crate) async fn read_until<T>(&mut self, until: impl Future<Output = T>) -> T {
        let mut until = pin!(until);
        loop {
            // In this order a flood holds up nothing.
            tokio::select! {
                biased;
                ready = &mut until => return ready,
                () = self.out.read(), if self.out.from.is_some() => {}
                () = self.err.read(), if self.err.from.is_some() => {}
            }
        }
    }

    /// Reads until nobody holds a writing end any more.
    pub(crate) async fn read_to_end(&mut self) {
        while self.out.from.is_some() || self.err.from.is_some() {
            tokio::select! {
                () = self.out.read(), if self.out.from.is_some() => {}
                () = self.err.read(), if self.err.from.is_some() => {}
            }
        }
    }

    /// Closes the pipes; gives what was kept of standard output and of standard error.
    pub(crate) fn finish(self) -> (Captured, Captured) {
        (self.out.into.finish(), self.err.into.finish())
    }
}

impl Pipe {
    fn new(from: Option<OwnedFd>, keep: Keep) -> io::Result<Self> {
        let from = from.map(Receiver::from_owned_fd).transpose()?;
        Ok(Pipe { from, piece: vec![0; PIECE_BYTES], into: Capture::new(keep) })
    }

    /// Reads one piece. Nothing is lost when this is dropped before it is ready.
    async fn read(&mut self) {
        let Some(from) = &mut self.from else { return };
        match from.read(&mut self.piece).await {
            Ok(0) => self.from = None,
            Ok(n) => self.into.take(&self.piece[..n]),
            Err(error) => {
                tracing::debug!(%error, "cannot read a command's output any more");
                self.from = None;
            }
        }
    }
}
