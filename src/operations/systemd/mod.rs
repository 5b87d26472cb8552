//! systemd.

pub(super) mod daemon_reload;
mod files;
mod name;
mod needs;
mod refusal;
mod resource;
mod restart;
mod script;
pub(super) mod service;
mod states;
mod text;
pub(super) mod timer;
pub(super) mod tmpfiles;
pub(super) mod unit;
