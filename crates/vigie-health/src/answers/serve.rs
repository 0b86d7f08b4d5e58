//! One listener for both languages. A client says first what it speaks, or says nothing: then it is an agent-check.

use super::http::{self, Answer};
use super::{First, agent_line, first_bytes};
use crate::limits::{
    ACCEPT_PAUSE, BACKLOG, CLIENT_LINE_BYTES_MAX, CONNECTION_LIFE, CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX,
    DISCARD_TIMEOUT, DISCARDED_BYTES_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT,
};
use crate::service::Desk;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, Cursor};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, join};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// Methods that are answered.
const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// A listener and its connections; all of them end when this is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Serving {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Answers whoever comes.
pub(crate) fn serve(address: SocketAddr, silence: Duration, desk: Arc<Desk>) -> io::Result<Serving> {
    let listener = listen(address)?;
    let address = listener.local_addr()?;
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener, silence, desk));
    Ok(Serving { address, _accepting: accepting })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the last connections of the former life.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, silence: Duration, desk: Arc<Desk>) {
    let peers = Peers::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    // Whoever has too many is closed at once, and costs nothing more.
                    let Some(place) = peers.enter(from.ip()) else { continue };
                    let desk = desk.clone();
                    connections.spawn(async move {
                        let _place = place;
                        let ended = timeout(CONNECTION_LIFE, connection(stream, silence, &desk)).await;
                        if let Ok(Err(error)) = ended {
                            tracing::debug!(%from, %error, "a client of the health answers went away");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client of the health answers");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn connection(mut stream: TcpStream, silence: Duration, desk: &Arc<Desk>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    let quiet = Instant::now() + silence;
    let late = Instant::now() + HEAD_TIMEOUT;
    loop {
        let until = match first_bytes(&bytes) {
            First::Http => return answer_http(stream, bytes, desk.clone()).await,
            First::Line(line) => return answer_agent(stream, line, desk).await,
            First::Neither => return Ok(()),
            First::PerhapsHttp => late,
            First::PerhapsLine(_) => quiet,
        };
        let mut piece = [0; CLIENT_LINE_BYTES_MAX];
        match timeout_at(until, stream.read(&mut piece)).await {
            Ok(Ok(n)) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            Ok(Err(error)) => return Err(error),
            // Nothing more comes, or nothing more in time: what came is the line, and often there is none.
            Ok(Ok(_)) | Err(_) => {
                let line = if let First::PerhapsLine(line) = first_bytes(&bytes) { line } else { "" };
                return answer_agent(stream, line, desk).await;
            }
        }
    }
}

/// Says the line and closes. `asked` may be `backend/server`: where the backend has the name of a group, the line
/// is about that one.
async fn answer_agent(mut stream: TcpStream, asked: &str, desk: &Desk) -> io::Result<()> {
    let backend = asked.split('/').next().unwrap_or_default();
    let line = agent_line(&desk.seen_of_backend(backend), desk.on_secondaire());
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing over unread bytes would reset the connection, and the line could be lost with it.
    let discard = async {
        let mut piece = [0; 512];
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES_MAX {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(n) => discarded += n,
            }
        }
    };
    let _ = timeout(DISCARD_TIMEOUT, discard).await;
    Ok(())
}

async fn answer_http(stream: TcpStream, began: Vec<u8>, desk: Arc<Desk>) -> io::Result<()> {
    let (read, write) = stream.into_split();
    let stream = join(Cursor::new(began).chain(read), write);
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &desk);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

fn respond(request: &Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
    let method = request.method();
    if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return response(http::refusal(405, "only GET, HEAD and OPTIONS are answered"), true);
    }
    let answer = match group(request.uri().query()).map(|group| desk.seen_of_group(group.as_deref())) {
        Some(Ok(seen)) => http::answer(request.uri().path(), &seen)
            .unwrap_or_else(|| http::refusal(404, "there is nothing at this path")),
        Some(Err(why)) => http::refusal(404, &why),
        None => http::refusal(400, "`group` is not a name"),
    };
    let bodiless = method == Method::OPTIONS;
    let mut response = response(answer, bodiless);
    if bodiless {
        *response.body_mut() = Full::default();
    }
    response
}

fn response(answer: Answer, allow: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    if allow {
        headers.insert(header::ALLOW, header::HeaderValue::from_static(ALLOWED));
    }
    response
}

/// The group in a query, `group=NAME`, if there is one; none for bytes that are not a name.
fn group(query: Option<&str>) -> Option<Option<String>> {
    let named = query.unwrap_or_default().split('&').find_map(|part| part.strip_prefix("group="));
    match named {
        Some(name) => percent_decoded(name).map(Some),
        None => Some(None),
    }
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// How many connections each peer has.
#[derive(Clone, Debug, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place; given back on drop.
#[derive(Debug)]
struct Place {
    peers: Peers,
    peer: IpAddr,
}

impl Peers {
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let peer = peer(address);
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = peers.values().sum();
        let of_peer = peers.entry(peer).or_default();
        if all >= CONNECTIONS_MAX || *of_peer >= CONNECTIONS_PER_PEER_MAX {
            if *of_peer == 0 {
                peers.remove(&peer);
            }
            return None;
        }
        *of_peer += 1;
        Some(Place { peers: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

/// Who counts as one: an IPv4 address, or the /64 that a host has in IPv6.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_take_every_place() {
        let peers = Peers::default();
        let hostile: IpAddr = "2001:db8::1".parse().unwrap();
        let mut held: Vec<Place> = (0..).map_while(|_| peers.enter(hostile)).collect();
        assert_eq!(held.len(), CONNECTIONS_PER_PEER_MAX);
        assert!(peers.enter("2001:db8::2".parse().unwrap()).is_none(), "the same /64");
        assert!(peers.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
        assert!(peers.enter("192.0.2.1".parse().unwrap()).is_some());
        held.pop();
        assert!(peers.enter(hostile).is_some());
        drop(held);
        assert!(peers.0.lock().unwrap().is_empty());
    }

    #[test]
    fn groups_in_queries_are_decoded() {
        assert_eq!(group(None), Some(None));
        assert_eq!(group(Some("x=1&group=a%20b%c3%A9")), Some(Some("a b\u{e9}".into())));
        assert_eq!(group(Some("group=")), Some(Some(String::new())));
        for bad in ["group=%", "group=%f", "group=%zz", "group=%ff"] {
            assert_eq!(group(Some(bad)), None, "{bad}");
        }
    }
}
