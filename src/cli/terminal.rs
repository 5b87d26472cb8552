//! The kind and the size of the terminal.

use std::io::{IsTerminal, stderr, stdout};

use terminal_size::{Height, Width, terminal_size_of};

/// Columns of text without a terminal, or with one of unknown size.
const COLUMNS: usize = 100;
/// Longer lines are hard to read, however wide the terminal is.
const MOST_COLUMNS: usize = 140;
const FEWEST_COLUMNS: usize = 40;
/// Rows of a terminal of unknown size.
const ROWS: usize = 24;

/// Whether lines on standard error can be overwritten.
pub(super) fn can_be_written_over() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// Columns of text on standard output.
pub(super) fn columns() -> usize {
    if !stdout().is_terminal() {
        return COLUMNS;
    }
    let columns = terminal_size_of(stdout()).map_or(COLUMNS, |(Width(columns), _)| columns.into());
    columns.clamp(FEWEST_COLUMNS, MOST_COLUMNS)
}

/// Rows of the terminal on standard error.
pub(super) fn rows() -> usize {
    terminal_size_of(stderr()).map_or(ROWS, |(_, Height(rows))| rows.into())
}
