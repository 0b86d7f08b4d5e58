//! Any file as a script: no panic, bounded findings, one line of text each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_inspect::{inspect, limits};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = inspect(bytes) {
        assert!(report.findings.len() <= limits::FINDINGS);
        for finding in &report.findings {
            assert!(!finding.text.contains('\n') && finding.line >= 1);
        }
    }
});
