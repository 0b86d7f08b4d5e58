//! Who we are to a sink: from a file that nobody else may read.

use crate::limits;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What proves who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A name and a password.
    Login {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token, as InfluxDB 2 has.
    Token(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::Login { user, .. } => write!(f, "Login({user})"),
            Secret::Token(_) => f.write_str("Token"),
        }
    }
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{} has mode {mode:03o}, so that others can read it: chmod 600 it, and change the password", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It has neither form.
    #[error("{} is neither `USER:PASSWORD` nor `token TOKEN` on one line", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
}

impl Secret {
    /// Reads `USER:PASSWORD` or `token TOKEN`.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        file.take(limits::SECRET_BYTES).read_to_string(&mut text).map_err(failed)?;
        parse(&text).ok_or_else(|| SecretError::Form { path: path.to_owned() })
    }
}

fn parse(text: &str) -> Option<Secret> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.contains(['\n', '\r', '\0']) {
        return None;
    }
    if let Some(token) = text.strip_prefix("token ") {
        return (!token.trim().is_empty()).then(|| Secret::Token(token.trim().to_owned()));
    }
    let (user, password) = text.split_once(':')?;
    (!user.is_empty()).then(|| Secret::Login { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    #[test]
    fn both_forms_are_read_and_others_refused() {
        let login =
            |user: &str, password: &str| Secret::Login { user: user.into(), password: password.into() };
        assert_eq!(parse("me:pass:word\n"), Some(login("me", "pass:word")));
        assert_eq!(parse("token abc=="), Some(Secret::Token("abc==".into())));
        for text in ["", "\n", "me", ":x", "token ", "a:b\nc:d\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert!(!format!("{:?}", login("me", "hidden")).contains("hidden"));
    }

    #[test]
    fn a_secret_that_others_can_read_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write(&path, "me:it").unwrap();
        set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Secret::read(&path), Err(SecretError::Exposed { mode: 0o644, .. })));
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(Secret::read(&path).is_ok());
    }
}
