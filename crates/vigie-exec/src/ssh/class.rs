//! How it went with a host, in one word, and whether it may be tried again.

/// In one word. Up to [`Class::SudoDenied`] the command has certainly not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The configuration for it cannot be had: `ssh -G` refuses it.
    Config,
    /// Its name has no address.
    Resolve,
    /// Nobody listens there.
    Refused,
    /// It does not answer.
    ConnectTimeout,
    /// There is no way to it.
    Unreachable,
    /// It hangs up before it says who it is: too many are knocking.
    Throttled,
    /// No common algorithms, or a handshake that makes no sense.
    Handshake,
    /// Its key is not known, and may not be accepted.
    HostKeyUnknown,
    /// Its key is another than the known one.
    HostKeyChanged,
    /// Its key is revoked.
    HostKeyRevoked,
    /// It does not let us in.
    Auth,
    /// It lets us in, and opens no session or forwards nothing.
    Prohibited,
    /// It has no `sudo`.
    SudoMissing,
    /// Its `sudo` wants a password that we do not have, or does not take ours.
    SudoPassword,
    /// Its `sudo` runs nothing for this user.
    SudoDenied,
    /// It did not start the command.
    ExecFailed,
    /// Exit code 0.
    Ok,
    /// Another exit code.
    Exit,
    /// A signal ended it.
    Signal,
    /// Its time was over, and it was ended.
    TimedOut,
    /// Its time was over, and nothing tells that it has ended.
    MaybeRunning,
    /// The connection, or the end of the command, got lost. What it did is not known.
    Lost,
    /// We were interrupted, and it was ended.
    Stopped,
}

impl Class {
    /// Its name for scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Config => "config",
            Class::Resolve => "resolve",
            Class::Refused => "refused",
            Class::ConnectTimeout => "connect-timeout",
            Class::Unreachable => "unreachable",
            Class::Throttled => "throttled",
            Class::Handshake => "handshake",
            Class::HostKeyUnknown => "hostkey-unknown",
            Class::HostKeyChanged => "hostkey-changed",
            Class::HostKeyRevoked => "hostkey-revoked",
            Class::Auth => "auth",
            Class::Prohibited => "prohibited",
            Class::SudoMissing => "sudo-missing",
            Class::SudoPassword => "sudo-password",
            Class::SudoDenied => "sudo-denied",
            Class::ExecFailed => "exec-failed",
            Class::Ok => "ok",
            Class::Exit => "exit",
            Class::Signal => "signal",
            Class::TimedOut => "timeout",
            Class::MaybeRunning => "maybe-running",
            Class::Lost => "lost",
            Class::Stopped => "stopped",
        }
    }

    /// Whether the command has an end that is known, whatever it is.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Class::Ok | Class::Exit | Class::Signal)
    }

    /// Whether nothing was started and another try may go better.
    #[must_use]
    pub fn may_be_retried(self) -> bool {
        matches!(self, Class::Throttled)
    }
}

/// Why there is no end to tell of: the class, and what a person should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failed {
    /// In one word.
    pub class: Class,
    /// In a sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Failed {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Failed { class, message: message.into(), hint: None }
    }

    /// The user ended it before anything was begun.
    #[must_use]
    pub fn stopped() -> Self {
        Failed::new(Class::Stopped, "stopped before it was begun")
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What happened, with what to do on a line of its own.
    pub(crate) fn told(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}\nhint: {hint}", self.message),
            None => self.message.clone(),
        }
    }
}
