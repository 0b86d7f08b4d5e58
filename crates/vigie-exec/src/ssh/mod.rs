//! Commands on other machines, over SSH, in this process.
//!
//! In reading order:
//! [`config`] what the user's own `ssh_config` says of a host ·
//! [`known_hosts`] which keys are known · [`trust`] what is done about others ·
//! [`class`] how it went, in one word ·
//! [`gate`] how many handshakes at once · [`keys`] whom we are · `greeting` what is no SSH server ·
//! [`connect`] a connection, also through others · `overheard` what is said on it besides ·
//! [`session`] one command over it · [`sudo`] the same as root · `system` the same through the system's `ssh` · [`forward`] whether ports answer, as the host there sees them ·
//! [`lend`] this program there, for a while ·
//! [`fleet`] many machines at once · [`fold`] the same output once · [`copy`] files to them and from them, by `sftp`.

pub mod class;
pub mod config;
pub mod connect;
pub mod copy;
pub mod fleet;
pub mod fold;
pub mod forward;
pub mod gate;
mod greeting;
pub mod keys;
pub mod known_hosts;
pub mod lend;
mod overheard;
pub mod session;
mod sftp;
pub mod sudo;
mod system;
pub mod trust;
