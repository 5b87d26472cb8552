//! Errors that point at the place in a file that caused them.
//!
//! A [`Diagnostic`] is a value with separate positions, causes and hint; `report` and `cli` decide how to show it.
//! Nothing here prints.

pub mod habits;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A project file as it was read, kept for the excerpts of errors.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the project's root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Whether homelab wrote the text: then `path` says what it is, and there is no file to open at a line.
    pub is_own: bool,
}

impl SourceFile {
    /// A file of `path` with `text`, ready to be pointed into.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            path: path.into(),
            text: text.into(),
            is_own: false,
        })
    }

    /// A text of homelab's own, which `name` says.
    pub fn own(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            path: name.into(),
            text: text.into(),
            is_own: true,
        })
    }
}

/// Where something was written: a span of bytes in a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredOrigin", into = "StoredOrigin")]
pub struct Origin {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Bytes from the file's start, end excluded.
    pub span: Range<usize>,
}

/// A place as it is stored: with the text, so that it can be shown wherever it is read again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredOrigin {
    path: String,
    text: String,
    start: usize,
    end: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_own: bool,
}

impl From<StoredOrigin> for Origin {
    fn from(stored: StoredOrigin) -> Self {
        let file = Arc::new(SourceFile {
            path: stored.path,
            text: stored.text,
            is_own: stored.is_own,
        });
        Self::new(&file, stored.start..stored.end)
    }
}

impl From<Origin> for StoredOrigin {
    fn from(origin: Origin) -> Self {
        Self {
            path: origin.file.path.clone(),
            text: origin.file.text.clone(),
            start: origin.span.start,
            end: origin.span.end,
            is_own: origin.file.is_own,
        }
    }
}

/// The last place between two characters of `text` that is not after `at`.
fn between(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Origin {
    /// The span `span` of `file`, brought into it and between its characters where it is not.
    pub fn new(file: &Arc<SourceFile>, span: Range<usize>) -> Self {
        let start = between(&file.text, span.start);
        let end = between(&file.text, span.end).max(start);
        Self {
            file: Arc::clone(file),
            span: start..end,
        }
    }

    /// Line and column of the span's first character, both counted from 1, columns in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let start = self.span.start.min(self.file.text.len());
        let before = self.file.text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before[line_start..].chars().count() + 1)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_own {
            return formatter.write_str(&self.file.path);
        }
        let (line, column) = self.line_column();
        write!(formatter, "{}:{line}:{column}", self.file.path)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A place in a file and what to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub origin: Origin,
    /// A few words shown under the excerpt; may be empty.
    pub text: String,
}

/// One mistake: what is wrong, where, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in a lower-case fragment without a full stop.
    pub title: String,
    /// Places: the first is where the mistake is, the others help to understand it.
    pub labels: Vec<Label>,
    /// The causes of the mistake, outermost first.
    pub causes: Vec<String>,
    /// A next step.
    pub hint: Option<String>,
    /// What the mistake is about, if others have to know it.
    pub about: Option<Box<About>>,
}

/// What a mistake is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The dotted name of data that a host lacks.
    Lacking(String),
    /// What homelab made, and others have changed since.
    ChangedByOthers(ChangedByOthers),
}

/// What homelab made, and others have changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedByOthers {
    /// Its name, such as `Deployment/web in shop`.
    pub name: String,
    /// Its fields, and to whom each belongs now.
    pub fields: Vec<(String, String)>,
}

impl Diagnostic {
    /// A mistake described by `title`.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            labels: Vec::new(),
            causes: Vec::new(),
            hint: None,
            about: None,
        }
    }

    /// Says that a host lacks data of this name.
    #[must_use]
    pub fn lacking(mut self, name: impl Into<String>) -> Self {
        self.about = Some(Box::new(About::Lacking(name.into())));
        self
    }

    /// Says what others have changed.
    #[must_use]
    pub fn changed_by_others(mut self, changed: Option<ChangedByOthers>) -> Self {
        if let Some(changed) = changed {
            self.about = Some(Box::new(About::ChangedByOthers(changed)));
        }
        self
    }

    /// The dotted name of data that a host lacks, if that is the mistake.
    pub fn lacks(&self) -> Option<&str> {
        match self.about.as_deref() {
            Some(About::Lacking(name)) => Some(name),
            _ => None,
        }
    }

    /// What others have changed, if that is the mistake.
    pub fn others_changed(&self) -> Option<&ChangedByOthers> {
        match self.about.as_deref() {
            Some(About::ChangedByOthers(changed)) => Some(changed),
            _ => None,
        }
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, origin: &Origin, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            origin: origin.clone(),
            text: text.into(),
        });
        self
    }

    /// Adds a place where one is known.
    #[must_use]
    pub fn at_maybe(self, origin: Option<&Origin>, text: impl Into<String>) -> Self {
        match origin {
            Some(origin) => self.at(origin, text),
            None => self,
        }
    }

    /// Moves the mistake itself to another place.
    #[must_use]
    pub fn placed(mut self, origin: &Origin) -> Self {
        match self.labels.first_mut() {
            Some(first) => first.origin = origin.clone(),
            None => return self.at(origin, ""),
        }
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Sets the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the next step where there is one.
    #[must_use]
    pub fn hint_maybe(mut self, hint: Option<String>) -> Self {
        if hint.is_some() {
            self.hint = hint;
        }
        self
    }

    /// The place of the mistake itself.
    pub fn origin(&self) -> Option<&Origin> {
        self.labels.first().map(|label| &label.origin)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin() {
            Some(origin) => write!(formatter, "{origin}: {}", self.title),
            None => formatter.write_str(&self.title),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// That the file at `path` is no text, at its first byte that is none.
pub fn not_text(path: &str, bytes: &[u8]) -> Diagnostic {
    let start = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
    let file = SourceFile::new(path, String::from_utf8_lossy(bytes));
    let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
    Diagnostic::new(format!("`{path}` is not UTF-8 text"))
        .at(&Origin::new(&file, start..end), "invalid UTF-8")
        .hint(format!(
            "save it as UTF-8, for example with `iconv -f latin1 -t utf-8 {path}`"
        ))
}

/// One or more mistakes, in the order of their files and positions.
#[derive(Debug)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            fmt::Display::fmt(diagnostic, formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

/// The word among `known` that `word` was probably meant to be.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = |candidate: &str| match candidate.len().max(word.len()) {
        // Two short words have little in common when half of their letters differ.
        0..=4 if candidate.chars().next() != word.chars().next() => 1,
        length => 1 + length / 4,
    };
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most(candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// As [`suggestion`], for the last part of a dotted name: what was meant is told with the parts above it.
pub fn name_suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let Some((above, last)) = name.rsplit_once('.') else {
        return suggestion(name, known);
    };
    let known: Vec<&str> = known.into_iter().collect();
    match closest(last, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{above}.{near}`?")),
        None => suggestion(last, known),
    }
}

/// "did you mean `…`?" where a known word is near, else the list of known words where it is short.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = closest(word, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    if known.is_empty() || known.len() > 12 {
        return None;
    }
    let listed: Vec<String> = known.iter().map(|one| format!("`{one}`")).collect();
    Some(format!("available: {}", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_columns_in_characters() {
        let file = SourceFile::new("a.toml", "ä = 1\nöö = x\n");
        let at = "ä = 1\nöö = ".len();
        assert_eq!(Origin::new(&file, at..at + 1).line_column(), (2, 6));
        assert_eq!(Origin::new(&file, 0..1).to_string(), "a.toml:1:1");
        let own = Origin::new(&SourceFile::own("rollback of x", "a = 1\n"), 0..1);
        assert_eq!(own.to_string(), "rollback of x");
        let stored = serde_json::to_string(&own).expect("text");
        assert_eq!(serde_json::from_str::<Origin>(&stored).expect("a place"), own);
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(closest("packges", ["packages", "present"]), Some("packages"));
        assert_eq!(closest("zzz", ["packages", "present"]), None);
        assert_eq!(closest("docs", ["item"]), None);
        assert_eq!(closest("time", ["item", "host"]), None);
        assert_eq!(closest("hots", ["item", "host"]), Some("host"));
    }
}
