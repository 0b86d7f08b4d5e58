//! This very program on another machine, for as long as a connection lasts.
//!
//! It goes over an ordinary session, whose shell writes it to a file, tries it, and then waits for the end of its input to
//! remove the file. The end comes when it is taken back, and just as well when the connection breaks.

use super::class::{Class, Failed};
use super::connect::{Connection, plain_words};
use super::session::quoted;
use crate::limits::{LEND_PATIENCE, LEND_TAKE_BACK_PATIENCE, LEND_WORDS_BYTES_MAX};
use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// A program that is somewhere else.
#[derive(Debug)]
pub struct Lent {
    channel: Channel<Msg>,
    path: String,
}

/// Puts it into the first directory that takes it and lets it run; in memory rather than on a disk. It becomes one line,
/// since not every user's shell bears a quoted line break.
const SCRIPT: &str = r#"umask 077; no() { echo "no $*"; exit 0; };
[ "$(uname -m)" = ARCH ] || no "its machine is $(uname -m) and ours is ARCH";
f=; trap '[ -z "$f" ] || rm -f "$f"' EXIT; trap 'exit 1' HUP INT TERM PIPE;
for d in "$XDG_RUNTIME_DIR" /dev/shm /tmp "$HOME"; do
[ -n "$d" ] && f=$(mktemp "$d/vigie.XXXXXXXXXX" 2>/dev/null) || continue;
printf '#!/bin/sh\necho yes\n' >"$f" && chmod 700 "$f" && [ "$("$f" 2>/dev/null)" = yes ] && break;
rm -f "$f"; f=;
done;
[ -n "$f" ] || no "there is no directory to put it in from which programs may run";
head -c SIZE >"$f" || no "there is no room for it";
v=$("$f" --version 2>&1) || no "it does not start there: $v";
echo "yes $f"; cat >/dev/null"#;

/// Lends a program, given by its bytes. `arch` is the word of `uname -m` for machines that it is for.
///
/// # Errors
/// It is not to be had there; nothing of it is left.
pub async fn lend(connection: &Connection, program: Bytes, arch: &str) -> Result<Lent, Failed> {
    match timeout(LEND_PATIENCE, try_to_lend(connection, program, arch)).await {
        Ok(lent) => lent,
        Err(_) => {
            let host = &connection.settings.written;
            let text = format!("{host} does not take the program within {LEND_PATIENCE:?}");
            Err(Failed::new(Class::TimedOut, text))
        }
    }
}

async fn try_to_lend(connection: &Connection, program: Bytes, arch: &str) -> Result<Lent, Failed> {
    let host = &connection.settings.written;
    let failed = |error: russh::Error| {
        Failed::new(Class::ExecFailed, format!("{host} takes no program: {}", plain_words(&error)))
    };
    let mut channel = connection.handle.channel_open_session().await.map_err(failed)?;
    let script = SCRIPT.replace('\n', " ").replace("ARCH", arch).replace("SIZE", &program.len().to_string());
    channel.exec(true, format!("exec /bin/sh -c {}", quoted(&script))).await.map_err(failed)?;
    let mut writer = channel.make_writer();
    // A shell that says no does not read; its word must be heard all the same.
    let sending = tokio::spawn(async move { writer.write_all(&program).await });
    let mut words = Vec::new();
    while !words.contains(&b'\n') && words.len() < LEND_WORDS_BYTES_MAX {
        match channel.wait().await {
            Some(ChannelMsg::Data { data }) => words.extend_from_slice(&data),
            None | Some(ChannelMsg::Close | ChannelMsg::Failure) => break,
            Some(_) => {}
        }
    }
    let text = String::from_utf8_lossy(&words);
    let line = text.lines().next().unwrap_or_default();
    if let Some(path) = line.strip_prefix("yes ").filter(|path| path.starts_with('/')) {
        return Ok(Lent { path: path.to_owned(), channel });
    }
    sending.abort();
    // Closing it ends whatever is there.
    let _ = channel.close().await;
    let why = line.strip_prefix("no ").unwrap_or("its shell ends without a word");
    Err(Failed::new(Class::ExecFailed, format!("{host} cannot run the program: {why}")))
}

impl Lent {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Removes it. True when that is certain.
    pub async fn take_back(mut self) -> bool {
        if self.channel.eof().await.is_err() {
            return false;
        }
        let ended = async {
            let mut code = None;
            while let Some(message) = self.channel.wait().await {
                match message {
                    ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
                    ChannelMsg::Close => break,
                    _ => {}
                }
            }
            code
        };
        matches!(timeout(LEND_TAKE_BACK_PATIENCE, ended).await, Ok(Some(0)))
    }
}
