//! What mistakes of a task leave out.

use std::collections::BTreeSet;

/// The names in a task that its mistakes leave out: using them is no mistake.
#[derive(Debug, Default)]
pub struct Unread {
    pub handlers: BTreeSet<String>,
    /// Whether a handler has no name that could be read.
    pub has_unnamed_handlers: bool,
    pub captures: BTreeSet<String>,
}
