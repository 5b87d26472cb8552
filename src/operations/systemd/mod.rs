//! systemd.

pub(super) mod daemon_reload;
mod name;
mod refusal;
mod restart;
mod script;
pub(super) mod service;
mod states;
mod unit;
