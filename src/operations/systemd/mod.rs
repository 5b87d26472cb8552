//! systemd.

mod name;
mod refusal;
mod script;
pub(super) mod service;
mod states;
