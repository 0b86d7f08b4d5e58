//! Where an API is: a Unix socket, or HTTP on loopback.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where an API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket.
    Socket(PathBuf),
    /// `http://HOST:PORT`, with a path in front of the API's own when a proxy wants one.
    Http {
        /// Host and port as typed, and as sent in `Host`.
        authority: String,
        /// What stands before `/api/v1`; empty, or begins with a slash and does not end with one.
        base: String,
    },
}

/// Text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlace {
    /// Only plain HTTP is spoken, on this machine.
    #[error("`{0}`: the API speaks plain http, on the same machine")]
    Scheme(String),
    /// No host, or something after it that is no path.
    #[error("`{0}` is not an address such as http://127.0.0.1:7701")]
    Address(String),
    /// Nothing at all.
    #[error("an empty text names no socket")]
    Empty,
}

impl Place {
    /// What stands before `/api/v1` in the request.
    pub(super) fn base_path(&self) -> &str {
        match self {
            Place::Socket(_) => "",
            Place::Http { base, .. } => base,
        }
    }

    /// What the `Host` header says.
    pub(super) fn host(&self) -> &str {
        match self {
            Place::Socket(_) => "localhost",
            Place::Http { authority, .. } => authority,
        }
    }
}

impl FromStr for Place {
    type Err = BadPlace;

    /// A URL when it has a scheme; an address when it is `HOST:PORT` and nothing else; else the path of a socket,
    /// which may have any name with `./` in front.
    fn from_str(text: &str) -> Result<Self, BadPlace> {
        if text.is_empty() {
            return Err(BadPlace::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return if is_host_and_port(text) {
                format!("http://{text}").parse()
            } else {
                Ok(Place::Socket(PathBuf::from(text)))
            };
        };
        if scheme == "unix" {
            return Ok(Place::Socket(PathBuf::from(rest)));
        }
        if scheme != "http" {
            return Err(BadPlace::Scheme(text.to_owned()));
        }
        let bad = || BadPlace::Address(text.to_owned());
        let uri: hyper::Uri = text.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(bad());
        }
        let base = uri.path().trim_end_matches('/').to_owned();
        Ok(Place::Http { authority: authority.to_string(), base })
    }
}

fn is_host_and_port(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    !text.contains('/') && parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Socket(path) => write!(f, "{}", path.display()),
            Place::Http { authority, base } => write!(f, "http://{authority}{base}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_addresses_are_told_apart() {
        assert_eq!("/run/a b.sock".parse(), Ok(Place::Socket("/run/a b.sock".into())));
        assert_eq!("unix:///run/a.sock".parse(), Ok(Place::Socket("/run/a.sock".into())));
        let http = |authority: &str, base: &str| {
            Ok(Place::Http { authority: authority.to_owned(), base: base.to_owned() })
        };
        assert_eq!("http://127.0.0.1:7701/".parse(), http("127.0.0.1:7701", ""));
        assert_eq!("http://[::1]:7701/hub/".parse(), http("[::1]:7701", "/hub"));
        assert_eq!("127.0.0.1:7701".parse(), http("127.0.0.1:7701", ""));
        assert_eq!("localhost:7701".parse(), http("localhost:7701", ""));
        assert_eq!("[::1]:7701".parse(), http("[::1]:7701", ""));
        for socket in ["./a:1", "/run/a:1", "api.sock", "a:b", "a:", ":1", "a:70000"] {
            assert_eq!(socket.parse(), Ok(Place::Socket(socket.into())));
        }
        for bad in [
            "u@a:1",
            "a b:1",
            "::1:7701",
            "https://a",
            "http://",
            "http://a b",
            "http://u:p@a",
            "http://a/?q=1",
            "",
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad:?} was taken");
        }
    }
}
