//! A script that reads a meter: nothing bad, and much that fails some day.

use crate::{report, rules};
use vigie_inspect::{Origin, Topic, Verdict, When};

const SCRIPT: &str = include_str!("meter_script.py");

#[test]
fn what_to_install_is_named_rightly() {
    let report = report(SCRIPT);
    let third: Vec<_> = report
        .imports
        .iter()
        .filter(|import| import.origin == Origin::ThirdParty)
        .map(|import| (import.module.as_str(), import.distribution.unwrap(), import.debian.unwrap()))
        .collect();
    assert_eq!(
        third,
        [
            ("requests", "requests", "python3-requests"),
            ("serial", "pyserial", "python3-serial"),
            ("influxdb", "influxdb", "python3-influxdb"),
        ]
    );
}

#[test]
fn what_it_does_is_told_with_its_moment() {
    let report = report(SCRIPT);
    let told: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.topic != Topic::Reliability)
        .map(|finding| (finding.line, finding.when, finding.text.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (12, When::Import, "appends its log to /var/log/reader/reader.log"),
            (14, When::Import, "connects to localhost:8086 (InfluxDBClient, without a password)"),
            (33, When::Call, "uses the serial line /dev/ttyS0 (1200 baud, sevenbits, parity_none)"),
        ]
    );
    assert_eq!(
        report.needs,
        ["a directory /var/log/reader that it may write to", "group dialout, for /dev/ttyS0"]
    );
    assert_eq!((report.verdict, report.is_python2, report.is_whole()), (Verdict::Low, false, true));
}

#[test]
fn what_fails_some_day_is_told() {
    let report = report(SCRIPT);
    let found = rules(&report);
    for wanted in [
        (12, "no-rotation"),
        (14, "no-timeout"),
        (16, "import-loop"),
        (33, "serial-parity"),
        (38, "unused-answer"),
        (43, "function-as-condition"),
        (44, "utcnow"),
        (45, "broad-except"),
        (45, "unbound-in-except"),
    ] {
        assert!(found.contains(&wanted), "{wanted:?} is not in {found:?}");
    }
    let unbound = report.findings.iter().find(|finding| finding.rule == "unbound-in-except").unwrap();
    assert!(unbound.text.contains("label, value"), "{}", unbound.text);
}
