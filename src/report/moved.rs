//! What is not as it was when a plan was saved.

use super::TextOptions;
use super::change;
use super::layout::{indented, joined};
use super::review::Change;
use super::sanitize::one_line;
use super::style::{Tone, paint};
use crate::saved::Move;

/// What moved on a host: each operation with its resources, from what they were to what they are.
pub fn moved(host: &str, moves: &[Move], options: &TextOptions) -> String {
    let heading = format!("{}: not as it was when the plan was saved", one_line(host));
    let mut lines = vec![paint(Tone::Heading, &heading)];
    for one in moves {
        lines.push(format!("  `{}` {}", one_line(&one.slug), one.why));
        let changes = one.changes.iter().map(|change| Change::new(change, options.full_diff));
        let shown = changes.flat_map(|change| change::lines(&change, &[], options, options.width.saturating_sub(4)));
        lines.extend(indented(shown.collect::<Vec<_>>(), 4));
    }
    joined(&lines)
}
