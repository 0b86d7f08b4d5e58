//! Who is principal. The first member of a group that connects to the authority is `principal`, the others are
//! `secondaire`; when the principal goes, the next in line is promoted. Every grant has an epoch, durable before it is
//! sent and larger than any before, with which whoever is written to can refuse a principal of former times.
//!
//! The engine is pure: what happened goes in with the time, what is to be done comes out. Beside it stand the few
//! modules that do I/O: the plain line protocol, the fence and the file of an epoch.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`words`] roles, causes, modes, names, settings ·
//! [`message`] what members and authority tell each other ·
//! [`lease`] who counts from when · [`notice`] their messages as bytes ·
//! [`group`] the authority's side of one group · [`authority`] all groups ·
//! [`hooks`] which command runs when · [`member`] a member's side ·
//! [`clock`] the clock that leases are measured on ·
//! [`epoch_file`] an epoch on disk · [`fence`](mod@fence) the test that refuses old epochs ·
//! [`plain`] roles as lines of text over TCP.
//!
//! ```
//! use std::time::Duration;
//! use vigie_role::group::{Action, Group};
//! use vigie_role::message::{FromMember, Join, ToMember};
//! use vigie_role::words::{BootId, Conn, Settings, Stamp};
//!
//! let now = Duration::from_secs(1);
//! let mut group = Group::new(Settings::default());
//! let join = FromMember::Join(Join {
//!     boot: BootId(7), priority: 0, nofailover: false, renews: true, holding: None, stamp: Stamp(now),
//! });
//! // The first member: its epoch must be durable before anything is granted.
//! let actions = group.heard(now, &"web01", Conn(1), join);
//! let [Action::Persist(opening)] = &actions[..] else { panic!("{actions:?}") };
//! let actions = group.persisted(now, opening.epoch);
//! assert!(matches!(actions[0], Action::Send { to: "web01", message: ToMember::Granted(_), .. }));
//! ```

pub mod authority;
pub mod clock;
pub mod epoch_file;
pub mod fence;
pub mod group;
pub mod hooks;
pub mod lease;
pub mod limits;
pub mod member;
pub mod message;
pub mod notice;
pub mod plain;
pub mod words;

pub use authority::Authority;
pub use clock::BootClock;
pub use fence::{FenceError, Fenced, fence};
pub use group::{Action, Group};
pub use hooks::{HookCall, HookError, HookRunner};
pub use member::{Member, MemberAction, Wish};
pub use message::{FromMember, ToMember};
pub use words::{BootId, Cause, Conn, GroupName, Mode, Role, Settings};
