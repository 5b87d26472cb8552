//! What the Docker engine of the host has. Everything is done by the host's own `docker`.

mod command;
pub(super) mod compose;
pub(super) mod container;
pub(super) mod engine;
pub(super) mod exec;
pub(super) mod image;
pub(super) mod login;
pub(super) mod network;
mod offered;
pub(super) mod prune;
mod resource;
pub(super) mod volume;

pub use compose::{YamlNode, parse_yaml, signal_mistake};
