//! How long a host may take, and how much it may send.
//!
//! Silence alone is no measure: a host that sends a byte now and then, or notes without end, is never silent.

use std::time::{Duration, Instant};

/// A host may be silent for `read_timeout`, and reading it may take this many times as long.
const LONGEST: u32 = 5;
/// Everything that a login prints before the shell is ready, such as the message of the day.
const MOST_BEFORE_READY: u64 = 1 << 20;

/// The limits of what is being awaited. Exceeding any of them ends the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long the host may send nothing.
    pub(super) silence: Option<Duration>,
    /// How long all of it may take.
    pub(super) total: Option<Duration>,
    /// How many bytes the host may send, notes included.
    pub(super) bytes: u64,
}

impl Limits {
    /// No limits, for the command of `homelab exec`.
    pub(super) const NONE: Self = Self {
        silence: None,
        total: None,
        bytes: u64::MAX,
    };

    /// The limits of a login: noise does not make it longer.
    pub(super) fn of_login(silence: Option<Duration>) -> Self {
        Self {
            silence,
            total: silence,
            bytes: MOST_BEFORE_READY,
        }
    }

    /// The limits of reading, where a host may be silent for `allowance` longer than usual.
    pub(super) fn of_reading(silence: Option<Duration>, allowance: Duration, bytes: u64) -> Self {
        Self {
            silence: silence.map(|silence| silence + allowance),
            total: silence.map(|silence| silence * LONGEST + allowance),
            bytes,
        }
    }
}

/// How much of the limits is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    limits: Limits,
    since: Instant,
    received: u64,
}

/// A limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// Nothing arrived for this long.
    Silence(Duration),
    /// It took longer than this.
    Total(Duration),
    /// More than this many bytes arrived.
    Bytes(u64),
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            since: Instant::now(),
            received: 0,
        }
    }

    /// How long to wait for the next bytes, and which limit ends the wait; `None` waits forever.
    pub(super) fn next_wait(&self) -> Option<(Duration, Exceeded)> {
        let silence = self.limits.silence.map(|time| (time, Exceeded::Silence(time)));
        let total = self.limits.total.map(|time| {
            let left = time.saturating_sub(self.since.elapsed());
            (left, Exceeded::Total(time))
        });
        match (silence, total) {
            // A host that has sent nothing yet is silent, whatever the total.
            (Some(silence), Some(total)) if total.0 < silence.0 && self.received > 0 => Some(total),
            (Some(silence), _) => Some(silence),
            (None, total) => total,
        }
    }

    /// Counts bytes that have arrived.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.received = self.received.saturating_add(bytes as u64);
        if self.received > self.limits.bytes {
            return Err(Exceeded::Bytes(self.limits.bytes));
        }
        // A host that never pauses is not waited for, so its time is checked here too.
        match self.limits.total {
            Some(total) if self.since.elapsed() >= total => Err(Exceeded::Total(total)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_limit_counts() {
        let [short, long] = [1, 3600].map(Duration::from_secs);
        let wait = |silence, total| {
            let bytes = 10;
            Budget::new(Limits { silence, total, bytes })
                .next_wait()
                .map(|(_, exceeded)| exceeded)
        };
        assert_eq!(wait(None, None), None);
        assert_eq!(wait(Some(short), Some(long)), Some(Exceeded::Silence(short)));
        assert_eq!(wait(Some(short), Some(short)), Some(Exceeded::Silence(short)));
        assert_eq!(wait(None, Some(short)), Some(Exceeded::Total(short)));
        let mut budget = Budget::new(Limits {
            silence: None,
            total: Some(Duration::ZERO),
            bytes: 10,
        });
        assert_eq!(budget.count(1), Err(Exceeded::Total(Duration::ZERO)));
        budget.limits.total = Some(long);
        assert_eq!(budget.count(9), Ok(()));
        assert_eq!(budget.count(1), Err(Exceeded::Bytes(10)));
    }
}
