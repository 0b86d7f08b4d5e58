//! A link: an ordered, reliable stream of frames to a peer whose identity is known. TLS makes them for
//! real, [`crate::memory`] for `vigie up` and for simulations; nothing above can tell.

use crate::frame::{Decoder, Frame, FrameError, encode};
use crate::limits::{
    CLOSE_TIME_MAX, FRAME_BYTES_MAX, LINGER_BYTES_MAX, LINGER_TIME_MAX, READ_BUFFER_BYTES,
    STRANGER_FRAME_BYTES_MAX, WRITE_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX,
};
use crate::tls::explain;
use crate::tls::slots::Slot;
use bytes::{Buf, BytesMut};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;
use vigie_model::{MachineId, UnixNanos};

/// What a link runs over.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Who is at the other end, as far as was proved before the first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The hub: it holds a certificate of the authority that this agent trusts.
    Hub {
        /// The hub, as a machine.
        hub: MachineId,
    },
    /// An enrolled machine.
    Machine(MachineCard),
    /// Someone without a certificate, who may enrol and nothing else.
    Unenrolled,
}

/// What a machine's certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineCard {
    /// The machine's id.
    pub id: MachineId,
    /// Its name at the time the certificate was made.
    pub name: String,
    /// BLAKE3 of the certificate: tells one from its successor.
    pub certificate: [u8; 32],
    /// End of the certificate's validity. A session may not outlive it.
    pub not_after: UnixNanos,
}

/// Why a link failed. Nothing can be read or written after any of these.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer sent what is not a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream ended inside a frame.
    #[error("the connection ended inside a frame, {missing} bytes before its end")]
    Truncated {
        /// Bytes that were still to come, at least.
        missing: usize,
    },
    /// TLS itself failed: in words, what to do about it.
    #[error("{0}")]
    Tls(String),
    /// The connection was lost.
    #[error("the connection was lost while {act}: {source}")]
    Io {
        /// Reading or writing.
        act: &'static str,
        /// What the transport said.
        source: std::io::Error,
    },
    /// No frame came in time.
    #[error("no frame came within {0:?}")]
    TooSlow(Duration),
    /// The link had failed before.
    #[error("the link had failed before")]
    Failed,
}

impl WireError {
    fn io(act: &'static str, source: std::io::Error) -> Self {
        match explain::io_error(&source) {
            Some(words) => WireError::Tls(words),
            // rustls' own text for this is a link to its manual.
            None if source.kind() == ErrorKind::UnexpectedEof => {
                let source = std::io::Error::new(ErrorKind::UnexpectedEof, "the other side is gone");
                WireError::Io { act, source }
            }
            None => WireError::Io { act, source },
        }
    }
}

/// A stream of frames, and who is at its other end.
pub struct Link {
    peer: Peer,
    remote: Option<SocketAddr>,
    io: Box<dyn Transport>,
    held: Option<Slot>,
}

impl Link {
    /// A link over any transport to a peer whose identity the caller vouches for.
    pub fn new(peer: Peer, io: impl Transport + 'static) -> Self {
        Link { peer, remote: None, io: Box::new(io), held: None }
    }

    /// The same link, with the address at its other end for people to see.
    #[must_use]
    pub fn with_remote(self, remote: SocketAddr) -> Self {
        Link { remote: Some(remote), ..self }
    }

    /// The same link, which keeps a place among strangers until it is gone.
    #[must_use]
    pub(crate) fn holding(self, slot: Slot) -> Self {
        Link { held: Some(slot), ..self }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The address at the other end, where there is one.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// The two directions, to be used by two tasks or by one.
    pub fn split(self) -> (FrameReader, FrameWriter) {
        let frame_max = match self.peer {
            Peer::Unenrolled => STRANGER_FRAME_BYTES_MAX,
            Peer::Hub { .. } | Peer::Machine(_) => FRAME_BYTES_MAX,
        };
        let (read, write) = tokio::io::split(self.io);
        let reader = FrameReader {
            io: read,
            decoder: Decoder { frame_max },
            buffer: BytesMut::new(),
            heard: Instant::now(),
            failed: false,
            held: self.held,
        };
        let writer = FrameWriter { io: write, buffer: BytesMut::new(), failed: false };
        (reader, writer)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("peer", &self.peer).field("remote", &self.remote).finish_non_exhaustive()
    }
}

/// Sends a last frame, ends our direction and waits a moment for the peer to end its own: were the
/// connection dropped while unread bytes of the peer lie in our socket, the kernel would send a reset,
/// and the peer might never read the frame. Bounded in time and bytes.
///
/// # Errors
/// When the frame could not be sent.
pub async fn farewell(
    reader: FrameReader,
    mut writer: FrameWriter,
    frame: Option<Frame>,
) -> Result<(), WireError> {
    if let Some(frame) = &frame {
        writer.queue(frame)?;
    }
    writer.close().await?;
    let FrameReader { io, held, .. } = reader;
    drain(io).await;
    drop(held);
    Ok(())
}

/// As [`farewell`], for a transport on which nothing more can be said.
pub(crate) async fn linger(mut io: impl Transport) {
    if tokio::time::timeout(LINGER_TIME_MAX, io.shutdown()).await.is_ok() {
        drain(io).await;
    }
}

async fn drain(mut io: impl AsyncRead + Unpin) {
    let read = async {
        let mut waste = vec![0; READ_SPARE_BYTES];
        let mut total = 0;
        while total < LINGER_BYTES_MAX {
            match io.read(&mut waste).await {
                Ok(1..) => total += waste.len(),
                Ok(0) | Err(_) => return,
            }
        }
    };
    // Whether the peer hangs up in time or not: it had its chance.
    let _ = tokio::time::timeout(LINGER_TIME_MAX, read).await;
}

/// Room below which a read would not be worth its system call.
const READ_SPARE_BYTES: usize = 16 * 1024;

/// The incoming direction of a link.
pub struct FrameReader {
    io: ReadHalf<Box<dyn Transport>>,
    decoder: Decoder,
    buffer: BytesMut,
    /// When the last frame came whole, or, before the first, when the link was taken apart.
    heard: Instant,
    failed: bool,
    /// Given back when the reader is dropped: last of all in [`farewell`].
    held: Option<Slot>,
}

impl FrameReader {
    /// The next frame; `None` when the peer ended the stream after a whole frame. Kinds that may be skipped
    /// are.
    ///
    /// Cancel-safe: a dropped call loses nothing, so this can stand in a `select!`.
    pub async fn next(&mut self) -> Result<Option<Frame>, WireError> {
        if self.failed {
            return Err(WireError::Failed);
        }
        let result = self.read_frame().await;
        self.failed = result.is_err();
        if let Ok(Some(_)) = result {
            self.heard = Instant::now();
        }
        result
    }

    /// How long ago the last frame came.
    pub fn silent_for(&self) -> Duration {
        self.heard.elapsed()
    }

    /// The next frame, or [`WireError::TooSlow`] when it has not come whole within `limit`; bytes that trickle
    /// in do not prolong it.
    pub async fn next_within(&mut self, limit: Duration) -> Result<Option<Frame>, WireError> {
        match tokio::time::timeout(limit, self.next()).await {
            Ok(result) => result,
            Err(_) => {
                self.failed = true;
                Err(WireError::TooSlow(limit))
            }
        }
    }

    async fn read_frame(&mut self) -> Result<Option<Frame>, WireError> {
        loop {
            let missing = match self.decoder.take(&mut self.buffer)? {
                Ok(frame) => return Ok(Some(frame)),
                Err(missing) => missing,
            };
            // At most one buffer at a time, however long the frame: memory follows what really arrives.
            let spare = self.buffer.capacity() - self.buffer.len();
            if spare < missing.clamp(READ_SPARE_BYTES, READ_BUFFER_BYTES) {
                self.buffer.reserve(READ_BUFFER_BYTES);
            }
            let count = self.io.read_buf(&mut self.buffer).await.map_err(|e| WireError::io("reading", e))?;
            if count == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(WireError::Truncated { missing }) };
            }
        }
    }
}

impl std::fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameReader").field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}

/// The outgoing direction of a link. Frames gather in a buffer that is written out by [`Self::flush`], or
/// by [`Self::send`] once it is long enough.
pub struct FrameWriter {
    io: WriteHalf<Box<dyn Transport>>,
    buffer: BytesMut,
    failed: bool,
}

impl FrameWriter {
    /// Puts a frame into the buffer, without waiting. [`WireError::Frame`]: the frame is beyond a limit;
    /// it was not queued, and the link is as it was.
    pub fn queue(&mut self, frame: &Frame) -> Result<(), WireError> {
        if self.failed {
            return Err(WireError::Failed);
        }
        Ok(encode(frame, &mut self.buffer)?)
    }

    /// Puts a frame into the buffer, and writes the buffer out when it is long enough.
    ///
    /// A call dropped while it waits has queued its frame whole: go on with [`Self::flush`], do not send
    /// the frame again.
    pub async fn send(&mut self, frame: &Frame) -> Result<(), WireError> {
        self.queue(frame)?;
        if self.buffer.len() >= WRITE_BUFFER_BYTES { self.drain().await } else { Ok(()) }
    }

    /// Writes out all that was queued. Cancel-safe: what was not written stays queued.
    pub async fn flush(&mut self) -> Result<(), WireError> {
        self.drain().await?;
        self.io.flush().await.map_err(|e| self.fail(e))
    }

    /// Bytes queued and not yet given to the transport.
    pub fn queued_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Writes out what was queued and ends this direction, so that the peer sees a clean end; gives up
    /// after [`CLOSE_TIME_MAX`].
    pub async fn close(mut self) -> Result<(), WireError> {
        let work = async {
            self.flush().await?;
            self.io.shutdown().await.map_err(|e| WireError::io("closing", e))
        };
        match tokio::time::timeout(CLOSE_TIME_MAX, work).await {
            Ok(result) => result,
            Err(_) => Err(WireError::TooSlow(CLOSE_TIME_MAX)),
        }
    }

    async fn drain(&mut self) -> Result<(), WireError> {
        if self.failed {
            return Err(WireError::Failed);
        }
        while !self.buffer.is_empty() {
            match self.io.write(&self.buffer).await {
                Ok(0) => return Err(self.fail(ErrorKind::WriteZero.into())),
                Ok(count) => self.buffer.advance(count),
                Err(e) => return Err(self.fail(e)),
            }
        }
        if self.buffer.capacity() > 2 * WRITE_BUFFER_BYTES_MAX {
            self.buffer = BytesMut::new();
        }
        Ok(())
    }

    fn fail(&mut self, source: std::io::Error) -> WireError {
        self.failed = true;
        WireError::io("writing", source)
    }
}

impl std::fmt::Debug for FrameWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameWriter").field("queued", &self.buffer.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[tokio::test]
    async fn a_dropped_read_loses_nothing() {
        let (mut raw, io) = duplex(1024);
        let (mut reader, _writer) = Link::new(Peer::Unenrolled, io).split();
        let mut bytes = BytesMut::new();
        let frames = [Frame::Ping { token: 5 }, Frame::Cancel { id: 6 }];
        frames.iter().for_each(|f| encode(f, &mut bytes).unwrap());
        // Byte by byte, the read dropped after each.
        for byte in &bytes {
            raw.write_all(&[*byte]).await.unwrap();
            tokio::select! {
                biased;
                frame = reader.next() => {
                    let frame = frame.unwrap().unwrap();
                    assert!(frames.contains(&frame), "{frame:?}");
                }
                () = tokio::task::yield_now() => {}
            }
        }
        assert!(reader.buffer.is_empty());
    }

    #[tokio::test]
    async fn a_dropped_flush_loses_nothing() {
        let (raw, io) = duplex(16);
        let (_reader, mut writer) = Link::new(Peer::Unenrolled, io).split();
        let frame = Frame::BlockMore(vec![9; 50_000].into());
        writer.queue(&frame).unwrap();
        let (mut reader, _writer) = Link::new(Peer::Hub { hub: MachineId::default() }, raw).split();
        let mut got = None;
        while got.is_none() {
            tokio::select! {
                biased;
                flushed = writer.flush(), if writer.queued_bytes() > 0 => flushed.unwrap(),
                frame = reader.next() => got = frame.unwrap(),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(got, Some(frame));
        assert_eq!(writer.queued_bytes(), 0);
    }

    #[tokio::test]
    async fn memory_follows_what_arrives_not_what_is_announced() {
        let (mut raw, io) = duplex(1024);
        let (mut reader, _writer) = Link::new(Peer::Hub { hub: MachineId::default() }, io).split();
        let announced = FRAME_BYTES_MAX as u32;
        raw.write_all(&announced.to_le_bytes()).await.unwrap();
        raw.write_all(&[16, 1, 2]).await.unwrap();
        drop(raw);
        let error = reader.next().await.unwrap_err();
        assert!(matches!(error, WireError::Truncated { missing } if missing == FRAME_BYTES_MAX - 3));
        assert!(reader.buffer.capacity() <= 2 * READ_BUFFER_BYTES);
    }

    #[tokio::test]
    async fn a_frame_beyond_a_limit_is_not_queued_and_harms_nothing() {
        let (a, b, _cut) = crate::memory_pair(Peer::Unenrolled, Peer::Unenrolled);
        let ((mut reader, _a), (_b, mut writer)) = (a.split(), b.split());
        let huge = Frame::BlockMore(vec![0; 1 << 20].into());
        assert!(matches!(writer.send(&huge).await, Err(WireError::Frame(FrameError::TooLong { .. }))));
        writer.send(&Frame::Ping { token: 1 }).await.unwrap();
        writer.close().await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Some(Frame::Ping { token: 1 }));
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_whole_frame_breaks_the_silence() {
        let (mut raw, io) = duplex(1024);
        let (mut reader, _writer) = Link::new(Peer::Unenrolled, io).split();
        let mut bytes = BytesMut::new();
        encode(&Frame::Ping { token: 1 }, &mut bytes).unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        raw.write_all(&bytes).await.unwrap();
        reader.next().await.unwrap();
        assert_eq!(reader.silent_for(), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(7)).await;
        raw.write_all(&bytes[..3]).await.unwrap();
        drop(raw);
        reader.next().await.unwrap_err();
        assert_eq!(reader.silent_for(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_trickles_in_is_too_slow() {
        let (mut raw, io) = duplex(1024);
        let (mut reader, _writer) = Link::new(Peer::Unenrolled, io).split();
        let trickle = tokio::spawn(async move {
            raw.write_all(&[100, 0, 0, 0, 8]).await.unwrap();
            while raw.write_all(&[0]).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let limit = Duration::from_secs(10);
        assert!(matches!(reader.next_within(limit).await, Err(WireError::TooSlow(l)) if l == limit));
        assert!(matches!(reader.next().await, Err(WireError::Failed)));
        trickle.abort();
    }
}
