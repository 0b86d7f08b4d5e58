//! `T`: an instant as people type it.

use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp, Zoned, civil};
use vigie_model::{Instant, Seq, UnixNanos};

/// Text that names no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadInstant {
    /// None of the forms.
    #[error(
        "`{0}` is no instant: give RFC 3339 (2026-11-22T17:00:00+01:00), a local date and time \
         (\"2026-11-22 17:00\"), a span (\"10m ago\") or a record (#1234)"
    )]
    Form(String),
    /// A local time that a change of clocks skips or repeats.
    #[error("the clocks were changed around `{0}`: give the time with its offset, as in RFC 3339")]
    Ambiguous(String),
    /// Outside the years that records can hold.
    #[error("`{0}` is too far away")]
    Range(String),
}

/// Reads an instant as of now, in this machine's time zone.
pub(crate) fn parse(text: &str) -> Result<Instant, BadInstant> {
    parse_at(text, &Zoned::now())
}

fn parse_at(text: &str, now: &Zoned) -> Result<Instant, BadInstant> {
    let text = text.trim();
    if text == "now" {
        return Ok(Instant::Now);
    }
    if let Some(number) = text.strip_prefix('#') {
        let seq = number.parse().map_err(|_| BadInstant::Form(text.to_owned()))?;
        return Ok(Instant::Seq(Seq(seq)));
    }
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => local(text, now.time_zone()).or_else(|e| e.map_or_else(|| ago(text, now), Err))?,
    };
    i64::try_from(time.as_nanosecond())
        .map(|n| Instant::Time(UnixNanos(n)))
        .map_err(|_| BadInstant::Range(text.to_owned()))
}

/// Reads a span of time that is waited for: `500ms`, `30s`, `1h 30min`. Days have 24 hours here.
pub(crate) fn span(text: &str) -> Result<std::time::Duration, String> {
    let bad = || format!("`{text}` is no span of time such as 500ms, 30s or 1h");
    let span: Span = text.parse().map_err(|_| bad())?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    std::time::Duration::try_from(span).map_err(|_| bad())
}

/// A date with or without a time, in the local zone; `Err(None)` when it has not that form.
fn local(text: &str, zone: &TimeZone) -> Result<Timestamp, Option<BadInstant>> {
    let time: civil::DateTime = text.parse().map_err(|_| None)?;
    zone.to_ambiguous_timestamp(time).unambiguous().map_err(|_| Some(BadInstant::Ambiguous(text.to_owned())))
}

/// `10m ago`, `1h 30min ago`, `2 days ago`.
fn ago(text: &str, now: &Zoned) -> Result<Timestamp, BadInstant> {
    let form = || BadInstant::Form(text.to_owned());
    if !text.ends_with("ago") {
        return Err(form());
    }
    let span: Span = text.parse().map_err(|_| form())?;
    let time = now.checked_add(span).map_err(|_| BadInstant::Range(text.to_owned()))?;
    Ok(time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-11-22T17:00:00+01:00[Europe/Paris]".parse().unwrap()
    }

    fn time(text: &str) -> Result<Instant, BadInstant> {
        let time: Timestamp = text.parse().unwrap();
        Ok(Instant::Time(UnixNanos(i64::try_from(time.as_nanosecond()).unwrap())))
    }

    #[test]
    fn every_form_is_read() {
        let at = |text| parse_at(text, &now());
        assert_eq!(at("#1234"), Ok(Instant::Seq(Seq(1234))));
        assert_eq!(at("now"), Ok(Instant::Now));
        assert_eq!(at("2026-11-22T16:00:00.000000001Z"), time("2026-11-22T16:00:00.000000001Z"));
        assert_eq!(at("2026-11-22T17:00:00+02:00"), time("2026-11-22T15:00:00Z"));
        assert_eq!(at("2026-11-22 16:30"), time("2026-11-22T15:30:00Z"));
        assert_eq!(at("2026-11-22T16:30:05.5"), time("2026-11-22T15:30:05.5Z"));
        assert_eq!(at("2026-07-01"), time("2026-06-30T22:00:00Z"));
        assert_eq!(at("10m ago"), time("2026-11-22T15:50:00Z"));
        assert_eq!(at(" 1h 30min ago "), time("2026-11-22T14:30:00Z"));
        assert_eq!(at("2 days ago"), time("2026-11-20T16:00:00Z"));
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for bad in ["", "#", "#x", "#-1", "10m", "in 10m", "10", "yesterday", "ago", "17:00", "2026-13-01"] {
            assert_eq!(parse_at(bad, &now()), Err(BadInstant::Form(bad.into())), "{bad:?}");
        }
        assert!(matches!(parse_at("3000-01-01T00:00:00Z", &now()), Err(BadInstant::Range(_))));
    }

    #[test]
    fn spans_are_never_negative() {
        assert_eq!(span("1h 30min"), Ok(std::time::Duration::from_secs(5400)));
        assert_eq!(span("1d"), Ok(std::time::Duration::from_secs(86_400)));
        assert_eq!(span("500ms"), Ok(std::time::Duration::from_millis(500)));
        for bad in ["", "30", "-30s", "30s ago", "soon"] {
            assert!(span(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn local_times_that_clocks_repeat_or_skip_are_asked_back() {
        for text in ["2026-10-25 02:30", "2026-03-29 02:30"] {
            assert_eq!(parse_at(text, &now()), Err(BadInstant::Ambiguous(text.into())));
        }
    }
}
