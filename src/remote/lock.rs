//! The lock on a host: one run at a time changes it.

use std::fmt;
use std::time::Duration;

/// The default path of the lock on a host.
pub const LOCK_PATH: &str = "/run/homelab.lock";

/// A host that hears nothing of a run for this long takes its link for lost. Its `ssh` has given up long before.
const LOST_AFTER: Duration = Duration::from_secs(60);
/// The host looks this often in that time.
const LOOKS: u32 = 3;
/// How many signs of life are sent between two looks.
const SIGNS: u32 = 2;

/// A request for the lock of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRequest {
    pub path: String,
    /// Who asks, such as a user and a machine: other runs print it when they find the lock held.
    pub who: String,
    /// How long to wait for another run; zero fails at once.
    pub wait: Duration,
    /// How long the host hears nothing of this run before it frees the lock, whole seconds.
    pub lost_after: Duration,
}

impl LockRequest {
    /// A request for the default lock that does not wait.
    pub fn new(who: impl Into<String>) -> Self {
        Self {
            path: LOCK_PATH.to_owned(),
            who: who.into(),
            wait: Duration::ZERO,
            lost_after: LOST_AFTER,
        }
    }
}

impl LockRequest {
    /// How many seconds the host lets pass between two looks.
    pub(super) fn seconds_between_looks(&self) -> u64 {
        (self.lost_after / LOOKS).as_secs().max(1)
    }

    /// The time between two signs of life.
    pub(super) fn pause_between_signs(&self) -> Duration {
        Duration::from_secs(self.seconds_between_looks()) / SIGNS
    }
}

/// Who holds a lock, from the lock's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub who: String,
    /// When it took the lock, by the host's clock, in UTC.
    pub since: String,
}

impl Holder {
    /// Reads the text of a lock's file.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut lines = text.lines().map(printable);
        let who = lines.next().filter(|who| !who.is_empty())?;
        let since = lines.next().unwrap_or_default();
        Some(Self { who, since })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.since.as_str() {
            "" => formatter.write_str(&self.who),
            since => write!(formatter, "{} since {since}", self.who),
        }
    }
}

/// One line without control characters, which other users' text could use to control the terminal.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(LONGEST)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_holder_wrote() {
        let holder = Holder::parse(b"anna@desk\n2026-01-02T03:04:05Z\n").unwrap();
        assert_eq!(holder.to_string(), "anna@desk since 2026-01-02T03:04:05Z");
        assert_eq!(Holder::parse(b""), None);
        assert_eq!(Holder::parse(b"a\x1b[2Jb").unwrap().to_string(), "a [2Jb");
    }
}
