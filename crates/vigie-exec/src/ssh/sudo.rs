//! A command as root: through `sudo` over there, without a terminal. (`sudo(8)`, `-S`, `-n`, `-p`)
//!
//! `sudo` says on its standard error whether it wants a password, in words that we have given it; the shell that it
//! starts says there that it was started. A password is sent at the first, and what the command is to read after the
//! second, so that neither gets what is meant for the other. What comes before is `sudo`'s own.

use super::class::{Class, Failed};
use super::session::{VARIABLE, quoted};
use crate::limits::{SUDO_PATIENCE, SUDO_WORDS_BYTES_MAX};
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How `sudo` is asked: with a password to hand, or so that it needs none.
#[derive(Clone, Default)]
pub struct Sudo(Option<Arc<Zeroizing<String>>>);

impl std::fmt::Debug for Sudo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Sudo(with a password)" } else { "Sudo(without a password)" })
    }
}

impl Sudo {
    /// With a password, for where it is asked for.
    #[must_use]
    pub fn with(password: String) -> Self {
        Sudo(Some(Arc::new(Zeroizing::new(password))))
    }

    /// The line that runs a line for `/bin/sh` as root, and says so.
    pub(super) fn line(&self, command: &str, nonce: &str) -> String {
        // In two parts: `sudo` repeats what it refuses to run, and that must not look like its start.
        let inner = format!(
            "unset LC_ALL; {VARIABLE}={nonce}; export {VARIABLE}; printf '%s%s\\n' vigie-{nonce} -begun >&2; exec /bin/sh -c {}",
            quoted(command)
        );
        self.started(&inner, &prompt(nonce))
    }

    /// The line that runs a script as root that reads nothing, and what is to be written to it.
    pub(super) fn script(&self, script: &str) -> (String, Option<Zeroizing<Vec<u8>>>) {
        (self.started(script, ""), self.answer())
    }

    fn started(&self, script: &str, prompt: &str) -> String {
        let how = match &self.0 {
            None => "-n".to_owned(),
            Some(_) => format!("-S -p {}", quoted(prompt)),
        };
        // As the session's own process, and in the language whose words are looked for.
        format!("exec env LC_ALL=C sudo {how} -- /bin/sh -c {}", quoted(script))
    }

    /// What is written to `sudo` when it asks.
    pub(super) fn answer(&self) -> Option<Zeroizing<Vec<u8>>> {
        let password = self.0.as_ref()?;
        let mut answer = Zeroizing::new(Vec::with_capacity(password.len() + 1));
        answer.extend_from_slice(password.as_bytes());
        answer.push(b'\n');
        Some(answer)
    }
}

fn prompt(nonce: &str) -> String {
    format!("vigie-{nonce}-password:")
}

/// What `sudo` says before the command begins.
#[derive(Debug)]
pub(super) struct Preface {
    prompt: Vec<u8>,
    begun: Vec<u8>,
    heard: Vec<u8>,
    has_answered: bool,
    is_refused: bool,
    sudo: Sudo,
    /// Until then it should have said something.
    pub(super) deadline: Instant,
}

/// What a piece of its standard error means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing yet.
    Nothing,
    /// It asks for the password.
    Asked,
    /// It asks again: the password was wrong.
    AskedAgain,
    /// The command runs, and this is the first that it says.
    Begun(Bytes),
}

impl Preface {
    pub(super) fn new(sudo: &Sudo, nonce: &str) -> Self {
        Preface {
            prompt: prompt(nonce).into_bytes(),
            begun: format!("vigie-{nonce}-begun\n").into_bytes(),
            heard: Vec::new(),
            has_answered: false,
            is_refused: false,
            sudo: sudo.clone(),
            deadline: Instant::now() + SUDO_PATIENCE,
        }
    }

    pub(super) fn answer(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.sudo.answer()
    }

    /// Takes a piece; several pieces may make one word.
    pub(super) fn take(&mut self, piece: &[u8]) -> Heard {
        self.heard.extend_from_slice(piece);
        if let Some(at) = find(&self.heard, &self.begun) {
            return Heard::Begun(Bytes::copy_from_slice(&self.heard[at + self.begun.len()..]));
        }
        if let Some(at) = find(&self.heard, &self.prompt) {
            self.heard.drain(..at + self.prompt.len());
            self.is_refused = self.has_answered;
            return if std::mem::replace(&mut self.has_answered, true) {
                Heard::AskedAgain
            } else {
                Heard::Asked
            };
        }
        let over = self.heard.len().saturating_sub(SUDO_WORDS_BYTES_MAX);
        self.heard.drain(..over);
        Heard::Nothing
    }

    /// Why the command was not begun, when `sudo` has ended or asks again.
    pub(super) fn failed(&self, host: &str, exit_code: Option<u32>) -> Failed {
        const NOT_FOUND: u32 = 127;
        const WANTS_PASSWORD: [&str; 4] = [
            "a password is required",
            "no password was provided",
            "incorrect password attempt",
            "a terminal is required",
        ];
        let text = String::from_utf8_lossy(&self.heard);
        let words = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing");
        if self.is_refused || WANTS_PASSWORD.iter().any(|said| text.contains(said)) {
            return if self.sudo.0.is_some() {
                Failed::new(Class::SudoPassword, format!("sudo on {host} does not take the password"))
                    .hint("it is that of the user there, not of root; it was tried once, and the command was not begun")
            } else {
                Failed::new(Class::SudoPassword, format!("sudo on {host} wants a password"))
                    .hint("it is asked for at a terminal only; for scripts, sudoers there can say NOPASSWD")
            };
        }
        if exit_code == Some(NOT_FOUND) {
            return Failed::new(Class::SudoMissing, format!("there is no sudo on {host}: {words}"))
                .hint("install it there, or connect as root (-u root)");
        }
        Failed::new(Class::SudoDenied, format!("sudo on {host} runs nothing for this user: {words}"))
            .hint("its sudoers must let the user run /bin/sh, which runs the command")
    }
}

/// Where a word stands in a text.
pub(super) fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preface(sudo: &Sudo) -> Preface {
        Preface::new(sudo, "00ff")
    }

    #[tokio::test]
    async fn words_are_heard_however_they_come() {
        let said = b"sudo: unable to resolve host\nvigie-00ff-password:vigie-00ff-begun\nerror of its own\n";
        for size in [1, 2, 7, 30] {
            let mut preface = preface(&Sudo::with("x".to_owned()));
            let heard: Vec<Heard> = said.chunks(size).map(|piece| preface.take(piece)).collect();
            let asked = heard.iter().filter(|heard| **heard == Heard::Asked).count();
            let begun = heard.iter().position(|heard| matches!(heard, Heard::Begun(_)));
            assert!(asked == 1 && begun.is_some(), "in pieces of {size}: {heard:?}");
        }
        let mut whole = preface(&Sudo::default());
        let heard = whole.take(b"vigie-00ff-begun\nits own");
        assert_eq!(heard, Heard::Begun(Bytes::from_static(b"its own")));
    }

    #[tokio::test]
    async fn a_second_question_is_a_wrong_password_and_words_of_others_are_none() {
        let mut asked = preface(&Sudo::with("x".to_owned()));
        assert_eq!(asked.take(b"[sudo] password for root: vigie-0000-password:"), Heard::Nothing);
        assert_eq!(asked.take(b"vigie-00ff-password:"), Heard::Asked);
        assert_eq!(asked.take(b"\nSorry, try again.\nvigie-00ff-password:"), Heard::AskedAgain);
        assert_eq!(asked.failed("h", None).class, Class::SudoPassword);
    }

    #[tokio::test]
    async fn each_refusal_has_its_class() {
        let class = |said: &str, code| {
            let mut preface = preface(&Sudo::default());
            assert_eq!(preface.take(said.as_bytes()), Heard::Nothing);
            preface.failed("h", Some(code)).class
        };
        assert_eq!(class("sudo: a password is required\n", 1), Class::SudoPassword);
        assert_eq!(class("env: 'sudo': No such file or directory\n", 127), Class::SudoMissing);
        assert_eq!(class("bob is not in the sudoers file.\n", 1), Class::SudoDenied);
        let sudo = Sudo::default();
        let repeated = format!("Sorry, user bob may not execute '{}'\n", sudo.line("true", "00ff"));
        assert_eq!(class(&repeated, 1), Class::SudoDenied, "what it refuses has not begun");
    }

    #[test]
    fn a_password_is_in_no_line_and_not_in_debug() {
        let sudo = Sudo::with("s3cret".to_owned());
        let shown = format!("{sudo:?} {} {}", sudo.line("true", "00ff"), sudo.script("true").0);
        assert!(!shown.contains("s3cret"), "{shown}");
        assert_eq!(sudo.answer().unwrap().as_slice(), b"s3cret\n");
    }
}
