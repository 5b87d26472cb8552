//! A host that was read.

use std::time::Duration;

use crate::gather::GatherError;
use crate::plan::{Build, Snapshot};
use crate::project::Selection;
use crate::remote::Connection;

/// The first round asks for base facts and hints of operations, later ones for what the plan lacks. What is still missing then
/// is deferred.
pub const ROUNDS: usize = 3;

/// A host that was read.
pub struct ReadHost {
    /// What was selected of the project, this host alone.
    pub selection: Selection,
    /// The connection, still open.
    pub connection: Connection,
    /// What was read.
    pub snapshot: Snapshot,
    /// The plan.
    pub build: Build,
}

/// A host that was read, or the reason why not.
pub struct HostReading {
    /// The host.
    pub host: String,
    /// How long it took, its login included.
    pub took: Duration,
    /// The host as read, or why not.
    pub result: Result<ReadHost, GatherError>,
}
