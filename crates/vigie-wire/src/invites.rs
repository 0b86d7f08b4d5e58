//! The hub's list of tokens it has given out: never the tokens, only the hashes of their secrets.
//!
//! ```text
//! file  = "vigie invites 1\n" · lines
//! line  = hash · " " · end · " " · name · " " · state · "\n"
//! hash  = BLAKE3 of the secret, derived for this use, in hex       end = seconds since 1970
//! state = "open" | "used " · when, seconds since 1970 · " " · BLAKE3 of the key it was used by, in hex
//! ```

use crate::card::AuthorityPrint;
use crate::limits::INVITES_MAX;
use crate::private::{self, FileError};
use crate::token::Token;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use vigie_model::UnixNanos;
use vigie_model::machines::{BadMachineName, check_machine_name};

const FILE: &str = "invites";
const HEAD: &str = "vigie invites 1";
const CONTEXT: &str = "vigie 2026 invite secret v1";

/// How long an invite is remembered beyond its end, so that "used" and "expired" can be told from "wrong".
const REMEMBERED_SECONDS: i64 = 30 * 24 * 3600;

/// What keeps the list from being used.
#[derive(Debug, thiserror::Error)]
pub enum InvitesError {
    /// Its file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its file holds something else.
    #[error("{} is damaged in line {line}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// The name cannot be a machine's.
    #[error(transparent)]
    Name(#[from] BadMachineName),
    /// Too many are remembered.
    #[error("{INVITES_MAX} invites are remembered already")]
    TooMany,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// Why a secret opens nothing. Times are seconds since 1970.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// No such secret was given out, or it is long forgotten.
    #[error("the token is none of this hub's")]
    Wrong,
    /// Another key used it.
    #[error("the token for {name} was already used")]
    Used {
        /// The machine it was for.
        name: String,
        /// When.
        at: i64,
    },
    /// Nobody used it in time.
    #[error("the token for {name} has expired")]
    Expired {
        /// The machine it was for.
        name: String,
        /// When.
        at: i64,
    },
    /// It is for another machine. It was not used up.
    #[error("the token is for {invited}, not for {asked}")]
    NameMismatch {
        /// The machine it is for.
        invited: String,
        /// The machine that asked.
        asked: String,
    },
    /// That it is used could not be made durable, so it is not.
    #[error("the use of the token for {name} cannot be recorded: {source}")]
    Store {
        /// The machine it is for.
        name: String,
        /// What the file said.
        source: FileError,
    },
}

/// An invite as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// The machine it is for.
    pub name: String,
    /// When it ends, in seconds since 1970.
    pub ends: i64,
    /// When it was used, if it was.
    pub used: Option<i64>,
}

/// The list, in memory and in its file. Calls block on the disk; one process at a time may use a file.
#[derive(Debug)]
pub struct Invites {
    dir: PathBuf,
    authority: AuthorityPrint,
    lines: Mutex<Vec<Line>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Line {
    hash: blake3::Hash,
    ends: i64,
    name: String,
    used: Option<Use>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    at: i64,
    key: blake3::Hash,
}

impl Invites {
    /// Opens the list in `dir`, which is the directory of the authority; an absent file is an empty list.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn open(dir: &Path, authority: AuthorityPrint) -> Result<Self, InvitesError> {
        let lines = match private::read(dir, FILE)? {
            None => Vec::new(),
            Some(bytes) => parse_invites(&bytes).map_err(|(line, why)| InvitesError::Damaged {
                path: dir.join(FILE),
                line,
                why,
            })?,
        };
        Ok(Invites { dir: dir.to_owned(), authority, lines: Mutex::new(lines) })
    }

    /// Makes a token for the machine `name`, good for one use within `valid` from `now`. It is recorded
    /// durably when this returns.
    ///
    /// # Errors
    /// When the name cannot be a machine's or the list cannot be written.
    pub fn invite(&self, name: &str, valid: Duration, now: UnixNanos) -> Result<Token, InvitesError> {
        check_machine_name(name)?;
        let now = seconds(now);
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let ends = now.saturating_add(i64::try_from(valid.as_secs()).unwrap_or(i64::MAX));
        let line = Line { hash: hash(&secret), ends, name: name.to_owned(), used: None };
        let mut lines = self.lock();
        let mut next: Vec<_> =
            lines.iter().filter(|l| l.ends.saturating_add(REMEMBERED_SECONDS) > now).cloned().collect();
        if next.len() >= INVITES_MAX {
            return Err(InvitesError::TooMany);
        }
        next.push(line);
        private::write(&self.dir, FILE, write(&next).as_bytes())?;
        *lines = next;
        Ok(Token::new(self.authority, secret, name))
    }

    /// Marks the invite with this secret as used by the key with this print, durably, before it returns.
    /// The same key may claim it again until the invite ends: its first answer may have been lost.
    pub(crate) fn claim(
        &self,
        secret: &[u8; 32],
        asked: &str,
        key: [u8; 32],
        now: UnixNanos,
    ) -> Result<(), ClaimError> {
        let (now, key, wanted) = (seconds(now), blake3::Hash::from_bytes(key), hash(secret));
        let mut lines = self.lock();
        // Comparing hashes takes the same time whatever they are (blake3's promise), and all are compared.
        let found = lines
            .iter()
            .enumerate()
            .fold(None, |found, (i, l)| if l.hash == wanted { Some(i) } else { found });
        let at = found.ok_or(ClaimError::Wrong)?;
        let Line { ends, ref name, used, .. } = lines[at];
        let name = name.clone();
        if name != asked {
            return Err(ClaimError::NameMismatch { invited: name, asked: asked.to_owned() });
        }
        let expired = now >= ends;
        match used {
            Some(used) if used.key != key || expired => return Err(ClaimError::Used { name, at: used.at }),
            Some(_) => return Ok(()),
            None if expired => return Err(ClaimError::Expired { name, at: ends }),
            None => {}
        }
        let mut next = lines.clone();
        next[at].used = Some(Use { at: now, key });
        private::write(&self.dir, FILE, write(&next).as_bytes())
            .map_err(|source| ClaimError::Store { name, source })?;
        *lines = next;
        Ok(())
    }

    /// All invites that are remembered, oldest first.
    pub fn list(&self) -> Vec<Invite> {
        let shown = |l: &Line| Invite { name: l.name.clone(), ends: l.ends, used: l.used.map(|u| u.at) };
        self.lock().iter().map(shown).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        // The list is only ever replaced whole, so a panic elsewhere left none half-written.
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn seconds(time: UnixNanos) -> i64 {
    time.0.div_euclid(1_000_000_000)
}

fn hash(secret: &[u8; 32]) -> blake3::Hash {
    blake3::Hash::from_bytes(blake3::derive_key(CONTEXT, secret))
}

fn write(lines: &[Line]) -> String {
    let mut text = format!("{HEAD}\n");
    for Line { hash, ends, name, used } in lines {
        let state = match used {
            None => "open".to_owned(),
            Some(Use { at, key }) => format!("used {at} {key}"),
        };
        text.push_str(&format!("{hash} {ends} {name} {state}\n"));
    }
    text
}

/// Reads the file; an error is a line's number and what is wrong with it.
fn parse_invites(bytes: &[u8]) -> Result<Vec<Line>, (usize, &'static str)> {
    let text = std::str::from_utf8(bytes).map_err(|_| (1, "it is not text"))?;
    let text = text.strip_suffix('\n').ok_or((1, "the file is cut off"))?;
    let mut lines = text.split('\n');
    if lines.next() != Some(HEAD) {
        return Err((1, "it is not a list of invites of a version that is known here"));
    }
    lines.enumerate().map(|(i, line)| parse_line(line).map_err(|why| (i + 2, why))).collect()
}

fn parse_line(line: &str) -> Result<Line, &'static str> {
    let fields: Vec<_> = line.splitn(7, ' ').collect();
    let (hash, ends, name, used) = match fields[..] {
        [hash, ends, name, "open"] => (hash, ends, name, None),
        [hash, ends, name, "used", at, key] => (hash, ends, name, Some((at, key))),
        _ => return Err("it has not the fields of an invite"),
    };
    let number = |text: &str| text.parse::<i64>().map_err(|_| "a time is not a number");
    let digest = |text: &str| blake3::Hash::from_hex(text).map_err(|_| "a hash is not one");
    check_machine_name(name).map_err(|_| "its name cannot be a machine's")?;
    let used = match used {
        None => None,
        Some((at, key)) => Some(Use { at: number(at)?, key: digest(key)? }),
    };
    Ok(Line { hash: digest(hash)?, ends: number(ends)?, name: name.to_owned(), used })
}

/// The decoder of the file as a plain function, for fuzzing: how many invites it has.
#[doc(hidden)]
pub fn decode_invites(bytes: &[u8]) -> Option<usize> {
    parse_invites(bytes).ok().map(|lines| lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: AuthorityPrint = AuthorityPrint([1; 32]);
    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: i64) -> UnixNanos {
        UnixNanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_token_is_used_once_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let invites = Invites::open(dir.path(), AUTHORITY).unwrap();
        let token = invites.invite("web01", HOUR, at(1000)).unwrap();
        let claim = |name: &str, key, now| {
            Invites::open(dir.path(), AUTHORITY).unwrap().claim(token.secret(), name, [key; 32], at(now))
        };
        assert!(matches!(claim("db", 1, 1001), Err(ClaimError::NameMismatch { .. })));
        assert!(claim("web01", 1, 1001).is_ok());
        assert!(matches!(claim("web01", 2, 1002), Err(ClaimError::Used { at: 1001, .. })));
        assert!(claim("web01", 1, 1003).is_ok(), "the same key may ask again");
        assert!(matches!(claim("web01", 1, 4600), Err(ClaimError::Used { .. })), "but not for ever");
        assert!(matches!(invites.claim(&[0; 32], "web01", [1; 32], at(1)), Err(ClaimError::Wrong)));
    }

    #[test]
    fn an_unused_token_expires() {
        let dir = tempfile::tempdir().unwrap();
        let invites = Invites::open(dir.path(), AUTHORITY).unwrap();
        let token = invites.invite("web01", HOUR, at(1000)).unwrap();
        let claim = |now| invites.claim(token.secret(), "web01", [1; 32], at(now));
        assert!(matches!(claim(4600), Err(ClaimError::Expired { at: 4600, .. })));
        assert!(claim(4599).is_ok());
    }

    #[test]
    fn a_use_that_cannot_be_recorded_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let invites = Invites::open(dir.path(), AUTHORITY).unwrap();
        let token = invites.invite("web01", HOUR, at(0)).unwrap();
        let new = dir.path().join("invites.new");
        std::fs::create_dir(&new).unwrap();
        assert!(matches!(
            invites.claim(token.secret(), "web01", [1; 32], at(1)),
            Err(ClaimError::Store { .. })
        ));
        std::fs::remove_dir(&new).unwrap();
        assert!(invites.claim(token.secret(), "web01", [2; 32], at(1)).is_ok());
    }

    #[test]
    fn golden_file_and_damage() {
        let lines = vec![
            Line { hash: blake3::Hash::from_bytes([1; 32]), ends: 5, name: "a".into(), used: None },
            Line {
                hash: blake3::Hash::from_bytes([2; 32]),
                ends: -5,
                name: "b".into(),
                used: Some(Use { at: 4, key: blake3::Hash::from_bytes([3; 32]) }),
            },
        ];
        let text = write(&lines);
        let hex = |digit: &str| format!("0{digit}").repeat(32);
        assert_eq!(
            text,
            format!("vigie invites 1\n{} 5 a open\n{} -5 b used 4 {}\n", hex("1"), hex("2"), hex("3"))
        );
        assert_eq!(parse_invites(text.as_bytes()), Ok(lines));
        for cut in 0..text.len() {
            let whole_lines = text.as_bytes()[..cut].ends_with(b"\n") && cut > 0;
            assert_eq!(parse_invites(&text.as_bytes()[..cut]).is_ok(), whole_lines, "cut at {cut}");
        }
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bad = text.clone().into_bytes();
                bad[at] ^= 1 << bit;
                let _ = parse_invites(&bad);
            }
        }
    }
}
