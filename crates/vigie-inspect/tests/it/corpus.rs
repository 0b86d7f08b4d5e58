//! Every Python file of this machine's Debian packages.

use std::path::{Path, PathBuf};
use vigie_inspect::{InspectError, Verdict, inspect};

fn scripts(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(path),
                Ok(kind) if kind.is_file() && path.extension().is_some_and(|e| e == "py") => found.push(path),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn everything_that_debian_has_installed_is_parsed() {
    let mut all: Vec<PathBuf> = scripts(Path::new("/usr/lib/python3"));
    all.extend(scripts(Path::new("/usr/lib/python3.11")));
    if all.is_empty() {
        eprintln!("skipped: there is no /usr/lib/python3 here");
        return;
    }
    let (mut whole, mut alarms) = (0, Vec::new());
    for path in &all {
        match inspect(&std::fs::read(path).unwrap()) {
            Ok(report) => {
                whole += usize::from(report.is_whole());
                if report.verdict == Verdict::Alarm {
                    alarms.push((path.display().to_string(), report.because));
                }
            }
            Err(InspectError::Binary { .. }) => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
    eprintln!(
        "{} files, {whole} without a syntax error, {} with an alarm: {alarms:?}",
        all.len(),
        alarms.len()
    );
    assert!(whole * 100 >= all.len() * 99, "{whole} of {} were parsed whole", all.len());
    assert!(alarms.len() * 100 < all.len(), "{} of {} raise an alarm: {alarms:?}", alarms.len(), all.len());
}
