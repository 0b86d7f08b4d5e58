//! Frames for people.

use crate::output::{Output, Paint, Table, count, short_time, span};
use vigie_meter::tic::{FaultKind, Reading, Value, find_label};
use vigie_meter::{News, Sample};

/// A frame on one line: what changes from one to the next, without who it is.
pub(super) fn line(out: &Output, sample: &Sample) -> String {
    let mut text = out.paint(Paint::Dim, &short_time(&sample.time.to_string()));
    for reading in &sample.readings {
        if let Some(value) = short(reading) {
            text.push_str(&format!("  {} {value}", out.paint(Paint::Dim, &reading.label)));
        }
    }
    if !sample.faults.is_empty() {
        let lost = format!("  ({} lost: {})", sample.faults.len(), reasons(sample));
        text.push_str(&out.paint(Paint::Bad, &lost));
    }
    text
}

fn reasons(sample: &Sample) -> String {
    let mut kinds: Vec<FaultKind> = sample.faults.iter().map(|fault| fault.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A value with its unit; none for what leads to a person or says nothing by itself.
fn short(reading: &Reading) -> Option<String> {
    match &reading.value {
        Value::Identifier(_) | Value::Time => None,
        Value::Text(text) if text.is_empty() => None,
        _ => Some(told(reading)),
    }
}

fn told(reading: &Reading) -> String {
    match &reading.value {
        Value::Number(number, unit) => format!("{} {}", count(*number), unit.symbol()).trim_end().to_owned(),
        Value::Text(text) | Value::Identifier(text) => text.clone(),
        Value::Status(register) => format!("{:08X}", register.0),
        Value::Time => String::new(),
    }
}

/// A frame as a table, with what its labels mean.
pub(super) fn table(out: &mut Output, sample: &Sample) -> std::io::Result<()> {
    let mut table = Table::new(&["LABEL", "VALUE", "AT", "MEANING"], &[]);
    for reading in &sample.readings {
        let at = reading.time.and_then(|time| time.at).map(|at| short_time(&at.to_string()));
        let meaning =
            find_label(sample.mode, &reading.label).map_or("not in the specification", |l| l.meaning);
        table.row([reading.label.clone(), told(reading), at.unwrap_or_default(), meaning.to_owned()]);
    }
    table.lines().iter().try_for_each(|line| out.line(line))
}

/// What happens on the line, as a remark; none for what is no news to people.
pub(super) fn news(news: &News, device: &str) -> Option<(bool, String)> {
    Some(match news {
        News::Opened => (false, format!("listening on {device}; end with Ctrl-C")),
        News::Absent(why) => (true, format!("{why}; waiting for it")),
        News::Found(mode, _) => (false, format!("the meter speaks: {mode} mode")),
        News::Silent { since, bytes: 0 } => {
            (true, format!("nothing came for {}: is the meter connected?", span(*since)))
        }
        News::Silent { since, bytes } => (
            true,
            format!(
                "{} bytes came in {}, but no group of a meter: wrong speed, wrong mode, or a bad line",
                count(*bytes),
                span(*since)
            ),
        ),
        News::Lost => (true, "the meter is no longer understood; searching for its mode again".to_owned()),
        News::Gone(why) => (true, format!("{device} has gone ({why}); waiting for it")),
        News::Frame(_) | News::End => return None,
    })
}
