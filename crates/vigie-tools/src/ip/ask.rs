//! Asking several services at once.

use super::answer;
use super::memory::{Memory, Recall};
use super::source::Source;
use super::verdict::Verdict;
use crate::http::client::{Settings, SetupError};
use crate::http::names::Family;
use crate::http::request::{Patience, Reply, Request, RequestError, ask as ask_http, retry_after};
use crate::limits::{IP_BODY_BYTES_MAX, IP_FIRST};
use reqwest::Method;
use reqwest::header::HeaderMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::task::JoinSet;

/// What one service said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which.
    pub source: Source,
    /// The address, or why there is none.
    pub address: Result<IpAddr, String>,
    /// How long ago it said so, if it was not asked now.
    pub age: Option<Duration>,
}

/// What all of them said.
#[derive(Clone, Debug)]
pub struct Found {
    /// Of which family.
    pub family: Family,
    /// What follows.
    pub verdict: Verdict,
    /// In the order in which they were to be asked.
    pub answers: Vec<Answer>,
}

/// Asks the first few; and the others, when those do not agree. A service of which a young answer is remembered is asked
/// only if `is_fresh`; one that asked to be left alone is not asked.
///
/// # Errors
/// [`SetupError`], before anybody is asked.
pub async fn ask(
    sources: &[Source],
    family: Family,
    settings: &Settings,
    memory: &mut Memory,
    is_fresh: bool,
    now: u64,
) -> Result<Found, SetupError> {
    let settings = Settings { family: Some(family), redirects_max: 0, ..settings.clone() };
    let mut found = Found { family, verdict: Verdict::Nothing, answers: Vec::new() };
    let (first, rest) = sources.split_at(IP_FIRST.min(sources.len()));
    for some in [first, rest] {
        if matches!(found.verdict, Verdict::Agreed(_)) {
            break;
        }
        found.answers.extend(ask_all(some, &settings, memory, is_fresh, now).await?);
        let said = found.answers.iter().filter_map(|answer| {
            answer.address.as_ref().ok().map(|address| (answer.source.operator.as_str(), *address))
        });
        found.verdict = Verdict::of(said);
    }
    Ok(found)
}

async fn ask_all(
    sources: &[Source],
    settings: &Settings,
    memory: &mut Memory,
    is_fresh: bool,
    now: u64,
) -> Result<Vec<Answer>, SetupError> {
    let mut asking = JoinSet::new();
    let mut answers = Vec::new();
    for (at, source) in sources.iter().cloned().enumerate() {
        match memory.recall(&key(&source, settings), now) {
            Recall::Young(address, age) if !is_fresh => {
                answers.push((at, Answer { source, address: Ok(address), age: Some(age) }));
            }
            Recall::LeaveAlone(left) => {
                let why =
                    format!("it was not asked: it asked to be left alone for {} s more", left.as_secs());
                answers.push((at, Answer { source, address: Err(why), age: None }));
            }
            Recall::Young(..) | Recall::Unknown => {
                let settings = settings.clone();
                asking.spawn(async move {
                    let reply = ask_one(&source, &settings).await;
                    (at, source, reply)
                });
            }
        }
    }
    while let Some(asked) = asking.join_next().await {
        // A task that panicked has no answer; that is a defect, and not the user's.
        let Ok((at, source, reply)) = asked else { continue };
        if let Err(RequestError::Setup(error)) = reply {
            return Err(error);
        }
        let key = key(&source, settings);
        let address = judge(reply, settings.family, memory, &key, now);
        answers.push((at, Answer { source, address, age: None }));
    }
    answers.sort_by_key(|(at, _)| *at);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

async fn ask_one(source: &Source, settings: &Settings) -> Result<Reply, RequestError> {
    let request =
        Request { method: Method::GET, url: source.url.clone(), headers: HeaderMap::new(), body: None };
    let patience = Patience { retries: 0, body_bytes_max: IP_BODY_BYTES_MAX };
    ask_http(&request, settings, patience, |_, _| {}).await
}

/// What a reply says, and remembers it.
fn judge(
    reply: Result<Reply, RequestError>,
    family: Option<Family>,
    memory: &mut Memory,
    key: &str,
    now: u64,
) -> Result<IpAddr, String> {
    let reply = reply.map_err(|error| match error {
        RequestError::Failed { why, .. } => why,
        RequestError::TooLong { most, .. } => format!("it sent more than {most} bytes, so it is no address"),
        RequestError::Setup(error) => error.to_string(),
    })?;
    let status = reply.status;
    if matches!(status.as_u16(), 403 | 429 | 503) {
        memory.refused(key, retry_after(&reply.headers), now);
    }
    if status.is_redirection() {
        let to = reply.headers.get("location").and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
        let to: String = to.chars().take(100).flat_map(char::escape_default).collect();
        return Err(format!("it sends elsewhere ({status}), to {to}, which is not followed"));
    }
    if status.as_u16() != 200 {
        return Err(format!("it answered {status}"));
    }
    let address = answer::read(&reply.body, family.unwrap_or(Family::V4)).map_err(|e| e.to_string())?;
    memory.answered(key, address, now);
    Ok(address)
}

/// The same service may say different things over the other family, and through a proxy.
fn key(source: &Source, settings: &Settings) -> String {
    let family = settings.family.map_or("", Family::as_str);
    let proxy = settings.proxy_for(&source.url).unwrap_or_default();
    format!("{} {family} {proxy}", source.url)
}
