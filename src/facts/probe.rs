//! Questions to a host.

use std::time::Duration;

/// Shell text that only reads.
///
/// Only the families of facts can make one. The dry run sends nothing but probes, so this is its read-only gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    text: String,
    subject: &'static str,
    allowance: Duration,
}

impl Probe {
    /// A probe about `subject` that runs `text` in the host's `sh`; whoever calls this vouches that it changes nothing.
    pub(in crate::facts) fn new(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            subject,
            allowance: Duration::ZERO,
        }
    }

    /// The same probe, which may say nothing for this much longer than others.
    pub(crate) fn with_allowance(self, allowance: Duration) -> Self {
        Self { allowance, ..self }
    }

    /// A probe of any text, for tests of the transport.
    #[cfg(test)]
    pub(crate) fn for_test(text: impl Into<String>) -> Self {
        Self::new("a test's answer", text)
    }

    /// What is asked, in words.
    pub fn subject(&self) -> &'static str {
        self.subject
    }

    /// How much longer than others it may say nothing.
    pub fn allowance(&self) -> Duration {
        self.allowance
    }

    /// The shell text.
    pub fn text(&self) -> &str {
        &self.text
    }
}
