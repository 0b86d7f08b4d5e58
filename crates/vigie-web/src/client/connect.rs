//! One connection, one request.

use super::body::Bytes;
use super::error::ClientError;
use super::place::Place;
use crate::limits::CONNECT_TIMEOUT;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Port when an address names none: plain HTTP's own.
const HTTP_PORT: u16 = 80;

/// Connects, sends the request and gives back the head of the answer.
pub(super) async fn send(
    place: &Place,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientError> {
    let unreachable = |source| ClientError::Unreachable { place: place.clone(), source };
    match place {
        Place::Socket(path) => {
            let near = crate::server::ShortPath::new(path).map_err(unreachable)?;
            let stream = UnixStream::connect(near.path()).await.map_err(unreachable)?;
            exchange(place, stream, request).await
        }
        Place::Http { authority, .. } => {
            let stream = tcp(authority).await.map_err(unreachable)?;
            exchange(place, stream, request).await
        }
    }
}

async fn tcp(authority: &str) -> io::Result<TcpStream> {
    let with_port = match authority.parse::<hyper::http::uri::Authority>() {
        Ok(a) if a.port().is_none() => format!("{authority}:{HTTP_PORT}"),
        _ => authority.to_owned(),
    };
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(with_port)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn exchange<S>(
    place: &Place,
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let cut_off = |source| ClientError::CutOff { place: place.clone(), source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(cut_off)?;
    // Ends with the answer's body: dropping the body closes the connection, which tells the hub to stop.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the API ended");
        }
    });
    sender.send_request(request).await.map_err(cut_off)
}
