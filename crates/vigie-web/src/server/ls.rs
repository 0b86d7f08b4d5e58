//! `ls`: what is at a path, or in the directory there.

use super::HubState;
use super::at::{Found, ObjectQuery, Target, blocking, find, internal};
use super::log::usage;
use super::reply::{BodyWriter, Gone, NDJSON, Refused, streamed};
use super::room::Room;
use super::walk::{Step, TreeWalk};
use crate::messages::{ContentState, Entry};
use crate::text::{Shown, octal, rfc3339_of_file};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use std::collections::BTreeSet;
use vigie_model::{BytePath, NodeId, NodeType};
use vigie_store::{NodeVersion, Store};

pub(super) async fn ls(
    State(state): State<HubState>,
    Extension(room): Extension<Room>,
    query: Result<Query<ObjectQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(usage)?;
    let slot = room.stream().await?;
    let store = state.hub.store().clone();
    let recursive = query.recursive;
    let found = blocking(move || find(&*state.hub, &query)).await?;
    let (writer, mut response) = streamed(NDJSON, slot);
    found.describe(response.headers_mut());
    tokio::task::spawn_blocking(move || {
        if list(&store, &found, recursive, writer).is_err() {
            tracing::debug!("the client did not wait for the end of its listing");
        }
    });
    Ok(response)
}

fn list(store: &Store, found: &Found, recursive: bool, mut writer: BodyWriter) -> Result<(), Gone> {
    match &found.target {
        Target::AboveRoots(roots) => above_roots(&found.asked.path, roots, &mut writer)?,
        Target::Node(node, version) if version.state.meta.node_type == NodeType::Directory => {
            let mut walk = TreeWalk::new(store, found.asked.machine, found.asked.seq, *node, recursive);
            loop {
                match walk.step() {
                    Ok(Some(Step { path, node, version })) => {
                        writer.line(&entry(&joined(&found.asked.path, &path), node, &version))?;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        writer.last_words(internal(error))?;
                        break;
                    }
                }
                if writer.is_full() {
                    writer.push_blocking()?;
                }
            }
        }
        Target::Node(node, version) => writer.line(&entry(found.asked.path.as_bytes(), *node, version))?,
    }
    writer.push_blocking()
}

/// The directories that lead from here to the roots below.
fn above_roots(path: &BytePath, roots: &[BytePath], writer: &mut BodyWriter) -> Result<(), Gone> {
    let first_name = |root: &BytePath| {
        let below = root.below(path)?;
        let name = below.split(|b| *b == b'/').next()?;
        Some(joined(path, name))
    };
    let directories: BTreeSet<Vec<u8>> = roots.iter().filter_map(first_name).collect();
    for directory in directories {
        let shown = Shown::new(&directory);
        let node_type = NodeType::Directory.as_str().to_owned();
        writer.line(&Entry { path: shown.text, path_b64: shown.b64, node_type, ..Entry::default() })?;
    }
    Ok(())
}

fn joined(top: &BytePath, below: &[u8]) -> Vec<u8> {
    let mut path = top.as_bytes().to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(below);
    path
}

/// How much of a file's content can be given.
pub(super) fn content_state(version: &NodeVersion) -> ContentState {
    match &version.state.content {
        None => ContentState::None,
        Some(content) => match (version.state.pending, content.torn) {
            (false, false) => ContentState::Whole,
            (true, false) => ContentState::Pending,
            (false, true) => ContentState::Torn,
            (true, true) => ContentState::PendingTorn,
        },
    }
}

fn entry(path: &[u8], node: NodeId, version: &NodeVersion) -> Entry {
    let meta = &version.state.meta;
    let shown = Shown::new(path);
    let mut entry = Entry {
        path: shown.text,
        path_b64: shown.b64,
        node_type: meta.node_type.as_str().to_owned(),
        mode: octal(meta.mode),
        uid: meta.uid,
        gid: meta.gid,
        mtime: rfc3339_of_file(meta.mtime),
        node: Some(node.to_string()),
        ..Entry::default()
    };
    match &meta.node_type {
        NodeType::File => {
            entry.size = Some(meta.size);
            entry.state = Some(content_state(version));
            if let Some(content) = &version.state.content {
                entry.digest = Some(content.digest.to_string());
                entry.digest_kind = Some(content.digest_kind.as_str().to_owned());
            }
        }
        NodeType::Symlink { target } => {
            entry.size = Some(target.len() as u64);
            let target = Shown::new(target);
            (entry.target, entry.target_b64) = (Some(target.text), target.b64);
        }
        NodeType::CharDevice { major, minor } | NodeType::BlockDevice { major, minor } => {
            entry.device = Some((*major, *minor));
        }
        NodeType::Directory => entry.state = version.state.pending.then_some(ContentState::Unseen),
        NodeType::Fifo | NodeType::Socket => {}
    }
    entry
}
