//! TLS.

pub(crate) mod explain;
