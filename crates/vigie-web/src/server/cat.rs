//! `cat`: the bytes of one file.

use super::HubState;
use super::at::{Found, ObjectQuery, blocking, find, internal};
use super::log::usage;
use super::ls::content_state;
use super::reply::{Refused, streamed};
use super::room::Room;
use crate::messages::{ApiError, ErrorKind, HEADER_STATE};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use std::io::{self, Write};
use vigie_model::{BytePath, Content, NodeType};
use vigie_store::{ContentReader, ReadError, Store, StoreError};

pub(super) async fn cat(
    State(state): State<HubState>,
    Extension(room): Extension<Room>,
    query: Result<Query<ObjectQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(usage)?;
    let slot = room.stream().await?;
    let (found, content, left) = blocking(move || {
        let found = find(&*state.hub, &query)?;
        let content = file(&found)?;
        let left = content.size.checked_sub(query.offset).ok_or_else(|| {
            let text =
                format!("{} has {} bytes, fewer than are to be left out", found.asked.path, content.size);
            ApiError::new(ErrorKind::Usage, text)
        })?;
        let content = Rest::open(state.hub.store(), content, query.offset)
            .map_err(|error| unreadable(&found.asked.path, error))?;
        Ok((found, content, left))
    })
    .await?;
    let (mut writer, mut response) = streamed("application/octet-stream", slot);
    let headers = response.headers_mut();
    found.describe(headers);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
    let (_, version) = found.node()?;
    let state = content_state(version).as_str();
    headers.insert(HeaderName::from_static(HEADER_STATE), HeaderValue::from_static(state));
    tokio::task::spawn_blocking(move || {
        for piece in content {
            match piece {
                Ok(piece) => {
                    if writer.write_all(&piece).is_err() {
                        return;
                    }
                }
                Err(error) => return writer.break_off(io::Error::other(error)),
            }
        }
        if writer.push_blocking().is_err() {
            tracing::debug!("the client did not wait for the end of its file");
        }
    });
    Ok(response)
}

/// A content from some byte on. Its first piece was read before the answer began, because only then can the answer
/// say that it is damaged: one that has begun can only be broken off.
struct Rest {
    first: Option<Vec<u8>>,
    others: ContentReader,
}

impl Rest {
    fn open(store: &Store, content: &Content, mut offset: u64) -> Result<Self, ReadError> {
        let mut others = store.content(content);
        while let Some(mut piece) = others.next().transpose()? {
            if offset < piece.len() as u64 {
                piece.drain(..offset as usize);
                return Ok(Rest { first: Some(piece), others });
            }
            offset -= piece.len() as u64;
        }
        Ok(Rest { first: None, others })
    }
}

impl Iterator for Rest {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.first.take().map(Ok).or_else(|| self.others.next())
    }
}

fn unreadable(path: &BytePath, error: ReadError) -> ApiError {
    match error {
        ReadError::Missing(_) | ReadError::Damaged { .. } | ReadError::Store(StoreError::Damaged { .. }) => {
            let why = match error {
                ReadError::Store(error) => error.to_string(),
                error => error.to_string(),
            };
            ApiError::new(ErrorKind::Damaged, format!("the stored content of {path} is damaged: {why}"))
                .hint("`vigie verify` names all that is damaged; another version of the file may be whole")
        }
        ReadError::Store(error) => internal(error),
    }
}

/// The content of what was asked for, if it is a file and has one.
fn file(found: &Found) -> Result<&Content, ApiError> {
    let (_, version) = found.node()?;
    let wrong = |why: String| ApiError::new(ErrorKind::WrongType, format!("{} {why}", found.asked.path));
    match &version.state.meta.node_type {
        NodeType::File => {}
        NodeType::Directory => {
            return Err(
                wrong("is a directory".into()).hint(format!("`vigie ls {}` lists it", found.asked.place()))
            );
        }
        NodeType::Symlink { target } => {
            let target = crate::text::Shown::new(target).text;
            return Err(wrong("is a symbolic link".into()).hint(format!("it points to {target}")));
        }
        other => return Err(wrong(format!("is a {} and has no content", other.as_str()))),
    }
    let nothing = || {
        ApiError::new(
            ErrorKind::Inconclusive,
            format!("no content of {} was stored before then", found.asked.path),
        )
        .hint(format!("it was being read, or could not be: `vigie log {}` tells", found.asked.place()))
    };
    version.state.content.as_ref().ok_or_else(nothing)
}
