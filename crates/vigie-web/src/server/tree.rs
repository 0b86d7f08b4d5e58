//! `tree`: an object with everything below it, as a PAX tar stream.

use super::HubState;
use super::at::{Found, ObjectQuery, blocking, find};
use super::log::usage;
use super::reply::{BodyWriter, Refused, streamed};
use super::room::Room;
use super::walk::{Step, TreeWalk};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use vigie_archive::limits::ENTRY_PATH_BYTES_MAX;
use vigie_archive::{ContentState, FileEnd, LeftOutCause, TreeWriter, WriteError};
use vigie_model::{BytePath, MachineId, Metadata, NodeId, NodeType, PathError, Seq};
use vigie_store::{NodeVersion, ReadError, Store, StoreError};

/// Objects that are handed from the walk to the writer at once.
const STEPS_PER_PAGE: usize = 64;
/// Pages that the walk may be ahead of the writer.
const PAGES_AHEAD: usize = 4;

pub(super) async fn tree(
    State(state): State<HubState>,
    Extension(room): Extension<Room>,
    query: Result<Query<ObjectQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(usage)?;
    let slot = room.stream().await?;
    let store = state.hub.store().clone();
    let found = blocking(move || {
        let found = find(&*state.hub, &query)?;
        found.node()?;
        Ok(found)
    })
    .await?;
    let (writer, mut response) = streamed("application/x-tar", slot);
    found.describe(response.headers_mut());
    tokio::task::spawn_blocking(move || write(&store, &found, writer));
    Ok(response)
}

/// Why a stream had to be broken off.
#[derive(Debug, thiserror::Error)]
enum TreeError {
    #[error("the tree could not be read")]
    Store(#[from] StoreError),
    #[error("a thread could not be started")]
    Thread(#[source] io::Error),
    #[error("the stream could not be written")]
    Write(#[from] WriteError),
}

fn write(store: &Store, found: &Found, writer: BodyWriter) {
    let name = found.asked.path.names().last().unwrap_or(b"root");
    let mut job = Job {
        store,
        machine: found.asked.machine,
        seq: found.asked.seq,
        top: &found.asked.path,
        out: TreeWriter::new(writer, name),
        seen: HashSet::new(),
        first: HashMap::new(),
        left_out: HashSet::new(),
    };
    match job.all(found) {
        Ok(()) => match job.out.finish() {
            Ok((mut writer, counts)) => {
                tracing::debug!(?counts, "a tree was given");
                // The last bytes; who does not take them has gone.
                if writer.push_blocking().is_err() {
                    tracing::debug!("the client did not wait for the end of its tree");
                }
            }
            Err(error) => tracing::debug!(%error, "a tree was not taken to its end"),
        },
        // Without the closing header the client knows that this is not all.
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a tree was broken off"),
    }
}

/// What a walk meets, page by page, until nobody wants more.
fn walk_ahead(mut walk: TreeWalk, pages: &SyncSender<Result<Vec<Step>, StoreError>>) {
    loop {
        let page: Result<Vec<Step>, StoreError> =
            std::iter::from_fn(|| walk.step().transpose()).take(STEPS_PER_PAGE).collect();
        let more = page.as_ref().is_ok_and(|page| page.len() == STEPS_PER_PAGE);
        if pages.send(page).is_err() || !more {
            return;
        }
    }
}

struct Job<'a> {
    store: &'a Store,
    machine: MachineId,
    seq: Seq,
    top: &'a BytePath,
    out: TreeWriter<BodyWriter>,
    /// Nodes other than directories that are in the stream.
    seen: HashSet<NodeId>,
    /// Path in the stream of those that were met again.
    first: HashMap<NodeId, Vec<u8>>,
    /// Nodes of which a name was left out, and none is in the stream.
    left_out: HashSet<NodeId>,
}

impl Job<'_> {
    fn all(&mut self, found: &Found) -> Result<(), TreeError> {
        let Ok((node, version)) = found.node() else { return Ok(()) };
        let top = Step { path: Vec::new(), node, version: version.clone() };
        let is_directory = top.is_directory();
        self.object(&top)?;
        if is_directory {
            self.below(
                TreeWalk::new(self.store, self.machine, self.seq, node, true).down_to(ENTRY_PATH_BYTES_MAX),
            )?;
        }
        Ok(())
    }

    /// Writes what a walk meets. Looking that up takes about as long as reading contents, so it is done ahead, on a
    /// thread of its own, which ends when nobody takes what it found.
    fn below(&mut self, walk: TreeWalk) -> Result<(), TreeError> {
        std::thread::scope(|scope| {
            let (ahead, steps) = sync_channel(PAGES_AHEAD);
            std::thread::Builder::new()
                .name("vigie-walk".into())
                .spawn_scoped(scope, move || walk_ahead(walk, &ahead))
                .map_err(TreeError::Thread)?;
            for page in steps {
                for step in page? {
                    self.object(&step)?;
                }
            }
            Ok(())
        })
    }

    fn object(&mut self, step: &Step) -> Result<(), TreeError> {
        let written = if step.is_directory() { self.directory(step) } else { self.name(step) };
        let cause = match written {
            Err(TreeError::Write(WriteError::TooLarge(_))) => LeftOutCause::TooMuchMetadata,
            Err(TreeError::Write(WriteError::Path(PathError::TooLong(_)))) => LeftOutCause::PathTooLong,
            other => return other,
        };
        if !step.is_directory() && !self.seen.contains(&step.node) {
            self.left_out.insert(step.node);
        }
        Ok(self.out.leave_out(&step.path, cause)?)
    }

    fn directory(&mut self, step: &Step) -> Result<(), TreeError> {
        let mut write = |meta: &Metadata| match step.version.state.pending {
            true => self.out.unseen_directory(&step.path, meta),
            false => self.out.directory(&step.path, meta),
        };
        let meta = &step.version.state.meta;
        match write(meta) {
            // What lies below needs it.
            Err(WriteError::TooLarge(_)) => {
                write(&Metadata { xattrs: Vec::new(), mode: meta.mode & 0o700, ..meta.clone() })?;
                Ok(self.out.leave_out(&step.path, LeftOutCause::OnlyAttributes)?)
            }
            other => Ok(other?),
        }
    }

    /// A name of what is no directory: with the object itself the first time it is met, or the first time after
    /// names that had to be left out.
    fn name(&mut self, step: &Step) -> Result<(), TreeError> {
        let meta = &step.version.state.meta;
        if self.seen.contains(&step.node) {
            let first = self.first_path(step)?;
            return Ok(self.out.hard_link(&step.path, &first, meta)?);
        }
        match meta.node_type {
            NodeType::File => self.file(&step.path, &step.version)?,
            _ => self.out.other(&step.path, meta)?,
        }
        self.seen.insert(step.node);
        if self.left_out.remove(&step.node) {
            self.first.insert(step.node, step.path.clone());
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], version: &NodeVersion) -> Result<(), TreeError> {
        let meta = version.content_meta();
        let Some(content) = &version.state.content else {
            let nothing = std::iter::empty::<io::Result<Vec<u8>>>();
            self.out.file(path, &meta, 0, ContentState::Missing, nothing)?;
            return Ok(());
        };
        let state = ContentState::Present { pending: version.state.pending, torn: content.torn };
        match self.out.file(path, &meta, content.size, state, self.store.content(content))? {
            FileEnd::Whole => {}
            // The file may be whole: who asked is to ask again.
            FileEnd::Unreadable(ReadError::Store(error @ StoreError::Index(_))) => return Err(error.into()),
            FileEnd::Unreadable(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a file's content cannot be read");
            }
            FileEnd::WrongSize { came } => {
                tracing::error!(came, size = content.size, "a content has not its recorded size");
            }
        }
        Ok(())
    }

    /// Where in the stream a node came first: of its names below the top, the one that the walk meets first.
    /// Remembering every path instead would cost the hub more memory than the rest of the restore.
    fn first_path(&mut self, step: &Step) -> Result<Vec<u8>, TreeError> {
        if let Some(first) = self.first.get(&step.node) {
            return Ok(first.clone());
        }
        let mut first = step.path.clone();
        for (parent, name) in self.store.names(self.machine, step.node, self.seq)? {
            let Some(mut path) = self.store.path_of(self.machine, parent, self.seq)? else { continue };
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
            let below = path.strip_prefix(self.top.as_bytes()).map(|p| p.strip_prefix(b"/").unwrap_or(p));
            if let Some(below) = below
                && below.len() <= ENTRY_PATH_BYTES_MAX
                && walks_before(below, &first)
            {
                first = below.to_vec();
            }
        }
        self.first.insert(step.node, first.clone());
        Ok(first)
    }
}

/// Whether a walk that takes names in the order of their bytes, and directories before what they hold, meets
/// one path before the other.
fn walks_before(a: &[u8], b: &[u8]) -> bool {
    a.split(|c| *c == b'/').lt(b.split(|c| *c == b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_go_by_names_and_not_by_text() {
        assert!(walks_before(b"a/b", b"a.b"));
        assert!(walks_before(b"a", b"a/b"));
        assert!(!walks_before(b"b", b"a/z"));
        assert!(!walks_before(b"a", b"a"));
    }
}
