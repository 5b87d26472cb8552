//! Shell text that reads facts.

use std::time::Duration;

use super::families::{check, http, sight};
use super::layers::in_layers;

/// Shell functions that texts of several families use, each with its name.
const FUNCTIONS: &[(&str, &str)] = &[
    ("hl_condition", check::CONDITION),
    ("hl_hidden", sight::HIDDEN),
    ("hl_limited", http::LIMITED),
];

/// Shell text that only reads.
///
/// Only the families of facts can create one from shell text; any other text runs in throw-away layers. A dry run sends nothing but
/// probes, so it cannot change a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    text: String,
    subject: &'static str,
    allowance: Duration,
}

impl Probe {
    /// A probe about `subject` that runs `text` in the host's `sh`. The caller guarantees that `text` changes nothing.
    pub(in crate::facts) fn new(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            subject,
            allowance: Duration::ZERO,
        }
    }

    /// A probe that runs `text` where everything that it writes is thrown away ([`in_layers`]), at most for `limit`.
    pub fn in_layers(subject: &'static str, text: &str, limit: Duration) -> Self {
        Self::new(subject, in_layers(text, limit)).with_allowance(limit)
    }

    /// The same probe, which may be silent for this much longer than others.
    pub(crate) fn with_allowance(self, allowance: Duration) -> Self {
        Self { allowance, ..self }
    }

    /// A probe of any text, for tests of the transport.
    #[cfg(test)]
    pub(crate) fn for_test(text: impl Into<String>) -> Self {
        Self::new("a test's answer", text)
    }

    /// What the probe reads, for messages.
    pub fn subject(&self) -> &'static str {
        self.subject
    }

    /// How much longer than others it may be silent.
    pub fn allowance(&self) -> Duration {
        self.allowance
    }

    /// The shell text. It needs [`functions`](Self::functions) to be defined.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The definitions of the functions that the text uses. Probes share them: they are sent once.
    pub fn functions(&self) -> impl Iterator<Item = &'static str> {
        let used = FUNCTIONS.iter().filter(|(name, _)| self.text.contains(name));
        used.map(|(_, definition)| *definition)
    }
}
