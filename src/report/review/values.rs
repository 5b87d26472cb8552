//! What changes in a file of YAML, JSON or TOML, as values with their paths: shorter than lines with their context.
//!
//! It never says less than what changes: what is written beside the values (comments, the order of keys, quotes) must be
//! the same on both sides, see [`beside`]. Otherwise only the lines show it.

mod beside;
mod compare;
mod json;
mod shown;
mod toml;
mod tree;
mod yaml;

use beside::Beside;
use shown::ShownValue;
use tree::Node;

use super::line::{DiffLine, LineSign, Span, SpanText};
use super::mask::masked;
use crate::report::sanitize::one_line;
use crate::secret::{LATER, MASK};

/// Larger texts are only compared line by line, in bytes.
const LARGEST: usize = 256 * 1024;

/// How the values of a text are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    Json,
    Toml,
}

/// The values that change from one text to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedValues {
    /// Whether blank lines, indentation or line ends change too.
    pub with_white_space: bool,
    /// In the order of the old text; what is new comes behind what it is in.
    pub values: Vec<ChangedValue>,
}

/// A value that changes. Strings are in quotes; anything else is as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedValue {
    /// Where it is, such as `services.web.image` or `jobs[name=node].port`. Of an item that comes or goes with the index.
    pub path: String,
    /// `None` if it is new.
    pub before: Option<String>,
    /// `None` if it is removed.
    pub after: Option<String>,
}

impl Format {
    /// The format of a file, by the ending of its name.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit('/').next()?.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }

    fn read(self, text: &str) -> Option<Node> {
        match self {
            Self::Yaml => yaml::read(text),
            Self::Json => json::read(text),
            Self::Toml => toml::read(text),
        }
    }
}

impl ChangedValues {
    /// What changes from `old` to `new`; `None` if values alone do not say it all, or must not be read out of their lines.
    pub(super) fn between(format: Format, old: &str, new: &str) -> Option<Self> {
        let is_masked = |text: &&str| [MASK, LATER].iter().any(|words| text.contains(words)) || masked(text) != **text;
        if old.len().max(new.len()) > LARGEST || [old, new].iter().any(is_masked) {
            return None;
        }
        let changes = {
            let (old, new) = (format.read(old)?, format.read(new)?);
            compare::changes(&old, &new)?
        };
        let with_white_space = match beside::compare(old, new, &changes) {
            Beside::Same => false,
            Beside::WhiteSpace => true,
            Beside::Differs => return None,
        };
        let values = changes.iter().map(shown::values).collect::<Option<Vec<_>>>()?;
        let values: Vec<ChangedValue> = values.into_iter().flatten().map(ChangedValue::new).collect();
        let texts = values
            .iter()
            .flat_map(|one| [Some(&one.path), one.before.as_ref(), one.after.as_ref()]);
        let is_hidden = texts.flatten().any(|text| masked(text) != *text);
        (!values.is_empty() && !is_hidden).then_some(Self {
            with_white_space,
            values,
        })
    }

    /// As the lines of a diff.
    pub(super) fn lines(&self) -> Vec<DiffLine> {
        let heading = DiffLine::Values {
            with_white_space: self.with_white_space,
        };
        std::iter::once(heading)
            .chain(self.values.iter().map(ChangedValue::line))
            .collect()
    }
}

impl ChangedValue {
    fn new(value: ShownValue) -> Self {
        Self {
            path: value.path,
            before: value.before,
            after: value.after,
        }
    }

    fn line(&self) -> DiffLine {
        let span = |is_changed: bool, text: &str| Span {
            is_changed,
            text: SpanText::Shown(one_line(text)),
        };
        let path = span(false, &format!("{}: ", self.path));
        let (sign, values) = match (&self.before, &self.after) {
            (Some(before), Some(after)) => (
                LineSign::Changed,
                vec![span(true, before), span(false, " → "), span(true, after)],
            ),
            (Some(before), None) => (LineSign::Removed, vec![span(false, before)]),
            (None, after) => (LineSign::Added, after.iter().map(|after| span(false, after)).collect()),
        };
        DiffLine::Line {
            sign,
            spans: std::iter::once(path).chain(values).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
