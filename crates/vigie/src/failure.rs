//! Errors at the edge: each has a kind, which is an exit code, and where possible a hint.

use std::error::Error;
use std::io::{self, Write};
use vigie_web::client::ClientError;
use vigie_web::messages::{ApiError, ErrorKind};

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it.
    Done,
    /// It found what one hopes not to find.
    Negative,
    /// It could not see, or give, all.
    Partial,
    /// An epoch was refused because it is old.
    Stale,
    /// A command ended with this exit code, and so does whoever ran it.
    Command(u8),
}

impl Outcome {
    /// What the shell is told.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Negative => 1,
            Outcome::Partial => 3,
            // `EX_TEMPFAIL` of sysexits.h, which no other end of a command has.
            Outcome::Stale => 75,
            Outcome::Command(code) => code,
        }
    }

    /// [`Outcome::Partial`] when something is missing.
    pub(crate) fn partial_if(partial: bool) -> Self {
        if partial { Outcome::Partial } else { Outcome::Done }
    }
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Asked in a wrong way.
    Usage,
    /// What was asked for cannot be known.
    Inconclusive,
    /// It did not work.
    Failed,
    /// It did not work, and the hub has a word for why.
    Refused(ErrorKind),
    /// A command could not be run, which must not look like an exit code of its own.
    NotRun,
    /// The user ended it while nothing had been begun: they know, and need no word.
    Interrupted,
    /// The reader of the output has gone, as `head` does: no failure worth a word.
    ReaderGone,
}

/// Why a command ended before its work was done.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// Asked in a wrong way.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure { kind: Kind::Usage, message: message.into(), hint: None }
    }

    /// It did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Failure { kind: Kind::Failed, message: message.into(), hint: None }
    }

    /// What was asked for cannot be known.
    pub(crate) fn inconclusive(message: impl Into<String>) -> Self {
        Failure { kind: Kind::Inconclusive, message: message.into(), hint: None }
    }

    /// The user ended it, before anything was begun.
    pub(crate) fn interrupted() -> Self {
        Failure { kind: Kind::Interrupted, message: "interrupted".to_owned(), hint: None }
    }

    /// Adds what lies behind it, cause by cause.
    #[must_use]
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            if !self.message.ends_with(&text) {
                self.message.push_str(": ");
                self.message.push_str(&text);
            }
            cause = error.source();
        }
        self
    }

    /// Adds what else is to be said of it.
    #[must_use]
    pub(crate) fn adding(mut self, text: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(text);
        self
    }

    /// A failure told by an error and what lies behind it.
    pub(crate) fn of(error: &dyn Error) -> Self {
        let failure = Failure::failed(error.to_string());
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }

    /// Adds advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure as that of a command that could not be run.
    #[must_use]
    pub(crate) fn not_run(mut self) -> Self {
        self.kind = Kind::NotRun;
        self
    }

    /// The same failure as wrong usage: the user can only ask differently.
    #[must_use]
    pub(crate) fn into_usage(mut self) -> Self {
        self.kind = Kind::Usage;
        self
    }

    /// What the shell is told.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::ReaderGone => 0,
            Kind::Usage => 2,
            Kind::Inconclusive => 3,
            Kind::Failed | Kind::Refused(_) => 4,
            // As `timeout(1)` and `env(1)` end when they themselves fail.
            Kind::NotRun => 125,
            // As shells tell that SIGINT ended a program.
            Kind::Interrupted => 130,
        }
    }

    /// What scripts are told.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        let kind = match self.kind {
            Kind::Usage => "usage".into(),
            Kind::Inconclusive => "inconclusive".into(),
            Kind::Failed | Kind::ReaderGone => "failed".into(),
            Kind::NotRun => "not-run".into(),
            Kind::Interrupted => "interrupted".into(),
            Kind::Refused(kind) => serde_json::json!(kind),
        };
        serde_json::json!({"kind": kind, "message": self.message, "hint": self.hint})
    }

    /// Tells people, or scripts, on standard error.
    pub(crate) fn print(&self, json: bool) {
        if matches!(self.kind, Kind::ReaderGone | Kind::Interrupted) {
            return;
        }
        let text = if json {
            serde_json::json!({ "error": self.as_json() }).to_string()
        } else {
            let hint = self.hint.as_ref().map(|h| format!("\nhint: {h}")).unwrap_or_default();
            harmless(&format!("error: {}{hint}", self.message))
        };
        // With standard error gone too, the exit code alone must tell.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// The same text for a terminal: names of users and words of peers in it may hold characters that control one.
fn harmless(text: &str) -> String {
    let is_told = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().fold(String::with_capacity(text.len()), |mut told, c| {
        if is_told(c) {
            told.push(c);
        } else {
            told.extend(c.escape_default());
        }
        told
    })
}

/// Failed output: the reader has gone, or the disk behind it is full.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let mut failure = Failure::failed("cannot write the output").because(&error);
        if error.kind() == io::ErrorKind::BrokenPipe {
            failure.kind = Kind::ReaderGone;
        }
        failure
    }
}

/// A command line that could not be read: what is wrong with it, and as a hint what clap says besides.
impl From<&clap::Error> for Failure {
    fn from(error: &clap::Error) -> Self {
        use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
        if matches!(error.kind(), DisplayHelpOnMissingArgumentOrSubcommand | MissingSubcommand) {
            return Failure::usage("a command, or what it is about, is missing")
                .hint("--help lists what there is");
        }
        let text = error.to_string();
        let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = message.strip_prefix("error: ").unwrap_or(message);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let failure = Failure::usage(words(message));
        match words(rest) {
            hint if hint.is_empty() => failure,
            hint => failure.hint(hint),
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let kind = match error.kind {
            ErrorKind::Usage => Kind::Usage,
            ErrorKind::Inconclusive => Kind::Inconclusive,
            // A word that this version does not know would tell scripts nothing.
            ErrorKind::Unknown => Kind::Failed,
            kind => Kind::Refused(kind),
        };
        Failure { kind, message: error.message, hint: error.hint }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refused) => refused.into(),
            other => Failure::of(&other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_exit_codes_of_the_design() {
        let api = |kind| Failure::from(ApiError::new(kind, "x")).exit_code();
        assert_eq!(api(ErrorKind::NotFound), 4);
        assert_eq!(api(ErrorKind::Usage), 2);
        assert_eq!(api(ErrorKind::Inconclusive), 3);
        assert_eq!(api(ErrorKind::Internal), 4);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(), 0);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit_code(), 4);
        assert_eq!(Failure::interrupted().exit_code(), 130);
        assert_eq!(Outcome::partial_if(true).exit_code(), 3);
        assert_eq!(Outcome::Negative.exit_code(), 1);
    }

    #[test]
    fn scripts_get_the_hubs_own_word() {
        for (kind, word) in [
            (ErrorKind::NotFound, "not-found"),
            (ErrorKind::WrongType, "wrong-type"),
            (ErrorKind::Damaged, "damaged"),
            (ErrorKind::Inconclusive, "inconclusive"),
            (ErrorKind::Unknown, "failed"),
        ] {
            assert_eq!(Failure::from(ApiError::new(kind, "x")).as_json()["kind"], word);
        }
        assert_eq!(Failure::failed("x").as_json()["kind"], "failed");
    }

    #[test]
    fn nothing_in_a_message_controls_the_terminal() {
        let told = harmless("error: `a\u{1b}[2J\r\u{9b}` is no é\n\thint: \\x");
        assert_eq!(told, "error: `a\\u{1b}[2J\\r\\u{9b}` is no é\n\thint: \\x");
    }

    #[test]
    fn causes_are_told_once_each() {
        let inner = io::Error::other("no such device");
        let failure = Failure::failed("cannot read").because(&inner);
        assert_eq!(failure.message, "cannot read: no such device");
    }
}
