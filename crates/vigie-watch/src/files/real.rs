//! The file system of this machine.

use super::{Dir, FileHandle, Files};
use std::io;
use vigie_model::BytePath;

/// The file system of this machine.
#[derive(Debug, Default)]
pub struct RealFiles {}

impl RealFiles {
    /// Opens nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Files for RealFiles {
    fn open_root(&self, _path: &BytePath) -> io::Result<Box<dyn Dir>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn open_dir(&self, _root: &BytePath, _below: &[u8]) -> io::Result<Box<dyn Dir>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn open_file(&self, _root: &BytePath, _below: &[u8]) -> io::Result<Box<dyn FileHandle>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn ripple(&self, _dir: &BytePath, _name: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn mount_points(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}
