//! Roles that somebody else writes into files, such as the hooks of whoever elects.

use crate::failure::Failure;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use vigie_health::{RoleSeen, Roles};

/// How often the files are read.
const INTERVAL: Duration = Duration::from_millis(200);

/// Read of a file: one line of a role, or the log of some.
const FILE_BYTES_MAX: u64 = 4096;

/// `GROUP=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleFile {
    group: String,
    path: PathBuf,
}

impl FromStr for RoleFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((group, path)) if !group.is_empty() && !path.is_empty() => {
                Ok(RoleFile { group: group.to_owned(), path: path.into() })
            }
            _ => Err(format!("`{text}` is not GROUP=FILE")),
        }
    }
}

/// The files of all groups.
#[derive(Debug)]
pub(crate) struct RoleFiles(BTreeMap<String, PathBuf>);

/// Files that are read until this is dropped.
#[derive(Debug)]
pub(crate) struct Following {
    roles: watch::Receiver<Roles>,
    _reading: Option<AbortOnDropHandle<()>>,
}

impl RoleFiles {
    /// Refuses two files for one group.
    pub(crate) fn new(files: Vec<RoleFile>) -> Result<Self, Failure> {
        let mut by_group = BTreeMap::new();
        for RoleFile { group, path } in files {
            if let Some(other) = by_group.insert(group.clone(), path) {
                return Err(Failure::usage(format!(
                    "{group} has two files, one of them {}",
                    other.display()
                )));
            }
        }
        Ok(RoleFiles(by_group))
    }

    /// The groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }

    /// Reads them now, and again and again.
    pub(crate) fn follow(self) -> Following {
        let (sender, roles) = watch::channel(read_all(&self.0));
        let reading =
            (!self.0.is_empty()).then(|| AbortOnDropHandle::new(tokio::spawn(follow(self.0, sender))));
        Following { roles, _reading: reading }
    }
}

impl Following {
    /// The roles, and every change.
    pub(crate) fn roles(&self) -> watch::Receiver<Roles> {
        self.roles.clone()
    }
}

async fn follow(files: BTreeMap<String, PathBuf>, sender: watch::Sender<Roles>) {
    let mut last = sender.borrow().clone();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let names = files.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || read_all(&names)).await else { return };
        let believed = believed(&sender.borrow(), &last, &read);
        sender.send_if_modified(|roles| {
            let changed = *roles != believed;
            for (group, seen) in believed.iter().filter(|(group, seen)| roles.get(*group) != Some(seen)) {
                let role = seen.role.map_or("unknown", |role| role.as_str());
                tracing::info!(group, role, epoch = seen.epoch, "role");
            }
            *roles = believed;
            changed
        });
        last = read;
    }
}

/// A role counts at once. A file without one counts when it was so twice: a shell empties a file before it writes it.
fn believed(now: &Roles, last: &Roles, read: &Roles) -> Roles {
    let is_told = |roles: &Roles, group: &String| roles.get(group).is_some_and(|seen| seen.role.is_some());
    read.iter()
        .map(|(group, seen)| {
            let keep = seen.role.is_none() && is_told(last, group);
            let seen = if keep { now.get(group).unwrap_or(seen) } else { seen };
            (group.clone(), seen.clone())
        })
        .collect()
}

fn read_all(files: &BTreeMap<String, PathBuf>) -> Roles {
    files.iter().map(|(group, path)| (group.clone(), parse(group, &read(path)))).collect()
}

/// The file's text; empty when there is none, or it is not a plain file, which could make the reader wait.
fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    if path.is_file()
        && let Ok(file) = std::fs::File::open(path)
    {
        // What cannot be read tells no role.
        let _ = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `principal epoch=7 …`, in the last line that is not empty.
fn parse(group: &str, text: &str) -> RoleSeen {
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut words = line.split_whitespace();
    let role = words.next().and_then(|word| word.parse().ok());
    let epoch = words.find_map(|word| word.strip_prefix("epoch=")?.parse().ok());
    RoleSeen { group: group.to_owned(), role, epoch: epoch.filter(|_| role.is_some()), lease: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_health::Role;

    #[test]
    fn the_last_line_counts() {
        let read = |text| {
            let seen = parse("web", text);
            (seen.role, seen.epoch)
        };
        assert_eq!(read("principal\n"), (Some(Role::Principal), None));
        assert_eq!(
            read("principal epoch=1 reason=first\nsecondaire epoch=2\n\n"),
            (Some(Role::Secondaire), Some(2))
        );
        for bad in ["", "\n", "Principal", "princ", "epoch=7", "principal2 epoch=7"] {
            assert_eq!(read(bad), (None, None), "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_is_being_written_is_not_the_loss_of_a_role() {
        let roles = |text| Roles::from([("web".to_owned(), parse("web", text))]);
        let (principal, nothing) = (roles("principal"), roles(""));
        assert_eq!(believed(&principal, &principal, &nothing), principal);
        assert_eq!(believed(&principal, &nothing, &nothing), nothing);
        assert_eq!(believed(&principal, &nothing, &roles("secondaire")), roles("secondaire"));
    }

    #[test]
    fn files_are_named_with_their_group() {
        assert!("web=/run/x=y".parse::<RoleFile>().is_ok_and(|file| file.path == Path::new("/run/x=y")));
        for bad in ["", "web", "=x", "web="] {
            assert!(bad.parse::<RoleFile>().is_err(), "{bad:?}");
        }
    }
}
