//! Shell text that only reads.

/// A piece of shell text that only reads. Only the families of facts can make one, and a dry run sends nothing else:
/// that is the read-only gate.
#[derive(Clone, Debug)]
pub struct Probe {
    text: String,
}

impl Probe {
    /// Wraps shell text that only reads.
    pub(in crate::facts) fn new(text: String) -> Self {
        Self { text }
    }

    /// The shell text.
    pub fn text(&self) -> &str {
        &self.text
    }
}
