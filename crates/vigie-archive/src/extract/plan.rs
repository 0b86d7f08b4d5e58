//! What an extraction would do, told without doing it.

use super::Halt;
use super::admit::{Admission, Shape};
use super::place::Tree;
use super::report::{Act, Action, Event, Summary};
use super::shared::{Absent, Shared};
use super::target::{Found, Target};
use crate::entry::ContentState;
use crate::path::{below_root, part};
use crate::read::{Entry, EntryKind, TreeReader};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;
use std::io::Read;
use vigie_model::NodeType;

/// Reads a stream and tells what would be done with each entry.
pub(super) fn plan<R: Read>(
    shared: &Shared,
    target: &Target,
    reader: &mut TreeReader<R>,
    observe: &mut dyn FnMut(Event<'_>),
) -> (Summary, Result<(), Halt>) {
    let mut plan =
        Plan { shared, target, admission: Admission::new(), tree: None, summary: Summary::default() };
    let done = plan.entries(reader, observe);
    let counts = reader.counts();
    let left_out = reader.left_out().clone();
    let (entries, bytes) = (counts.entries, counts.bytes);
    let summary = Summary { entries, bytes, left_out, end: reader.end(), ..plan.summary };
    (summary, done)
}

struct Plan<'a> {
    shared: &'a Shared,
    target: &'a Target,
    admission: Admission,
    /// The target, when it is a directory already.
    tree: Option<Tree>,
    summary: Summary,
}

impl Plan<'_> {
    fn entries<R: Read>(
        &mut self,
        reader: &mut TreeReader<R>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Halt> {
        if matches!(self.target.found, Found::EmptyDirectory | Found::FullDirectory) {
            self.tree = Some(Tree::new(self.target.open_directory()?));
        }
        while let Some(entry) = reader.next_entry()? {
            let path = self.admission.admit(self.shared, &entry);
            let damaged = reader.finish_entry()?;
            let action = match &path {
                Some(path) => self.action(path, &entry, damaged)?,
                None => Action::Leave,
            };
            if action != Action::Leave {
                let is_file =
                    matches!(entry.kind, EntryKind::Object(_)) && entry.meta.node_type == NodeType::File;
                self.shared.wrote(if is_file { entry.meta.size } else { 0 });
            }
            let kind = match &entry.kind {
                EntryKind::Link(_) => "link",
                _ => entry.meta.node_type.as_str(),
            };
            observe(Event::Planned { path: path.as_ref().unwrap_or(&entry.name), kind, action });
            let counts = reader.counts();
            observe(Event::Progress { entries: counts.entries, bytes: counts.bytes });
        }
        Ok(())
    }

    fn action(&mut self, path: &[u8], entry: &Entry, damaged: bool) -> Result<Action, Halt> {
        match &entry.kind {
            EntryKind::Unsupported(why) => {
                self.shared.problem(path, Act::Understand, why);
                return Ok(Action::Leave);
            }
            EntryKind::Link(first) => {
                let first = below_root(first)
                    .ok()
                    .filter(|first| first.as_ref() != path && self.admission.has_seen(self.shared, first));
                let Some(first) = first else {
                    self.shared.problem(path, Act::Link, "its first name is not in the stream before it");
                    return Ok(Action::Leave);
                };
                match self.shared.absent(&first) {
                    None => {}
                    Some(Absent::Missing) => return Ok(self.leave_out(path, ContentState::Missing)),
                    Some(_) => return Ok(self.leave_out(path, ContentState::Damaged)),
                }
            }
            EntryKind::Object(state) => match if damaged { ContentState::Damaged } else { *state } {
                ContentState::Present { pending, torn } => self.note(path, pending, torn),
                ContentState::Unseen => self.summary.unseen.push(|| path.to_vec()),
                absent => return Ok(self.leave_out(path, absent)),
            },
        }
        let directory = entry.meta.node_type == NodeType::Directory;
        let Some((parent, name)) = part(path) else { return self.root_action() };
        let Some(tree) = &mut self.tree else { return Ok(Action::Create) };
        let found = tree.directory(parent).and_then(|dir| statat(&dir.fd, name, AtFlags::SYMLINK_NOFOLLOW));
        Ok(match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Directory) if directory => Action::Keep,
            Ok(FileType::Directory) => {
                self.shared.problem(path, Act::Replace, "a directory is in the way");
                Action::Leave
            }
            Ok(_) => Action::Replace,
            // What is in the way of the directory above would be replaced by it.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Action::Create,
            Err(errno) => {
                self.shared.failed(path, Act::Parent, errno.into());
                Action::Leave
            }
        })
    }

    fn root_action(&self) -> Result<Action, Halt> {
        if self.admission.shape == Shape::Object {
            self.target.for_object()?;
        }
        Ok(match self.target.found {
            Found::Nothing => Action::Create,
            Found::Other => Action::Replace,
            Found::EmptyDirectory | Found::FullDirectory => Action::Keep,
        })
    }

    /// Lists a file that would be written, by what its content is worth.
    fn note(&mut self, path: &[u8], pending: bool, torn: bool) {
        if pending {
            self.summary.pending.push(|| path.to_vec());
        }
        if torn {
            self.summary.torn.push(|| path.to_vec());
        }
    }

    /// Lists a file that would not be written, for its second names too.
    fn leave_out(&mut self, path: &[u8], state: ContentState) -> Action {
        let (list, why) = match state {
            ContentState::Missing => (&mut self.summary.missing, Absent::Missing),
            _ => (&mut self.summary.damaged, Absent::Damaged),
        };
        self.shared.set_absent(path, why);
        list.push(|| path.to_vec());
        Action::Leave
    }
}
