//! Which ports: nmap's notation, as far as it makes sense for TCP.
//!
//! `22` · `1000-2000` · `-` (1 to 65535) · `-100` · `60000-` · names and patterns of names, `ssh`, `http*` ·
//! `[1-1024]`, those of a range that have a name · any of them between commas · `T:` in front of any of them.
//! Not taken, and said so: `U:` and `S:` (UDP, SCTP), `P:` (IP protocols), port 0.

use std::collections::BTreeSet;
use std::fmt;

use crate::limits::PORTS_TEXT_BYTES_MAX;
use crate::services::Services;

/// Ports, ascending, each once; never empty when it was read from a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSet(Vec<u16>);

/// Why a text names no ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// Nothing between two commas, or nothing at all.
    #[error("`{0}` has an empty place where a port should be")]
    Empty(String),
    /// 0, or above 65535.
    #[error("`{0}` is no port: ports go from 1 to 65535")]
    OutOfRange(String),
    /// A range from high to low.
    #[error("the range `{0}` is reversed")]
    Reversed(String),
    /// Neither number nor range, nor a name that is known.
    #[error("`{0}` is neither a port nor the name of a TCP service in /etc/services")]
    Unknown(String),
    /// Brackets without their other half, or with something else than a range in them.
    #[error("`{0}` is no range in brackets, such as [1-1024]")]
    Bracket(String),
    /// A range in brackets in which no port has a name.
    #[error("no TCP port of `{0}` has a name in /etc/services")]
    NothingNamed(String),
    /// Another protocol.
    #[error("`{0}` asks for {1}; only TCP ports can be scanned")]
    NotTcp(String, &'static str),
    /// Longer than anybody would type.
    #[error("a list of ports of {0} bytes is too long")]
    TooLong(usize),
}

// === impl PortSet ===

impl PortSet {
    /// Reads nmap's notation.
    ///
    /// # Errors
    ///
    /// At the first piece that names no port; nothing is ever passed over.
    pub fn parse(text: &str, services: &Services) -> Result<Self, PortsError> {
        if text.len() > PORTS_TEXT_BYTES_MAX {
            return Err(PortsError::TooLong(text.len()));
        }
        let mut ports = BTreeSet::new();
        for piece in text.split(',') {
            add_piece(&mut ports, text, piece.trim(), services)?;
        }
        Ok(PortSet(ports.into_iter().collect()))
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        PortSet((1..=u16::MAX).collect())
    }

    /// The ports, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }
}

/// In any order.
impl FromIterator<u16> for PortSet {
    fn from_iter<T: IntoIterator<Item = u16>>(ports: T) -> Self {
        PortSet(ports.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
    }
}

/// As ranges, `22,80,1000-2000`, which [`PortSet::parse`] takes.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let follows = |a: &u16, b: &u16| a.checked_add(1) == Some(*b);
        for (i, run) in self.0.chunk_by(follows).enumerate() {
            let comma = if i > 0 { "," } else { "" };
            match run {
                [one] => write!(f, "{comma}{one}")?,
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
                [] => {}
            }
        }
        Ok(())
    }
}

/// One piece between commas.
fn add_piece(
    ports: &mut BTreeSet<u16>,
    whole: &str,
    piece: &str,
    services: &Services,
) -> Result<(), PortsError> {
    let piece = match piece.split_once(':') {
        None => piece,
        Some(("T" | "t", rest)) => rest,
        Some(("U" | "u", _)) => return Err(PortsError::NotTcp(piece.to_owned(), "UDP")),
        Some(("S" | "s", _)) => return Err(PortsError::NotTcp(piece.to_owned(), "SCTP")),
        Some(("P" | "p", _)) => return Err(PortsError::NotTcp(piece.to_owned(), "IP protocols")),
        Some(_) => return Err(PortsError::Unknown(piece.to_owned())),
    };
    if piece.is_empty() {
        return Err(PortsError::Empty(whole.to_owned()));
    }
    if piece.contains(['[', ']']) {
        let inside = piece.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let range = inside.filter(|inside| is_range(inside));
        let (from, to) = range_of(range.ok_or_else(|| PortsError::Bracket(piece.to_owned()))?)?;
        let named: Vec<u16> = services.ports().filter(|port| (from..=to).contains(port)).collect();
        if named.is_empty() {
            return Err(PortsError::NothingNamed(piece.to_owned()));
        }
        ports.extend(named);
    } else if is_range(piece) {
        let (from, to) = range_of(piece)?;
        ports.extend(from..=to);
    } else {
        let named = services.matching(piece);
        if named.is_empty() {
            return Err(PortsError::Unknown(piece.to_owned()));
        }
        ports.extend(named);
    }
    Ok(())
}

/// Whether it consists of digits and at most one `-`.
fn is_range(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        && !text.is_empty()
        && text.matches('-').count() <= 1
}

/// The ends of `7`, `1-9`, `-9`, `9-` or `-`.
fn range_of(text: &str) -> Result<(u16, u16), PortsError> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (number(text, from, 1)?, number(text, to, u16::MAX)?);
    if from > to { Err(PortsError::Reversed(text.to_owned())) } else { Ok((from, to)) }
}

/// A port, or what an empty text stands for.
fn number(whole: &str, digits: &str, if_empty: u16) -> Result<u16, PortsError> {
    if digits.is_empty() {
        return Ok(if_empty);
    }
    match digits.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(PortsError::OutOfRange(whole.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Services {
        Services::parse("ssh 22/tcp\nhttp 80/tcp www\nhttps 443/tcp\nhttp-alt 8080/tcp\nx-y 6000/tcp")
    }

    fn parse(text: &str) -> Result<String, PortsError> {
        PortSet::parse(text, &services()).map(|ports| ports.to_string())
    }

    #[test]
    fn nmaps_notation_is_understood() {
        for (text, ports) in [
            ("22", "22"),
            ("80,22,80", "22,80"),
            ("22, 80", "22,80"),
            ("1000-2000", "1000-2000"),
            ("1-3,3-5", "1-5"),
            ("-", "1-65535"),
            ("-100", "1-100"),
            ("60000-", "60000-65535"),
            ("T:22,80", "22,80"),
            ("ssh", "22"),
            ("www", "80"),
            ("http*", "80,443,8080"),
            ("x-y", "6000"),
            ("[-1024]", "22,80,443"),
            ("T:[80-9000],22", "22,80,443,6000,8080"),
            ("65535", "65535"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(ports), "{text}");
        }
        assert_eq!(PortSet::all().to_string(), "1-65535");
        assert_eq!(PortSet::all(), PortSet::parse("-", &services()).unwrap());
    }

    #[test]
    fn what_is_no_port_is_said() {
        for text in ["", ",", "22,", ",22", "22,,80", "T:"] {
            assert!(matches!(parse(text), Err(PortsError::Empty(_))), "{text:?}");
        }
        for text in ["0", "65536", "0-10", "1-65536", "-0", "99999999999999999999", "[0-5]"] {
            assert!(matches!(parse(text), Err(PortsError::OutOfRange(_))), "{text:?}");
        }
        for text in ["10-1", "[10-1]"] {
            assert!(matches!(parse(text), Err(PortsError::Reversed(_))), "{text:?}");
        }
        for text in ["nosuch", "1-2-3", "--", "+22", "22.5", "٢٢", "X:22", "a b"] {
            assert!(matches!(parse(text), Err(PortsError::Unknown(_))), "{text:?}");
        }
        for text in ["[22", "22]", "[]", "[ssh]", "[1]2"] {
            assert!(matches!(parse(text), Err(PortsError::Bracket(_))), "{text:?}");
        }
        assert!(matches!(parse("[9000-9010]"), Err(PortsError::NothingNamed(_))));
        for text in ["U:53", "T:22,U:53", "S:9", "P:1"] {
            assert!(matches!(parse(text), Err(PortsError::NotTcp(..))), "{text:?}");
        }
        assert!(matches!(parse(&"1,".repeat(1_000_000)), Err(PortsError::TooLong(_))));
    }
}
