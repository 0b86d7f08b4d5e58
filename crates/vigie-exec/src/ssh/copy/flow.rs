//! A file's bytes, many pieces at once, in memory that does not depend on the number of hosts.

use super::Session;
use super::class::Trouble;
use crate::limits::COPY_WINDOW;
use crate::ssh::sftp::SftpError;
use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use ring::digest::{Context, SHA256};
use std::collections::VecDeque;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::SemaphorePermit;

/// What went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flowed {
    pub(super) bytes: u64,
    /// SHA-256.
    pub(super) digest: [u8; 32],
}

struct Digest {
    context: Context,
    bytes: u64,
}

impl Digest {
    fn new() -> Self {
        Digest { context: Context::new(&SHA256), bytes: 0 }
    }

    fn take(&mut self, piece: &[u8]) {
        self.context.update(piece);
        self.bytes += piece.len() as u64;
    }

    fn finish(self) -> Flowed {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.context.finish().as_ref());
        Flowed { bytes: self.bytes, digest }
    }
}

/// Writes all that can be read into a file there. `failed` says what a refused piece means.
pub(super) async fn write_all(
    session: &Session<'_>,
    mut from: impl AsyncRead + Unpin,
    handle: &str,
) -> Result<Flowed, WriteError> {
    let mut digest = Digest::new();
    let mut flight = FuturesUnordered::new();
    let size = session.sftp.piece() as usize;
    loop {
        let mut piece = vec![0; size];
        let filled = fill(&mut from, &mut piece).await.map_err(WriteError::Read)?;
        if filled == 0 {
            break;
        }
        piece.truncate(filled);
        let offset = digest.bytes;
        digest.take(&piece);
        let permit = loop {
            if flight.len() < COPY_WINDOW
                && let Some(permit) = permit(session, filled, flight.is_empty())
            {
                break permit;
            }
            landed(flight.next().await)?;
        };
        flight.push(async move {
            let written = session.sftp.write(handle, offset, piece).await;
            drop(permit);
            session.job.done.add(filled as u64);
            written
        });
    }
    while let Some(written) = flight.next().await {
        landed(Some(written))?;
    }
    Ok(digest.finish())
}

/// Which side failed.
pub(super) enum WriteError {
    Read(std::io::Error),
    Write(SftpError),
}

fn landed(written: Option<Result<(), SftpError>>) -> Result<(), WriteError> {
    written.unwrap_or(Ok(())).map_err(WriteError::Write)
}

/// The right to have so many bytes under way. A file with nothing under way needs none: no host that stands still keeps
/// another from moving.
fn permit<'a>(session: &Session<'a>, bytes: usize, is_first: bool) -> Option<Option<SemaphorePermit<'a>>> {
    let wanted = u32::try_from(bytes).unwrap_or(u32::MAX);
    match session.budget.try_acquire_many(wanted) {
        Ok(permit) => Some(Some(permit)),
        Err(_) if is_first => Some(None),
        Err(_) => None,
    }
}

async fn fill(from: &mut (impl AsyncRead + Unpin), piece: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match from.read(&mut piece[filled..]).await? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Which side failed.
pub(super) enum ReadError {
    Read(SftpError),
    Write(std::io::Error),
}

type Asked<'a> = Pin<Box<dyn Future<Output = Result<Option<Vec<u8>>, SftpError>> + Send + 'a>>;

/// Reads a file there to its end, in order. `expected` is how long it should be: so far, pieces are asked for ahead.
pub(super) async fn read_all(
    session: &Session<'_>,
    handle: &str,
    expected: u64,
    mut to: impl AsyncWrite + Unpin,
    counts: bool,
) -> Result<Flowed, ReadError> {
    let mut digest = Digest::new();
    let mut flight: FuturesOrdered<Asked<'_>> = FuturesOrdered::new();
    let mut lengths: VecDeque<u32> = VecDeque::new();
    let most = session.sftp.piece();
    let mut next = 0;
    loop {
        while flight.len() < COPY_WINDOW && (next < expected || flight.is_empty()) {
            let left = expected.saturating_sub(next);
            // Behind its end one more piece tells whether that is its end.
            let len = if left == 0 { most } else { u32::try_from(left).unwrap_or(most).min(most) };
            let Some(permit) = permit(session, len as usize, flight.is_empty()) else { break };
            let offset = next;
            flight.push_back(Box::pin(async move {
                let read = session.sftp.read(handle, offset, len).await;
                drop(permit);
                read
            }));
            lengths.push_back(len);
            next += u64::from(len);
        }
        let Some(read) = flight.next().await else { break };
        let len = lengths.pop_front().unwrap_or(most);
        let Some(piece) = read.map_err(ReadError::Read)? else { break };
        digest.take(&piece);
        to.write_all(&piece).await.map_err(ReadError::Write)?;
        if counts {
            session.job.done.add(piece.len() as u64);
        }
        if piece.len() < len as usize {
            // It may give less than was asked for, and then what was asked ahead does not join.
            flight = FuturesOrdered::new();
            lengths.clear();
            next = digest.bytes;
        }
    }
    to.flush().await.map_err(ReadError::Write)?;
    Ok(digest.finish())
}

/// The digest of a file there, read once more.
pub(super) async fn read_back(session: &Session<'_>, path: &str, expected: u64) -> Result<Flowed, Trouble> {
    let failed = |error: SftpError| Trouble::there("read it back", &error);
    let handle = session.sftp.open_file(path).await.map_err(failed)?;
    let read = read_all(session, &handle, expected, tokio::io::sink(), false).await;
    // What was read holds, whatever becomes of the handle.
    let _ = session.sftp.close(&handle).await;
    match read {
        Ok(flowed) => Ok(flowed),
        Err(ReadError::Read(error)) => Err(failed(error)),
        Err(ReadError::Write(error)) => Err(Trouble::here("read it back", &error)),
    }
}
