//! Every bound of the meter's reader, in one place, each with its reason.

use std::time::Duration;

/// Longest body of a group, from behind LF to before CR. The longest of the specification is `PPOINTE` with its 98
/// characters, 7 of label and 3 of separators and checksum; a group with a time has 14 more.
pub const GROUP_BYTES: usize = 160;

/// Longest label: `SMAXSN1-1`.
pub const LABEL_BYTES: usize = 9;

/// Groups of one frame. A full standard frame of a three-phase producer has about 70.
pub const FRAME_GROUPS: usize = 128;

/// Damaged groups that a frame tells one by one; more are only counted.
pub const FRAME_FAULTS: usize = 64;

/// Valid groups until a way to read the line counts as found: noise makes one in 64 right by chance, if at all.
pub const GROUPS_TO_LOCK: u32 = 3;

/// How long one speed is tried: two historic frames of 1.4 s and the pause between, whatever the beginning.
pub const TRY_SPEED: Duration = Duration::from_secs(5);

/// Silence after which something is wrong: a meter sends a frame every one or two seconds.
pub const SILENCE: Duration = Duration::from_secs(10);

/// How often a jump of a counter must be seen before it is believed.
pub const JUMP_SIGHTINGS: u32 = 3;

/// What a counter may grow beyond what the power allows, in watt-hours: counters have whole watt-hours, and frames do not
/// come at even times.
pub const COUNTER_SLACK_WH: u64 = 20;

/// The largest power of the connections that these meters serve, in VA (36 kVA, "tarif bleu").
pub const CONNECTION_VA: u64 = 36_000;

/// Read from the device at a time: a tenth of a second at 9600 baud is 96 bytes.
pub(crate) const PIECE_BYTES: usize = 1024;

/// How often it is looked whether the line is silent or its speed wrong.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// Between two attempts to open a device that has gone: a USB adapter takes a second or two to come back.
pub const REOPEN: Duration = Duration::from_secs(1);

/// Age at which values are no longer shown to Prometheus: five of its usual questions would have seen a newer one.
pub const STALE: Duration = Duration::from_secs(60);

/// Clients of the metrics at the same time; more wait.
pub(crate) const METRICS_CLIENTS: usize = 32;

/// How long a client of the metrics may take to ask.
pub(crate) const METRICS_PATIENCE: Duration = Duration::from_secs(5);

/// How long one connection lasts at most, so that a slow reader frees its place.
pub(crate) const METRICS_CONNECTION: Duration = Duration::from_secs(120);

/// Longest file of credentials.
pub(crate) const SECRET_BYTES: u64 = 4096;

/// A file of the spool: small enough to be read at once.
pub(crate) const SEGMENT_BYTES: u64 = 1024 * 1024;

/// All files of one sink's spool. A frame is about 1 KiB, so this is a week of the fastest meter.
pub const SPOOL_BYTES: u64 = 512 * 1024 * 1024;

/// Records that one attempt sends: a few seconds' worth normally, and few attempts after a long outage.
pub(crate) const BATCH: usize = 200;

/// Frames that wait for a sink in memory while it works; more go to its spool.
pub(crate) const WAITING: usize = 256;

/// How long a sink may take for one batch before it counts as down.
pub(crate) const SINK_PATIENCE: Duration = Duration::from_secs(10);

/// Between two attempts to reach a sink that is down, at first and at most.
pub(crate) const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// At the end: how long the last frames may take to reach their sink before they go to its spool.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(3);

/// Longest answer of a database that is read: an error's text.
pub(crate) const ANSWER_BYTES: usize = 16 * 1024;

/// Largest message to a broker: a frame of JSON with every label of a producer is about 8 KiB.
pub(crate) const MQTT_BYTES: usize = 64 * 1024;

/// Requests to a broker that wait for the connection.
pub(crate) const MQTT_QUEUE: usize = 64;

/// How long one attempt to send waits for a connection that is being made.
pub(crate) const MQTT_CONNECT: Duration = Duration::from_secs(3);

/// Messages to a broker in one attempt: each waits for its answer, and a far broker takes a good part of a second for one.
pub(crate) const MQTT_BATCH: usize = 16;
