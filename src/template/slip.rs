//! A mistake in a template or an expression, before its place in a file is known.

use std::ops::Range;

use crate::error::{Diagnostic, Origin};

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A bare expression.
    Expression,
    /// Text with templates in it.
    Text,
}

impl Form {
    /// The title of a mistake in its syntax.
    pub(super) fn invalid(self) -> &'static str {
        match self {
            Self::Expression => "invalid expression",
            Self::Text => "invalid template",
        }
    }
}

/// A mistake at a place of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) place: Range<usize>,
    pub(super) title: String,
    pub(super) label: String,
    pub(super) hint: String,
}

impl Slip {
    pub(super) fn new(
        place: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            place,
            title: title.into(),
            label: label.into(),
            hint: hint.into(),
        }
    }

    /// The mistake, with its place in a file.
    pub(super) fn shown(&self, origin: Option<&Origin>) -> Diagnostic {
        Diagnostic::new(&self.title)
            .at_maybe(origin, &self.label)
            .hint(&self.hint)
    }
}
