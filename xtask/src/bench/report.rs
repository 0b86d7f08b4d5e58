//! The table: what was measured, beside what, and whether the target is met.

use super::series::Series;
use anyhow::{Result, bail};

/// What a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At most this many times the peer's median.
    Ratio(f64),
    /// At least this many times the peer's median.
    RatioAtLeast(f64),
    /// At most this, in the unit of the series.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// One line of the table.
pub(crate) struct Row {
    what: String,
    ours: Series,
    peer: Option<(&'static str, Series)>,
    target: Target,
}

/// All lines, and under which circumstances they were taken.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// Steps that could not be measured, with the reason.
    pub(crate) failures: Vec<String>,
    pub(crate) notes: Vec<String>,
}

const HEADS: [&str; 7] = ["what", "vigie", "peer", "peer's", "ratio", "target", ""];

impl Row {
    /// A figure beside that of a peer.
    pub(crate) fn beside(
        what: impl Into<String>,
        ours: Series,
        peer: &'static str,
        theirs: Series,
        target: Target,
    ) -> Row {
        Row { what: what.into(), ours, peer: Some((peer, theirs)), target }
    }

    /// A figure with a limit of its own.
    pub(crate) fn alone(what: impl Into<String>, ours: Series, target: Target) -> Row {
        Row { what: what.into(), ours, peer: None, target }
    }

    fn ratio(&self) -> Option<f64> {
        let ratio = self.peer.as_ref().map(|(_, theirs)| self.ours.median() / theirs.median());
        // Beside nothing there is none.
        ratio.filter(|ratio| ratio.is_finite())
    }

    /// A figure that was not taken meets no target.
    fn is_met(&self) -> bool {
        match self.target {
            Target::Ratio(most) => self.ratio().is_some_and(|ratio| ratio <= most),
            Target::RatioAtLeast(least) => self.ratio().is_some_and(|ratio| ratio >= least),
            Target::AtMost(most) => self.ours.median() <= most,
            Target::AtLeast(least) => self.ours.median() >= least,
        }
    }

    fn cells(&self) -> [String; 7] {
        let (peer, theirs) =
            self.peer.as_ref().map_or(("", String::new()), |(name, series)| (*name, series.summary()));
        let target = match self.target {
            Target::Ratio(most) => format!("at most {most}×"),
            Target::RatioAtLeast(least) => format!("at least {least}×"),
            Target::AtMost(most) => format!("at most {}", self.ours.show(most)),
            Target::AtLeast(least) => format!("at least {}", self.ours.show(least)),
        };
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        [
            self.what.clone(),
            self.ours.summary(),
            peer.to_owned(),
            theirs,
            self.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}×")),
            target,
            verdict.to_owned(),
        ]
    }

    /// The row as one line, for the eyes while the bench goes on.
    pub(crate) fn line(&self) -> String {
        self.cells().into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" · ")
    }
}

impl Report {
    /// Takes the rows of a step, and shows them already. A step that fails leaves its reason: the ones that
    /// follow do not need it, and a bench takes long.
    pub(crate) fn take(&mut self, step: &str, measure: impl FnOnce() -> Result<Vec<Row>>) {
        eprintln!("bench: {step}");
        match measure() {
            Ok(rows) => {
                rows.iter().for_each(|row| eprintln!("bench: {}", row.line()));
                self.rows.extend(rows);
            }
            Err(error) => {
                eprintln!("bench: {step}: {error:#}");
                self.failures.push(format!("step {step} FAILED: {error:#}"));
            }
        }
    }

    /// Prints the table; fails unless every step was measured and every target is met.
    pub(crate) fn close(&self, markdown: bool) -> Result<()> {
        print!("{}", if markdown { self.markdown() } else { self.text() });
        match (self.missed(), self.failures.len()) {
            (0, 0) => Ok(()),
            (missed, 0) => bail!("{missed} of {} targets are missed", self.rows.len()),
            (missed, failed) => {
                bail!("{failed} steps failed; {missed} of {} targets are missed", self.rows.len())
            }
        }
    }

    /// How many targets are missed.
    pub(crate) fn missed(&self) -> usize {
        self.rows.iter().filter(|row| !row.is_met()).count()
    }

    fn table(&self) -> Vec<[String; 7]> {
        std::iter::once(HEADS.map(str::to_owned)).chain(self.rows.iter().map(Row::cells)).collect()
    }

    /// What stands below the table: failures first.
    fn remarks(&self) -> impl Iterator<Item = &String> {
        self.failures.iter().chain(&self.notes)
    }

    /// Columns padded with blanks, notes below.
    pub(crate) fn text(&self) -> String {
        let table = self.table();
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 7] = std::array::from_fn(width);
        let mut out = String::new();
        for row in &table {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            out.push('\n');
        }
        out.push('\n');
        self.remarks().for_each(|note| out.push_str(&format!("{note}\n")));
        out
    }

    /// The same as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String; 7]| format!("| {} |\n", cells.join(" | "));
        let table = self.table();
        let mut rows = table.iter().map(line);
        let mut out = rows.next().unwrap_or_default();
        out.push_str("|---|---|---|---|---|---|---|\n");
        out.extend(rows);
        out.push('\n');
        self.remarks().for_each(|note| out.push_str(&format!("- {note}\n")));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::series::Unit;
    use super::*;

    fn report() -> Report {
        let series = |sample| Series::of(Unit::Bytes, sample);
        let rows = vec![
            Row::beside("near", series(100_000), "peer", series(200_000), Target::Ratio(0.5)),
            Row::beside("far", series(101_000), "peer", series(200_000), Target::Ratio(0.5)),
            Row::alone("small", series(60_000_000), Target::AtMost(60e6)),
            Row::alone("nothing", Series::new(Unit::Seconds), Target::AtMost(1.0)),
            Row::beside("fast", series(300), "peer", series(200), Target::RatioAtLeast(1.0)),
            Row::alone("few", series(99), Target::AtLeast(100.0)),
        ];
        Report { rows, failures: vec!["a failure".into()], notes: vec!["a note".into()] }
    }

    #[test]
    fn targets_are_met_or_missed() {
        let met: Vec<bool> = report().rows.iter().map(Row::is_met).collect();
        assert_eq!(met, [true, false, true, false, true, false], "a figure that was not taken is missed");
        assert_eq!(report().missed(), 3);
    }

    #[test]
    fn tables_read_well() {
        let text = report().text();
        assert!(
            text.contains("near     100.0 kB   peer  200.0 kB  0.50×  at most 0.5×      met\n"),
            "{text}"
        );
        let markdown = report().markdown();
        assert!(markdown.contains("| small | 60.00 MB |  |  |  | at most 60.00 MB | met |\n"), "{markdown}");
        assert!(markdown.ends_with("\n- a failure\n- a note\n"), "{markdown}");
    }
}
