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
