//! What is wrong with manifests, and where.

use std::ops::Range;

/// A place in one of the files that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Which one.
    pub(super) file: usize,
    pub(super) place: Range<usize>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: At,
    pub(super) title: String,
    pub(super) label: String,
    /// Another place that helps to understand it.
    pub(super) also: Option<Box<(Spot, String)>>,
    pub(super) hint: Option<String>,
}

/// Where a mistake is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    File(Spot),
    /// In an item of a list, or the key of a table, of this parameter.
    Argument(&'static str, String),
}

impl Fault {
    pub(super) fn in_file(spot: Spot, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(At::File(spot), title, label)
    }

    pub(super) fn of(argument: &'static str, item: &str, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(At::Argument(argument, item.to_owned()), title, label)
    }

    fn new(at: At, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            at,
            title: title.into(),
            label: label.into(),
            also: None,
            hint: None,
        }
    }

    pub(super) fn also(mut self, spot: Spot, label: impl Into<String>) -> Self {
        self.also = Some(Box::new((spot, label.into())));
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
