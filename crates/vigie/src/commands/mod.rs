//! One file for each command: `XArgs`, whose comments are the help, and `run`.

pub(crate) mod agent;
pub(crate) mod cast;
pub(crate) mod cat;
pub(crate) mod copy;
pub(crate) mod drain;
pub(crate) mod echo;
pub(crate) mod flush;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod hub;
pub(crate) mod inspect;
pub(crate) mod invite;
pub(crate) mod ip;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod meter;
pub(crate) mod ports;
pub(crate) mod repeat;
pub(crate) mod restore;
pub(crate) mod role;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod verify;
pub(crate) mod watch;
