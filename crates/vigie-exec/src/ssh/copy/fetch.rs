//! Files from a host. Nothing that it says leads a file out of the directory where its files arrive.

use super::class::{CopyClass, Trouble};
use super::flow::{Flowed, ReadError, read_all};
use super::landing::{Landing, stays_inside};
use super::proof::prove;
use super::send::{absolute, each, join};
use super::{Arrived, Session, hex};
use crate::limits::PATH_BYTES_MAX;
use crate::ssh::sftp::{self, Stat};
use std::path::Path;
use tokio::time::Instant;

/// Fetches all paths. An error ends the work with this host; everything else was told file by file.
pub(super) async fn all(
    session: &Session<'_>,
    paths: &[String],
    to: &Path,
    by_host: bool,
) -> Result<(), Trouble> {
    let (landing, name) = place(session, paths, to, by_host)?;
    for path in paths {
        let began = Instant::now();
        let looking = async {
            let path = absolute(session, path).await?;
            let found = session.sftp.stat(&path).await;
            found.map(|found| (path, found)).map_err(|e| Trouble::there("look at it there", &e))
        };
        let (path, found) = match session.unless_over(looking).await {
            Ok(found) => found,
            Err(trouble) => {
                session.tell(path, landing.path.clone(), began, Err(trouble)).await?;
                continue;
            }
        };
        let own = path.rsplit('/').next().unwrap_or_default().to_owned();
        let wanted = Wanted { name: name.clone().unwrap_or(own), path, found, landing: landing.clone() };
        match wanted.found.kind {
            sftp::Kind::Dir if session.job.recursive => tree(session, wanted).await?,
            sftp::Kind::Dir => {
                let why = Trouble::new(CopyClass::NotCopied, "it is a directory; -r copies it");
                wanted.tell(session, began, Err(why)).await?;
            }
            _ => wanted.file(session).await?,
        }
    }
    Ok(())
}

/// Where files of this host arrive, and the name for the one that is fetched when it is not its own.
fn place(
    session: &Session<'_>,
    paths: &[String],
    to: &Path,
    by_host: bool,
) -> Result<(Landing, Option<String>), Trouble> {
    if by_host {
        return Ok((Landing::open(to)?.enter(session.host)?, None));
    }
    let must_be_dir = paths.len() > 1 || to.as_os_str().as_encoded_bytes().ends_with(b"/");
    match std::fs::metadata(to) {
        Ok(found) if found.is_dir() => return Ok((Landing::open(to)?, None)),
        _ if must_be_dir => return Ok((Landing::open(to)?, None)),
        _ => {}
    }
    let name = to.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let Some(name) = name else {
        return Err(Trouble::new(CopyClass::NotCopied, format!("{} is no name for a file", to.display())));
    };
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok((Landing::open(parent)?, Some(name)))
}

/// One object there, and the name that it gets in a directory here.
struct Wanted {
    path: String,
    found: Stat,
    landing: Landing,
    name: String,
}

impl Wanted {
    async fn tell(
        &self,
        session: &Session<'_>,
        began: Instant,
        went: Result<Arrived, Trouble>,
    ) -> Result<(), Trouble> {
        session.tell(&self.path, self.landing.path.join(&self.name), began, went).await
    }

    async fn file(&self, session: &Session<'_>) -> Result<(), Trouble> {
        let began = Instant::now();
        let went = match self.found.kind {
            sftp::Kind::File => session.unless_over(file(session, self)).await,
            _ => Err(Trouble::new(
                CopyClass::NotCopied,
                "it is neither a file, a directory nor a link that leads to one",
            )),
        };
        self.tell(session, began, went).await
    }
}

/// A directory with all that is in it: first all directories, then files, several at once.
async fn tree(session: &Session<'_>, top: Wanted) -> Result<(), Trouble> {
    let mut todo = vec![(top, 0_usize)];
    let mut dirs = Vec::new();
    while let Some((dir, depth)) = todo.pop() {
        let began = Instant::now();
        let listing = async {
            let landing = dir.landing.enter(&dir.name)?;
            let names = session.sftp.names(&dir.path).await;
            names.map(|names| (landing, names)).map_err(|e| Trouble::there("list it there", &e))
        };
        let (landing, names) = match session.unless_over(listing).await {
            Ok(found) => found,
            Err(trouble) => {
                dir.tell(session, began, Err(trouble)).await?;
                continue;
            }
        };
        let mut files = Vec::new();
        for name in names {
            let began = Instant::now();
            let path = join(&dir.path, &name);
            match session.unless_over(look(session, &path, &name)).await {
                Ok(found) => {
                    let kind = found.kind;
                    let wanted = Wanted { path, found, landing: landing.clone(), name };
                    if kind == sftp::Kind::Dir {
                        todo.push((wanted, depth + 1));
                    } else {
                        files.push(wanted);
                    }
                }
                // The name is shown, and never used.
                Err(trouble) => session.tell(&path, landing.path.clone(), began, Err(trouble)).await?,
            }
        }
        each(files, |wanted| async move {
            if wanted.found.kind != sftp::Kind::Link {
                return wanted.file(session).await;
            }
            let began = Instant::now();
            let went = session.unless_over(link(session, &wanted, depth)).await;
            wanted.tell(session, began, went).await
        })
        .await?;
        dirs.push((dir, landing));
    }
    if session.job.preserve {
        for (dir, landing) in dirs.iter().rev() {
            let set = landing.set(dir.found.mode, dir.found.times.unwrap_or_default());
            if let (Err(trouble), true) = (set, dir.found.times.is_some()) {
                dir.tell(session, Instant::now(), Err(trouble)).await?;
            }
        }
    }
    Ok(())
}

/// Looks at what a listing names, if the name is one.
async fn look(session: &Session<'_>, path: &str, name: &str) -> Result<Stat, Trouble> {
    if let Err(why) = sftp::check_name(name) {
        let text = format!("the server names something {name:?}, which is refused: {why}");
        return Err(Trouble::new(CopyClass::LeadsOut, text));
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(Trouble::new(CopyClass::NotCopied, "its path is too long"));
    }
    session.sftp.lstat(path).await.map_err(|e| Trouble::there("look at it there", &e))
}

async fn file(session: &Session<'_>, wanted: &Wanted) -> Result<Arrived, Trouble> {
    let sftp = session.sftp;
    session.job.done.expect(wanted.found.size);
    let mut arriving = wanted.landing.begin(&wanted.name, wanted.found.mode)?;
    let handle = sftp.open_file(&wanted.path).await.map_err(|e| Trouble::there("open it there", &e))?;
    let read = async {
        let before = sftp.fstat(&handle).await.map_err(|e| Trouble::there("look at it there", &e))?;
        let flowed = match read_all(session, &handle, before.size, &mut arriving.file, true).await {
            Ok(flowed) => flowed,
            Err(ReadError::Read(error)) => return Err(Trouble::there("read it there", &error)),
            Err(ReadError::Write(error)) => return Err(Trouble::here("write it", &error)),
        };
        let after = sftp.fstat(&handle).await.map_err(|e| Trouble::there("look at it there", &e))?;
        unchanged(&before, &after, &flowed).map(|()| (flowed, before))
    };
    let read = read.await;
    // What was read holds, whatever becomes of the handle.
    let _ = sftp.close(&handle).await;
    let (flowed, found) = read?;
    let proof = match session.job.verify {
        true => Some(prove(session, &wanted.path, &flowed).await?),
        false => None,
    };
    let preserved = found.times.filter(|_| session.job.preserve).map(|times| (found.mode, times));
    arriving.finish(preserved).await?;
    let digest = Some(hex(&flowed.digest));
    Ok(Arrived { bytes: flowed.bytes, digest, proof, synced: true, message: None })
}

fn unchanged(before: &Stat, after: &Stat, flowed: &Flowed) -> Result<(), Trouble> {
    let mtime = |found: &Stat| found.times.map(|times| times.1);
    // Files that the kernel makes as they are read, as in /proc, have no length.
    let fits = before.size == 0 || before.size == flowed.bytes;
    match before.size == after.size && mtime(before) == mtime(after) && fits {
        true => Ok(()),
        false => Err(Trouble::new(CopyClass::Changed, "it changed while it was read; try again")),
    }
}

async fn link(session: &Session<'_>, wanted: &Wanted, depth: usize) -> Result<Arrived, Trouble> {
    let target =
        session.sftp.read_link(&wanted.path).await.map_err(|e| Trouble::there("read the link there", &e))?;
    if !stays_inside(&target, depth) {
        let text = format!("it leads to {target:?}, which is not below what is copied");
        return Err(Trouble::new(CopyClass::LeadsOut, text));
    }
    wanted.landing.link(&wanted.name, &target)?;
    Ok(Arrived { bytes: 0, digest: None, proof: None, synced: false, message: None })
}
