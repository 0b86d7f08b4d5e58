//! InfluxDB over HTTP: version 1 with a database, version 2 with organisation and bucket.

use super::delivery::{Sink, SinkError};
use super::secret::Secret;
use crate::limits;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Where points go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    host: String,
    port: u16,
    target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Database(String),
    Bucket { org: String, bucket: String },
}

/// Why a URL names no place for points.
#[derive(Debug, thiserror::Error)]
pub enum BadPlace {
    /// It is no URL.
    #[error("`{0}` is not a URL: http://HOST:8086?db=NAME, or http://HOST:8086?org=ORG&bucket=BUCKET")]
    Form(String),
    /// It is not `http`.
    #[error("`{0}` is not http: only that is spoken here; for TLS, put a proxy such as stunnel between")]
    Scheme(String),
    /// It carries a password.
    #[error("a URL is seen by every user of this machine (`ps`): put user and password into a file")]
    Password,
    /// Something of it has no meaning here.
    #[error("`{0}` means nothing here; there are db, or org and bucket")]
    Parameter(String),
}

impl std::str::FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        let uri: Uri = text.parse().map_err(|_| BadPlace::Form(text.to_owned()))?;
        if uri.scheme_str() != Some("http") {
            return Err(BadPlace::Scheme(text.to_owned()));
        }
        let authority = uri.authority().ok_or_else(|| BadPlace::Form(text.to_owned()))?;
        if authority.as_str().contains('@') {
            return Err(BadPlace::Password);
        }
        if uri.path() != "/" && !uri.path().is_empty() {
            return Err(BadPlace::Form(text.to_owned()));
        }
        let (mut db, mut org, mut bucket) = (None, None, None);
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("db", name)) => db = Some(name.to_owned()),
                Some(("org", name)) => org = Some(name.to_owned()),
                Some(("bucket", name)) => bucket = Some(name.to_owned()),
                _ => return Err(BadPlace::Parameter(pair.to_owned())),
            }
        }
        let target = match (db, org, bucket) {
            (db, None, None) => Target::Database(db.unwrap_or_else(|| "teleinfo".to_owned())),
            (None, Some(org), Some(bucket)) => Target::Bucket { org, bucket },
            _ => return Err(BadPlace::Form(text.to_owned())),
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Place { host, port: authority.port_u16().unwrap_or(8086), target })
    }
}

/// An InfluxDB.
#[derive(Debug)]
pub struct Influx {
    place: Place,
    secret: Option<Secret>,
    /// Whether the database was asked for in this life.
    made: bool,
}

impl Influx {
    /// A database, and who we are to it.
    #[must_use]
    pub fn new(place: Place, secret: Option<Secret>) -> Self {
        Influx { place, secret, made: false }
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> Result<(StatusCode, String), SinkError> {
        let Place { host, port, .. } = &self.place;
        let later = |what: &str, error: &dyn std::fmt::Display| {
            SinkError::Later(format!("{what} {host}:{port}: {error}"))
        };
        let stream =
            TcpStream::connect((host.as_str(), *port)).await.map_err(|e| later("cannot reach", &e))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| later("no HTTP from", &e))?;
        let connection = tokio::spawn(connection);
        let mut request = Request::post(path)
            .header(header::HOST, format!("{host}:{port}"))
            .header(header::USER_AGENT, concat!("vigie/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close");
        if let Some(secret) = &self.secret {
            let value = match secret {
                Secret::Login { user, password } => {
                    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
                }
                Secret::Token(token) => format!("Token {token}"),
            };
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|e| later("cannot ask", &e))?;
        let answered = async {
            let response = sender.send_request(request).await.map_err(|e| later("no answer from", &e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), limits::ANSWER_BYTES).collect().await;
            let text =
                body.map(|b| String::from_utf8_lossy(&b.to_bytes()).trim().to_owned()).unwrap_or_default();
            Ok((status, text))
        };
        let answered = answered.await;
        connection.abort();
        answered
    }

    fn write_path(&self) -> String {
        match &self.place.target {
            Target::Database(db) => format!("/write?db={db}&precision=ns"),
            Target::Bucket { org, bucket } => format!("/api/v2/write?org={org}&bucket={bucket}&precision=ns"),
        }
    }

    /// Makes the database unless it is there.
    async fn make(&mut self) -> Result<(), SinkError> {
        let Target::Database(db) = &self.place.target else { return Ok(()) };
        let statement = format!("CREATE%20DATABASE%20%22{db}%22");
        let (status, text) = self.post(&format!("/query?q={statement}"), Vec::new()).await?;
        if status != StatusCode::OK {
            // One who may only write is refused here, and the database may well be there.
            tracing::debug!(%status, text, "cannot make the database");
        }
        self.made = status == StatusCode::OK;
        Ok(())
    }
}

#[async_trait]
impl Sink for Influx {
    fn name(&self) -> String {
        format!("InfluxDB on {}:{}", self.place.host, self.place.port)
    }

    async fn send(&mut self, records: &[Vec<u8>]) -> Result<(), SinkError> {
        if !self.made {
            self.make().await?;
        }
        let (status, text) = self.post(&self.write_path(), records.concat()).await?;
        match status {
            status if status.is_success() => Ok(()),
            // A field of another type than before, or a time outside of what is kept: it stays so.
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(SinkError::Never(format!("{status}: {text}")))
            }
            StatusCode::NOT_FOUND => {
                self.made = false;
                Err(SinkError::Later(format!("{status}: {text}")))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(SinkError::Later(format!("{status}: {text} (are the credentials right?)")))
            }
            status => Err(SinkError::Later(format!("{status}: {text}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_database_or_a_bucket() {
        let path = |text: &str| Influx::new(text.parse().unwrap(), None).write_path();
        assert_eq!(path("http://localhost:8086"), "/write?db=teleinfo&precision=ns");
        assert_eq!(path("http://[::1]?db=power"), "/write?db=power&precision=ns");
        assert_eq!(path("http://h?org=o&bucket=b"), "/api/v2/write?org=o&bucket=b&precision=ns");
        assert_eq!("http://[::1]:1".parse::<Place>().unwrap().host, "::1");
        for text in [
            "",
            "localhost:8086",
            "https://h",
            "http://u:p@h",
            "http://h?x=1",
            "http://h?org=o",
            "http://h/db",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
