//! How the API says no.

use serde::{Deserialize, Serialize};

/// What kind of refusal it is. The kind, not the status, is what a client decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The question itself is wrong.
    Usage,
    /// Asked from where nobody may ask: a web page, or another host's name.
    Forbidden,
    /// No such machine, path or address of the API.
    NotFound,
    /// It cannot be known: the instant lies before the first record, or nothing is recorded there and
    /// changes may be missing.
    Inconclusive,
    /// A directory where a file is needed, a file that never had content, and the like.
    WrongType,
    /// A block is missing or does not match its digest.
    Damaged,
    /// The hub cannot answer now: it is stopping, or its disk failed.
    Unavailable,
    /// This part of Vigie does not answer that: an agent was asked for what only a hub has.
    Unsupported,
    /// A fault of the program or of its disk.
    Internal,
    /// A kind that only a newer hub knows.
    #[serde(other)]
    Unknown,
}

impl ErrorKind {
    /// The HTTP status that goes with it.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorKind::Usage => 400,
            ErrorKind::Forbidden => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Inconclusive | ErrorKind::WrongType => 409,
            ErrorKind::Unavailable => 503,
            ErrorKind::Unsupported => 501,
            ErrorKind::Damaged | ErrorKind::Internal | ErrorKind::Unknown => 500,
        }
    }
}

/// A refusal, in an answer of its own or as the last line of a stream that had to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of refusal.
    pub kind: ErrorKind,
    /// What went wrong, for people.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ApiError {
    /// A refusal without a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ApiError { kind, message: message.into(), hint: None }
    }

    /// The same refusal with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A refusal as it stands in a body: `{"error": {...}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The refusal.
    pub error: ApiError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_the_documented_one() {
        let body = ErrorBody { error: ApiError::new(ErrorKind::Inconclusive, "too early").hint("ask later") };
        let json = serde_json::to_string(&body).unwrap();
        assert_eq!(json, r#"{"error":{"kind":"inconclusive","message":"too early","hint":"ask later"}}"#);
        let newer = r#"{"error":{"kind":"tea-time","message":"no","more":1}}"#;
        assert_eq!(serde_json::from_str::<ErrorBody>(newer).unwrap().error.kind, ErrorKind::Unknown);
    }
}
