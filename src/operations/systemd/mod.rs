//! systemd.

pub(super) mod daemon_reload;
pub(super) mod files;
pub(super) mod name;
mod needs;
mod refusal;
mod resource;
mod restart;
mod script;
pub(super) mod service;
mod states;
pub(super) mod timer;
pub(super) mod tmpfiles;
pub(super) mod unit;

pub use needs::Needs;
