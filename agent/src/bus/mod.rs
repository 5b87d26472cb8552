//! What the agent asks of the host over D-Bus. Modes see traits, so that tests need no bus.

mod connection;
mod fault;
mod login;
mod units;

pub use connection::Bus;
pub use fault::{Fault, FaultKind};
pub use login::{Login, Scheduled};
pub use units::{Activity, Job, UnitDetails, UnitState, Units, Verb};
