//! What people read: the review before anything changes, what happens while it is applied, and how it ended.
//!
//! Pure functions from values to text: nothing here prints. Styles are escape codes in the text, for a stream that strips
//! them off a pipe; all text that comes from a host or a file is made harmless first. Every text ends with a line break, or
//! is empty. The same values give the same bytes.

mod change;
mod check;
mod diagnostic;
mod duration;
mod events;
mod facts;
mod failure;
mod host_lines;
mod html;
mod inventory;
mod json;
mod layout;
mod live;
mod markdown;
mod operation;
mod packages;
mod phrases;
mod progress;
mod reference;
pub mod review;
mod sanitize;
mod style;
mod summary;
mod text;

pub use check::{found, found_github, found_json, nothing_wrong};
pub use diagnostic::{diagnostic, diagnostics, mistakes};
pub use events::event;
pub use facts::{fact_names, facts, facts_json};
pub use host_lines::{HostLines, host_lines};
pub use html::html;
pub use inventory::{explanation, host, inventory};
pub use json::json;
pub use live::LiveOutput;
pub use markdown::markdown;
pub use operation::operation;
pub use progress::{Progress, WindowContent};
pub use reference::{operation_reference, operations, operations_json};
pub use summary::summary;
pub use text::{not_read, text};

/// How a text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Whether operations with nothing to do, attributes that stay and commands are listed too.
    pub verbose: bool,
    /// Whether content is shown whole, however long.
    pub full_diff: bool,
    /// Columns of the terminal; what is not a line of a file is broken to fit.
    pub width: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            verbose: false,
            full_diff: false,
            width: 100,
        }
    }
}

#[cfg(test)]
mod tests;
