//! Tables of all widths, gaps and alignments, laid out as tools do: whatever is claimed of them is right.

use vigie_exec::readers::{Ask, Format, read};

/// A reproducible sequence of numbers (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Word,
    /// With blanks within; so its neighbours are at least two away.
    Words,
}

const WORDS: &[&str] =
    &["web", "db-01", "running", "/dev/vda", "été", "-", "n/a", "10.0.0.7:22", "東京", "x", "<none>", "3h"];
const PHRASES: &[&str] =
    &["up 3 hours", "a  b", "Exited (0) 5 minutes ago", "/mnt/my disk", "no", "The Apache HTTP Server"];

impl Table {
    /// In columns as wide as their widest cell (`column -t`), or of a fixed width that a wide cell breaks (`printf`).
    fn roll(dice: &mut Dice) -> Table {
        let count = 2 + dice.below(6);
        let (is_fixed, shouted) = (dice.chance(3), dice.chance(2));
        let gap = if is_fixed { 1 } else { 1 + dice.below(3) };
        let mut names: Vec<String> = Vec::new();
        let mut kinds = Vec::new();
        for at in 0..count {
            let is_last = at + 1 == count;
            let kind = match dice.below(4) {
                0 if gap > 1 || is_last => Kind::Words,
                1 | 2 => Kind::Number,
                _ => Kind::Word,
            };
            let stem = dice.pick(&["Name", "Size", "Use", "State", "Id", "Owner", "Started", "Port"]);
            let mut name = format!("{stem}{}", ["", "s", "x", "ed", "ing", "er", "ly"][at]);
            if gap > 1 && dice.chance(5) {
                name = format!("{name} {}", dice.pick(&["on", "time", "of"]));
            }
            names.push(if shouted { name.to_uppercase() } else { name });
            kinds.push(kind);
        }
        let sparse = !is_fixed && dice.chance(3);
        let mut rows = Vec::new();
        for _ in 0..1 + dice.below(6) {
            let cell = |kind: &Kind, dice: &mut Dice| match kind {
                _ if sparse && dice.chance(4) => String::new(),
                Kind::Number => dice.below(10_usize.pow(1 + dice.0 as u32 % 8)).to_string(),
                Kind::Word => dice.pick(WORDS).to_owned(),
                Kind::Words => dice.pick(PHRASES).to_owned(),
            };
            let row: Vec<String> = kinds.iter().map(|kind| cell(kind, dice)).collect();
            if row.iter().filter(|cell| !cell.is_empty()).count() > 1 && !row[0].is_empty() {
                rows.push(row);
            }
        }
        let width = |text: &str| unicode_width(text);
        let widths: Vec<usize> = (0..count)
            .map(|at| match is_fixed {
                true => width(&names[at]).max(4 + dice.below(6)),
                false => rows.iter().map(|row| width(&row[at])).fold(width(&names[at]), usize::max),
            })
            .collect();
        let right: Vec<bool> =
            (0..count).map(|at| kinds[at] == Kind::Number && at + 1 < count && !dice.chance(3)).collect();
        let mut text = String::new();
        for row in std::iter::once(&names).chain(&rows) {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[at].saturating_sub(width(cell)));
                line += &if right[at] { format!("{pad}{cell}") } else { format!("{cell}{pad}") };
                line += &" ".repeat(gap);
            }
            text += line.trim_end();
            text.push('\n');
        }
        Table { names, rows, text }
    }

    /// A column without any cell says nothing: its name may stand with that of its neighbour.
    fn agrees(&self, fields: &[String], found: &[Vec<String>]) -> bool {
        let filled = |rows: &[Vec<String>], count: usize| -> Vec<usize> {
            (0..count)
                .filter(|at| rows.iter().any(|row| row.get(*at).is_some_and(|cell| !cell.is_empty())))
                .collect()
        };
        let (ours, theirs) = (filled(found, fields.len()), filled(&self.rows, self.names.len()));
        found.len() == self.rows.len()
            && ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(ours, theirs)| {
                fields[*ours].contains(&self.names[*theirs])
                    && found.iter().zip(&self.rows).all(|(found, row)| found[*ours] == row[*theirs])
            })
    }
}

/// In columns of a terminal.
fn unicode_width(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum()
}

#[test]
fn tables_of_all_widths_are_right_or_not_claimed() {
    let mut dice = Dice(7);
    let (mut right, mut withheld, mut wrong) = (0, 0, Vec::new());
    for _ in 0..20_000 {
        let table = Table::roll(&mut dice);
        if table.rows.is_empty() {
            continue;
        }
        let reading = read(&table.text, Ask::Auto);
        if matches!(reading.format, Format::Raw | Format::Lines) || !reading.warnings.is_empty() {
            withheld += 1;
            continue;
        }
        let found: Vec<Vec<String>> = reading
            .rows
            .iter()
            .map(|row| {
                let text = |value: &serde_json::Value| match value {
                    serde_json::Value::Null => String::new(),
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                row.0.iter().map(|(_, value)| text(value)).collect()
            })
            .collect();
        if table.agrees(&reading.fields, &found) {
            right += 1;
        } else {
            wrong.push(format!("{:.2} {:?}\n{}{found:?}", reading.confidence, reading.fields, table.text));
        }
    }
    println!("tables: {right} right, {withheld} withheld, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n\n"));
}
