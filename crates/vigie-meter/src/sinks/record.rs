//! A frame as a sink stores it.

use crate::sample::Sample;
use crate::tic::{Kind, Mode, Reading, Value, find_label};
use std::fmt::Write;

/// In which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// InfluxDB's line protocol: one point of `teleinfo` a frame, with a field for each label and the time of the frame's end in
    /// nanoseconds.
    Line,
    /// As the community's `teleinfo.py` writes: one point for each label, with a field `value` and whole seconds.
    Compat {
        /// The tag `host`.
        host: String,
        /// The tag `region`.
        region: String,
    },
    /// The frame as JSON.
    Json,
}

impl Form {
    /// The record of a frame; none if it says nothing in this form.
    #[must_use]
    pub fn encode(&self, sample: &Sample) -> Option<Vec<u8>> {
        match self {
            Form::Line => line(sample).map(String::into_bytes),
            Form::Compat { host, region } => {
                let text = compat(sample, host, region);
                (!text.is_empty()).then(|| text.into_bytes())
            }
            Form::Json => serde_json::to_vec(sample).ok(),
        }
    }
}

fn line(sample: &Sample) -> Option<String> {
    let mut fields = Vec::new();
    for reading in &sample.readings {
        let name = tag(&reading.label);
        match &reading.value {
            Value::Number(number, _) => fields.push(format!("{name}={number}i")),
            Value::Text(text) => fields.push(format!("{name}={}", quoted(text))),
            Value::Status(register) => fields.push(format!("{name}={}i", register.0)),
            // What leads to a person is a tag, and hidden there.
            Value::Identifier(_) => {}
            Value::Time => {
                if let Some(at) = reading.time.and_then(|time| time.at) {
                    fields.push(format!("{name}={}i", at.as_second()));
                }
            }
        }
    }
    if fields.is_empty() {
        return None;
    }
    let meter = tag(sample.meter.as_deref().unwrap_or("unknown"));
    let (mode, time) = (sample.mode, sample.time.as_nanosecond());
    Some(format!("teleinfo,meter={meter},mode={mode} {} {time}\n", fields.join(",")))
}

/// The labels that the script makes numbers of; all others stay text.
const NUMBERS: [&str; 7] = ["BASE", "IMAX", "HCHC", "IINST", "PAPP", "ISOUSC", "HCHP"];

fn compat(sample: &Sample, host: &str, region: &str) -> String {
    let mut text = String::new();
    for reading in &sample.readings {
        let value = match &reading.value {
            // The script keeps the meter's number to itself, too.
            Value::Identifier(_) | Value::Time => continue,
            Value::Number(number, _)
                if sample.mode == Mode::Standard || NUMBERS.contains(&reading.label.as_str()) =>
            {
                format!("{number}i")
            }
            _ => quoted(&as_sent(sample.mode, reading)),
        };
        let (label, host, region) = (tag(&reading.label), tag(host), tag(region));
        let time = i128::from(sample.time.as_second()) * 1_000_000_000;
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{label},host={host},region={region} value={value} {time}");
    }
    text
}

/// A value with the zeros that the meter sent.
fn as_sent(mode: Mode, reading: &Reading) -> String {
    match &reading.value {
        Value::Number(number, _) => {
            let width = match find_label(mode, &reading.label).map(|label| label.kind) {
                Some(Kind::Number { width, .. }) => width,
                Some(Kind::Counter(_)) => 9,
                _ => 0,
            };
            format!("{number:0width$}")
        }
        Value::Status(register) => format!("{:08X}", register.0),
        Value::Text(text) | Value::Identifier(text) => text.clone(),
        Value::Time => String::new(),
    }
}

/// A measurement, tag or field name.
fn tag(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, ',' | '=' | ' ') {
            out.push('\\');
        }
        // A backslash at the end would swallow what follows.
        out.push(if c == '\\' { '/' } else { c });
    }
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::tic::samples::FrameText;
    use crate::tic::{Listener, Ways, samples};
    use std::time::Duration;

    fn sample(bytes: &[u8]) -> Sample {
        let mut frames = Vec::new();
        Listener::new(Ways::default()).feed(bytes, Duration::ZERO, |frame| frames.push(frame));
        Sample::new(frames.remove(0), "2024-06-15T12:30:01.5Z".parse().unwrap(), &Identity::Plain)
    }

    fn text(form: &Form, bytes: &[u8]) -> String {
        String::from_utf8(form.encode(&sample(bytes)).unwrap()).unwrap()
    }

    #[test]
    fn a_frame_is_one_point() {
        assert_eq!(
            text(&Form::Line, &samples::historic()),
            "teleinfo,meter=012345678901,mode=historic OPTARIF=\"HC..\",ISOUSC=45i,HCHC=40177099i,HCHP=35972694i,\
             PTEC=\"HP..\",IINST=5i,IMAX=90i,PAPP=1289i,HHPHC=\"A\",MOTDETAT=\"000000\" 1718454601500000000\n"
        );
        let standard = text(&Form::Line, &samples::standard());
        assert!(
            standard.contains("DATE=1718454600i") && standard.contains("LTARF=\"HP  ROUGE\""),
            "{standard}"
        );
        assert!(!standard.contains("01234567890123"), "{standard}");
    }

    #[test]
    fn compatible_points_are_those_of_the_script() {
        let form = Form::Compat { host: "raspberry".into(), region: "linky".into() };
        let text = text(&form, &samples::historic());
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "OPTARIF,host=raspberry,region=linky value=\"HC..\" 1718454601000000000",
                "ISOUSC,host=raspberry,region=linky value=45i 1718454601000000000",
                "HCHC,host=raspberry,region=linky value=40177099i 1718454601000000000",
                "HCHP,host=raspberry,region=linky value=35972694i 1718454601000000000",
                "PTEC,host=raspberry,region=linky value=\"HP..\" 1718454601000000000",
                "IINST,host=raspberry,region=linky value=5i 1718454601000000000",
                "IMAX,host=raspberry,region=linky value=90i 1718454601000000000",
                "PAPP,host=raspberry,region=linky value=1289i 1718454601000000000",
                "HHPHC,host=raspberry,region=linky value=\"A\" 1718454601000000000",
                "MOTDETAT,host=raspberry,region=linky value=\"000000\" 1718454601000000000",
            ]
        );
    }

    #[test]
    fn what_the_script_keeps_as_text_keeps_its_zeros() {
        let form = Form::Compat { host: "a b".into(), region: "x,y=\\".into() };
        let bytes = FrameText::new(Mode::Historic)
            .group("OPTARIF", "EJP.")
            .group("EJPHN", "000123456")
            .group("PTEC", "HN..")
            .group("IINST1", "007")
            .finish();
        let text = text(&form, &bytes);
        assert!(text.contains("EJPHN,host=a\\ b,region=x\\,y\\=/ value=\"000123456\" "), "{text}");
        assert!(text.contains("IINST1,host=a\\ b,region=x\\,y\\=/ value=\"007\" "), "{text}");
    }

    #[test]
    fn text_cannot_end_its_field() {
        assert_eq!(quoted(r#"a"b\"#), r#""a\"b\\""#);
    }
}
