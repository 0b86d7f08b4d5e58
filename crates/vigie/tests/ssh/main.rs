//! Commands on other machines, over SSH: real OpenSSH servers on loopback addresses, and `ssh` itself as the judge
//! of which keys are to be trusted. Needs root, for servers of its own.
//!
//! [`server`] an `sshd` of a test's own · [`trust`], [`known_files`] which keys are trusted · [`letting_in`] keys and names of no use · [`running`] how commands end · [`sudo`] as root · [`system`] through the system's `ssh` ·
//! [`many`] many hosts, and hosts in between · [`parity`] configurations · [`copying`] files there and back ·
//! [`copying_badly`] copies that fail, and servers that lie · [`pretenders`] servers of our own that do not behave ·
//! [`hostile`] what is none, and what is no name of one · [`hangs`] nobody is waited for for ever · [`dropbear`] that server · [`terminal`] a program at a
//! terminal · [`interrupted`] Ctrl-C · [`exercises`] those of the page.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod copying;
mod copying_badly;
mod dropbear;
mod exercises;
mod hangs;
mod hostile;
mod interrupted;
mod known_files;
mod letting_in;
mod many;
mod parity;
mod pretenders;
mod running;
mod server;
mod sudo;
mod system;
mod terminal;
mod trust;
