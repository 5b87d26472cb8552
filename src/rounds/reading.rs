//! A host that was read.

use std::time::Duration;

use crate::gather::GatherError;
use crate::plan::{Build, Snapshot};
use crate::project::Selection;
use crate::remote::Connection;

/// The first round reads base facts and the facts that operations hint at, later rounds what the plan lacks. Operations
/// that still lack facts are deferred.
///
/// Nearly all plans take one or two rounds. Of packages that are removed one operation after the other, each takes one: what
/// apt would remove depends on what the operations before it remove.
pub const ROUNDS: usize = 12;

/// How hosts are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// How many hosts at a time.
    pub parallel: usize,
    /// Whether conditions and checks of the project do not run.
    pub skips_conditions: bool,
    /// Whether hosts that take much longer than the others are waited for.
    pub waits_for_all: bool,
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
