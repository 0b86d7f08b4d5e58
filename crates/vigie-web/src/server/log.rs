//! `log`: lines of the journal, and on request those to come.

use super::HubState;
use super::at::{bad_instant, blocking, internal, machine, not_watched, path};
use super::reply::{BodyWriter, Gone, NDJSON, Refused, streamed};
use super::room::Room;
use crate::journal::{Enough, Kind, Missing, Page, Selection, Since, Walk, WalkError, cursor, read_cursor};
use crate::messages::{ApiError, ErrorBody, ErrorKind, HEADER_CURSOR};
use crate::text::parse_instant;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use serde::Deserialize;
use std::ops::ControlFlow;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vigie_model::{BytePath, Instant, MachineId, Seq};
use vigie_role::GroupName;
use vigie_store::Store;

/// The question, as it stands after the `?`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    machine: Option<String>,
    path: Option<String>,
    path_b64: Option<String>,
    since: Option<String>,
    after: Option<String>,
    n: Option<u64>,
    kind: Option<String>,
    group: Option<String>,
    #[serde(default)]
    follow: bool,
}

pub(super) async fn log(
    State(state): State<HubState>,
    Extension(room): Extension<Room>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(question) = question.map_err(usage)?;
    let slot = if question.follow { room.follower()? } else { room.stream().await? };
    let store = state.hub.store().clone();
    let tail = store.tail();
    let last = *tail.borrow();
    let follow = question.follow;
    let telling = blocking(move || begin(&store, &question, last)).await?;
    let (writer, mut response) = streamed(NDJSON, slot);
    if let Ok(value) = HeaderValue::from_str(&cursor(last)) {
        response.headers_mut().insert(HeaderName::from_static(HEADER_CURSOR), value);
    }
    let follow = follow.then_some((tail, state.stop));
    tokio::spawn(tell(telling, writer, last, follow));
    Ok(response)
}

/// What is told, and how it ends.
struct Telling {
    walk: Walk,
    /// To be said at the end, unless something but gaps is told: the path was never there.
    nothing: Option<ApiError>,
}

/// A question that could not be read.
pub(super) fn usage(rejection: QueryRejection) -> ApiError {
    ApiError::new(ErrorKind::Usage, rejection.body_text())
}

fn begin(store: &Store, question: &Question, last: Seq) -> Result<Telling, ApiError> {
    let named = question.machine.as_deref().map(|name| machine(store, name)).transpose()?;
    let below = path(question.path.as_deref(), question.path_b64.as_deref())?;
    if below.is_some() && named.is_none() {
        return Err(ApiError::new(ErrorKind::Usage, "a path needs its machine"));
    }
    let nothing = match (named, &below) {
        (Some(machine), Some(path)) => never_there(store, machine, path, last)?,
        _ => None,
    };
    let kind = question.kind.as_deref().map(str::parse::<Kind>).transpose().map_err(|error| {
        let words: Vec<_> = Kind::words().collect();
        ApiError::new(ErrorKind::Usage, error.to_string()).hint(format!("kinds: {}", words.join(", ")))
    })?;
    let since = match parse_instant(question.since.as_deref().unwrap_or_default()).map_err(bad_instant)? {
        // Since now is from the next record on, but the default is from the first.
        Instant::Now if question.since.is_some() => Instant::Seq(last.next()),
        instant => instant,
    };
    let after = question
        .after
        .as_deref()
        .map(|text| read_cursor(text).ok_or_else(|| ApiError::new(ErrorKind::Usage, "`after` is no cursor")))
        .transpose()?;
    if after.is_some_and(|after| after > last) {
        let text = format!("`after` lies behind the last record, #{last}: it is of another journal");
        return Err(ApiError::new(ErrorKind::NotFound, text));
    }
    let group = question.group.clone();
    if let Some(group) = &group {
        recorded(store, group, last)?;
    }
    let selection = Selection { machine: named, below, kind, group, since: Since::new(since) };
    let walk = Walk::new(store, selection, after, question.n, last).map_err(internal)?;
    // What is followed may still come.
    Ok(Telling { walk, nothing: nothing.filter(|_| !question.follow) })
}

/// Refuses a group of which nothing is recorded, and what can be none.
fn recorded(store: &Store, group: &str, last: Seq) -> Result<(), ApiError> {
    let name = GroupName::new(group).map_err(|e| ApiError::new(ErrorKind::Usage, e.to_string()))?;
    let mut is_recorded = false;
    let take = &mut |_| {
        is_recorded = true;
        ControlFlow::Break(())
    };
    store.group_records(group, last, take).map_err(internal)?;
    if is_recorded {
        return Ok(());
    }
    let error = ApiError::new(ErrorKind::NotFound, format!("nothing is recorded of a group {name}"));
    Err(error.hint("`vigie role show` lists every group"))
}

/// What is to be said of a path that nothing ever bore as its name, though it could have: it is watched.
///
/// # Errors
/// When nobody watches it, nor ever did, so that no record can be about it.
fn never_there(
    store: &Store,
    machine: MachineId,
    path: &BytePath,
    last: Seq,
) -> Result<Option<ApiError>, ApiError> {
    if !store.history(machine, path).map_err(internal)?.is_empty() {
        return Ok(None);
    }
    let roots = store.roots(machine, last).map_err(internal)?;
    let roots: Vec<BytePath> = roots.into_iter().map(|(root, _)| root).collect();
    // Every root that ever was has had a gap: that of its first scan.
    let gone = store.gaps(machine).map_err(internal)?.into_iter().map(|gap| gap.root);
    let ever: Vec<BytePath> = roots.iter().cloned().chain(gone).collect();
    if path.as_bytes() == b"/" || ever.iter().any(|root| root.below(path).is_some()) {
        Ok(None)
    } else if ever.is_empty() {
        let text = "nothing is recorded of the machine yet";
        Ok(Some(ApiError::new(ErrorKind::Inconclusive, text)))
    } else if ever.iter().any(|root| path.below(root).is_some()) {
        Ok(Some(ApiError::new(ErrorKind::NotFound, format!("nothing was ever recorded at {path}"))))
    } else {
        Err(not_watched(path, &roots))
    }
}

/// What is to be said at the end of a log with holes. It is known which records are lost, and not what they said.
fn lost(missing: &Missing) -> ApiError {
    let text = format!("what {missing} said is lost: the journal is damaged there");
    ApiError::new(ErrorKind::Inconclusive, text)
        .hint("`vigie verify` names all that is damaged, and what is lost by it")
}

type Follow = (watch::Receiver<Seq>, CancellationToken);

/// Tells page after page, and, when following, what comes; until the end, or until the client has gone.
async fn tell(mut telling: Telling, mut writer: BodyWriter, mut last: Seq, mut follow: Option<Follow>) {
    loop {
        let until = last;
        let page = tokio::task::spawn_blocking(move || {
            let ended = page(&mut telling, &mut writer, until);
            (telling, writer, ended)
        });
        let Ok((back, back_writer, ended)) = page.await else { return };
        (telling, writer) = (back, back_writer);
        let Ok(ended) = ended else { return };
        if writer.push().await.is_err() || ended == Ended::Over {
            return;
        }
        if ended == Ended::More {
            continue;
        }
        let Some((tail, stop)) = &mut follow else { return };
        tokio::select! {
            changed = tail.changed() => match changed {
                Ok(()) => last = *tail.borrow_and_update(),
                Err(_) => return,
            },
            () = writer.closed() => return,
            () = stop.cancelled() => return,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    More,
    All,
    /// The last word was said, also to whoever follows.
    Over,
}

fn page(telling: &mut Telling, writer: &mut BodyWriter, until: Seq) -> Result<Ended, Gone> {
    let Telling { walk, nothing } = telling;
    let page = walk.page(until, &mut |line| {
        if !line.kind.starts_with("gap-") {
            *nothing = None;
        }
        writer.line(&line)?;
        Ok(Enough(writer.is_full()))
    });
    match page {
        Ok(Page::More) => Ok(Ended::More),
        Ok(Page::End) if !walk.missing().is_empty() => {
            let error = lost(walk.missing());
            writer.line(&ErrorBody { error }).map(|()| Ended::Over)
        }
        Ok(Page::End) => match nothing.take() {
            Some(error) => writer.line(&ErrorBody { error }).map(|()| Ended::All),
            None => Ok(Ended::All),
        },
        Err(WalkError::Taker(gone)) => Err(gone),
        Err(WalkError::Store(error)) => writer.last_words(internal(error)).map(|()| Ended::Over),
    }
}
