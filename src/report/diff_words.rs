//! The words around the lines of a diff, in one place for text, Markdown and HTML.

use super::review::{Block, LeftOut};
use super::style::{counted, grouped};

pub(super) const NO_NEWLINE: &str = "\\ no newline at end of file";
const SHOW_ALL: &str = "too many to show (--verbose shows all)";

/// The heading of a diff; `None` for a file's content.
pub(super) fn block_name(block: &Block) -> Option<String> {
    block.name.map(|name| format!("{name}:"))
}

/// The heading of values that change, which stand in place of lines.
pub(super) fn values(with_white_space: bool) -> &'static str {
    if with_white_space {
        "changed values, and white space (--verbose shows the lines)"
    } else {
        "changed values (--verbose shows the lines)"
    }
}

/// Lines that a diff leaves out.
pub(super) fn left_out(left_out: LeftOut) -> String {
    match left_out {
        LeftOut::Changed { removed, added } => format!(
            "{} removed, {} added: {SHOW_ALL}",
            counted(removed, "line"),
            grouped(added)
        ),
        LeftOut::ChangedOver(most) => format!("over {} changed lines: {SHOW_ALL}", grouped(most)),
        LeftOut::Listed { more, all } => format!(
            "… {} (--verbose shows all {})",
            counted(more, "more line"),
            grouped(all)
        ),
    }
}

/// Characters that a line leaves out.
pub(super) fn more_characters(count: usize) -> String {
    format!("…[{} more characters]…", grouped(count))
}
