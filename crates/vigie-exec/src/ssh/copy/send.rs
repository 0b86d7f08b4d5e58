//! Files to a host.

use super::class::{CopyClass, Trouble};
use super::flow::{WriteError, write_all};
use super::proof::prove;
use super::tree::{Item, Kind, Tree};
use super::{Arrived, Session, hex, temporary_name};
use crate::limits::{CLEAN_PATIENCE, COPY_FILES, PATH_BYTES_MAX};
use crate::ssh::sftp::{self, SftpError, Stat};
use futures_util::stream::{self, StreamExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tokio::time::{Instant, timeout};

/// Sends all trees. An error ends the work with this host; everything else was told file by file.
pub(super) async fn all(session: &Session<'_>, trees: &[Tree], to: &str) -> Result<(), Trouble> {
    session.job.done.expect(trees.iter().map(Tree::bytes).sum());
    let (to, inside) = session.unless_over(place(session, trees, to)).await?;
    let mut files = Vec::new();
    let mut dirs = Vec::new();
    for tree in trees {
        let root = if inside { join(&to, &tree.name) } else { to.clone() };
        let mut closed: Vec<&str> = Vec::new();
        for item in &tree.items {
            let path = if item.below.is_empty() { root.clone() } else { join(&root, &item.below) };
            if closed.iter().any(|dir| is_below(&item.below, dir)) {
                let why = Trouble::new(CopyClass::NotCopied, "its directory was not made there");
                session.tell(&path, item.path.clone(), Instant::now(), Err(why)).await?;
                continue;
            }
            match item.kind {
                Kind::Dir => {
                    let began = Instant::now();
                    match session.unless_over(directory(session, item, &path)).await {
                        Ok(()) => dirs.push((item, path)),
                        Err(trouble) => {
                            closed.push(&item.below);
                            session.tell(&path, item.path.clone(), began, Err(trouble)).await?;
                        }
                    }
                }
                _ => files.push((item, path)),
            }
        }
    }
    each(files, |(item, path)| async move {
        let began = Instant::now();
        let went = match &item.kind {
            Kind::File(_) => file(session, item, &path).await,
            Kind::Link(target) => link(session, target, &path).await,
            Kind::Unsent(why) => Err(Trouble::new(CopyClass::NotCopied, why.clone())),
            Kind::Dir => return Ok(()),
        };
        session.tell(&path, item.path.clone(), began, went).await
    })
    .await?;
    if session.job.preserve {
        // What is in them was written, which changed their times; the deepest come first.
        for (item, path) in dirs.iter().rev() {
            let set = session.sftp.set_dir(path, item.mode, item.times);
            if let Err(error) = set.await {
                let trouble = Trouble::there("set its mode and times", &error);
                session.tell(path, item.path.clone(), Instant::now(), Err(trouble)).await?;
            }
        }
    }
    Ok(())
}

/// Does something with each, several at once. After an error no more is begun, and what was begun ends.
pub(super) async fn each<T, F>(all: Vec<T>, one: impl Fn(T) -> F) -> Result<(), Trouble>
where
    F: Future<Output = Result<(), Trouble>>,
{
    let failed = Mutex::new(None);
    let lock = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    stream::iter(all)
        .for_each_concurrent(COPY_FILES, |one_of_all| {
            let begun = lock().is_none().then(|| one(one_of_all));
            let lock = &lock;
            async move {
                if let Some(begun) = begun
                    && let Err(trouble) = begun.await
                {
                    lock().get_or_insert(trouble);
                }
            }
        })
        .await;
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// The absolute path to send to, and whether it is a directory into which things go under their own names.
async fn place(session: &Session<'_>, trees: &[Tree], to: &str) -> Result<(String, bool), Trouble> {
    let sftp = session.sftp;
    let path = absolute(session, to).await?;
    let must_be_dir = to.ends_with('/') || to == "~" || trees.len() > 1;
    match sftp.stat(&path).await {
        Ok(Stat { kind: sftp::Kind::Dir, .. }) => Ok((path, true)),
        Ok(_) if must_be_dir => {
            Err(Trouble::new(CopyClass::InTheWay, format!("{path} is there, and is no directory")))
        }
        Ok(_) => Ok((path, false)),
        Err(SftpError::NotFound) if must_be_dir => {
            Err(Trouble::new(CopyClass::NotFound, format!("there is no directory {path} there")))
        }
        Err(SftpError::NotFound) => Ok((path, false)),
        Err(error) => Err(Trouble::there(&format!("look at {path}"), &error)),
    }
}

/// `~` is where a session begins.
pub(super) async fn absolute(session: &Session<'_>, path: &str) -> Result<String, Trouble> {
    let path = match path.strip_prefix('~') {
        None => path.to_owned(),
        Some(below) => {
            let home =
                session.sftp.home().await.map_err(|e| Trouble::there("ask for the home directory", &e))?;
            format!("{}{below}", home.trim_end_matches('/'))
        }
    };
    match path.trim_end_matches('/') {
        "" => Ok("/".to_owned()),
        trimmed if trimmed.len() > PATH_BYTES_MAX => {
            Err(Trouble::new(CopyClass::Failed, "the path is too long"))
        }
        trimmed => Ok(trimmed.to_owned()),
    }
}

/// One name below a directory.
pub(super) fn join(dir: &str, name: &str) -> String {
    if dir.ends_with('/') { format!("{dir}{name}") } else { format!("{dir}/{name}") }
}

/// The directory in which a path is.
fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

fn is_below(path: &str, dir: &str) -> bool {
    dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

async fn directory(session: &Session<'_>, item: &Item, path: &str) -> Result<(), Trouble> {
    let sftp = session.sftp;
    // The one that was named may be a link to a directory; one below it would lead out of it.
    let found = if item.below.is_empty() { sftp.stat(path).await } else { sftp.lstat(path).await };
    match found {
        Ok(Stat { kind: sftp::Kind::Dir, .. }) => Ok(()),
        Ok(Stat { kind: sftp::Kind::Link, .. }) => Err(Trouble::new(
            CopyClass::LeadsOut,
            "it is a symbolic link there, which is not followed: it may lead anywhere",
        )),
        Ok(_) => Err(Trouble::new(CopyClass::InTheWay, "it is there, and is no directory")),
        Err(SftpError::NotFound) => match sftp.make_dir(path, item.mode | 0o700).await {
            Ok(()) => Ok(()),
            Err(error) => Err(explained(session, path, "make the directory", error).await),
        },
        Err(error) => Err(Trouble::there("look at it there", &error)),
    }
}

/// What is there already and will be replaced.
async fn replaced(session: &Session<'_>, path: &str) -> Result<Option<Stat>, Trouble> {
    match session.sftp.lstat(path).await {
        Ok(Stat { kind: sftp::Kind::Dir, .. }) => {
            Err(Trouble::new(CopyClass::InTheWay, "there is a directory of this name"))
        }
        Ok(Stat { kind: sftp::Kind::Other, .. }) => Err(Trouble::new(
            CopyClass::InTheWay,
            "there is a device, a pipe or a socket of this name, which is not replaced",
        )),
        Ok(found) => Ok(Some(found)),
        Err(SftpError::NotFound) => Ok(None),
        Err(error) => Err(Trouble::there("look at it there", &error)),
    }
}

async fn file(session: &Session<'_>, item: &Item, path: &str) -> Result<Arrived, Trouble> {
    let sftp = session.sftp;
    let from = open_here(item).await?;
    let there = session.unless_over(replaced(session, path)).await?;
    let kept = there.filter(|there| there.kind == sftp::Kind::File && !session.job.preserve);
    let temporary = join(parent(path), &temporary_name()?);
    // A new file has its source's mode from the beginning, less what the umask there takes away.
    let is_plain = kept.is_none() && !session.job.preserve;
    let mode = if is_plain { item.mode } else { 0o600 };
    let handle = match session.unless_over(async { Ok(sftp.create(&temporary, mode).await) }).await {
        Ok(Ok(handle)) => handle,
        Ok(Err(SftpError::NotFound)) => {
            let text = format!("there is no directory {} there", parent(path));
            return Err(Trouble::new(CopyClass::NotFound, text));
        }
        Ok(Err(error)) => return Err(explained(session, path, "make a file there", error).await),
        // It may have been made all the same.
        Err(trouble) => return Err(clean(session, &temporary, trouble).await),
    };
    let filling = fill(session, item, from, Target { path, temporary: &temporary, handle: &handle, kept });
    let filled = session.unless_over(filling).await;
    let renamed = match filled {
        Err(trouble) => {
            if timeout(CLEAN_PATIENCE, sftp.close(&handle)).await.is_err() {
                // A server that does not even read any more must not hold up the end.
                return Err(left(&temporary, trouble));
            }
            Err(trouble)
        }
        Ok(arrived) => match sftp.close(&handle).await {
            Err(error) => Err(explained(session, path, "close the file there", error).await),
            Ok(()) => match sftp.replace(&temporary, path).await {
                Ok(()) => Ok(arrived),
                Err(error) => Err(not_renamed(session, path, error).await),
            },
        },
    };
    match renamed {
        Ok(arrived) => Ok(arrived),
        Err(trouble) => Err(clean(session, &temporary, trouble).await),
    }
}

/// Where one file goes.
struct Target<'a> {
    path: &'a str,
    temporary: &'a str,
    handle: &'a str,
    /// The file that is replaced, whose mode and owner stay.
    kept: Option<Stat>,
}

async fn fill(
    session: &Session<'_>,
    item: &Item,
    mut from: tokio::fs::File,
    target: Target<'_>,
) -> Result<Arrived, Trouble> {
    let (sftp, handle) = (session.sftp, target.handle);
    let before = from.metadata().await.map_err(|e| Trouble::here("look at it", &e))?;
    let sent = match write_all(session, &mut from, handle).await {
        Ok(sent) => sent,
        Err(WriteError::Read(error)) => return Err(Trouble::here("read it", &error)),
        Err(WriteError::Write(error)) => {
            return Err(explained(session, target.path, "write it there", error).await);
        }
    };
    let after = from.metadata().await.map_err(|e| Trouble::here("look at it", &e))?;
    let looks = |found: &std::fs::Metadata| (found.len(), found.mtime(), found.mtime_nsec());
    if looks(&before) != looks(&after) || (before.len() > 0 && before.len() != sent.bytes) {
        return Err(Trouble::new(CopyClass::Changed, "it changed while it was read; try again"));
    }
    let proof = match session.job.verify {
        true => Some(prove(session, target.temporary, &sent).await?),
        false => None,
    };
    let mut message = None;
    if session.job.preserve {
        let set = |e: &SftpError| Trouble::there("set its mode and times", e);
        sftp.set_mode(handle, item.mode).await.map_err(|e| set(&e))?;
        sftp.set_times(handle, item.times).await.map_err(|e| set(&e))?;
    } else if let Some(kept) = &target.kept {
        message = keep_owner(session, handle, kept).await?;
        let set = |e| Trouble::there("give it the mode of the file that it replaces", &e);
        sftp.set_mode(handle, kept.mode & 0o777).await.map_err(set)?;
    }
    let synced = match sftp.sync(handle).await {
        Ok(synced) => synced,
        Err(error) => return Err(explained(session, target.path, "bring it to the disk there", error).await),
    };
    let digest = Some(hex(&sent.digest));
    Ok(Arrived { bytes: sent.bytes, digest, proof, synced, message })
}

/// The owner of the file that is replaced. Only root can give files away: where that fails, it is said.
async fn keep_owner(session: &Session<'_>, handle: &str, kept: &Stat) -> Result<Option<String>, Trouble> {
    let ours = session.sftp.fstat(handle).await.map_err(|e| Trouble::there("look at it there", &e))?;
    let Some(owner) = kept.owner.filter(|owner| Some(*owner) != ours.owner) else { return Ok(None) };
    match session.sftp.set_owner(handle, owner).await {
        Ok(()) => Ok(None),
        Err(SftpError::Lost(why)) => Err(Trouble::there("set its owner", &SftpError::Lost(why))),
        Err(_) => Ok(Some(format!("it belonged to {}:{}, and is now this user's", owner.0, owner.1))),
    }
}

async fn link(session: &Session<'_>, target: &str, path: &str) -> Result<Arrived, Trouble> {
    let sftp = session.sftp;
    session.unless_over(replaced(session, path)).await?;
    let temporary = join(parent(path), &temporary_name()?);
    if let Err(error) = sftp.make_link(&temporary, target).await {
        return Err(explained(session, path, "make a symbolic link there", error).await);
    }
    match sftp.replace(&temporary, path).await {
        Ok(()) => Ok(Arrived { bytes: 0, digest: None, proof: None, synced: false, message: None }),
        Err(error) => {
            let trouble = not_renamed(session, path, error).await;
            Err(clean(session, &temporary, trouble).await)
        }
    }
}

async fn not_renamed(session: &Session<'_>, path: &str, error: SftpError) -> Trouble {
    let trouble = explained(session, path, "give it its name there", error).await;
    if session.sftp.lstat(path).await.is_ok() {
        return trouble.adding("a server without posix-rename@openssh.com replaces no file");
    }
    trouble
}

/// Takes away what is not whole.
async fn clean(session: &Session<'_>, temporary: &str, trouble: Trouble) -> Trouble {
    match timeout(CLEAN_PATIENCE, session.sftp.remove(temporary)).await {
        Ok(Ok(()) | Err(SftpError::NotFound)) => trouble,
        _ => left(temporary, trouble),
    }
}

fn left(temporary: &str, trouble: Trouble) -> Trouble {
    trouble.adding(&format!("{temporary} may be left there"))
}

/// The protocol has no code for a full disk: it is looked at when there is no other reason.
async fn explained(session: &Session<'_>, path: &str, act: &str, error: SftpError) -> Trouble {
    if matches!(error, SftpError::Refused(_)) && session.sftp.is_full(parent(path)).await {
        return Trouble::new(CopyClass::NoSpace, format!("cannot {act}: the disk of {path} is full"));
    }
    Trouble::there(act, &error)
}

/// What was named may be a symbolic link; what was found below it is not one, or is none any more.
async fn open_here(item: &Item) -> Result<tokio::fs::File, Trouble> {
    let no_follow = if item.below.is_empty() { 0 } else { libc::O_NOFOLLOW };
    let path: &Path = &item.path;
    let mut options = std::fs::OpenOptions::new();
    // A pipe that has taken the file's name since must not hold us.
    options.read(true).custom_flags(no_follow | libc::O_NONBLOCK);
    let opened = tokio::fs::OpenOptions::from(options).open(path).await;
    opened.map_err(|e| Trouble::here("open it", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_as_they_were_joined() {
        assert_eq!((parent("/a/b"), parent("/a"), parent("/")), ("/a", "/", "/"));
        assert_eq!((join("/", "a"), join("/a", "b/c")), ("/a".to_owned(), "/a/b/c".to_owned()));
        assert!(is_below("a/b", "a") && is_below("a", ""));
        assert!(!is_below("ab", "a") && !is_below("a", "a"));
    }

    #[tokio::test]
    async fn after_an_error_what_was_begun_ends_and_nothing_more_begins() {
        let begun = Mutex::new(Vec::new());
        let went = each((0..100).collect(), |n: usize| {
            begun.lock().unwrap().push(n);
            async move {
                match n {
                    3 => Err(Trouble::new(CopyClass::Failed, "three")),
                    _ => Ok(()),
                }
            }
        })
        .await;
        assert_eq!(went.unwrap_err().message, "three");
        assert!(begun.lock().unwrap().len() < 100);
    }
}
