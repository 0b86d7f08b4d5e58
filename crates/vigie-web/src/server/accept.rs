//! Connections and their tasks.

use super::reply::refusal;
use super::seat::{Busy, Seat, Seats};
use super::stall::Impatient;
use crate::limits::{
    ACCEPT_PAUSE, BODY_TIMEOUT, CONNECTIONS_MAX, HEAD_TIMEOUT, REQUEST_BYTES_MAX, SOCKET_STALL_MAX,
    TCP_STALL_MAX, WRITE_BUFFER_BYTES,
};
use crate::messages::{ApiError, ErrorKind};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// A place where clients come in.
#[derive(Debug)]
pub(super) enum Listener {
    Socket(UnixListener),
    Tcp(TcpListener),
}

#[derive(Debug)]
enum Stream {
    Socket(UnixStream),
    Tcp(TcpStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Socket(listener) => listener.accept().await.map(|(s, _)| Stream::Socket(s)),
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

/// Serves whoever comes until told to stop, then waits for the answers under way.
pub(super) async fn accept_loop(listener: Listener, router: Router, stop: CancellationToken) {
    let door = Door { router, stop: stop.clone() };
    let (mut connections, mut seats) = (JoinSet::new(), Seats::default());
    loop {
        let full = connections.len() >= CONNECTIONS_MAX;
        let seat = seats.seat();
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next_with_id(), if !connections.is_empty() => {
                seats.free(ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            // Whoever comes next shall find a place.
            () = seats.evict_longest_idle(), if full => {}
            stream = listener.accept(), if !full => match stream {
                Ok(stream) => {
                    let task = door.clone().spawn(stream, Arc::clone(&seat), &mut connections);
                    seats.take(task.id(), seat);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client of the API");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// What every connection is served with.
#[derive(Clone, Debug)]
struct Door {
    router: Router,
    stop: CancellationToken,
}

impl Door {
    fn spawn(self, stream: Stream, seat: Arc<Seat>, connections: &mut JoinSet<()>) -> AbortHandle {
        match stream {
            Stream::Socket(stream) => {
                connections.spawn(self.serve(Impatient::new(stream, SOCKET_STALL_MAX), seat))
            }
            Stream::Tcp(stream) => connections.spawn(self.serve(Impatient::new(stream, TCP_STALL_MAX), seat)),
        }
    }

    async fn serve<S>(self, stream: S, seat: Arc<Seat>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = TowerToHyperService::new(self.router);
        let asked = Arc::clone(&seat);
        let service = service_fn(move |request| answer(router.clone(), Arc::clone(&asked), request));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(WRITE_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut served = pin!(served);
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = seat.leave() => {
                tracing::debug!("a client of the API that asked nothing made place for another");
                return;
            }
            () = self.stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a client of the API went away");
        }
    }
}

/// Answers one request. Only once it is there as a whole does its connection count as busy: who sends half of one
/// can be made to leave.
async fn answer(
    router: TowerToHyperService<Router>,
    seat: Arc<Seat>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let request = match tokio::time::timeout(BODY_TIMEOUT, whole(request)).await {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => {
            let text = format!("the body of the request cannot be read: {error}");
            return Ok(refusal(&ApiError::new(ErrorKind::Usage, text)));
        }
        Err(_) => {
            let text = format!("the body of the request did not come within {BODY_TIMEOUT:?}");
            return Ok(refusal(&ApiError::new(ErrorKind::Usage, text)));
        }
    };
    let busy = seat.busy();
    let response = router.call(request).await?;
    Ok(response.map(|body| Body::new(Given { body, _busy: busy })))
}

async fn whole(request: Request<Incoming>) -> Result<Request<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await?.to_bytes();
    Ok(Request::from_parts(head, Full::new(body)))
}

/// The body of an answer, whose connection is busy until all of it was handed over.
#[derive(Debug)]
struct Given {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Given {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
