//! The rules on source files: crates say what they are, and `unsafe` stays where it is listed.

use super::table::UNSAFE;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The attribute looked for, in two parts so that this line is not found.
const ALLOW_UNSAFE: &str = concat!("allow(", "unsafe_code");

/// Everything that breaks a rule in the sources of the workspace, one sentence each.
pub(crate) fn findings(workspace: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for part in ["crates", "sim", "xtask"] {
        rust_files(&workspace.join(part), &mut files)?;
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(workspace).unwrap_or(&file).to_string_lossy().into_owned();
        found.extend(of_one_file(&name, &text));
    }
    let gone = UNSAFE.iter().filter(|(path, _)| !workspace.join(path).exists());
    found.extend(gone.map(|(path, _)| format!("{path} may allow unsafe code but does not exist")));
    Ok(found)
}

fn rust_files(dir: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("cannot list {}", dir.display());
    for entry in std::fs::read_dir(dir).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_dir() {
            rust_files(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

fn of_one_file(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let listed = UNSAFE.iter().any(|(path, _)| *path == name);
    let allows = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(ALLOW_UNSAFE));
    if allows && !listed {
        found.push(format!("{name} allows unsafe code and is not in the list of xtask/src/floors/table.rs"));
    }
    if listed && !allows {
        found.push(format!("{name} is listed as allowing unsafe code and does not: take it off the list"));
    }
    if name.ends_with("src/lib.rs") || name.ends_with("src/main.rs") {
        found.extend(header(name, text));
    }
    found
}

/// A crate's root begins by saying what the crate is, and its header names every public module.
fn header(name: &str, text: &str) -> Vec<String> {
    let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    if header.is_empty() {
        return vec![format!("{name} does not begin with `//!` lines that say what the crate is")];
    }
    let header = header.join("\n");
    let declared = text.lines().filter_map(module);
    let unnamed = declared.filter(|module| !header.contains(&format!("`{module}`")));
    unnamed.map(|module| format!("the header of {name} does not name its module `{module}`")).collect()
}

/// The name in a line such as `pub mod name;`. What is private needs no place in the reading order.
fn module(line: &str) -> Option<&str> {
    line.strip_prefix("pub mod ")?.strip_suffix(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_a_header_is_found() {
        assert_eq!(of_one_file("crates/a/src/lib.rs", "pub mod b;\n").len(), 1);
        assert_eq!(of_one_file("crates/a/src/b.rs", "fn b() {}\n"), [""; 0]);
    }

    #[test]
    fn public_modules_that_the_header_does_not_name_are_found() {
        let text = "//! A thing: [`b`] is first.\npub mod b;\npub mod c;\nmod d;\n";
        let found = of_one_file("crates/a/src/lib.rs", text);
        assert_eq!(found, ["the header of crates/a/src/lib.rs does not name its module `c`"]);
    }

    #[test]
    fn unsafe_outside_the_list_is_found() {
        let text = format!("#[{ALLOW_UNSAFE})]\nfn f() {{}}\n");
        assert_eq!(of_one_file("crates/a/src/b.rs", &text).len(), 1);
        assert_eq!(of_one_file("crates/a/src/b.rs", &format!("// {ALLOW_UNSAFE})\n")), [""; 0]);
    }
}
