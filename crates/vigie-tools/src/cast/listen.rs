//! Whoever listens.

use super::batch::{self, Datagram, Incoming};
use super::counter::{Counter, Counts};
use super::datagram::{Header, Kind};
use super::endpoint::{Endpoint, EndpointError, plain};
use super::send::now_ns;
use crate::limits::{CAST_LINGER, CAST_STREAMS_MAX, CAST_WINDOW};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Where to listen, and until when.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where.
    pub at: Endpoint,
    /// How often to tell what was counted so far.
    pub report_every: Duration,
    /// Not longer than this.
    pub time_limit: Option<Duration>,
    /// Only until every stream that was heard has ended.
    pub is_once: bool,
    /// Bytes of the receive buffer, by the kernel's own count of them; it may give less to whoever is not root.
    pub receive_buffer: usize,
}

/// Why nothing more is heard.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// There is nothing to listen with.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The system gives no more datagrams.
    #[error("cannot receive on {address}: {source}")]
    Receive {
        /// Where.
        address: SocketAddr,
        /// What it said.
        source: io::Error,
    },
}

/// What is heard, as it is heard.
#[derive(Debug)]
pub enum Heard {
    /// Somebody's words.
    Text {
        /// From whom.
        from: SocketAddr,
        /// The number in its stream, unless it came without.
        number: Option<u64>,
        /// What was said.
        bytes: Vec<u8>,
    },
    /// What was counted so far, as often as was asked.
    Progress(Report),
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each stream, in the order in which they were heard first.
    pub streams: Vec<Stream>,
    /// Datagrams without numbers.
    pub plain: u64,
    /// Numbered ones that were not counted, because there were too many streams.
    pub uncounted: u64,
    /// Datagrams that the kernel dropped here, because nobody took them in time.
    pub kernel_dropped: u64,
    /// Texts that were counted and not told, because nobody took them in time.
    pub untold: u64,
    /// Bytes that the receive buffer holds, by the kernel's own count of them.
    pub receive_buffer: usize,
}

/// What was counted of one stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// From whom.
    pub from: SocketAddr,
    /// Which of theirs.
    pub stream: u32,
    /// How many its sender sent, if it has said so.
    pub sent: Option<u64>,
    /// The counts.
    pub counts: Counts,
    /// Bytes of its datagrams, headers included.
    pub bytes: u64,
    /// From the first to the last of them.
    pub lasted: Duration,
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: UdpSocket,
    address: SocketAddr,
    config: Config,
    /// As the kernel counts them at first.
    drops: u32,
}

impl Listener {
    /// Listens, in the group if it is one.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn bind(config: Config) -> Result<Listener, EndpointError> {
        let at = config.at.resolve()?;
        let socket = at.receiver(config.receive_buffer)?;
        let address = socket.local_addr().map_or(at.address, plain);
        let drops = batch::drops(&socket).unwrap_or(0);
        Ok(Listener { socket, address, config, drops })
    }

    /// Where, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts until what was asked for has come, or `stop`. It takes the thread for as long, and waits for nobody else.
    ///
    /// # Errors
    /// [`ListenError::Receive`].
    pub fn run(self, tell: &mpsc::Sender<Heard>, stop: &AtomicBool) -> Result<Report, ListenError> {
        let mut incoming = Incoming::new();
        let mut book = Book::new(self.drops, &self.socket);
        let (start, mut reported) = (Instant::now(), Instant::now());
        while !stop.load(Ordering::Relaxed)
            && self.config.time_limit.is_none_or(|limit| start.elapsed() < limit)
            && !(self.config.is_once && book.is_over())
        {
            match incoming.receive(&self.socket) {
                Ok(count) => {
                    (0..count).filter_map(|at| incoming.datagram(at)).for_each(|one| book.add(&one, tell));
                }
                Err(error) if is_pause(&error) => {}
                Err(source) => return Err(ListenError::Receive { address: self.address, source }),
            }
            if reported.elapsed() >= self.config.report_every {
                reported = Instant::now();
                book.look_at_drops(&self.socket);
                // Whoever does not take it will be told the next one.
                let _ = tell.try_send(Heard::Progress(book.report()));
            }
        }
        book.look_at_drops(&self.socket);
        Ok(book.finish())
    }
}

/// Nothing came in time, or a signal did.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// All that is counted.
struct Book {
    streams: Vec<Tally>,
    of: HashMap<(SocketAddr, u32), usize>,
    /// Where the one before belonged: mostly, the next one does, too.
    last: usize,
    drops: u32,
    report: Report,
}

struct Tally {
    from: SocketAddr,
    stream: u32,
    counter: Counter,
    is_from_start: bool,
    end: Option<(u64, Instant)>,
    bytes: u64,
    times_ns: Option<(u64, u64)>,
}

impl Book {
    fn new(drops: u32, socket: &UdpSocket) -> Book {
        let receive_buffer = rustix::net::sockopt::socket_recv_buffer_size(socket).unwrap_or(0);
        let report = Report { receive_buffer, ..Report::default() };
        Book { streams: Vec::new(), of: HashMap::new(), last: 0, drops, report }
    }

    fn add(&mut self, datagram: &Datagram<'_>, tell: &mpsc::Sender<Heard>) {
        if let Some(drops) = datagram.drops {
            self.see_drops(drops);
        }
        let from = datagram.from;
        let Some((header, content)) = Header::decode(datagram.bytes) else {
            self.report.plain += 1;
            self.tell(tell, Heard::Text { from, number: None, bytes: datagram.bytes.to_vec() });
            return;
        };
        let Some(tally) = self.tally(from, &header) else {
            self.report.uncounted += 1;
            return;
        };
        match header.kind {
            Kind::Start => tally.is_from_start = tally.counter.is_from(0),
            Kind::End => tally.end = tally.end.or(Some((header.number, Instant::now()))),
            Kind::Text | Kind::Filler => {
                let came_ns = datagram.came_ns.unwrap_or_else(now_ns);
                tally.counter.add(header.number, header.sent_ns, came_ns);
                tally.bytes += datagram.bytes.len() as u64;
                tally.times_ns = Some((tally.times_ns.map_or(came_ns, |(first, _)| first), came_ns));
                if header.kind == Kind::Text {
                    let number = Some(header.number);
                    self.tell(tell, Heard::Text { from, number, bytes: content.to_vec() });
                }
            }
        }
    }

    /// The stream of a datagram; none when there are too many already.
    fn tally(&mut self, from: SocketAddr, header: &Header) -> Option<&mut Tally> {
        let is_same = |tally: &Tally| tally.from == from && tally.stream == header.stream;
        if !self.streams.get(self.last).is_some_and(is_same) {
            let next = self.streams.len();
            self.last = match self.of.get(&(from, header.stream)) {
                Some(&at) => at,
                None if next >= CAST_STREAMS_MAX => return None,
                None => {
                    self.of.insert((from, header.stream), next);
                    self.streams.push(Tally::new(from, header));
                    next
                }
            };
        }
        self.streams.get_mut(self.last)
    }

    fn tell(&mut self, tell: &mpsc::Sender<Heard>, heard: Heard) {
        if tell.try_send(heard).is_err() {
            self.report.untold += 1;
        }
    }

    /// The kernel's count has come with a datagram. It was taken when that one came, and may be older than what was asked
    /// for meanwhile.
    fn see_drops(&mut self, drops: u32) {
        let more = drops.wrapping_sub(self.drops);
        if i32::try_from(more).is_ok() {
            self.report.kernel_dropped += u64::from(more);
            self.drops = drops;
        }
    }

    /// What was dropped behind the last datagram no datagram tells.
    fn look_at_drops(&mut self, socket: &UdpSocket) {
        if let Ok(drops) = batch::drops(socket) {
            self.see_drops(drops);
        }
    }

    /// Whether every stream has ended and nothing of it can still come.
    fn is_over(&self) -> bool {
        let is_over = |tally: &Tally| {
            tally.end.is_some_and(|(end, at)| tally.counter.is_complete(end) || at.elapsed() >= CAST_LINGER)
        };
        !self.streams.is_empty() && self.streams.iter().all(is_over)
    }

    fn report(&self) -> Report {
        let streams = self.streams.iter().map(|tally| {
            let counts = tally.counter.so_far(tally.sent(), tally.is_from_start);
            tally.told(counts)
        });
        Report { streams: streams.collect(), ..self.report.clone() }
    }

    fn finish(self) -> Report {
        let streams = self.streams.into_iter().map(|tally| {
            let counts = tally.counter.clone().finish(tally.sent(), tally.is_from_start);
            tally.told(counts)
        });
        Report { streams: streams.collect(), ..self.report }
    }
}

impl Tally {
    /// Counts from 0, unless it is heard for the first time far from there.
    fn new(from: SocketAddr, header: &Header) -> Tally {
        let first = match header.kind {
            Kind::Text | Kind::Filler => header.number.saturating_sub(CAST_WINDOW - 1),
            Kind::Start | Kind::End => 0,
        };
        let counter = Counter::new(first);
        let stream = header.stream;
        Tally { from, stream, counter, is_from_start: false, end: None, bytes: 0, times_ns: None }
    }

    fn sent(&self) -> Option<u64> {
        self.end.map(|(end, _)| end)
    }

    fn told(&self, counts: Counts) -> Stream {
        let (first, last) = self.times_ns.unwrap_or_default();
        Stream {
            from: plain(self.from),
            stream: self.stream,
            sent: self.sent(),
            counts,
            bytes: self.bytes,
            lasted: Duration::from_nanos(last.saturating_sub(first)),
        }
    }
}
