//! A host that was read.

use std::time::{Duration, Instant};

use crate::gather::GatherError;
use crate::plan::{Build, Snapshot};
use crate::project::Selection;
use crate::remote::Connection;

/// The most rounds of a plan. Of packages that are removed one operation after the other, each takes one: what apt would remove
/// depends on what the operations before it remove.
const MOST: usize = 12;
/// Nearly all plans take one or two rounds; these many begin whatever time they take.
const USUAL: usize = 3;
/// Further rounds begin within this time. The limits of remote work are those of one round: a slow or hostile host must not get
/// them twelve times.
const FURTHER_WITHIN: Duration = Duration::from_secs(300);

/// Counts the rounds in which one plan is read.
///
/// The first round reads base facts and the facts that operations hint at, later rounds what the plan lacks. Operations
/// that still lack facts after the last one are deferred.
#[derive(Debug)]
pub struct Rounds {
    begun: usize,
    since: Instant,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            begun: 0,
            since: Instant::now(),
        }
    }
}

impl Rounds {
    /// Whether another round may begin, which then counts.
    pub fn begin(&mut self) -> bool {
        self.begin_after(self.since.elapsed())
    }

    fn begin_after(&mut self, time: Duration) -> bool {
        let may_begin = self.begun < USUAL || (self.begun < MOST && time < FURTHER_WITHIN);
        self.begun += usize::from(may_begin);
        may_begin
    }
}

/// How hosts are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// How many hosts at a time.
    pub parallel: usize,
    /// Whether conditions and checks of the project do not run.
    pub skips_conditions: bool,
    /// Whether hosts that take much longer than the others are waited for.
    pub waits_for_all: bool,
    /// How long another run is waited for that changes a host where there is nothing else to do.
    pub lock_wait: Duration,
}

/// A host that was read.
pub struct ReadHost {
    /// The selection with this host only.
    pub selection: Selection,
    /// The open connection.
    pub connection: Connection,
    pub snapshot: Snapshot,
    pub build: Build,
}

/// A host that was read, or why it could not be.
pub struct HostReading {
    pub host: String,
    /// How long it took, including the login.
    pub took: Duration,
    pub result: Result<ReadHost, GatherError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_takes_long_gets_no_further_rounds() {
        for (each, expected) in [(0, MOST), (1, MOST), (60, 5), (100, USUAL), (3600, USUAL)] {
            let mut rounds = Rounds::default();
            let begun = (0..100).take_while(|round| rounds.begin_after(Duration::from_secs(each * round)));
            assert_eq!(begun.count(), expected, "{each} s a round");
        }
    }
}
