//! Output formats.

use clap::ValueEnum;
use homelab::report;
use homelab::report::Refusal;
use homelab::report::review::Review;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document for programs
    Json,
}

/// How a review is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReviewFormat {
    /// For people
    Text,
    /// One JSON document for programs
    Json,
    /// For a comment on a pull request, at most 65,000 characters
    Markdown,
    /// One page that needs nothing else
    Html,
}

/// The format of a review as a document: one self-contained text, written when a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DocumentFormat {
    Json,
    Markdown,
    Html,
}

impl ReviewFormat {
    /// The format of the document; `None` for text, which is written during the run.
    pub(super) fn document(self) -> Option<DocumentFormat> {
        match self {
            Self::Text => None,
            Self::Json => Some(DocumentFormat::Json),
            Self::Markdown => Some(DocumentFormat::Markdown),
            Self::Html => Some(DocumentFormat::Html),
        }
    }
}

impl DocumentFormat {
    /// The mistakes of a run that has no review, as a document.
    pub(super) fn render_refusal(self, refusal: &Refusal) -> String {
        match self {
            Self::Json => report::refusal_json(refusal),
            Self::Markdown => report::refusal_markdown(refusal),
            Self::Html => report::refusal_html(refusal),
        }
    }

    /// The review as a document.
    pub(super) fn render(self, review: &Review<'_>) -> String {
        match self {
            Self::Json => report::json(review),
            Self::Markdown => report::markdown(review),
            Self::Html => report::html(review),
        }
    }
}
