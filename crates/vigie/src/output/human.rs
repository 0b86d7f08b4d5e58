//! Numbers, times and names for people.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::fmt;
use std::time::Duration;
use vigie_model::{Clock, SystemClock, UnixNanos};

/// A size in binary units, three digits: `1.2 MiB`. Below 1024 it is exact.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A number with its thousands set apart: `78,579`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number and what it counts: `1 block`, `2 blocks`. For nouns that only take an s.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A span in its largest fitting unit, and the next: `3 ms`, `4.2 s`, `5m 10s`, `2h 3m`, `4d 1h`.
pub(crate) fn span(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3600 => format!("{}m {}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h {}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d {}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// An RFC 3339 time of an answer in local time, to the millisecond; as it is when it cannot be read.
pub(crate) fn short_time(rfc3339: &str) -> String {
    local(rfc3339).map_or_else(|| rfc3339.to_owned(), |t| t.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

/// How long ago a time was.
pub(crate) fn ago(time: UnixNanos) -> String {
    let now = SystemClock::default().wall();
    let passed = u64::try_from(now.0.saturating_sub(time.0)).unwrap_or_default();
    format!("{} ago", span(Duration::from_nanos(passed)))
}

fn local(rfc3339: &str) -> Option<Zoned> {
    Some(rfc3339.parse::<Timestamp>().ok()?.to_zoned(TimeZone::system()))
}

/// Bytes of a name or path as readable text on one line.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    struct Escaped<'a>(&'a [u8]);
    impl fmt::Display for Escaped<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            vigie_model::path::fmt_bytes(self.0, f)
        }
    }
    Escaped(bytes).to_string()
}

/// Type and permission bits as `ls(1)` shows them: `-rwsr-xr-t`.
pub(crate) fn long_mode(node_type: &str, octal: &str) -> String {
    let letter = match node_type {
        "file" => '-',
        "directory" => 'd',
        "symlink" => 'l',
        "fifo" => 'p',
        "socket" => 's',
        "char-device" => 'c',
        "block-device" => 'b',
        _ => '?',
    };
    let Ok(mode) = u32::from_str_radix(octal, 8) else { return format!("{letter}?????????") };
    let mut out = String::from(letter);
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    for (i, (bit, with_x, without_x)) in special.into_iter().enumerate() {
        let three = mode >> (6 - 3 * i);
        out.push(if three & 4 != 0 { 'r' } else { '-' });
        out.push(if three & 2 != 0 { 'w' } else { '-' });
        out.push(match (mode & bit != 0, three & 1 != 0) {
            (true, true) => with_x,
            (true, false) => without_x,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [0, 1, 2, 1234].map(|n| counted(n, "block")),
            ["0 blocks", "1 block", "2 blocks", "1,234 blocks"]
        );
    }

    #[test]
    fn sizes_have_three_digits() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (10_230, "9.99 KiB"),
            (10_240, "10.0 KiB"),
            (1_048_000, "1.00 MiB"),
            (5_368_709_120, "5.00 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        assert_eq!((count(7).as_str(), count(78_579).as_str()), ("7", "78,579"));
        assert_eq!(count(1_000_000), "1,000,000");
    }

    #[test]
    fn spans_have_at_most_two_units() {
        let text = |ms| span(Duration::from_millis(ms));
        assert_eq!(text(3), "3 ms");
        assert_eq!(text(4_200), "4.2 s");
        assert_eq!(text(310_000), "5m 10s");
        assert_eq!(text(7_380_000), "2h 3m");
        assert_eq!(text(350_000_000), "4d 1h");
    }

    #[test]
    fn modes_look_like_those_of_ls() {
        assert_eq!(long_mode("file", "0644"), "-rw-r--r--");
        assert_eq!(long_mode("directory", "1777"), "drwxrwxrwt");
        assert_eq!(long_mode("file", "4750"), "-rwsr-x---");
        assert_eq!(long_mode("file", "7000"), "---S--S--T");
        assert_eq!(long_mode("socket", ""), "s?????????");
    }
}
