//! One group of a frame: `LABEL value C`, in standard mode with a time in between.

use super::horodate::Horodate;
use super::labels::{self, Kind, Label};
use super::mode::{Mode, Parity, checksum};
use super::status::StatusRegister;
use super::value::{Reading, Value};
use crate::limits;
use serde::Serialize;
use std::fmt;

/// Why a group, or what should have been one, does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A byte had the wrong parity.
    Parity,
    /// It ended before its checksum, or had none.
    Truncated,
    /// It is longer than any group.
    TooLong,
    /// Its fields are not those of a group.
    Form,
    /// Its checksum is wrong.
    Checksum,
    /// It has characters that its label cannot have.
    Character,
    /// It says what cannot be.
    Implausible,
    /// Its label came before in the same frame, and said something else.
    Repeated,
    /// Bytes between groups.
    Stray,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultKind::Parity => "wrong parity",
            FaultKind::Truncated => "cut short",
            FaultKind::TooLong => "too long",
            FaultKind::Form => "not the form of a group",
            FaultKind::Checksum => "wrong checksum",
            FaultKind::Character => "characters that cannot be there",
            FaultKind::Implausible => "a value that cannot be",
            FaultKind::Repeated => "a label that came twice",
            FaultKind::Stray => "bytes between groups",
        })
    }
}

/// Reads the body of a group: what stands between LF and CR, seven bits a byte.
///
/// # Errors
/// Why it does not count. No value of a group with any fault is ever given.
pub(crate) fn parse(mode: Mode, parity: Parity, body: &[u8]) -> Result<Reading, FaultKind> {
    let (payload, own) = split_checksum(mode, body)?;
    let summed = match mode {
        Mode::Historic => payload,
        Mode::Standard => &body[..=payload.len()],
    };
    if checksum(summed) != own {
        return Err(FaultKind::Checksum);
    }
    let text = std::str::from_utf8(payload).map_err(|_| FaultKind::Character)?;
    let (name, time, value) = fields(mode, text)?;
    check_name(name)?;
    let Some(label) = labels::find(mode, name) else { return unknown(name, time, value, parity) };
    known(label, time, value, parity)
}

/// What stands before the last separator, and the checksum behind it.
fn split_checksum(mode: Mode, body: &[u8]) -> Result<(&[u8], u8), FaultKind> {
    match body {
        [payload @ .., separator, own] if *separator == mode.separator() => {
            // The checksum is a character of six bits; one of these outside is damaged.
            if (0x20..=0x5F).contains(own) { Ok((payload, *own)) } else { Err(FaultKind::Checksum) }
        }
        _ => Err(FaultKind::Form),
    }
}

type Fields<'a> = (&'a str, Option<&'a str>, &'a str);

fn fields(mode: Mode, text: &str) -> Result<Fields<'_>, FaultKind> {
    if mode == Mode::Historic {
        let (name, value) = text.split_once(' ').ok_or(FaultKind::Form)?;
        return Ok((name, None, value));
    }
    let mut parts = text.split('\t');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(value), None, None) => Ok((name, None, value)),
        (Some(name), Some(time), Some(value), None) => Ok((name, Some(time), value)),
        _ => Err(FaultKind::Form),
    }
}

fn check_name(name: &str) -> Result<(), FaultKind> {
    if name.len() < 2 || name.len() > limits::LABEL_BYTES {
        return Err(FaultKind::Form);
    }
    let is_fine =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'+';
    if name.bytes().all(is_fine) { Ok(()) } else { Err(FaultKind::Character) }
}

/// A label outside of the specification: some meters have such.
fn unknown(name: &str, time: Option<&str>, value: &str, parity: Parity) -> Result<Reading, FaultKind> {
    let time = time.map(|time| Horodate::parse(time).ok_or(FaultKind::Character)).transpose()?;
    let text = free_text(value, limits::GROUP_BYTES, parity)?;
    Ok(Reading { label: name.to_owned(), value: Value::Text(text), time, is_known: false })
}

fn known(label: &Label, time: Option<&str>, value: &str, parity: Parity) -> Result<Reading, FaultKind> {
    let time = match (label.has_time, time) {
        (true, Some(time)) => Some(Horodate::parse(time).ok_or(FaultKind::Character)?),
        (false, None) => None,
        _ => return Err(FaultKind::Form),
    };
    let value = typed(label.kind, value, parity)?;
    Ok(Reading { label: label.name.to_owned(), value, time, is_known: true })
}

fn typed(kind: Kind, text: &str, parity: Parity) -> Result<Value, FaultKind> {
    match kind {
        Kind::Number { width, unit, max } => {
            let number = digits(text, width)?;
            if number > max { Err(FaultKind::Implausible) } else { Ok(Value::Number(number, unit)) }
        }
        Kind::Counter(unit) => Ok(Value::Number(digits(text, 9)?, unit)),
        Kind::Identifier(width) => digits(text, width).map(|_| Value::Identifier(text.to_owned())),
        Kind::Word(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
        Kind::Word(_) => Err(FaultKind::Character),
        Kind::Code(width) => code(text, width),
        Kind::Text(longest) => free_text(text, longest, parity).map(Value::Text),
        Kind::Status => status(text),
        Kind::Time if text.is_empty() => Ok(Value::Time),
        Kind::Time => Err(FaultKind::Form),
    }
}

fn digits(text: &str, width: usize) -> Result<u64, FaultKind> {
    if text.len() != width || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FaultKind::Character);
    }
    text.parse().map_err(|_| FaultKind::Character)
}

/// A short code: printable, and without the letters that damage of one bit makes of digits.
fn code(text: &str, width: usize) -> Result<Value, FaultKind> {
    let is_fine = |byte: u8| (0x21..=0x5F).contains(&byte);
    if text.len() == width && text.bytes().all(is_fine) {
        Ok(Value::Text(text.to_owned()))
    } else {
        Err(FaultKind::Character)
    }
}

/// Text for people. The checksum does not see bit 6 of a byte; where the parity does not see it either, only characters that
/// lose their meaning with that bit are let through.
fn free_text(text: &str, longest: usize, parity: Parity) -> Result<String, FaultKind> {
    let last = match parity {
        Parity::Even => 0x7E,
        Parity::Stripped => 0x5F,
    };
    if text.len() > longest {
        return Err(FaultKind::Form);
    }
    if !text.bytes().all(|byte| (0x20..=last).contains(&byte)) {
        return Err(FaultKind::Character);
    }
    Ok(text.trim().to_owned())
}

fn status(text: &str) -> Result<Value, FaultKind> {
    let is_fine = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    if text.len() != 8 || !text.bytes().all(is_fine) {
        return Err(FaultKind::Character);
    }
    u32::from_str_radix(text, 16)
        .map(|bits| Value::Status(StatusRegister(bits)))
        .map_err(|_| FaultKind::Character)
}

#[cfg(test)]
mod tests {
    use super::super::value::Unit;
    use super::*;

    fn historic(body: &[u8]) -> Result<Reading, FaultKind> {
        parse(Mode::Historic, Parity::Even, body)
    }

    fn standard(body: &[u8]) -> Result<Reading, FaultKind> {
        parse(Mode::Standard, Parity::Even, body)
    }

    #[test]
    fn groups_of_real_meters_are_read() {
        assert_eq!(historic(b"HCHP 019571184 7").unwrap().value, Value::Number(19_571_184, Unit::Wh));
        assert_eq!(historic(b"BASE 002809718 .").unwrap().value, Value::Number(2_809_718, Unit::Wh));
        assert_eq!(historic(b"PAPP 00390 -").unwrap().value, Value::Number(390, Unit::Va));
        assert_eq!(standard(b"PCOUP\t12\t\\").unwrap().value, Value::Number(12, Unit::Kva));
        assert_eq!(standard(b"EASF02\t021095137\t?").unwrap().value, Value::Number(21_095_137, Unit::Wh));
        let highest = standard(b"SMAXSN\tH230201090704\t04820\t7").unwrap();
        assert_eq!(highest.value, Value::Number(4820, Unit::Va));
        assert_eq!(highest.time.unwrap().at.unwrap().to_string(), "2023-02-01T08:07:04Z");
        let date = standard(b"DATE\tE220615092559\t\tL").unwrap();
        assert_eq!((date.value, date.time.unwrap().at.unwrap().as_second()), (Value::Time, 1_655_277_959));
    }

    #[test]
    fn a_checksum_may_be_a_space() {
        assert_eq!(historic(b"PTEC HP..  ").unwrap().value, Value::Text("HP..".into()));
    }

    #[test]
    fn what_the_checksum_cannot_see_is_still_refused() {
        // '1' and 'q' differ in bit 6 alone, which the sum of six bits leaves out.
        assert_eq!(checksum(b"PAPP 01289"), checksum(b"PAPP 0q289"));
        assert_eq!(historic(b"PAPP 0q289 5"), Err(FaultKind::Character));
        assert_eq!(standard(b"SINSTS1\t48370\t1").unwrap_err(), FaultKind::Checksum);
        let mut absurd = b"SINSTS1\t48370\t".to_vec();
        absurd.push(checksum(&absurd));
        assert_eq!(standard(&absurd), Err(FaultKind::Implausible));
    }

    #[test]
    fn labels_beyond_the_table_are_kept_as_text() {
        let reading = historic(&[b"TENSION 230 ".as_slice(), &[checksum(b"TENSION 230")]].concat()).unwrap();
        assert!(!reading.is_known);
        assert_eq!(reading.value, Value::Text("230".into()));
    }

    #[test]
    fn the_two_modes_do_not_take_each_others_groups() {
        assert_eq!(historic(b"PCOUP\t12\t\\"), Err(FaultKind::Form));
        assert_eq!(standard(b"PAPP 00390 -"), Err(FaultKind::Form));
        for body in [&b""[..], b" ", b"A", b"\t\t", b"  ", b"AB C"] {
            assert!(historic(body).is_err() && standard(body).is_err(), "{body:?}");
        }
    }
}
