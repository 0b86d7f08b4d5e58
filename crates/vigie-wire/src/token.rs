//! Tokens: one line that lets one machine enrol once, and tells it which hub to trust.
//!
//! ```text
//! text  = "vigie1-" · base64url, without padding, of: print 32 · secret 32 · name · sum 4
//! print = authority print          sum = first 4 bytes of BLAKE3 of all before it
//! ```
//! The sum tells a typing error from a wrong token, before anything is sent.

use crate::card::AuthorityPrint;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use vigie_model::machines::{BadMachineName, check_machine_name};

const PREFIX: &str = "vigie1-";
const PRINT: usize = 32;
const SECRET: usize = 32;
const SUM: usize = 4;
/// Longest text that is looked at: far above the longest token there is.
const TEXT_BYTES_MAX: usize = 512;

/// Lets the machine of one name enrol at one hub, once. Its secret shows in [`Token::to_text`] only.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    authority: AuthorityPrint,
    secret: [u8; SECRET],
    name: String,
}

/// A text that is not a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not even look like one.
    #[error("this is not a token: a token begins with `{PREFIX}`")]
    NotAToken,
    /// One of a newer version.
    #[error("this token is of a newer version of Vigie: this one knows `{PREFIX}…` only")]
    Newer,
    /// Some of it is missing, or was mistyped.
    #[error("this token is cut off or mistyped: copy it again, as one line")]
    Typo,
    /// Its name cannot be a machine's.
    #[error(transparent)]
    Name(#[from] BadMachineName),
}

impl Token {
    pub(crate) fn new(authority: AuthorityPrint, secret: [u8; SECRET], name: &str) -> Self {
        Token { authority, secret, name: name.to_owned() }
    }

    /// Reads a token, spaces and line ends around it aside.
    ///
    /// # Errors
    /// What is wrong with the text. The text itself is in none of them.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let Some(body) = text.strip_prefix(PREFIX) else {
            let number = text.strip_prefix("vigie").and_then(|rest| rest.split_once('-')).map(|(n, _)| n);
            let newer = number.is_some_and(|n| n.parse::<u32>().is_ok());
            return Err(if newer { TokenError::Newer } else { TokenError::NotAToken });
        };
        if body.len() > TEXT_BYTES_MAX {
            return Err(TokenError::Typo);
        }
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Typo)?;
        let (content, found) = bytes.split_last_chunk::<SUM>().ok_or(TokenError::Typo)?;
        if sum(content) != *found {
            return Err(TokenError::Typo);
        }
        let (print, rest) = content.split_first_chunk::<PRINT>().ok_or(TokenError::Typo)?;
        let (secret, name) = rest.split_first_chunk::<SECRET>().ok_or(TokenError::Typo)?;
        let name = std::str::from_utf8(name).map_err(|_| BadMachineName)?;
        check_machine_name(name)?;
        Ok(Token::new(AuthorityPrint(*print), *secret, name))
    }

    /// The line to give to the machine. Whoever has it can enrol in its place: it goes to no log.
    pub fn to_text(&self) -> String {
        let mut bytes = Vec::with_capacity(PRINT + SECRET + self.name.len() + SUM);
        bytes.extend_from_slice(&self.authority.0);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(&sum(&bytes));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What the machine will be called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The authority whose hub it is for.
    pub fn authority(&self) -> AuthorityPrint {
        self.authority
    }

    pub(crate) fn secret(&self) -> &[u8; SECRET] {
        &self.secret
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).finish_non_exhaustive()
    }
}

fn sum(content: &[u8]) -> [u8; SUM] {
    let mut sum = [0; SUM];
    sum.copy_from_slice(&blake3::hash(content).as_bytes()[..SUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::new(AuthorityPrint([0xa5; 32]), [0x5a; 32], "web01")
    }

    #[test]
    fn golden_text_and_round_trip() {
        let text = token().to_text();
        assert_eq!(
            text,
            "vigie1-paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaVaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWndlYjAxlWsNyw"
        );
        assert_eq!(Token::parse(&format!("  {text}\n")), Ok(token()));
    }

    #[test]
    fn every_mistyped_character_and_every_cut_is_noticed() {
        let text = token().to_text();
        for cut in 0..text.len() {
            assert!(Token::parse(&text[..cut]).is_err(), "cut at {cut}");
        }
        for at in PREFIX.len()..text.len() {
            let mut typed = text.clone().into_bytes();
            typed[at] = if typed[at] == b'A' { b'B' } else { b'A' };
            let typed = String::from_utf8(typed).unwrap();
            assert_eq!(Token::parse(&typed), Err(TokenError::Typo), "character {at}");
        }
    }

    #[test]
    fn what_is_no_token_is_told_from_a_newer_one() {
        assert_eq!(Token::parse("hello"), Err(TokenError::NotAToken));
        assert_eq!(Token::parse("vigie2-abc"), Err(TokenError::Newer));
        assert_eq!(Token::parse("vigie-abc"), Err(TokenError::NotAToken));
        assert_eq!(Token::parse(&format!("vigie1-{}", "A".repeat(1 << 20))), Err(TokenError::Typo));
        let bad_name = Token::new(AuthorityPrint([0; 32]), [0; 32], "../x").to_text();
        assert_eq!(Token::parse(&bad_name), Err(TokenError::Name(BadMachineName)));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", token()), r#"Token { name: "web01", .. }"#);
    }
}
