//! The serial line, or a recording of one.
//!
//! The line is read as eight data bits without parity: at 7E1 the eighth bit *is* the parity, and is checked in software. That
//! works on every UART, also on those that know no parity (the small one of a Raspberry Pi).

use crate::tic::Mode;
use rustix::fs::{FlockOperation, Mode as FileMode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, isatty, tcflush,
    tcgetattr, tcsetattr,
};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, Interest};

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The device.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another program reads it.
    #[error("{} is busy: another program has it", path.display())]
    Busy {
        /// The device.
        path: PathBuf,
    },
    /// It is neither a terminal nor a file.
    #[error("{} is neither a serial line nor a recording of one", path.display())]
    NoLine {
        /// What was named.
        path: PathBuf,
    },
    /// Its speed and form cannot be set.
    #[error("cannot set {} to {baud} baud: {source}", path.display())]
    Setup {
        /// The device.
        path: PathBuf,
        /// The speed.
        baud: u32,
        /// What the system said.
        source: io::Error,
    },
}

impl DeviceError {
    /// Whether it may go away by itself.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, DeviceError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the user may not open it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, DeviceError::Open { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// An open line.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    from: From,
}

#[derive(Debug)]
enum From {
    Line(AsyncFd<OwnedFd>),
    Recording(tokio::fs::File),
}

impl Device {
    /// Opens a terminal for this program alone and sets its speed, or a regular file that was recorded from one.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn open(path: &Path, mode: Mode) -> Result<Self, DeviceError> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let read_only = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match open(path, flags, FileMode::empty()) {
            // A recording may be read-only.
            Err(Errno::ACCESS | Errno::ROFS) => open(path, read_only, FileMode::empty()),
            other => other,
        };
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::BUSY) => return Err(DeviceError::Busy { path: path.to_owned() }),
            Err(error) => return Err(DeviceError::Open { path: path.to_owned(), source: error.into() }),
        };
        if !isatty(&fd) {
            return Device::recording(path, fd);
        }
        claim(path, &fd)?;
        let failed =
            |source: io::Error| DeviceError::Setup { path: path.to_owned(), baud: mode.baud(), source };
        set_up(&fd, mode).map_err(|error| failed(error.into()))?;
        let from = From::Line(readable(fd).map_err(failed)?);
        Ok(Device { path: path.to_owned(), from })
    }

    fn recording(path: &Path, fd: OwnedFd) -> Result<Self, DeviceError> {
        let file = File::from(fd);
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => {
                let from = From::Recording(tokio::fs::File::from_std(file));
                Ok(Device { path: path.to_owned(), from })
            }
            _ => Err(DeviceError::NoLine { path: path.to_owned() }),
        }
    }

    /// Whether it is a recording, which ends.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        matches!(self.from, From::Recording(_))
    }

    /// Sets the speed of a mode; what was received at the old one is thrown away.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_mode(&self, mode: Mode) -> Result<(), DeviceError> {
        let From::Line(line) = &self.from else { return Ok(()) };
        set_up(line.get_ref(), mode).map_err(|error| DeviceError::Setup {
            path: self.path.clone(),
            baud: mode.baud(),
            source: error.into(),
        })
    }

    /// The next bytes; 0 at the end of a recording. May be dropped without losing any.
    ///
    /// # Errors
    /// The line has gone.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.from {
            From::Recording(file) => file.read(buffer).await,
            From::Line(line) => loop {
                let mut ready = line.readable().await?;
                let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut *buffer)?));
                match read {
                    Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(done) => return done,
                    Err(_would_block) => {}
                }
            },
        }
    }
}

/// The line in the runtime.
#[allow(unsafe_code)]
fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` gives the same descriptor every time and is closed by nobody else.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}

/// Takes the line for this program alone: against those who lock it (as `picocom` and `tio` do), and, with TIOCEXCL, against
/// later opens of all but root.
fn claim(path: &Path, fd: &OwnedFd) -> Result<(), DeviceError> {
    match flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(DeviceError::Busy { path: path.to_owned() }),
        // A file system without locks; the second half below still holds.
        Err(error) => tracing::debug!(%error, "cannot lock the device"),
    }
    if let Err(error) = rustix::termios::ioctl_tiocexcl(fd) {
        tracing::debug!(%error, "cannot have the device for this program alone");
    }
    Ok(())
}

fn set_up(fd: &OwnedFd, mode: Mode) -> rustix::io::Result<()> {
    let mut termios: Termios = tcgetattr(fd)?;
    termios.make_raw();
    let control = &mut termios.control_modes;
    control.remove(ControlModes::PARENB | ControlModes::CSTOPB | ControlModes::CSIZE | ControlModes::CRTSCTS);
    control.insert(ControlModes::CS8 | ControlModes::CREAD | ControlModes::CLOCAL);
    termios.input_modes.remove(InputModes::INPCK | InputModes::ISTRIP | InputModes::IXON | InputModes::IXOFF);
    termios.special_codes[SpecialCodeIndex::VMIN] = 1;
    termios.special_codes[SpecialCodeIndex::VTIME] = 0;
    termios.set_speed(mode.baud())?;
    tcsetattr(fd, OptionalActions::Now, &termios)?;
    tcflush(fd, QueueSelector::IFlush)
}
