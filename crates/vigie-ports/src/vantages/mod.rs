//! The same ports from several places: what places saw, what that comes to, and what has changed since. Pure decisions,
//! without a socket: whoever probes, from wherever, hands in states.
//!
//! In reading order: [`sight`] one look at one port from one place, so that looks of all kinds can be compared ·
//! [`verdict`] what several looks come to · [`view`] all ports of a target from all places · [`rows`] those that are to be
//! shown · [`baseline`] how it was, as a file · [`allow`] what may be different, and until when · [`drift`] what has
//! changed.

pub mod allow;
pub mod baseline;
pub mod drift;
pub mod rows;
pub mod sight;
pub mod verdict;
pub mod view;
