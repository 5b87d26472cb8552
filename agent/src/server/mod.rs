//! The HTTP side that all modes share: sockets, TLS, who may do what, limits, metrics and what systemd is told.

mod access;
mod certificates;
mod explained;
mod limits;
mod listeners;
mod metrics;
mod notify;
mod reply;
mod serve;
mod settings;

pub use access::{Access, AccessError, Caller, Role, protect};
pub use limits::RateLimit;
pub use listeners::{Address, Listeners};
pub use metrics::{Kind, Metrics};
pub use reply::{Problem, Reply};
pub use serve::{Environment, Server, ServerError};
pub use settings::{ClientCertificates, MetricsAccess, Settings};
