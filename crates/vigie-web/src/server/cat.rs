//! `cat`: the bytes of one file.

use super::HubState;
use super::at::{Found, ObjectQuery, blocking, find};
use super::log::usage;
use super::ls::content_state;
use super::reply::{Refused, streamed};
use crate::messages::{ApiError, ErrorKind, HEADER_STATE};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use std::io;
use vigie_model::{Content, NodeType};

pub(super) async fn cat(
    State(state): State<HubState>,
    query: Result<Query<ObjectQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(usage)?;
    let store = state.hub.store().clone();
    let found = blocking(move || find(&*state.hub, &query)).await?;
    let content = file(&found)?.clone();
    let (mut writer, mut response) = streamed("application/octet-stream");
    let headers = response.headers_mut();
    found.describe(headers);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(content.size));
    let (_, version) = found.node()?;
    let state = content_state(version).as_str();
    headers.insert(HeaderName::from_static(HEADER_STATE), HeaderValue::from_static(state));
    tokio::task::spawn_blocking(move || {
        for piece in store.content(&content) {
            match piece {
                Ok(piece) => {
                    if writer.piece_blocking(piece.into()).is_err() {
                        return;
                    }
                }
                Err(error) => return writer.break_off(io::Error::other(error)),
            }
        }
    });
    Ok(response)
}

/// The content of what was asked for, if it is a file and has one.
fn file(found: &Found) -> Result<&Content, ApiError> {
    let (_, version) = found.node()?;
    let wrong = |why: String| ApiError::new(ErrorKind::WrongType, format!("{} {why}", found.path));
    match &version.state.meta.node_type {
        NodeType::File => {}
        NodeType::Directory => return Err(wrong("is a directory".into()).hint("list it with ls")),
        NodeType::Symlink { target } => {
            let target = crate::text::Shown::new(target).text;
            return Err(wrong("is a symbolic link".into()).hint(format!("it points to {target}")));
        }
        other => return Err(wrong(format!("is a {} and has no content", other.as_str()))),
    }
    let nothing = || {
        ApiError::new(ErrorKind::Inconclusive, format!("no content of {} was stored before then", found.path))
            .hint("it was being read, or could not be: see `vigie log`")
    };
    version.state.content.as_ref().ok_or_else(nothing)
}
