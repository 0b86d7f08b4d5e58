//! nmap's XML: [`write`](mod@write) ours, so that programs which read nmap's read it, and [`read`] nmap's and ours.
//!
//! Written from the document type definition that nmap installs and from what it prints.

pub mod host;
pub mod read;
pub mod write;

pub use read::{Item, Reader, XmlError};
pub use write::{RunInfo, RunStats, Writer};

#[cfg(test)]
mod tests;
