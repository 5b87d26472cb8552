//! How a plan is to be applied.

use std::time::Duration;

/// How a plan is to be applied.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Who applies it, shown to others who find the host locked: a user and a machine.
    pub who: String,
    /// How long to wait for another run that holds a host's lock.
    pub lock_wait: Duration,
    /// How many hosts are changed at once, at most.
    pub parallel: usize,
    /// Whether the output of steps is sent as it comes.
    pub live_output: bool,
}
