//! Connections to hosts: one `ssh` per host, one long-lived shell, and frames of probes and steps.
//!
//! [`Connection`] runs the system's `ssh` (or a shell of this machine) and keeps its pipes as a channel to a POSIX `sh`.
//! [`Connection::read`] runs [`Probe`](crate::facts::Probe)s and nothing else, so a connection alone cannot change the host.
//! [`Connection::lock`] gives a [`Writer`], which performs steps while it holds the host's lock.

mod answers;
mod beat;
mod channel;
mod command;
mod configuration;
mod connection;
mod control;
mod diagnosis;
mod error;
mod functions;
mod grouped;
mod limits;
mod lock;
mod nonce;
mod privilege;
mod pump;
mod script;
mod stderr;
mod step;
mod target;
#[cfg(test)]
mod tests;
mod trust;
mod upload;
mod watchdog;
mod writer;

pub use command::{Stream, Written};
pub use connection::{Answer, Connection};
pub use error::{Becoming, ChangedKey, Explanation, Obstacle, Refusal, RemoteError, UnusedKey};
pub use lock::{Holder, LOCK_PATH, LockRequest};
pub use privilege::Privilege;
pub use step::{Closing, Opening, Prints, StepAnswer, StepEnd, StepGroup, StepNews, StepRecord, StepScript, Together};
pub use target::{Hop, Target};
pub use trust::{HostKey, OfferedKey, host_key, offered_key, remember};
pub use writer::Writer;
