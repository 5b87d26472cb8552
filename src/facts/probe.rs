//! Questions to a host.

/// Shell text that only reads.
///
/// Only the families of facts can make one. The dry run sends nothing but probes, so this is its read-only gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    text: String,
}

impl Probe {
    /// A probe that runs `text` in the host's `sh`; whoever calls this vouches that it changes nothing.
    pub(in crate::facts) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// A probe of any text, for tests of the transport.
    #[cfg(test)]
    pub(crate) fn for_test(text: impl Into<String>) -> Self {
        Self::new(text)
    }

    /// The shell text.
    pub fn text(&self) -> &str {
        &self.text
    }
}
