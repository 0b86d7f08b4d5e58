//! `log`: lines of the journal, and on request those to come.

use super::HubState;
use super::at::{bad_instant, blocking, internal, machine, path};
use super::reply::{BodyWriter, Gone, NDJSON, Refused, streamed};
use crate::journal::{Enough, Kind, Page, Selection, Since, Walk, WalkError, read_cursor};
use crate::messages::{ApiError, ErrorKind};
use crate::text::parse_instant;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vigie_model::{Instant, Seq};
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
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(question) = question.map_err(usage)?;
    let store = state.hub.store().clone();
    let tail = store.tail();
    let last = *tail.borrow();
    let follow = question.follow;
    let walk = blocking(move || begin(&store, &question, last)).await?;
    let (writer, response) = streamed(NDJSON);
    let follow = follow.then_some((tail, state.stop));
    tokio::spawn(tell(walk, writer, last, follow));
    Ok(response)
}

/// A question that could not be read.
pub(super) fn usage(rejection: QueryRejection) -> ApiError {
    ApiError::new(ErrorKind::Usage, rejection.body_text())
}

fn begin(store: &Store, question: &Question, last: Seq) -> Result<Walk, ApiError> {
    let named = question.machine.as_deref().map(|name| machine(store, name)).transpose()?;
    let below = path(question.path.as_deref(), question.path_b64.as_deref())?;
    if below.is_some() && named.is_none() {
        return Err(ApiError::new(ErrorKind::Usage, "a path needs its machine"));
    }
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
    let group = question.group.clone();
    let selection = Selection { machine: named, below, kind, group, since: Since::new(since) };
    Walk::new(store, selection, after, question.n, last).map_err(internal)
}

type Follow = (watch::Receiver<Seq>, CancellationToken);

/// Tells page after page, and, when following, what comes; until the end, or until the client has gone.
async fn tell(mut walk: Walk, mut writer: BodyWriter, mut last: Seq, mut follow: Option<Follow>) {
    loop {
        let until = last;
        let page = tokio::task::spawn_blocking(move || {
            let ended = page(&mut walk, &mut writer, until);
            (walk, writer, ended)
        });
        let Ok((back, back_writer, ended)) = page.await else { return };
        (walk, writer) = (back, back_writer);
        let Ok(ended) = ended else { return };
        if writer.push().await.is_err() || ended == Ended::Failed {
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
    Failed,
}

fn page(walk: &mut Walk, writer: &mut BodyWriter, until: Seq) -> Result<Ended, Gone> {
    let page = walk.page(until, &mut |line| {
        writer.line(&line)?;
        Ok(Enough(writer.is_full()))
    });
    match page {
        Ok(Page::More) => Ok(Ended::More),
        Ok(Page::End) => Ok(Ended::All),
        Err(WalkError::Taker(gone)) => Err(gone),
        Err(WalkError::Store(error)) => writer.last_words(internal(error)).map(|()| Ended::Failed),
    }
}
