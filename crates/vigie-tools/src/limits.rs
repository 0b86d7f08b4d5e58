//! Every bound of this crate, each with its reason.

use std::time::Duration;

// Echo.

/// Read from a client at a time, so the longest message of a stream. Far above what people and the programs of
/// courses send at once; it stands on the stack of a thread, once, whatever the number of clients.
pub const ECHO_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Clients of one echo server, if the process may open that many files.
pub const ECHO_CLIENTS_MAX: usize = 60_000;

/// Clients of one address (of one /64 in IPv6) unless told otherwise: a class behind one router, but one address
/// alone cannot take every place.
pub const ECHO_CLIENTS_PER_ADDRESS: usize = 1024;

/// Files that a server keeps for itself out of what the process may open.
pub const FILES_SPARE: usize = 64;

/// How long a client may say nothing, unless told otherwise.
pub const ECHO_IDLE: Duration = Duration::from_secs(3600);

/// How long an answer may wait for a client that does not read. Until it has read, nothing more is read from it.
pub const ECHO_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Turns that one client may have in a row before the others have theirs.
pub const ECHO_TURNS: usize = 32;

/// Datagrams of one address that are answered in a second. Addresses of datagrams can be forged, and an answer is
/// longer than its question: this bounds what somebody else can be made to get.
pub const ECHO_DATAGRAMS_PER_SECOND: u32 = 10_000;

/// Addresses that are counted in one second; datagrams of more addresses are not answered in it.
pub const ECHO_ADDRESSES_MAX: usize = 16_384;

/// Longest payload of a datagram over IPv4: 65,535 less the headers of IP and UDP.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Connections that wait to be accepted: ten thousand clients that come at once.
pub const BACKLOG: u32 = 4096;

/// The pause after a failure to accept, such as too many open files: trying at once would fail again.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long clients may take for their last answers when a server stops.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How long a client waits for a connection to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest reply that is taken for one.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;

/// Silence after which a reply that does not end with a newline is taken for whole. A stream does not tell where a
/// message ends; a server that answers in one write is never cut by this, and the round trip does not count it.
pub const REPLY_QUIET: Duration = Duration::from_millis(50);

// Cast.

/// Numbers of a stream that are not decided yet: at 200,000 a second a third of a second, longer than any network
/// holds a datagram back. A power of two.
pub const CAST_WINDOW: u64 = 65_536;

/// How far a number may be ahead of the one before: more than eight minutes of 200,000 a second. What is farther is
/// damage, or malice, and would be counted as that many losses.
pub const CAST_JUMP_MAX: u64 = 100_000_000;

/// Streams that are counted at once; each has a window of 8 KiB.
pub const CAST_STREAMS_MAX: usize = 1024;

/// Datagrams of one system call.
pub const CAST_BATCH: usize = 256;

/// The most that is asked for as a receive buffer: a third of a second of 200,000 a second, at the 1.3 KiB that the
/// kernel counts for a small datagram.
pub const CAST_RECEIVE_BUFFER: usize = 64 * 1024 * 1024;

/// How often start and end of a stream are said. With one in five lost, all are in one of three thousand streams.
pub const CAST_REPEATS: u32 = 5;

/// From one of these to the next: a burst of losses should not take all of them.
pub const CAST_REPEAT_PAUSE: Duration = Duration::from_millis(20);

/// How long stragglers are waited for after the end of a stream was heard.
pub const CAST_LINGER: Duration = Duration::from_millis(500);

/// How long a side waits before it looks whether it is to stop.
pub const CAST_TURN: Duration = Duration::from_millis(50);

/// The highest rate that can be asked for, in datagrams a second: more than one core can send.
pub const CAST_RATE_MAX: u32 = 10_000_000;

/// Texts that wait to be printed; counting does not wait for them.
pub const CAST_TEXTS: usize = 4096;

// HTTP.

/// The pause before a request is made again; twice as long each time.
pub const HTTP_RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause; a server that asks for a longer one gets no second request.
pub const HTTP_RETRY_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The longest answer that is taken, unless told otherwise: it is held in memory.
pub const HTTP_BODY_BYTES: usize = 64 * 1024 * 1024;

// The public address.

/// The longest answer: an address has 45 letters, a trace or a small JSON object some hundred.
pub const IP_BODY_BYTES_MAX: usize = 4096;

/// How long the services may take, together.
pub const IP_TIMEOUT: Duration = Duration::from_secs(5);

/// How many services are asked at first; the others only when these do not agree.
pub const IP_FIRST: usize = 3;

/// The most services that can be named.
pub const IP_SOURCES_MAX: usize = 16;

/// How long an answer is good: a loop in a script asks nobody more than once a minute, and whoever switches a network
/// waits no longer.
pub const IP_ANSWER_LIFE: Duration = Duration::from_secs(60);

/// How long a service that refuses (403, 429, 503) is left alone, unless it says for how long.
pub const IP_LEFT_ALONE: Duration = Duration::from_secs(600);

/// And if it says for longer.
pub const IP_LEFT_ALONE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Services that are remembered.
pub const IP_MEMORY_MAX: usize = 64;

/// The longest file of these.
pub const IP_MEMORY_BYTES_MAX: u64 = 256 * 1024;
