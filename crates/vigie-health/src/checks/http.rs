//! What is answered to a GET?

use super::{Found, tcp};
use crate::limits::BODY_BYTES_MAX;
use crate::spec::Target;
use crate::verdict::Verdict;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;

pub(super) async fn look(target: &Target) -> Found {
    let Target::Http { address, host, path, status, body } = target else {
        return (Verdict::Unknown, "not a check of HTTP".to_owned());
    };
    let stream = match tcp::connect(address).await {
        Ok(stream) => stream,
        Err(found) => return found,
    };
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("vigie/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    let request = match request {
        Ok(request) => request,
        Err(error) => return (Verdict::Unknown, format!("cannot ask: {error}")),
    };
    let broken = |error: hyper::Error| (Verdict::Critical, format!("no answer in HTTP: {error}"));
    let (mut sender, connection) = match http1::handshake(TokioIo::new(stream)).await {
        Ok(pair) => pair,
        Err(error) => return broken(error),
    };
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) => return broken(error),
    };
    let code = response.status();
    if !status.contains(&code.as_u16()) {
        return (Verdict::Critical, format!("HTTP status {code}"));
    }
    match body {
        Some(text) => body_holds(response, text).await,
        None => (Verdict::Ok, format!("HTTP status {code}")),
    }
}

async fn body_holds(response: Response<Incoming>, text: &str) -> Found {
    let code = response.status();
    let mut body = response.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => read.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..])),
            Err(error) => return (Verdict::Critical, format!("the answer was cut off: {error}")),
        }
        // A piece is searched with all before it: the text may begin in one and end in another.
        read.truncate(BODY_BYTES_MAX);
        if read.windows(text.len()).any(|window| window == text.as_bytes()) {
            return (Verdict::Ok, format!("HTTP status {code}, with the text"));
        }
        if read.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    (Verdict::Critical, format!("HTTP status {code}, without the text `{text}`"))
}
