//! Tables with columns as wide as their widest cell.

/// Rows of cells; the first row may be a heading.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that are aligned to the right: numbers.
    right: &'static [usize],
}

impl Table {
    /// An empty table with a heading; `right` names the columns of numbers.
    pub(crate) fn new(heading: &[&str], right: &'static [usize]) -> Self {
        let rows =
            if heading.is_empty() { vec![] } else { vec![heading.iter().map(|&h| h.into()).collect()] };
        Table { rows, right }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The rows as lines of text, without blanks at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if self.right.contains(&column) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["NAME", "SIZE"], &[1]);
        table.row(["é".into(), "10".into()]);
        table.row(["longer".into(), "9".into()]);
        assert_eq!(table.lines(), ["NAME    SIZE", "é         10", "longer     9"]);
        assert_eq!(Table::new(&[], &[]).lines(), Vec::<String>::new());
    }
}
