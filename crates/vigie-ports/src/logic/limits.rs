//! Every bound and pace of the logic, each with its reason.

use std::time::Duration;

/// The wait for an answer before anything is known of a target: RFC 6298 says one second.
pub(crate) const RTO_FIRST: Duration = Duration::from_secs(1);

/// What is waited beyond the usual round trip, at the least: below it a busy machine, here or there, would take its own
/// delays for lost packets. (RFC 6298 has a shortest wait instead, which a long round trip leaves no room above.)
pub(crate) const RTO_SLACK: Duration = Duration::from_millis(100);

/// The longest wait. What takes longer is beyond every path that people scan through.
pub(crate) const RTO_MAX: Duration = Duration::from_secs(3);

/// The kernel repeats a SYN after a second: an answer that comes later may be to either of them.
pub(crate) const REPEATED_BY_KERNEL: Duration = Duration::from_secs(1);

/// How long an attempt is kept open beyond its timeout once answers are known to be quicker: below the second after
/// which the kernel would repeat it by itself, unpaced.
pub(crate) const HOLD_MAX: Duration = Duration::from_millis(950);

/// How long, before anything was heard. A neighbour that is not there is given up after three seconds, by this
/// machine or by the last router; a busy machine may be more than a second late with that.
pub(crate) const HOLD_BLIND: Duration = Duration::from_secs(5);

/// Pace towards targets of which nothing was heard, all of them together, on the same link.
pub(crate) const BLIND_RATE_ON_LINK: f64 = 10_000.0;

/// The same through a router, whose tables others use too.
pub(crate) const BLIND_RATE_ROUTED: f64 = 2_000.0;

/// The slowest pace that losses may bring about.
pub(crate) const RATE_MIN: f64 = 20.0;

/// The fastest pace towards one target: beyond what one machine can send.
pub(crate) const RATE_MAX: f64 = 400_000.0;

/// What a pace may catch up on after the sender slept: more would be a burst, less would lose pace to every wake-up.
pub(crate) const CATCH_UP: Duration = Duration::from_millis(4);

/// Canaries that must be heard before the pace grows.
pub(crate) const CLEAN_CANARIES: u32 = 8;

/// Loss that is borne without slowing down, unless there is less of it at a lower pace. Two ways at five percent each
/// lose 9.75 %.
pub(crate) const LOSS_BORNE: f64 = 0.12;

/// The same where it is known that the pace was too high for a limit in the way.
pub(crate) const LOSS_BORNE_LIMITED: f64 = 0.05;

/// Canaries, at least, to tell whether a lower pace helped.
pub(crate) const CANARIES_TO_COMPARE: u32 = 24;

/// Canaries a second that are sent at any pace, so that a slow scan also learns quickly.
pub(crate) const CANARIES_PER_SECOND: f64 = 12.0;

/// Above this share, loss is taken for a limit in the way whatever else it looks like.
pub(crate) const LOSS_LIMIT: f64 = 0.6;

/// How much faster, a second, a limited pace becomes while nothing is lost, at first; twice that after every
/// [`GROWTH_DOUBLES`] without loss, as what was in the way may be gone.
pub(crate) const GROWTH_FIRST: f64 = 0.03;

/// See [`GROWTH_FIRST`].
pub(crate) const GROWTH_DOUBLES: Duration = Duration::from_secs(2);

/// At most so much faster a second.
pub(crate) const GROWTH_MAX: f64 = 0.5;

/// Canaries that counted as lost and may still turn up: twice what one pace counts.
pub(crate) const MISSED_KEPT: usize = 512;

/// Canaries of one pace before its count begins anew.
pub(crate) const CANARIES_COUNTED: u32 = 256;

/// The chance that is left that any port was missed.
pub(crate) const DOUBT: f64 = 1e-4;

/// With none lost, so many canaries must have been heard before loss counts as one in that many.
pub(crate) const CANARIES_MIN: u32 = 200;

/// Canaries of every repetition, at least: three repetitions then pass [`CANARIES_MIN`].
pub(crate) const CANARIES_PER_PASS: u32 = 72;

/// Silent ports to one canary where there are many: three passes over all ports then leave less doubt than
/// [`DOUBT`].
pub(crate) const SILENT_PER_CANARY: u32 = 150;

/// Probes to one canary in the first pass, which seldom needs them for more than its pace.
pub(crate) const PROBES_PER_CANARY: f64 = 64.0;

/// The same while the pace is still being looked for.
pub(crate) const PROBES_PER_CANARY_AT_FIRST: f64 = 8.0;

/// Ports known to answer that take turns as canaries.
pub(crate) const CANARIES_KEPT: usize = 64;

/// Passes over a target that never answered.
pub(crate) const PASSES_BLIND: u32 = 2;

/// Passes at most. At a loss of a third both ways, sixteen leave a doubt of 10⁻³ for all ports together.
pub(crate) const PASSES_MAX: u32 = 16;

/// Canaries lost in a row, none heard for [`CONTACT_LOST`], before the target counts as gone.
pub(crate) const CONTACT_CANARIES: u32 = 30;

/// See [`CONTACT_CANARIES`].
pub(crate) const CONTACT_LOST: Duration = Duration::from_secs(10);

/// Where ICMP errors were seen: silent ports that are asked again one by one. Hosts send one such error a second to
/// each peer (`net.ipv4.icmp_ratelimit`), so that silence may only be thrift.
pub(crate) const PATIENT_PORTS_MAX: u32 = 16;

/// The pace of that: slower than one a second.
pub(crate) const PATIENT_RATE: f64 = 0.9;

/// How long a scan bears that this machine lacks sockets or memory, without a single probe getting out.
pub(crate) const NO_RESOURCES_MAX: Duration = Duration::from_secs(20);

/// How often a probe is tried that this machine's own packet filter drops. A table of connections that is full has
/// room again within moments; a rule stays.
pub(crate) const REFUSED_TRIES: u32 = 10;

/// How long until the second try; each further one waits twice as long, up to [`REFUSED_AGAIN_MAX`]: six seconds for
/// all of them.
pub(crate) const REFUSED_AGAIN: Duration = Duration::from_millis(100);

/// See [`REFUSED_AGAIN`].
pub(crate) const REFUSED_AGAIN_MAX: Duration = Duration::from_secs(1);

/// Ports refused for good, with no probe of this target ever let out, before all its ports count as refused.
pub(crate) const REFUSED_PORTS: u32 = 64;

/// Targets in work at the same time: enough that their waits overlap, few enough for memory.
pub(crate) const TARGETS_MAX: usize = 512;

/// Ports in work at the same time, over all targets: bounds memory where every target has all 65,536.
pub(crate) const CELLS_MAX: usize = 2_000_000;

/// Probes of one target in a row, before the next target has its turn.
pub(crate) const TURN: usize = 32;
