//! Carrying out a plan: steps on hosts, as events.

mod events;

pub use events::{Event, Failure, HostEnd, HostResult, Line, LineEnd, OperationResult, exit_code};
