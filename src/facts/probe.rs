//! Questions to a host.

/// Shell text that only reads.
///
/// Only the families of facts can make one, and whoever runs a command for the user. The dry run sends nothing but probes, so this is its read-only gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    text: String,
}

impl Probe {
    /// A probe that runs `text` in the host's `sh`; whoever calls this vouches that it changes nothing.
    pub(in crate::facts) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// A command that the user asked for outside of any deploy: what it does is the user's to answer for.
    ///
    /// It has the mask that logins have, rather than the channel's own.
    pub(crate) fn of_user(script: &str) -> Self {
        Self::new(format!("umask 022\nunset LC_ALL\n{script}"))
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
