//! The meter's times: `SAAMMJJhhmmss`, in French legal time.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// A time as the meter tells it, once understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horodate {
    /// The instant. Missing where the meter gave no season, or all zeros, as it does for what has not happened yet.
    pub at: Option<Timestamp>,
    /// The meter says that its clock is not to be trusted: the season is in lower case.
    pub is_degraded: bool,
}

impl Horodate {
    /// Reads one; nothing if it is no time.
    ///
    /// The season says which offset holds, so the hour that comes twice in autumn is never in doubt: `H` is UTC+1, `E` is UTC+2.
    #[must_use]
    pub fn parse(text: &str) -> Option<Horodate> {
        let bytes = text.as_bytes();
        if bytes.len() != 13 || !bytes[1..].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let hours = match bytes[0] {
            b'H' | b'h' => Some(1),
            b'E' | b'e' => Some(2),
            b' ' => None,
            _ => return None,
        };
        let is_degraded = bytes[0].is_ascii_lowercase();
        if bytes[1..].iter().all(|digit| *digit == b'0') {
            return Some(Horodate { at: None, is_degraded });
        }
        let local = civil(&bytes[1..])?;
        let at = match hours {
            Some(hours) => {
                let utc = local.checked_sub(SignedDuration::from_hours(hours)).ok()?;
                Some(Offset::UTC.to_timestamp(utc).ok()?)
            }
            None => None,
        };
        Some(Horodate { at, is_degraded })
    }
}

/// Twelve digits as date and time, without an offset.
fn civil(digits: &[u8]) -> Option<DateTime> {
    let two = |at: usize| (digits[at] - b'0').wrapping_mul(10) + digits[at + 1] - b'0';
    let small = |at| i8::try_from(two(at)).ok();
    let date = Date::new(2000 + i16::from(two(0)), small(2)?, small(4)?).ok()?;
    let time = Time::new(small(6)?, small(8)?, small(10)?, 0).ok()?;
    Some(date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        Horodate::parse(text).unwrap().at.unwrap().to_string()
    }

    #[test]
    fn seasons_are_offsets() {
        assert_eq!(at("E240615143000"), "2024-06-15T12:30:00Z");
        assert_eq!(at("H230201090704"), "2023-02-01T08:07:04Z");
        assert_eq!(at("H240101003000"), "2023-12-31T23:30:00Z");
        // The hour that comes twice.
        assert_eq!(at("E241027023000"), "2024-10-27T00:30:00Z");
        assert_eq!(at("H241027023000"), "2024-10-27T01:30:00Z");
    }

    #[test]
    fn a_degraded_clock_and_an_absent_time_are_told() {
        let degraded = Horodate::parse("e240615143000").unwrap();
        assert!(degraded.is_degraded && degraded.at.is_some());
        assert_eq!(Horodate::parse(" 000000000000"), Some(Horodate { at: None, is_degraded: false }));
        assert_eq!(Horodate::parse(" 240615143000").unwrap().at, None);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "E24061514300",
            "E2406151430000",
            "X240615143000",
            "E241315143000",
            "E240230143000",
            "E240615243000",
        ] {
            assert_eq!(Horodate::parse(text), None, "{text}");
        }
    }
}
