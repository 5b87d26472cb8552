//! Powers the host off at a time, through logind.

mod idle;
mod queue;
mod routes;
mod run;
mod settings;
mod shutdowns;

pub use idle::Idle;
pub use queue::{Entry, Queue, Reason};
pub use routes::router;
pub use run::serve;
pub use settings::{Action, OffWhenIdle, Settings, ShutdownSettings};
pub use shutdowns::{Refused, Shown, Shutdowns};
