//! The output of probes.

/// Unexpected output of a probe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct UnreadableAnswer {
    pub what: String,
}

impl UnreadableAnswer {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

/// The lines of an answer; invalid UTF-8 is replaced.
pub(super) fn lines(answer: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(answer).lines().map(str::to_owned).collect()
}
