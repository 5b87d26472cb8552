//! What kind of terminal there is, and how large.

use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use homelab::secret::PASSWORD_VARIABLE;

/// Columns of texts that go to no terminal.
const COLUMNS: usize = 100;
/// Texts are no wider than this on a terminal either: lines of an endless width are hard to read.
const MOST_COLUMNS: usize = 140;
const FEWEST_COLUMNS: usize = 40;
/// Rows of a terminal that does not tell.
const ROWS: usize = 24;

/// Whether lines can be written over on standard error.
pub(super) fn can_be_written_over() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// Columns for the texts on standard output.
pub(super) fn columns() -> usize {
    if !stdout().is_terminal() {
        return COLUMNS;
    }
    let columns = size(stdout()).map_or(COLUMNS, |(_, columns)| columns);
    columns.clamp(FEWEST_COLUMNS, MOST_COLUMNS)
}

/// Rows of the terminal that standard error is.
pub(super) fn rows() -> usize {
    size(stderr()).map_or(ROWS, |(rows, _)| rows)
}

/// Rows and columns, as stty(1) reads them from the terminal; one that does not know says 0.
fn size(terminal: impl AsFd) -> Option<(usize, usize)> {
    let terminal = terminal.as_fd().try_clone_to_owned().ok()?;
    let mut stty = Command::new("stty");
    stty.arg("size")
        .env_remove(PASSWORD_VARIABLE)
        .stdin(terminal)
        .stderr(Stdio::null());
    let text = String::from_utf8(stty.output().ok()?.stdout).ok()?;
    let (rows, columns) = text.trim().split_once(' ')?;
    let known = |number: &str| number.parse().ok().filter(|number| *number > 0);
    Some((known(rows)?, known(columns)?))
}
