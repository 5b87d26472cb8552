//! Texts for people: the review before anything changes, the progress while it is applied, and the result.
//!
//! Pure functions from values to text: nothing here prints. Styles are escape codes in the text; the output stream
//! strips them for pipes. All text from hosts and files is sanitized first. Every text is empty or ends with a line break.
//! The same values give the same bytes.

mod agent;
mod backups;
mod certificates;
mod change;
mod check;
mod conditions;
mod diagnostic;
mod diff_words;
mod document;
mod drift;
mod duration;
mod events;
mod facts;
mod failure;
mod history;
mod host_lines;
mod html;
mod images;
mod inventory;
mod json;
mod layout;
mod lints;
mod live;
mod markdown;
mod moved;
mod operation;
mod packages;
mod phrases;
mod progress;
mod reference;
mod refusal;
pub mod review;
mod sanitize;
mod sarif;
mod saved;
#[cfg(test)]
mod schemas;
mod style;
mod summary;
mod text;
mod unread;

pub use agent::agent;
pub use backups::{backup, backups, backups_json};
pub use certificates::{authority_made, certificates, certificates_json, expiring, issued, revoked};
pub use check::{
    found, found_github, found_json, missing_keys, not_decrypted, not_for_recipients, not_set, nothing_wrong,
};
pub use conditions::commands;
pub use diagnostic::{diagnostic, diagnostics, mistakes, warning_of_mistakes, warning_of_outsider};
pub use document::document;
pub use drift::{HostDrift, drift, drift_json};
pub use events::event;
pub use facts::{fact_names, facts, facts_json};
pub use history::{history, history_json, odd, run, status, status_json};
pub use host_lines::{HostLines, host_lines};
pub use html::html;
pub use images::{ImageState, asked_in_vain, lock_diff, outdated, unused_pin};
pub use inventory::{explanation, host, inventory};
pub use json::json;
pub use lints::{lint_counts, lint_page, lint_table, lints};
pub use live::LiveOutput;
pub use markdown::markdown;
pub use moved::moved;
pub use operation::operation;
pub use progress::{Progress, WindowContent};
pub use reference::{operation_markdown, operation_reference, operations, operations_json};
pub use refusal::{Refusal, refusal_html, refusal_json, refusal_markdown};
pub use sarif::found_sarif;
pub use summary::summary;
pub use text::{not_read, text};

/// Options for texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Whether unchanged operations, unchanged attributes and commands are listed too.
    pub verbose: bool,
    /// Whether content is shown whole, however long.
    pub full_diff: bool,
    /// Columns of the terminal; text other than file content is wrapped to fit.
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
