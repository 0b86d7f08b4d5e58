//! How it went with a file, in one word.

use crate::ssh::class::Class;
use crate::ssh::sftp::SftpError;
use std::io;

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CopyClass {
    /// It arrived, whole.
    Ok,
    /// Of a host: some files did not arrive.
    Some,
    /// Permission was denied.
    Denied,
    /// It, or the directory for it, is not there.
    NotFound,
    /// What has its name already cannot be replaced by it: a directory by a file, or the other way round.
    InTheWay,
    /// The disk is full.
    NoSpace,
    /// It is nothing that is copied: a directory without `-r`, a device, a name that is no text.
    NotCopied,
    /// A name, or a link, that leads out of where it is to arrive.
    LeadsOut,
    /// It changed while it was read.
    Changed,
    /// What arrived is not what was sent.
    Mismatch,
    /// Anything else that went wrong with it.
    Failed,
    /// As with a command on that host: it was not reached, got lost, was stopped, took too long.
    Host(Class),
}

impl CopyClass {
    /// Its name for scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CopyClass::Ok => "ok",
            CopyClass::Some => "some-failed",
            CopyClass::Denied => "denied",
            CopyClass::NotFound => "not-found",
            CopyClass::InTheWay => "in-the-way",
            CopyClass::NoSpace => "no-space",
            CopyClass::NotCopied => "not-copied",
            CopyClass::LeadsOut => "leads-out",
            CopyClass::Changed => "changed",
            CopyClass::Mismatch => "mismatch",
            CopyClass::Failed => "failed",
            CopyClass::Host(class) => class.as_str(),
        }
    }

    /// Whether other files of this host will go no better.
    pub(crate) fn ends_all(self) -> bool {
        matches!(self, CopyClass::Host(_))
    }
}

/// What went wrong, and what a person should know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) class: CopyClass,
    pub(crate) message: String,
}

impl Trouble {
    pub(crate) fn new(class: CopyClass, message: impl Into<String>) -> Self {
        Trouble { class, message: message.into() }
    }

    pub(crate) fn host(class: Class, message: impl Into<String>) -> Self {
        Trouble::new(CopyClass::Host(class), message)
    }

    /// Something over there failed.
    pub(crate) fn there(act: &str, error: &SftpError) -> Self {
        let class = match error {
            SftpError::NotFound => CopyClass::NotFound,
            SftpError::Denied => CopyClass::Denied,
            SftpError::Unsupported | SftpError::Refused(_) => CopyClass::Failed,
            SftpError::Lost(_) => CopyClass::Host(Class::Lost),
        };
        Trouble::new(class, format!("cannot {act}: {error}"))
    }

    /// Something here failed.
    pub(crate) fn here(act: &str, error: &io::Error) -> Self {
        let class = match error.kind() {
            io::ErrorKind::NotFound => CopyClass::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => CopyClass::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => CopyClass::NoSpace,
            io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => CopyClass::InTheWay,
            _ => CopyClass::Failed,
        };
        Trouble::new(class, format!("cannot {act} here: {error}"))
    }

    /// Adds what else is to be said of it.
    pub(crate) fn adding(mut self, text: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(text);
        self
    }
}
