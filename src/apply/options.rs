//! Options for applying a plan.

use std::time::Duration;

/// Options for applying a plan.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// The user and machine that apply it, shown to other runs that find the host locked.
    pub who: String,
    /// The run that this one takes back, if it is a rollback.
    pub rollback_of: Option<String>,
    /// How long to wait for another run that holds a host's lock.
    pub lock_wait: Duration,
    /// The most hosts that are changed at once.
    pub parallel: usize,
    /// How long a host waits for a new connection before it takes back what could lock the user out.
    pub guard_within: Duration,
    /// Whether the output of steps is sent as it arrives.
    pub live_output: bool,
}
