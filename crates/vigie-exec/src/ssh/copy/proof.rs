//! What the other side has, as a digest: by a command there where there is one, else by reading it once more.

use super::class::{CopyClass, Trouble};
use super::flow::{Flowed, read_back};
use super::{Session, hex};
use crate::limits::{PROOF_BYTES_PER_S, PROOFS, READ_BACK_BYTES_MAX, SFTP_PATIENCE};
use crate::ssh::session::quoted;
use russh::ChannelMsg;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How the other side's copy was found to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By `sha256sum` over there.
    Command,
    /// It was read a second time, over the same connection.
    ReadBack,
}

impl Proof {
    /// Its name for scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Proof::Command => "sha256sum",
            Proof::ReadBack => "read-back",
        }
    }
}

/// Knows whether one host has the command.
pub(super) struct Prover {
    places: Semaphore,
    has_command: AtomicBool,
}

impl Prover {
    pub(super) fn new() -> Self {
        Prover { places: Semaphore::new(PROOFS), has_command: AtomicBool::new(true) }
    }
}

/// Compares the file at a path there with what was read from its source.
pub(super) async fn prove(session: &Session<'_>, path: &str, ours: &Flowed) -> Result<Proof, Trouble> {
    let mut proof = Proof::Command;
    let mut theirs = None;
    if ours.bytes > READ_BACK_BYTES_MAX && session.proofs.has_command.load(Ordering::Relaxed) {
        let _place = session.proofs.places.acquire().await;
        theirs = by_command(session, path, ours.bytes).await;
        if theirs.is_none() {
            session.proofs.has_command.store(false, Ordering::Relaxed);
        }
    }
    let theirs = match theirs {
        Some(theirs) => theirs,
        None => {
            proof = Proof::ReadBack;
            hex(&read_back(session, path, ours.bytes).await?.digest)
        }
    };
    let ours = hex(&ours.digest);
    if theirs == ours {
        return Ok(proof);
    }
    let how = proof.as_str();
    Err(Trouble::new(
        CopyClass::Mismatch,
        format!("the other side has {theirs} ({how}), and {ours} was read"),
    ))
}

/// What `sha256sum` says, or none when nothing like it can be run.
async fn by_command(session: &Session<'_>, path: &str, bytes: u64) -> Option<String> {
    let script = format!("exec sha256sum < {}", quoted(path));
    let line = format!("exec /bin/sh -c {}", quoted(&script));
    let asked = async {
        let mut channel = session.connection.handle.channel_open_session().await.ok()?;
        channel.exec(true, line).await.ok()?;
        let (mut code, mut said) = (None, Vec::new());
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } if said.len() < 4096 => said.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
                ChannelMsg::Failure | ChannelMsg::Close => break,
                _ => {}
            }
        }
        // The server frees its side when it closes; if this is not heard, the end of the connection will do.
        let _ = channel.close().await;
        (code == Some(0)).then(|| digest_in(&String::from_utf8_lossy(&said)))?
    };
    let patience = SFTP_PATIENCE + Duration::from_secs(bytes / PROOF_BYTES_PER_S);
    timeout(patience, asked).await.ok().flatten()
}

/// `<64 digits>  -`, and nothing else.
fn digest_in(text: &str) -> Option<String> {
    let digest = text.trim_end().strip_suffix('-')?.trim_end();
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    (digest.len() == 64 && digest.chars().all(is_digit)).then(|| digest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_digest_is_taken_for_one() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest_in(&format!("{digest}  -\n")).as_deref(), Some(digest));
        assert_eq!(digest_in(&format!("{digest} *-\n")), None);
        for text in ["", "-", "welcome!\n", &format!("welcome\n{digest}  -\n"), &digest[1..]] {
            assert_eq!(digest_in(text), None, "{text}");
        }
    }
}
