//! Text in columns.

use unicode_width::UnicodeWidthStr as _;

/// One line per row; each column is as wide as its widest cell.
pub(super) fn table<const COLUMNS: usize>(rows: &[[impl AsRef<str>; COLUMNS]]) -> String {
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].as_ref().width())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(widest);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().map(AsRef::as_ref).zip(widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_start_below_each_other() {
        let rows = [["HOST", "STATE", ""], ["日本", "running", "now"], ["a", "", ""]];
        assert_eq!(table(&rows), "HOST  STATE\n日本  running  now\na\n");
    }
}
