//! Files over a connection: the requests of the protocol, each of which ends, and failures that have a meaning.
//! (draft-ietf-secsh-filexfer-02; OpenSSH's `PROTOCOL`, section 4)

use super::class::{Class, Failed};
use super::connect::{Connection, plain_words};
use crate::limits::{
    COPY_PIECE_BYTES, COPY_PIECE_BYTES_SAFE, ENTRIES_MAX, NAME_BYTES_MAX, SFTP_PATIENCE, SYNC_PATIENCE,
};
use russh::ChannelMsg;
use russh_sftp::client::error::Error;
use russh_sftp::client::rawsession::Limits;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// Why a request brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SftpError {
    NotFound,
    Denied,
    Unsupported,
    /// Anything else that the server refuses, in its words; version 3 has no more codes.
    Refused(String),
    /// No answer will come any more.
    Lost(String),
}

impl std::fmt::Display for SftpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SftpError::NotFound => f.write_str("there is no such file or directory"),
            SftpError::Denied => f.write_str("permission denied"),
            SftpError::Unsupported => f.write_str("the server cannot do this"),
            SftpError::Refused(why) => write!(f, "the server says only \"{why}\""),
            SftpError::Lost(why) => f.write_str(why),
        }
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Dir,
    Link,
    Other,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) owner: Option<(u32, u32)>,
    /// Last access and last change, in seconds since 1970.
    pub(crate) times: Option<(u32, u32)>,
}

impl Stat {
    fn of(attrs: &FileAttributes) -> Stat {
        const TYPE: u32 = 0o170_000;
        let mode = attrs.permissions.unwrap_or_default();
        let kind = match mode & TYPE {
            0o100_000 => Kind::File,
            0o040_000 => Kind::Dir,
            0o120_000 => Kind::Link,
            _ => Kind::Other,
        };
        Stat {
            kind,
            size: attrs.size.unwrap_or_default(),
            mode: mode & 0o7777,
            owner: attrs.uid.zip(attrs.gid),
            times: attrs.atime.zip(attrs.mtime),
        }
    }
}

/// A server of files at the other end of a connection.
pub(crate) struct Sftp {
    raw: RawSftpSession,
    /// When it last answered anything.
    heard: Mutex<Instant>,
    /// Why nothing will be answered any more, once that is so.
    lost: watch::Sender<Option<String>>,
    can_sync: bool,
    can_replace: bool,
    can_tell_space: bool,
    /// The most of a file in one request.
    piece: u32,
}

impl Sftp {
    /// Asks for the server of files.
    pub(crate) async fn open(connection: &Connection) -> Result<Sftp, Failed> {
        let host = &connection.settings.written;
        let failed = |why: &str| {
            Failed::new(Class::Prohibited, format!("{host} serves no files: {why}"))
                .hint(
                    "OpenSSH's server needs a line `Subsystem sftp internal-sftp` in its sshd_config; dropbear, and others \
                     without one of their own, the program sftp-server (Debian's openssh-sftp-server); and the shell there \
                     must print nothing by itself",
                )
        };
        let asked = async {
            let mut channel =
                connection.handle.channel_open_session().await.map_err(|e| failed(&plain_words(&e)))?;
            channel.request_subsystem(true, "sftp").await.map_err(|e| failed(&plain_words(&e)))?;
            loop {
                match channel.wait().await {
                    Some(ChannelMsg::Success) => break,
                    Some(ChannelMsg::Failure) => return Err(failed("it has no SFTP")),
                    None | Some(ChannelMsg::Close) => return Err(failed("it closes the session")),
                    Some(_) => {}
                }
            }
            Sftp::over(channel.into_stream()).await.map_err(|e| failed(&e.to_string()))
        };
        timeout(SFTP_PATIENCE, asked).await.unwrap_or_else(|_| Err(failed("it does not answer")))
    }

    /// Greets a server.
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sftp, SftpError> {
        // Every wait has an end of our own, which a slow line that still moves does not reach.
        let config = Config { request_timeout_secs: u64::MAX, ..Config::default() };
        let mut raw = RawSftpSession::new_with_config(stream, config);
        let version = raw.init().await.map_err(told)?;
        let knows = |name: &str, version_wanted: &str| {
            version.extensions.get(name).is_some_and(|version| version == version_wanted)
        };
        let mut piece = COPY_PIECE_BYTES_SAFE;
        if knows("limits@openssh.com", "1")
            && let Ok(limits) = raw.limits().await
        {
            let limits = Limits::from(limits);
            let most = |limit: Option<u64>| limit.map_or(piece, |n| u32::try_from(n).unwrap_or(u32::MAX));
            piece = most(limits.read_len).min(most(limits.write_len)).clamp(1, COPY_PIECE_BYTES);
            raw.set_limits(Limits { open_handles: None, ..limits });
        }
        Ok(Sftp {
            heard: Mutex::new(Instant::now()),
            lost: watch::Sender::new(None),
            can_sync: knows("fsync@openssh.com", "1"),
            can_replace: knows("posix-rename@openssh.com", "1"),
            can_tell_space: knows("statvfs@openssh.com", "2"),
            piece,
            raw,
        })
    }

    /// The most of a file in one request.
    pub(crate) fn piece(&self) -> u32 {
        self.piece
    }

    /// What a request brings. Once one has got lost, all others have too, and none is sent any more.
    async fn ask<T>(
        &self,
        patience: Duration,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, SftpError> {
        let mut lost = self.lost.subscribe();
        let answer = tokio::select! {
            biased;
            // The sender lives as long as this.
            Ok(why) = lost.wait_for(Option::is_some) => Err(SftpError::Lost(why.clone().unwrap_or_default())),
            answer = self.wait_for(patience, request) => answer,
        };
        if let Err(SftpError::Lost(why)) = &answer {
            self.lost.send_if_modified(|lost| {
                lost.is_none() && {
                    *lost = Some(why.clone());
                    true
                }
            });
        }
        answer
    }

    async fn wait_for<T>(
        &self,
        patience: Duration,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, SftpError> {
        let sent = Instant::now();
        let mut request = pin!(request);
        loop {
            let since = sent.max(*self.heard.lock().unwrap_or_else(PoisonError::into_inner));
            if let Ok(answer) = timeout_at(since + patience, &mut request).await {
                *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                return answer.map_err(told);
            }
            // While it answers others, this one waits for its turn.
            if *self.heard.lock().unwrap_or_else(PoisonError::into_inner) <= since {
                let text = format!("the server has not answered for {} s", patience.as_secs());
                return Err(SftpError::Lost(text));
            }
        }
    }

    /// The absolute path of the directory in which a session begins.
    pub(crate) async fn home(&self) -> Result<String, SftpError> {
        let found = self.ask(SFTP_PATIENCE, self.raw.realpath(".")).await?;
        match found.files.first() {
            Some(file) if file.filename.starts_with('/') => Ok(file.filename.clone()),
            _ => Err(SftpError::Refused("it does not tell the home directory".to_owned())),
        }
    }

    /// Of what a path leads to.
    pub(crate) async fn stat(&self, path: &str) -> Result<Stat, SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.stat(path)).await.map(|found| Stat::of(&found.attrs))
    }

    /// Of the object itself, be it a symbolic link.
    pub(crate) async fn lstat(&self, path: &str) -> Result<Stat, SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.lstat(path)).await.map(|found| Stat::of(&found.attrs))
    }

    pub(crate) async fn fstat(&self, handle: &str) -> Result<Stat, SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.fstat(handle)).await.map(|found| Stat::of(&found.attrs))
    }

    /// A new file that must not be there yet.
    pub(crate) async fn create(&self, path: &str, mode: u32) -> Result<String, SftpError> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        self.ask(SFTP_PATIENCE, self.raw.open(path, flags, with_mode(mode))).await.map(|made| made.handle)
    }

    /// A file to be read.
    pub(crate) async fn open_file(&self, path: &str) -> Result<String, SftpError> {
        let attrs = FileAttributes::default();
        self.ask(SFTP_PATIENCE, self.raw.open(path, OpenFlags::READ, attrs)).await.map(|found| found.handle)
    }

    pub(crate) async fn close(&self, handle: &str) -> Result<(), SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.close(handle)).await.map(drop)
    }

    pub(crate) async fn write(&self, handle: &str, offset: u64, data: Vec<u8>) -> Result<(), SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.write(handle, offset, data)).await.map(drop)
    }

    /// Up to `len` bytes; none at the end of the file.
    pub(crate) async fn read(
        &self,
        handle: &str,
        offset: u64,
        len: u32,
    ) -> Result<Option<Vec<u8>>, SftpError> {
        let answer = self.ask(SFTP_PATIENCE, async {
            match self.raw.read(handle, offset, len).await {
                Ok(data) => Ok(Some(data.data)),
                Err(Error::Status(status)) if status.status_code == StatusCode::Eof => Ok(None),
                Err(error) => Err(error),
            }
        });
        match answer.await? {
            Some(data) if data.is_empty() || data.len() > len as usize => {
                Err(SftpError::Refused("a piece of a length that was not asked for".to_owned()))
            }
            data => Ok(data),
        }
    }

    /// Brings a file to its disk, where the server can. False where it cannot.
    pub(crate) async fn sync(&self, handle: &str) -> Result<bool, SftpError> {
        if self.can_sync {
            self.ask(SYNC_PATIENCE, self.raw.fsync(handle)).await?;
        }
        Ok(self.can_sync)
    }

    pub(crate) async fn set_mode(&self, handle: &str, mode: u32) -> Result<(), SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.fsetstat(handle, with_mode(mode))).await.map(drop)
    }

    pub(crate) async fn set_owner(&self, handle: &str, (uid, gid): (u32, u32)) -> Result<(), SftpError> {
        let attrs = FileAttributes { uid: Some(uid), gid: Some(gid), ..FileAttributes::default() };
        self.ask(SFTP_PATIENCE, self.raw.fsetstat(handle, attrs)).await.map(drop)
    }

    pub(crate) async fn set_times(&self, handle: &str, times: (u32, u32)) -> Result<(), SftpError> {
        let (atime, mtime) = (Some(times.0), Some(times.1));
        let attrs = FileAttributes { atime, mtime, ..FileAttributes::default() };
        self.ask(SFTP_PATIENCE, self.raw.fsetstat(handle, attrs)).await.map(drop)
    }

    /// Mode and times of a directory.
    pub(crate) async fn set_dir(&self, path: &str, mode: u32, times: (u32, u32)) -> Result<(), SftpError> {
        let (atime, mtime) = (Some(times.0), Some(times.1));
        let attrs = FileAttributes { atime, mtime, ..with_mode(mode) };
        self.ask(SFTP_PATIENCE, self.raw.setstat(path, attrs)).await.map(drop)
    }

    pub(crate) async fn make_dir(&self, path: &str, mode: u32) -> Result<(), SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.mkdir(path, with_mode(mode))).await.map(drop)
    }

    /// A symbolic link. OpenSSH takes the two paths the other way round than the draft, and so do all that work with it.
    pub(crate) async fn make_link(&self, path: &str, target: &str) -> Result<(), SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.symlink(target, path)).await.map(drop)
    }

    pub(crate) async fn read_link(&self, path: &str) -> Result<String, SftpError> {
        let found = self.ask(SFTP_PATIENCE, self.raw.readlink(path)).await?;
        match found.files.into_iter().next() {
            Some(file) => Ok(file.filename),
            None => Err(SftpError::Refused("a link without a target".to_owned())),
        }
    }

    /// Gives a file its final name at one stroke, in place of what has it. Where the server cannot, only a name that is
    /// free is given.
    pub(crate) async fn replace(&self, from: &str, to: &str) -> Result<(), SftpError> {
        if !self.can_replace {
            // Version 3 refuses a name that is taken.
            return self.ask(SFTP_PATIENCE, self.raw.rename(from, to)).await.map(drop);
        }
        let mut data = Vec::with_capacity(from.len() + to.len() + 8);
        for path in [from, to] {
            data.extend_from_slice(&u32::try_from(path.len()).unwrap_or_default().to_be_bytes());
            data.extend_from_slice(path.as_bytes());
        }
        let request = async {
            match self.raw.extended("posix-rename@openssh.com", data).await? {
                Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
                Packet::Status(status) => Err(Error::Status(status)),
                _ => Err(Error::UnexpectedPacket),
            }
        };
        self.ask(SFTP_PATIENCE, request).await
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<(), SftpError> {
        self.ask(SFTP_PATIENCE, self.raw.remove(path)).await.map(drop)
    }

    /// Names in a directory, but for `.` and `..`; as the server tells them.
    pub(crate) async fn names(&self, path: &str) -> Result<Vec<String>, SftpError> {
        let dir = self.ask(SFTP_PATIENCE, self.raw.opendir(path)).await?.handle;
        let mut names = Vec::new();
        let read = loop {
            let some = self.ask(SFTP_PATIENCE, async {
                match self.raw.readdir(dir.as_str()).await {
                    Ok(some) => Ok(Some(some.files)),
                    Err(Error::Status(status)) if status.status_code == StatusCode::Eof => Ok(None),
                    Err(error) => Err(error),
                }
            });
            match some.await {
                Ok(Some(some)) => names.extend(some.into_iter().map(|file| file.filename)),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            if names.len() > ENTRIES_MAX {
                break Err(SftpError::Refused(format!("more than {ENTRIES_MAX} names in a directory")));
            }
        };
        // What was read holds, whatever becomes of the handle.
        let _ = self.close(&dir).await;
        read.map(|()| {
            names.retain(|name| name != "." && name != "..");
            names
        })
    }

    /// Whether nothing, or next to nothing, fits into the file system of a path; not known where the server does not tell.
    pub(crate) async fn is_full(&self, path: &str) -> bool {
        if !self.can_tell_space {
            return false;
        }
        match self.ask(SFTP_PATIENCE, self.raw.statvfs(path)).await {
            Ok(found) => {
                let left = found.blocks_avail.saturating_mul(found.fragment_size);
                left < u64::from(self.piece) || (found.inodes > 0 && found.inodes_avail == 0)
            }
            Err(_) => false,
        }
    }
}

fn with_mode(mode: u32) -> FileAttributes {
    FileAttributes { permissions: Some(mode), ..FileAttributes::default() }
}

fn told(error: Error) -> SftpError {
    match error {
        Error::Status(status) => match status.status_code {
            StatusCode::NoSuchFile => SftpError::NotFound,
            StatusCode::PermissionDenied => SftpError::Denied,
            StatusCode::OpUnsupported => SftpError::Unsupported,
            StatusCode::NoConnection | StatusCode::ConnectionLost => {
                SftpError::Lost("the connection was lost".to_owned())
            }
            _ if status.error_message.is_empty() => SftpError::Refused(status.status_code.to_string()),
            _ => SftpError::Refused(status.error_message),
        },
        Error::Limited(why) => SftpError::Refused(why),
        // The library tells the end of the line in words of several kinds.
        Error::IO(_) | Error::Timeout | Error::UnexpectedBehavior(_) | Error::UnexpectedPacket => {
            SftpError::Lost("the connection was lost, or the server said what makes no sense".to_owned())
        }
    }
}

/// Whether a name from the other side may become one of ours: one name, that leads nowhere else.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("it is empty"),
        "." | ".." => Err("it leads elsewhere"),
        _ if name.contains('/') => Err("it holds a slash"),
        _ if name.contains('\0') => Err("it holds a zero byte"),
        _ if name.len() > NAME_BYTES_MAX => Err("it is too long"),
        // The library puts this in the place of bytes that are no text; the name itself is then not known.
        _ if name.contains(char::REPLACEMENT_CHARACTER) => Err("it is not UTF-8 text"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_stays_here_is_taken() {
        for name in ["a", "é b", "...", "-rf", ".x", "\n"] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
        let long = "x".repeat(256);
        for name in ["", ".", "..", "a/b", "/etc", "../x", "a\0b", "a\u{fffd}", long.as_str()] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    /// A server that greets and then says nothing more.
    async fn mute() -> (Sftp, tokio::io::DuplexStream) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let greeting = async {
            theirs.read_exact(&mut [0; 9]).await.unwrap();
            theirs.write_all(&[0, 0, 0, 5, 2, 0, 0, 0, 3]).await.unwrap();
        };
        let (sftp, ()) = tokio::join!(Sftp::over(ours), greeting);
        (sftp.unwrap(), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn once_an_answer_got_lost_nothing_waits_for_another() {
        let (sftp, mut theirs) = mute().await;
        let began = Instant::now();
        let later = async {
            tokio::time::sleep(SFTP_PATIENCE / 2).await;
            sftp.stat("/second").await
        };
        let (first, second) = tokio::join!(sftp.stat("/first"), later);
        assert!(matches!((first, second), (Err(SftpError::Lost(_)), Err(SftpError::Lost(_)))));
        assert_eq!(began.elapsed(), SFTP_PATIENCE, "the second does not wait on its own");
        assert!(matches!(sftp.remove("/third").await, Err(SftpError::Lost(_))));
        assert_eq!(began.elapsed(), SFTP_PATIENCE);
        drop(sftp);
        let mut asked = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut theirs, &mut asked).await.unwrap();
        let asked = String::from_utf8_lossy(&asked);
        assert!(asked.contains("/second") && !asked.contains("/third"), "it is not even sent: {asked:?}");
    }

    #[test]
    fn a_block_device_is_no_directory() {
        let kind = |mode| Stat::of(&with_mode(mode)).kind;
        assert_eq!(
            [0o100_644, 0o040_755, 0o120_777, 0o060_660, 0].map(kind),
            [Kind::File, Kind::Dir, Kind::Link, Kind::Other, Kind::Other]
        );
    }
}
