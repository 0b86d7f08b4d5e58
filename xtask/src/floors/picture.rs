//! The floors as the table in `ARCHITECTURE.md`, between two marks.

use super::table::{ROOMS, Room};
use anyhow::{Context, Result};
use std::path::Path;

const BEGIN: &str = "<!-- floors: written by `cargo xtask floors --write` -->\n";
const END: &str = "<!-- end of floors -->\n";

/// Compares the table in the file with the data, or writes it there. Gives what differs.
pub(crate) fn compare(file: &Path, write: bool) -> Result<Option<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let Some((before, table, after)) = split(&text) else {
        return Ok(Some(format!("{} lacks the marks of the floors table", file.display())));
    };
    let wanted = render(ROOMS);
    if table == wanted {
        return Ok(None);
    }
    if write {
        std::fs::write(file, format!("{before}{BEGIN}{wanted}{END}{after}"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        return Ok(None);
    }
    Ok(Some("ARCHITECTURE.md shows other floors than the table: run `cargo xtask floors --write`".into()))
}

/// The text before, between and after the marks.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    Some((before, table, after))
}

fn render(rooms: &[Room]) -> String {
    let mut out = String::from("| floor | crate | holds | alone may use |\n|---|---|---|---|\n");
    for room in rooms {
        let Room { name, floor, holds, .. } = room;
        out.push_str(&format!("| {floor} | `{name}` | {holds} | {} |\n", room.alone.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_split_a_text_in_three() {
        let text = format!("a\n{BEGIN}old\n{END}z\n");
        assert_eq!(split(&text), Some(("a\n", "old\n", "z\n")));
        assert_eq!(split("no marks"), None);
    }

    #[test]
    fn every_crate_has_a_row() {
        let table = render(ROOMS);
        assert_eq!(table.lines().count(), 2 + ROOMS.len());
        assert!(ROOMS.iter().all(|room| table.contains(&format!("`{}`", room.name))));
    }
}
