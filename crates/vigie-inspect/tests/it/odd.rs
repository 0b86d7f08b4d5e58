//! Files that are no ordinary script.

use crate::report;
use vigie_inspect::{InspectError, Verdict, inspect, limits};

#[test]
fn syntax_errors_are_told_and_what_is_around_them_is_seen() {
    let report = report("import os\nif ((:\n  x = = 3\nos.system('date')\n");
    assert!(!report.is_whole());
    assert!(report.findings.iter().any(|finding| finding.text.contains("date")), "{:?}", report.findings);
}

#[test]
fn a_line_that_an_error_swallowed_is_told() {
    let report = report("import os\ndef f(:\n  os.system('ls'\nimport serial\nos.system('id')\n");
    let is_seen = report.imports.iter().any(|import| import.module == "serial");
    assert!(is_seen || report.syntax_errors.contains(&4), "line 4 is lost in silence: {report:?}");
    assert!(report.syntax_errors.is_sorted(), "{:?}", report.syntax_errors);
}

#[test]
fn of_very_many_lines_that_are_not_understood_the_first_are_told_and_that_there_are_more() {
    let few = report(&"def f(:\n".repeat(limits::SYNTAX_ERRORS));
    assert!(!few.is_cut, "{few:?}");
    let many = report(&"def f(:\n".repeat(limits::SYNTAX_ERRORS + 1));
    assert!(many.is_cut && many.syntax_errors.len() == limits::SYNTAX_ERRORS, "{many:?}");
}

#[test]
fn python_2_is_recognised() {
    let report = report("import urllib2\nprint 'x', urllib2.urlopen('http://example.org').read()\n");
    assert!(report.is_python2 && report.is_whole());
    assert!(report.findings.iter().any(|finding| finding.text == "asks http://example.org"));
}

#[test]
fn binary_files_are_refused() {
    let error = inspect(b"\x7fELF\x02\x01\x01\x00").unwrap_err();
    assert!(matches!(error, InspectError::Binary { at: 4, byte: 2 }), "{error}");
}

#[test]
fn ten_megabytes_are_parsed_and_more_than_the_limit_is_refused() {
    let line = "value = compute(1, 2, 3)  # and so on, line after line, as generated files have it\n";
    let large = line.repeat(10_000_000 / line.len());
    assert_eq!(report(&large).verdict, Verdict::Low);
    let too_large = vec![b' '; usize::try_from(limits::SCRIPT_BYTES).unwrap() + 1];
    assert!(matches!(inspect(&too_large), Err(InspectError::TooLarge { .. })));
}

#[test]
fn deep_nesting_does_no_harm() {
    for text in [
        "(".repeat(100_000),
        "[".repeat(50_000) + &"]".repeat(50_000),
        "x = ".to_owned() + &"f(".repeat(20_000),
        // Whoever followed each chain to its end would sit here for minutes.
        "x = a".to_owned() + &"()".repeat(200_000) + "\n",
    ] {
        let _ = inspect(text.as_bytes());
    }
    let deep = "x".to_owned() + &".a".repeat(50_000) + "()\n";
    let _ = inspect(deep.as_bytes());
}

#[test]
fn other_encodings_are_read_as_far_as_they_go() {
    let report = inspect(b"# -*- coding: latin-1 -*-\n# \xe9t\xe9\nimport serial\n").unwrap();
    assert_eq!(report.imports[0].module, "serial");
    assert_eq!(inspect(b"\xEF\xBB\xBFimport serial\n").unwrap().imports.len(), 1);
    assert_eq!(inspect(b"").unwrap().verdict, Verdict::Low);
}

#[test]
fn a_script_full_of_everything_is_cut_and_says_so() {
    let piece =
        "import os\ntry:\n    a = os.system(x)\nexcept Exception:\n    print(a)\nwhile True:\n    pass\n";
    let report = report(&piece.repeat(20_000));
    assert!(report.is_cut && !report.is_whole());
    assert_eq!(report.findings.len(), limits::FINDINGS);
}
