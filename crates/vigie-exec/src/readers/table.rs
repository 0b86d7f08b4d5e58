//! Columns under a header, told by the display columns that are blank in every line.
//!
//! Words and their number say nothing (a cell may be empty, or hold spaces); a column of blanks through all lines
//! does. Where two columns touch in some line, only their words are left, and then the confidence says so.
//!
//! In reading order: [`read`] tables out of a text · [`Grid`] lines by display column · [`columns`] where they are ·
//! [`cells`] what is in them. All in one file, since each step reads the grid that another has made, and their doubts make
//! one confidence.

use super::{Format, Reading, Row, TRUSTED, values};
use crate::limits::{TABLE_COLUMNS_MAX, TABLE_PLACES_MAX};
use std::collections::HashSet;
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// Columns told by blanks alone.
const BY_BLANKS: f64 = 0.95;
/// A header of several words, which might be two headers.
const DOUBTFUL_HEADER: f64 = 0.85;
/// Touching columns, told by words.
const BY_WORDS: f64 = 0.82;
/// A header that might be a row like all others.
const NO_HEADER: f64 = 0.6;
/// Touching columns whose words do not fit.
const TORN: f64 = 0.5;

/// The name of a column that has none.
const UNNAMED: &str = "label";
/// Above its table `top` has five lines and a blank one.
const ABOVE_MAX: usize = 10;

/// One or more tables. With more than one, every row begins with the field `table`: its title or number.
pub(super) fn read(text: &str) -> Option<Reading> {
    if text.contains(FILLER) {
        // Nobody prints a table with it, and it could not be told from ours.
        return None;
    }
    let unframed = without_frame(text).or_else(|| without_bars(text));
    let is_framed = unframed.is_some();
    let text = unframed.as_deref().unwrap_or(text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let above = lines_above(&lines);
    let tables = split(&lines[above..]);
    let (mut read, mut below) = (Vec::new(), 0);
    for table in &tables {
        match read_one(table.header, &table.rows, is_framed) {
            Some((sure, _)) if sure < TRUSTED && !read.is_empty() && table.is_prose() => {
                below += table.lines()
            }
            None if !read.is_empty() && table.is_prose() => below += table.lines(),
            found => read.push((table.title, found?)),
        }
    }
    let (mut rows, mut confidence) = (Vec::new(), 1.0_f64);
    let several = read.len() > 1;
    let is_taken = read.iter().flat_map(|(_, (_, rows))| rows.first()).any(|row| row.get("table").is_some());
    let which = if is_taken { "table of the text" } else { "table" };
    for (index, (title, (sure, mut found))) in read.into_iter().enumerate() {
        confidence = confidence.min(sure);
        if several {
            let title = title.map_or_else(|| (index + 1).to_string(), |title| title.trim().to_owned());
            found.iter_mut().for_each(|row| row.0.insert(0, (which.to_owned(), title.clone().into())));
        }
        rows.append(&mut found);
    }
    let above = above + tables.first()?.skipped;
    let mut reading = Reading::of_rows(Format::Table, confidence, rows);
    for (count, place) in [(above, "above the header"), (below, "below the table")] {
        if count > 0 {
            reading = reading.warn(format!("{count} lines {place} are left out"));
        }
    }
    Some(reading)
}

/// Lines over the first header that are none themselves, as of `top` and `w`: that header is in capitals.
fn lines_above(lines: &[&str]) -> usize {
    let shouted = |line: &str| {
        line.split_whitespace().nth(3).is_some()
            && line.contains(char::is_uppercase)
            && !line.contains(char::is_lowercase)
            && is_header(line)
    };
    match lines.iter().take(ABOVE_MAX).position(|line| shouted(line)) {
        Some(at) if lines[..at].iter().all(|line| !is_header(line)) => at,
        _ => 0,
    }
}

struct Table<'a> {
    title: Option<&'a str>,
    skipped: usize,
    header: &'a str,
    rows: Vec<&'a str>,
}

impl Table<'_> {
    fn lines(&self) -> usize {
        usize::from(self.title.is_some()) + self.skipped + 1 + self.rows.len()
    }

    /// Sentences and legends (`LOAD   = Reflects whether …`), as `systemctl` prints them below its tables.
    fn is_prose(&self) -> bool {
        let sentence = |line: &str| {
            let line = line.trim();
            let text = match line.split_once(" = ") {
                Some((name, text)) if !name.trim().contains(' ') => text,
                _ => line,
            };
            !text.contains("  ") && !text.contains('\t')
        };
        self.title.into_iter().chain([self.header]).chain(self.rows.iter().copied()).all(sentence)
    }
}

/// Where each table begins: behind a blank line, or at a line that begins with the same word as the header before.
fn split<'a>(lines: &[&'a str]) -> Vec<Table<'a>> {
    let mut tables: Vec<Table<'a>> = Vec::new();
    let mut above: Vec<&'a str> = Vec::new();
    let mut open = false;
    for (at, line) in lines.iter().copied().enumerate() {
        if line.is_empty() {
            // A blank line right below a header belongs to it.
            open &= tables.last().is_some_and(|table| table.rows.is_empty());
            continue;
        }
        if is_group_header(line) {
            continue;
        }
        if is_ruler(line) {
            // What stands over a ruler is the header, whatever was believed before.
            if let Some(table) = tables.last_mut().filter(|table| open && !table.rows.is_empty()) {
                let header = table.rows.pop().unwrap_or(table.header);
                table.skipped += 1 + table.rows.len();
                table.rows.clear();
                table.header = header;
            }
            continue;
        }
        let again = tables.last().filter(|_| open).is_some_and(|table| {
            line != table.header && line.split_whitespace().next() == table.header.split_whitespace().next()
        });
        if !open || (again && is_header(line)) {
            let next = lines.get(at + 1).copied().unwrap_or_default();
            // A title has one blank between its words, is not in capitals, and has a header with rows behind it.
            let titled = line.split_whitespace().nth(2).is_some()
                && !line.trim().contains("  ")
                && line.contains(char::is_lowercase)
                && !is_above_columns(line, next);
            let rows = lines.get(at + 2).is_some_and(|row| !row.is_empty());
            if !open && titled && rows && is_header(next) && next.contains("  ") {
                above.push(line);
                continue;
            }
            let title =
                if again { tables.last_mut().and_then(|table| table.rows.pop()) } else { above.pop() };
            let skipped = above.len();
            above.clear();
            tables.push(Table { title, skipped, header: line, rows: Vec::new() });
            open = true;
        } else if let Some(table) = tables.last_mut().filter(|table| line != table.header) {
            table.rows.push(line);
        }
    }
    tables
}

/// Whether a word behind the first one stands right above one of the next line: names do, a title does not.
fn is_above_columns(line: &str, next: &str) -> bool {
    let begins = |line: &str| -> Vec<usize> {
        let line = laid_out(line);
        (1..line.len()).filter(|at| line[*at] != ' ' && line[at - 1] == ' ').collect()
    };
    let below = begins(next);
    begins(line).iter().any(|at| below.contains(at))
}

/// Lines of dashes, as under headers.
fn is_ruler(line: &str) -> bool {
    let drawn = line.chars().all(|c| matches!(c, '-' | '=' | '+' | '|' | ' ' | '─' | '━' | '═' | '┼'));
    // A row of dashes for cells that say nothing is none.
    drawn && ["---", "===", "───", "━━━", "═══"].iter().any(|run| line.contains(run))
}

/// What `vmstat` sets over several headers: `procs ---memory--- --io--`.
fn is_group_header(line: &str) -> bool {
    let grouped = |word: &&str| {
        word.starts_with("--")
            || word.ends_with("--")
            || (word.len() > 2 && word.starts_with('-') && word.ends_with('-'))
    };
    let words = line.split_whitespace().count();
    words > 2
        && line.contains("---")
        && line.split_whitespace().filter(grouped).count() + 1 >= words
        && !is_ruler(line)
}

/// Names, at least two, none of them a number, a date, a time or a `key:`.
fn is_header(line: &str) -> bool {
    let digits =
        |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && !word.contains(char::is_alphabetic);
    line.split_whitespace().nth(1).is_some()
        && !line.split_whitespace().any(|word| word.ends_with(':') || digits(word))
}

/// Tables as `psql` draws them: bars between columns, a ruler with crosses below the header, and nothing around. Bars in
/// cells stay; what is below the last row is set off with a blank line.
fn without_bars(text: &str) -> Option<String> {
    let mut lines = text.lines().map(laid_out);
    let (header, ruler) = (lines.next()?, lines.next()?);
    let crosses: Vec<usize> = (0..ruler.len()).filter(|at| ruler[*at] == '+').collect();
    let drawn = ruler.iter().all(|c| matches!(c, '-' | '+')) && ruler.len() > 2;
    let barred = |line: &[char]| crosses.iter().all(|at| line.get(*at) == Some(&'|'));
    if !drawn || crosses.is_empty() || !barred(&header) {
        return None;
    }
    let mut bare = String::new();
    let mut inside = true;
    for (at, mut line) in std::iter::once(header).chain(lines).enumerate() {
        if inside && barred(&line) {
            crosses.iter().for_each(|at| line[*at] = ' ');
        } else if inside && at > 0 {
            bare.push('\n');
            inside = false;
        }
        bare.extend(line.iter().filter(|c| **c != FILLER));
        bare.push('\n');
    }
    Some(bare)
}

/// A text whose tables are drawn with lines, without them.
fn without_frame(text: &str) -> Option<String> {
    let framed = |line: &str| line.starts_with(['|', '│', '┃', '║']) && line.ends_with(['|', '│', '┃', '║']);
    let border = |line: &str| line.starts_with(['+', '┌', '├', '└', '╔', '╠', '╚', '╭', '╰', '┏', '┡', '┗']);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || !lines.iter().all(|line| framed(line) || border(line)) {
        return None;
    }
    let inner = lines.iter().filter(|line| !border(line));
    let unframed = |line: &&&str| line.replace(['|', '│', '┃', '║'], "  ");
    Some(inner.map(|line| unframed(&line)).collect::<Vec<_>>().join("\n"))
}

fn read_one(header: &str, lines: &[&str], is_framed: bool) -> Option<(f64, Vec<Row>)> {
    if lines.is_empty() || !is_header(header) || header.split_whitespace().nth(TABLE_COLUMNS_MAX).is_some() {
        return None;
    }
    let grid = Grid::new(header, lines);
    if grid.width.saturating_mul(lines.len()) > TABLE_PLACES_MAX {
        return None;
    }
    let (mut sure, mut by_blanks) = (BY_BLANKS, true);
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    let columns = columns(&grid, &mut sure);
    let placed = sure;
    let is_tight = columns.windows(2).any(|pair| grid.gap(&pair[0], &pair[1]) == 1);
    for (at, column) in columns.iter().enumerate() {
        if !is_framed && grid.is_ragged(column) {
            sure = sure.min(TORN);
        }
        fields.extend(cells(&grid, column, at + 1 == columns.len(), is_tight, &mut sure));
    }
    if sure == TORN && placed > TORN {
        // A value wider than its column moves all that is behind it. As many words as names in every line are no chance.
        let names: Vec<&str> = header.split_whitespace().collect();
        let as_many = |line: &&str| line.split_whitespace().count() == names.len();
        // Of one line alone that is little, but if all of them are numbers.
        let told = lines.len() > 1 || lines.iter().all(|line| line.split_whitespace().all(is_number));
        if is_tight && told && lines.iter().all(as_many) {
            let lines: Vec<String> = lines.iter().map(|line| line.trim().to_owned()).collect();
            fields = by_words(&names, &lines);
            sure = BY_WORDS;
            by_blanks = false;
        }
    }
    if by_blanks && is_tight && !is_framed && is_pushed(header, lines, &fields) {
        return Some((TORN, Vec::new()));
    }
    if fields.len() < 2 {
        return None;
    }
    // Columns of one name would hide each other.
    let mut taken = HashSet::new();
    for (name, _) in &mut fields {
        let free = (2..).map(|n| format!("{name} {n}")).find(|other| !taken.contains(other));
        if let (true, Some(free)) = (taken.contains(name), free) {
            *name = free;
        }
        taken.insert(name.clone());
    }
    if by_blanks && sure > TORN && agrees_with_words(&grid, &fields) {
        sure = sure.max(0.98);
    }
    without_branches(&mut fields[0].1);
    let rows = rows(fields, lines.len());
    let column = |at: usize| rows.iter().map(|row: &Row| row.0[at].1.clone()).collect::<Vec<_>>();
    let columns: Vec<_> =
        rows.first()?.0.iter().enumerate().map(|(at, (name, _))| (name.as_str(), column(at))).collect();
    let capitals = columns.iter().filter(|(name, _)| name.starts_with(char::is_uppercase)).count();
    let stands_out = values::header_stands_out(columns.iter().map(|(name, cells)| (*name, cells.as_slice())));
    if !stands_out && capitals < columns.len() {
        sure = sure.min(NO_HEADER);
    }
    Some((sure, rows))
}

/// Takes the drawn branches of a tree off its names, as of `lsblk` and `findmnt`.
fn without_branches(cells: &mut [String]) {
    let drawn = |cell: &str| ["├─", "└─", "|-", "`-"].iter().any(|branch| cell.contains(branch));
    let bare = |cell: &str| cell.trim_start_matches(['│', '├', '└', '─', '|', '`', '-', ' ']).to_owned();
    if !cells.iter().any(|cell| drawn(cell) && cell.starts_with(['│', '├', '└', '|', '`'])) {
        return;
    }
    for cell in cells.iter_mut().filter(|cell| drawn(cell)) {
        *cell = bare(cell);
    }
}

/// Whether cells may have moved into the next column, pushed by one too wide for its own: one of several words, with nothing
/// on its left where other lines have something; or as many words as names, and not one of each.
fn is_pushed(header: &str, lines: &[&str], fields: &[(String, Vec<String>)]) -> bool {
    let moved = fields.windows(2).any(|pair| {
        let ((name, left), (_, right)) = (&pair[0], &pair[1]);
        let empty = || left.iter().zip(right).any(|(left, right)| left.is_empty() && right.contains(' '));
        let fused = name.contains(' ') && !is_one_name(name) && right.iter().any(|cell| cell.contains("  "));
        fused || (left.iter().any(|cell| !cell.is_empty()) && empty())
    });
    let two_words = fields.iter().any(|(name, _)| is_one_name(name) && name.contains(' '));
    let names = if two_words { fields.len() } else { header.split_whitespace().count() };
    let single = |at: usize| {
        let mut named = fields.iter().filter(|(name, _)| name != UNNAMED);
        named.all(|(_, cells)| !cells[at].is_empty() && !cells[at].contains(' '))
    };
    let uneven = |(at, line): (usize, &&str)| line.split_whitespace().count() == names && !single(at);
    moved || lines.iter().enumerate().any(uneven)
}

fn is_number(word: &str) -> bool {
    values::number(word).is_some()
}

fn rows(fields: Vec<(String, Vec<String>)>, count: usize) -> Vec<Row> {
    let (names, mut cells): (Vec<String>, Vec<Vec<String>>) = fields.into_iter().unzip();
    let mut kept = Vec::new();
    for row in 0..count {
        let filled: Vec<usize> = (0..names.len()).filter(|column| !cells[*column][row].is_empty()).collect();
        // A line with nothing but a last cell goes on with the one above it.
        match (kept.last(), filled.as_slice()) {
            (Some(above), [only]) if *only + 1 == names.len() && names.len() > 1 => {
                let more = std::mem::take(&mut cells[*only][row]);
                let above: &mut String = &mut cells[*only][*above];
                above.push('\n');
                above.push_str(&more);
            }
            (_, []) => {}
            _ => kept.push(row),
        }
    }
    let typed: Vec<Vec<serde_json::Value>> =
        cells.iter().map(|column| values::column(kept.iter().map(|row| column[*row].as_str()))).collect();
    let row = |at: usize| {
        Row(names.iter().zip(&typed).map(|(name, column)| (name.clone(), column[at].clone())).collect())
    };
    (0..kept.len()).map(row).collect()
}

/// Whether splitting at every blank gives the same cells.
fn agrees_with_words(grid: &Grid, fields: &[(String, Vec<String>)]) -> bool {
    grid.lines.iter().enumerate().all(|(row, line)| {
        let text: String = line.iter().filter(|c| **c != FILLER).collect();
        text.split_whitespace().eq(fields.iter().map(|(_, cells)| cells[row].as_str()))
    })
}

/// Stands behind a character that is two columns wide.
const FILLER: char = '\0';

/// The lines of a table, one element a display column.
struct Grid {
    header: Vec<char>,
    lines: Vec<Vec<char>>,
    width: usize,
}

impl Grid {
    fn new(header: &str, lines: &[&str]) -> Self {
        let header = laid_out(header);
        let lines: Vec<Vec<char>> = lines.iter().map(|line| laid_out(line)).collect();
        let width = lines.iter().map(Vec::len).max().unwrap_or_default().max(header.len());
        Grid { header, lines, width }
    }

    /// The fewest blanks between two neighbouring columns in any line that has both, the header among them.
    fn gap(&self, left: &Range<usize>, right: &Range<usize>) -> usize {
        let gap = |line: &Vec<char>| {
            let end = last_filled(line, left)?;
            let begin = right.clone().find(|at| line.get(*at).is_some_and(|c| *c != ' '))?;
            Some(begin - end - 1)
        };
        std::iter::once(&self.header).chain(&self.lines).filter_map(gap).min().unwrap_or(usize::MAX)
    }

    /// Whether every line has as many words as the header.
    fn is_even(&self) -> bool {
        let words = |line: &[char]| line.split(|c| *c == ' ').filter(|word| !word.is_empty()).count();
        self.lines.iter().all(|line| words(line) == words(&self.header))
    }

    /// Whether cells of several words begin neither all where the name does nor end all where it ends: then some may have
    /// come from next door, pushed by a cell too wide for its column.
    fn is_ragged(&self, column: &Range<usize>) -> bool {
        let ends = |line: &Vec<char>| {
            let filled = |at: &usize| line.get(*at).is_some_and(|c| *c != ' ');
            Some((column.clone().find(filled)?, last_filled(line, column)?))
        };
        let Some((begin, end)) = ends(&self.header) else { return false };
        // Several names are told apart by other means.
        let name = slice(&self.header, column);
        if name.contains(' ') && !is_one_name(&name) {
            return false;
        }
        let cells: Vec<(usize, usize)> = self.lines.iter().filter_map(ends).collect();
        let several = self.lines.iter().any(|line| slice(line, column).contains(' '));
        several && !cells.iter().all(|cell| cell.0 == begin) && !cells.iter().all(|cell| cell.1 == end)
    }

    fn is_blank(&self, column: usize) -> bool {
        let blank = |line: &Vec<char>| line.get(column).is_none_or(|c| *c == ' ');
        blank(&self.header) && self.lines.iter().all(blank)
    }
}

fn laid_out(line: &str) -> Vec<char> {
    let mut columns = Vec::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => columns.resize((columns.len() / 8 + 1) * 8, ' '),
            _ => {
                columns.push(c);
                columns.resize(columns.len() + c.width().unwrap_or(1).saturating_sub(1), FILLER);
            }
        }
    }
    columns
}

fn slice(line: &[char], columns: &Range<usize>) -> String {
    let end = columns.end.min(line.len());
    let part = line.get(columns.start..end).unwrap_or_default();
    part.iter().filter(|c| **c != FILLER).collect::<String>().trim().to_owned()
}

/// Runs of display columns that some line uses, joined where they are no columns of their own.
fn columns(grid: &Grid, sure: &mut f64) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for column in (0..grid.width).filter(|column| !grid.is_blank(*column)) {
        match runs.last_mut().filter(|run| run.end == column) {
            Some(run) => run.end += 1,
            None => runs.push(column..column + 1),
        }
    }
    // What has no header belongs to the column on its left: a blank through all its cells by chance.
    let mut joined: Vec<Range<usize>> = Vec::new();
    for run in runs {
        match joined.last_mut().filter(|_| slice(&grid.header, &run).is_empty()) {
            Some(left) => left.end = run.end,
            None => joined.push(run),
        }
    }
    // One blank between two words of the header, with nothing at all below one of them: one name of two words.
    let empty = |run: &Range<usize>| grid.lines.iter().all(|line| slice(line, run).is_empty());
    let near = |left: &Range<usize>, right: &Range<usize>| {
        right.start == left.end + 1 && !slice(&grid.header, left).is_empty()
    };
    // `Mounted on`, `Used by`: a small word behind a capital goes on with its name.
    let goes_on = |left: &Range<usize>, right: &Range<usize>| {
        is_one_name(&format!("{} {}", slice(&grid.header, left), slice(&grid.header, right)))
    };
    // Where names in capitals with cells of their own stand one blank apart, the same blank between others is no part of
    // a name: `DEVICE SIZE/OFF NODE` are three, also when nothing is below two of them.
    let shouted = !grid.header.iter().any(|c| c.is_lowercase());
    let tight = shouted
        && joined.windows(2).any(|pair| near(&pair[0], &pair[1]) && !empty(&pair[0]) && !empty(&pair[1]));
    let spread = joined
        .windows(2)
        .filter(|pair| !empty(&pair[0]) && !empty(&pair[1]))
        .map(|pair| grid.gap(&pair[0], &pair[1]))
        .min()
        .unwrap_or(usize::MAX);
    let mut at = 0;
    while !tight && at + 1 < joined.len() {
        let (left, right) = (joined[at].clone(), joined[at + 1].clone());
        let next = joined.get(at + 2).filter(|next| near(&right, next));
        // A name right above its cells reaches to the left; so the right neighbour is asked first.
        if near(&left, &right)
            && (goes_on(&left, &right) || empty(&left) || (empty(&right) && next.is_none()))
        {
            let is_one = goes_on(&left, &right);
            let doubt = match (is_one, spread) {
                (false, 1) => TORN,
                (false, _) if empty(&left) && at > 0 => DOUBTFUL_HEADER,
                _ => BY_BLANKS,
            };
            *sure = sure.min(doubt);
            if !is_one && slice(&grid.header, &left).contains(' ') {
                *sure = TORN;
            }
            joined[at].end = right.end;
            joined.remove(at + 1);
        } else {
            at += 1;
        }
    }
    // One blank between two names, where all others are farther apart: they may be one name, and the blanks below them
    // within its cells. Not so where they have cells in the same lines, and those of the left one end where its name does.
    let pairs: Vec<(&Range<usize>, &Range<usize>)> = joined.iter().zip(joined.iter().skip(1)).collect();
    let (close, apart): (Vec<_>, Vec<_>) =
        pairs.into_iter().partition(|(left, right)| near(left, right) && grid.gap(left, right) == 1);
    let is_column = |(left, right): &(&Range<usize>, &Range<usize>)| {
        grid.lines.iter().all(|line| slice(line, left).is_empty() == slice(line, right).is_empty())
    };
    let is_phrase = |(_, right): &(&Range<usize>, &Range<usize>)| {
        grid.lines.iter().map(|line| slice(line, right)).all(|cell| cell.is_empty() || cell.contains(' '))
    };
    let farther = !apart.is_empty() && apart.iter().all(|(left, right)| grid.gap(left, right) > 1);
    let is_text = |range: &Range<usize>| !grid.lines.iter().all(|line| is_number(&slice(line, range)));
    let doubtful = match close.as_slice() {
        [] => false,
        // One line shows little: only a number on either side of the blank speaks for two columns.
        several if grid.lines.len() == 1 => {
            let wide = apart.iter().all(|(left, right)| grid.gap(left, right) > 2);
            (wide || several.len() <= (apart.len() / 2).max(1))
                && several.iter().any(|(left, right)| is_text(left) && is_text(right))
        }
        _ if grid.is_even() => false,
        [one] => is_phrase(one) || (apart.len() > 1 && !is_column(one)),
        several => several.len() * 2 <= apart.len() && !several.iter().all(is_column),
    };
    if farther && doubtful {
        *sure = sure.min(TORN);
    }
    joined
}

fn last_filled(line: &[char], columns: &Range<usize>) -> Option<usize> {
    columns.clone().rev().find(|at| line.get(*at).is_some_and(|c| *c != ' '))
}

/// The name and cells of a column; of several columns, if they touch in some line.
fn cells(
    grid: &Grid,
    column: &Range<usize>,
    is_last: bool,
    is_tight: bool,
    sure: &mut f64,
) -> Vec<(String, Vec<String>)> {
    let name = slice(&grid.header, column);
    let cells: Vec<String> = grid.lines.iter().map(|line| slice(line, column)).collect();
    let names: Vec<&str> = name.split_whitespace().collect();
    if names.len() < 2 {
        // Row labels, as those of `free`, have no header.
        let name = if name.is_empty() { UNNAMED.to_owned() } else { name };
        return vec![(name, cells)];
    }
    let counts = || cells.iter().filter(|cell| !cell.is_empty()).map(|cell| cell.split_whitespace().count());
    let fit = counts().all(|count| count == names.len() || (is_last && count > names.len()));
    let shouted = names.iter().all(|name| !name.contains(char::is_lowercase));
    if counts().next().is_some() && fit && (name.contains("  ") || (shouted && is_tight)) {
        *sure = sure.min(BY_WORDS);
        return by_words(&names, &cells);
    }
    // `Mounted on` is one name, whatever is below it; of others it is not known when they have cells of several words.
    let is_one = is_one_name(&name);
    if name.contains("  ") || (!is_one && names.len() > 2) || (!is_one && counts().any(|count| count > 1)) {
        *sure = sure.min(TORN);
    } else if counts().any(|count| count > 1) {
        *sure = sure.min(DOUBTFUL_HEADER);
    }
    vec![(name, cells)]
}

/// A small word behind a capital goes on with its name, and so does `Address`: nobody has addresses beside a peer.
fn is_one_name(name: &str) -> bool {
    let mut words = name.split_whitespace();
    let goes_on = |word: &str| word.starts_with(char::is_lowercase) || word.starts_with("Address");
    words.next().is_some_and(starts_high) && words.all(goes_on)
}

fn starts_high(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

/// One word a column; the last one takes the rest.
fn by_words(names: &[&str], cells: &[String]) -> Vec<(String, Vec<String>)> {
    let mut columns: Vec<(String, Vec<String>)> =
        names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    let last = names.len() - 1;
    for cell in cells {
        let mut rest = cell.as_str();
        for (at, (_, column)) in columns.iter_mut().enumerate() {
            let end = if at == last { rest.len() } else { rest.find(' ').unwrap_or(rest.len()) };
            column.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    columns
}
