//! Asking, and asking again.

use super::client::{Settings, SetupError};
use super::tls;
use crate::limits::{HTTP_RETRY_PAUSE, HTTP_RETRY_PAUSE_MAX};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};
use std::error::Error;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What to ask for.
#[derive(Clone, Debug)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Whom and for what.
    pub url: Url,
    /// What else is said.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Option<Vec<u8>>,
}

/// How much patience there is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often to ask again when nobody answers, or the server asks for that (408, 429, 502, 503, 504).
    pub retries: u32,
    /// The longest body that is taken.
    pub body_bytes_max: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Whether it went well, as the server sees it.
    pub status: StatusCode,
    /// Who answered, after all redirections.
    pub url: Url,
    /// What the server says of it.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Vec<u8>,
    /// How long it took, without the attempts before.
    pub took: Duration,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nothing could be asked.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The way there, or back, is broken.
    #[error("cannot ask {url}: {why}")]
    Failed {
        /// Whom.
        url: String,
        /// What is wrong.
        why: String,
        /// What to do about it.
        hint: Option<&'static str>,
        /// Whether it may go well next time.
        is_passing: bool,
    },
    /// There is more than is taken.
    #[error("the answer of {url} is longer than {most} bytes")]
    TooLong {
        /// Whose.
        url: String,
        /// What is taken.
        most: usize,
    },
}

impl RequestError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            RequestError::Failed { hint, .. } => *hint,
            RequestError::TooLong { .. } => Some("take more with --max-size, such as 1073741824 for 1 GiB"),
            RequestError::Setup(_) => None,
        }
    }
}

/// Asks, and asks again while that may help. `again` is told before each pause, with the reason.
///
/// A request that changes something is asked again only if it was not understood: after an answer it may have been done.
///
/// # Errors
/// See [`RequestError`]; of the last attempt.
pub async fn ask(
    request: &Request,
    settings: &Settings,
    patience: Patience,
    mut again: impl FnMut(&str, Duration),
) -> Result<Reply, RequestError> {
    let client = settings.client(&request.url)?;
    let mut attempt = 0;
    loop {
        let answer = once(&client, request, settings, patience.body_bytes_max).await;
        let reason = match &answer {
            Ok(reply) if is_busy(reply.status) && request.method.is_idempotent() => reply.status.to_string(),
            Err(error @ RequestError::Failed { is_passing: true, .. }) if request.method.is_idempotent() => {
                error.to_string()
            }
            _ => return answer,
        };
        if attempt >= patience.retries {
            return answer;
        }
        let wish = answer.as_ref().ok().and_then(|reply| retry_after(&reply.headers));
        let pause = wish.unwrap_or_else(|| backoff(attempt));
        if pause > HTTP_RETRY_PAUSE_MAX {
            return answer;
        }
        again(&reason, pause);
        sleep(pause).await;
        attempt += 1;
    }
}

async fn once(
    client: &Client,
    request: &Request,
    settings: &Settings,
    body_bytes_max: usize,
) -> Result<Reply, RequestError> {
    let start = Instant::now();
    let mut asking =
        client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
    if let Some(body) = &request.body {
        asking = asking.body(body.clone());
    }
    let failed = |error: reqwest::Error| failure(&request.url, settings, error);
    let response = asking.send().await.map_err(failed)?;
    let (status, url, headers) = (response.status(), response.url().clone(), response.headers().clone());
    let body = take(response, body_bytes_max, failed).await?;
    Ok(Reply { status, url, headers, body, took: start.elapsed() })
}

async fn take(
    mut response: Response,
    most: usize,
    failed: impl Fn(reqwest::Error) -> RequestError,
) -> Result<Vec<u8>, RequestError> {
    let url = bare(response.url());
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(&failed)? {
        if body.len() + piece.len() > most {
            return Err(RequestError::TooLong { url, most });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn failure(url: &Url, settings: &Settings, error: reqwest::Error) -> RequestError {
    let proxy = settings.proxy_for(error.url().unwrap_or(url)).filter(|_| error.is_connect());
    let url = error.url().map_or_else(|| bare(url), bare);
    let error = error.without_url();
    let failed = |why, hint, is_passing| RequestError::Failed { url: url.clone(), why, hint, is_passing };
    if let Some((why, hint)) = tls::explain(&error) {
        return failed(why, Some(hint), false);
    }
    let causes = causes(&error);
    if error.is_redirect() {
        return failed(causes, Some("the server leads in circles; --redirects N follows N times"), false);
    }
    let is_refused = causes.contains("Connection refused");
    if let Some(proxy) = proxy {
        // It is the proxy that was connected to: the server may be well.
        let does_it_run =
            (is_refused || error.is_timeout()).then_some("does the proxy run, and on this port?");
        return failed(format!("by way of the proxy {proxy}: {causes}"), does_it_run, true);
    }
    if error.is_timeout() {
        let hint = "the server, or the way to it, is slow; --timeout SPAN waits longer";
        return failed(format!("it took too long ({causes})"), Some(hint), true);
    }
    let hint = is_refused.then_some("nobody listens there; is this the right port, and does the server run?");
    failed(causes, hint, error.is_connect() || error.is_request() || error.is_body() || error.is_decode())
}

/// Without name and password, which do not belong into messages.
fn bare(url: &Url) -> String {
    let mut url = url.clone();
    // What has no host has no password either.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.to_string()
}

/// What layers of libraries say in front of the cause, which says nothing to whoever asked.
const LAYERS: [&str; 6] = [
    "error sending request",
    "client error (",
    "tcp connect error",
    "dns error",
    "request or response body error",
    "error following redirect",
];

/// The same, where the cause stands behind it in the same text.
const LAYER_OF_NAMES: &str = "error resolving DNS: ";

/// The causes, from the first that says something.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let (mut cause, mut outermost) = (Some(error), None);
    while let Some(error) = cause {
        let text = error.to_string();
        let text = text.strip_prefix(LAYER_OF_NAMES).unwrap_or(&text);
        outermost.get_or_insert_with(|| text.to_owned());
        let is_layer = LAYERS.iter().any(|layer| text.starts_with(layer));
        if !is_layer && !texts.iter().any(|before| before.contains(text)) {
            texts.push(text.to_owned());
        }
        cause = error.source();
    }
    if texts.is_empty() { outermost.unwrap_or_default() } else { texts.join(": ") }
}

/// Whether the server asks to come back later (RFC 9110, RFC 6585).
fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

/// What the server asks for, in seconds (RFC 9110, section 10.2.3); its other form, a date, is not read.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Twice as long each time.
fn backoff(attempt: u32) -> Duration {
    HTTP_RETRY_PAUSE.saturating_mul(2_u32.saturating_pow(attempt)).min(HTTP_RETRY_PAUSE_MAX)
}
