//! What is to be sent: files and directories of this machine, found once for all hosts.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One thing that was named, with all that is in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its own name, without directories.
    pub name: String,
    /// Itself first, each directory before what is in it.
    pub items: Vec<Item>,
}

/// One object.
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it is here.
    pub path: PathBuf,
    /// Where it belongs below the tree's own place: names between slashes, nothing for the tree itself.
    pub below: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, without those that lend an owner's rights.
    pub mode: u32,
    /// Last access and last change, in seconds since 1970, as far as the protocol can tell them.
    pub times: (u32, u32),
}

/// What an object is.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// With its length in bytes.
    File(u64),
    /// A directory.
    Dir,
    /// A symbolic link, with its target.
    Link(String),
    /// It is not sent, for this reason.
    Unsent(String),
}

/// What was named cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// It cannot be looked at.
    #[error("cannot look at {}: {source}", path.display())]
    Look {
        /// What.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It has no name of its own that is text.
    #[error("{} has no name to be copied under: it must be UTF-8 text", path.display())]
    Name {
        /// What.
        path: PathBuf,
    },
    /// It is a directory.
    #[error("{} is a directory", path.display())]
    IsDirectory {
        /// Which.
        path: PathBuf,
    },
    /// It is a device, a socket, a pipe.
    #[error("{} is neither a file nor a directory", path.display())]
    Odd {
        /// What.
        path: PathBuf,
    },
}

impl Tree {
    /// Finds a named thing, and, when directories are wanted, all that is in it. A symbolic link that is named is
    /// followed; others stay links.
    ///
    /// # Errors
    /// The named thing itself cannot be sent. What is in it and cannot is an item of its own.
    pub fn find(path: &Path, recursive: bool) -> Result<Tree, TreeError> {
        let look = |source| TreeError::Look { path: path.to_owned(), source };
        let found = std::fs::metadata(path).map_err(look)?;
        let name = match path.file_name() {
            Some(name) => Some(name.to_owned()),
            // `.`, `..` and what ends in them.
            None => path.canonicalize().map_err(look)?.file_name().map(ToOwned::to_owned),
        };
        let name = name
            .and_then(|name| name.into_string().ok())
            .ok_or_else(|| TreeError::Name { path: path.to_owned() })?;
        let mut tree = Tree { name, items: Vec::new() };
        let kind = match found.is_dir() {
            true if recursive => Kind::Dir,
            true => return Err(TreeError::IsDirectory { path: path.to_owned() }),
            false if found.is_file() => Kind::File(found.len()),
            false => return Err(TreeError::Odd { path: path.to_owned() }),
        };
        let is_dir = kind == Kind::Dir;
        tree.items.push(item(path.to_owned(), String::new(), kind, &found));
        if is_dir {
            tree.add_below(path.to_owned());
        }
        Ok(tree)
    }

    /// Length of all its files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|item| if let Kind::File(size) = item.kind { size } else { 0 }).sum()
    }

    /// Everything in a directory: a stack instead of recursion, so that no depth ends this process.
    fn add_below(&mut self, root: PathBuf) {
        let mut todo = vec![(root, String::new())];
        while let Some((dir, below)) = todo.pop() {
            let mut entries: Vec<io::Result<std::fs::DirEntry>> = match std::fs::read_dir(&dir) {
                Ok(entries) => entries.collect(),
                Err(error) => {
                    self.unsent(dir, below, format!("cannot be listed here: {error}"));
                    continue;
                }
            };
            entries.sort_by_key(|entry| entry.as_ref().map(std::fs::DirEntry::file_name).unwrap_or_default());
            for entry in entries {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        self.unsent(dir.clone(), below.clone(), format!("cannot be listed whole: {error}"));
                        break;
                    }
                };
                let path = entry.path();
                let Ok(name) = entry.file_name().into_string() else {
                    self.unsent(path, format!("{below}?"), "its name is not UTF-8 text".to_owned());
                    continue;
                };
                let below = if below.is_empty() { name } else { format!("{below}/{name}") };
                self.add(path, below, &mut todo);
            }
        }
    }

    fn add(&mut self, path: PathBuf, below: String, todo: &mut Vec<(PathBuf, String)>) {
        let found = match path.symlink_metadata() {
            Ok(found) => found,
            Err(error) => return self.unsent(path, below, format!("cannot be looked at: {error}")),
        };
        let kind = if found.is_dir() {
            todo.push((path.clone(), below.clone()));
            Kind::Dir
        } else if found.is_file() {
            Kind::File(found.len())
        } else if found.is_symlink() {
            match std::fs::read_link(&path).map(|target| target.into_os_string().into_string()) {
                Ok(Ok(target)) => Kind::Link(target),
                Ok(Err(_)) => Kind::Unsent("its target is not UTF-8 text".to_owned()),
                Err(error) => Kind::Unsent(format!("cannot be read: {error}")),
            }
        } else {
            Kind::Unsent("it is neither a file, a directory nor a link".to_owned())
        };
        self.items.push(item(path, below, kind, &found));
    }

    fn unsent(&mut self, path: PathBuf, below: String, why: String) {
        self.items.push(Item { path, below, kind: Kind::Unsent(why), mode: 0, times: (0, 0) });
    }
}

fn item(path: PathBuf, below: String, kind: Kind, found: &std::fs::Metadata) -> Item {
    let seconds = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    let times = (seconds(found.atime()), seconds(found.mtime()));
    Item { path, below, kind, mode: found.mode() & 0o777, times }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_comes_before_what_is_in_it_and_links_stay_links() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("top");
        std::fs::create_dir_all(root.join("b/c")).unwrap();
        std::fs::write(root.join("b/c/f"), "12345").unwrap();
        std::fs::write(root.join("a"), "1").unwrap();
        std::os::unix::fs::symlink("/etc", root.join("z")).unwrap();
        let tree = Tree::find(&root, true).unwrap();
        let shown: Vec<(&str, &Kind)> =
            tree.items.iter().map(|item| (item.below.as_str(), &item.kind)).collect();
        assert_eq!(
            shown,
            [
                ("", &Kind::Dir),
                ("a", &Kind::File(1)),
                ("b", &Kind::Dir),
                ("z", &Kind::Link("/etc".to_owned())),
                ("b/c", &Kind::Dir),
                ("b/c/f", &Kind::File(5)),
            ]
        );
        assert_eq!((tree.name.as_str(), tree.bytes()), ("top", 6));
        assert!(matches!(Tree::find(&root, false), Err(TreeError::IsDirectory { .. })));
        assert_eq!(Tree::find(&root.join("b/.."), true).unwrap().name, "top");
    }
}
