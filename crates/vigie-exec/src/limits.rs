//! Every bound of a run, in one place, each with its reason.

use std::time::Duration;

/// What is kept of each output when nothing else is said, in bytes: a screenful of anything a person reads, and
/// little beside many runs at once.
pub const KEPT_BYTES: usize = 64 * 1024;

/// Read from a pipe at a time: a quarter of what the kernel holds of one (`pipe(7)`).
pub(crate) const PIECE_BYTES: usize = 16 * 1024;

/// Columns of a table that is read: they are compared with each other, and no tool prints as many.
pub(crate) const TABLE_COLUMNS_MAX: usize = 500;

/// Display columns times lines of a table that is read, each of which is looked at: a million lines of 250 columns. One line
/// of megabytes among short ones is no table.
pub(crate) const TABLE_PLACES_MAX: usize = 1 << 28;

/// Lines of a text that is read as rows. A row takes some 180 bytes, however short its line is (8 million lines of one
/// letter took 1.4 GB): so many rows take less than 200 MB.
pub(crate) const ROW_LINES_MAX: usize = 1 << 20;

/// Between the request to end (SIGTERM) and the force (SIGKILL), when nothing else is said.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long output is still read after the command has ended: what it wrote itself is in the pipe by then, so
/// this is for the last words of its children, who may keep the pipe open for ever.
pub const LINGER: Duration = Duration::from_millis(250);

/// How long the end of a killed process is waited for. One that is stuck in the kernel (a dead network file
/// system) does not end, and must not take its caller along.
pub(crate) const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// How long `ssh -G` may take for a host: it reads files, and may run what `Match exec` names.
pub(crate) const CONFIG_PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may take to come about when neither the user nor `ssh_config` says: one lost SYN is sent
/// again after 1 s, a second one after 3 s more.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two signs of life that are asked for when `ssh_config` says nothing: with three of them unanswered a dead
/// machine is noticed within a minute.
pub(crate) const ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How long a server that took the connection may take for its part of a handshake when nobody says: `sshd` itself gives
/// up after 120 s, and whoever takes this long is not worth waiting for. Likewise for letting us in.
pub(crate) const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(30);

/// How long the agent may take to tell which keys it holds; it needs neither network nor user for that. Signing may wait
/// for the user, as long as the server does.
pub(crate) const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// How much of a server's first words is kept, to tell what is no SSH server: the length of a line of RFC 4253.
pub(crate) const GREETING_MAX: usize = 255;

/// A host that has not taken the connection by then waits for it outside of the gate.
pub(crate) const QUICK_CONNECT: Duration = Duration::from_millis(300);

/// A server that has not said its first word by then is waited for outside of the gate: a busy one does within a second.
pub(crate) const QUICK_WORD: Duration = Duration::from_secs(2);

/// Tries at a server that hangs up at once, and the pause before the second one; it doubles each time, to some
/// thirty seconds in all.
pub(crate) const TRIES_MAX: u32 = 8;
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// How long output is still read after the end of a remote command is known: what it left in the background may hold
/// its output open for ever.
pub(crate) const REMOTE_LINGER: Duration = Duration::from_secs(1);

/// And how long in all, when something does come: what was under way when the command ended fills a window of two
/// megabytes, and a slow line takes its time for that; what is left in the background may print for ever.
pub(crate) const REMOTE_LINGER_MAX: Duration = Duration::from_secs(30);

/// How long a server may take to say whether it runs a command: it only starts a process, and does not wait for it.
pub(crate) const EXEC_PATIENCE: Duration = Duration::from_secs(30);

/// For each step of ending a remote command: a signal, and the look whether it helped.
pub(crate) const REMOTE_END_PATIENCE: Duration = Duration::from_secs(5);

/// What the system's `ssh`, and the shell over there, may say before the command begins.
pub(crate) const SYSTEM_WORDS_BYTES_MAX: usize = 16 * 1024;

/// How long `sudo` over there may take before it starts the command or asks for a password: it asks directories of users
/// and names over the network, whose own patience is half a minute, and waits some seconds after a wrong password.
pub(crate) const SUDO_PATIENCE: Duration = Duration::from_secs(60);

/// What `sudo`, and the shell that starts it, may say before.
pub(crate) const SUDO_WORDS_BYTES_MAX: usize = 16 * 1024;

/// Channels of one connection that wait for the answer of a port at once, at first and at most. It grows with answers,
/// as a window of TCP does: so many keep a way of 20 ms busy, and are no flood where there are no answers.
pub(crate) const FORWARD_WINDOW_FIRST: usize = 64;
pub(crate) const FORWARD_WINDOW_MAX: usize = 512;

/// Below so many under way a server has no reason to lack anything: then it is not for us that it does.
pub(crate) const FORWARD_WINDOW_MIN: usize = 16;

/// Channels of one connection under way, those that nobody answered included: a server cannot be told to give them up,
/// each holds one of its open files for some two minutes, and it seldom has more than 1,024 of them.
pub(crate) const FORWARD_STUCK_MAX: usize = 800;

/// Connections to one server at the same time, where most ports are silent: fewer than it lets knock at once.
pub(crate) const FORWARD_CONNECTIONS_MAX: usize = 4;

/// A probe without an answer after this time no longer keeps others from being sent.
pub(crate) const FORWARD_SLOW: Duration = Duration::from_millis(250);

/// Tries at a port for which the server lacks what it takes, and the pause between them.
pub(crate) const FORWARD_TRIES_MAX: u8 = 3;
pub(crate) const FORWARD_PAUSE: Duration = Duration::from_millis(100);

/// Connections in a row that break without an answer before the rest is given up.
pub(crate) const FORWARD_BREAKS_MAX: u32 = 3;

/// How long a server that is asked for ports may take to answer anything at all: beyond, it is gone, and nothing that was
/// not answered is silence.
pub(crate) const FORWARD_ALIVE: Duration = Duration::from_secs(10);

/// How long a machine may take to receive a program of ours and to start it once: some forty megabytes over a slow line.
pub(crate) const LEND_PATIENCE: Duration = Duration::from_secs(300);

/// How long it may take to remove it.
pub(crate) const LEND_TAKE_BACK_PATIENCE: Duration = Duration::from_secs(5);

/// What a shell may say before its first line ends.
pub(crate) const LEND_WORDS_BYTES_MAX: usize = 16 * 1024;
/// How long a file server may say nothing at all while it is asked something: a disk that wakes up takes seconds, and a
/// slow line still brings an answer now and then.
pub(crate) const SFTP_PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to bring a file to its disk: a slow disk behind a cache of gigabytes takes minutes.
pub(crate) const SYNC_PATIENCE: Duration = Duration::from_secs(600);

/// Of a file in one request, where the server tells its own limits; what every server must take, where it does not
/// (draft-ietf-secsh-filexfer-02, section 3).
pub(crate) const COPY_PIECE_BYTES: u32 = 128 * 1024;
pub(crate) const COPY_PIECE_BYTES_SAFE: u32 = 32 * 1024;

/// Pieces under way to or from one host: two megabytes, what a line of 100 Mbit/s and 160 ms holds.
pub(crate) const COPY_WINDOW: usize = 16;

/// Bytes of pieces under way to all hosts together, beside one for each file.
pub(crate) const COPY_BUDGET_BYTES: usize = 64 << 20;

/// Files under way at once with one host: small ones are mostly waiting.
pub(crate) const COPY_FILES: usize = 8;

/// Up to this size it is as quick to read a file back as to run a command that reads it.
pub(crate) const READ_BACK_BYTES_MAX: u64 = 1 << 20;

/// Checksum commands at once on one connection: servers allow ten sessions (`MaxSessions`).
pub(crate) const PROOFS: usize = 2;

/// The slowest disk that a checksum command is waited for, in bytes a second.
pub(crate) const PROOF_BYTES_PER_S: u64 = 4 << 20;

/// Entries of one directory that are believed.
pub(crate) const ENTRIES_MAX: usize = 1_000_000;

/// Longest path, as Linux has it (`PATH_MAX`); it also ends a tree that has no bottom.
pub(crate) const PATH_BYTES_MAX: usize = 4096;

/// Longest name (`NAME_MAX`).
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// How long removing a half-written file may take when the copy ends early.
pub(crate) const CLEAN_PATIENCE: Duration = Duration::from_secs(5);
