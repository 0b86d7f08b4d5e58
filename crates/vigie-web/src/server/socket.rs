//! Places to listen: a Unix socket of one's own, and loopback TCP.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// Longest path of a socket address, without its closing NUL (`unix(7)`: 108 bytes).
const SUN_PATH_BYTES_MAX: usize = 107;

/// Why the API cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process answers on this socket.
    #[error("another process already answers on {0}")]
    InUse(PathBuf),
    /// Something that is not a socket has the socket's name.
    #[error("{0} exists and is not a socket")]
    NotASocket(PathBuf),
    /// The socket could not be made.
    #[error("cannot listen on {path}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The API has no authentication, so it is not offered to other hosts.
    #[error("{0} is not a loopback address, and the API has no authentication")]
    NotLoopback(SocketAddr),
    /// The address could not be had.
    #[error("cannot listen on {address}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A path that fits into a socket address: a long one is reached through `/proc/self/fd`.
#[derive(Debug)]
pub struct ShortPath {
    path: PathBuf,
    /// Keeps the number in `path` meaning that directory.
    _directory: Option<std::fs::File>,
}

impl ShortPath {
    /// Takes any path; opens its directory when the path is too long.
    pub fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().as_bytes().len() <= SUN_PATH_BYTES_MAX {
            return Ok(ShortPath { path: path.to_owned(), _directory: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let directory = std::fs::File::open(parent)?;
        let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
        Ok(ShortPath { path: short, _directory: Some(directory) })
    }

    /// The path to give to the kernel.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A listening Unix socket whose file goes when this goes.
#[derive(Debug)]
pub(super) struct OwnSocket {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

/// The file of a socket; removed on drop.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "the socket's file was gone already");
        }
    }
}

impl OwnSocket {
    /// Listens at `path` with mode 0600. A socket that a dead process left is replaced; a live one is not.
    pub(super) async fn bind(path: &Path) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Socket { path: path.to_owned(), source };
        refuse_living(path).await?;
        // Made under another name and moved into place once its mode is right: at no moment can anyone
        // else connect, and the dead socket is replaced in one step.
        let fresh = path.with_extension("sock-new");
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let short = ShortPath::new(&fresh).map_err(failed)?;
        let listener = UnixListener::bind(short.path()).map_err(failed)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        std::fs::rename(&fresh, path).map_err(failed)?;
        Ok(OwnSocket { listener, file: SocketFile(path.to_owned()) })
    }
}

async fn refuse_living(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Socket { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(meta) if !meta.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    let short = ShortPath::new(path).map_err(failed)?;
    match UnixStream::connect(short.path()).await {
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Listens on a loopback address; port 0 takes any that is free.
pub(super) async fn bind_loopback(address: SocketAddr) -> Result<TcpListener, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| ListenError::Tcp { address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        drop(UnixListener::bind(&path).unwrap());
        let own = OwnSocket::bind(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(OwnSocket::bind(&path).await, Err(ListenError::InUse(_))));
        drop(own);
        assert!(!path.exists());
        std::fs::write(&path, b"precious").unwrap();
        assert!(matches!(OwnSocket::bind(&path).await, Err(ListenError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn a_path_longer_than_a_socket_address_works() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("api.sock");
        let _own = OwnSocket::bind(&path).await.unwrap();
        let short = ShortPath::new(&path).unwrap();
        UnixStream::connect(short.path()).await.unwrap();
    }

    #[tokio::test]
    async fn other_hosts_are_never_listened_to() {
        for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let refused = bind_loopback(open.parse().unwrap()).await;
            assert!(matches!(refused, Err(ListenError::NotLoopback(_))), "{open} was taken");
        }
        bind_loopback("127.0.0.1:0".parse().unwrap()).await.unwrap();
    }
}
