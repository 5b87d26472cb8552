//! Kubernetes: the objects of a cluster that a host speaks for.

mod as_written;
mod checks;
pub(super) mod config_map;
mod decision;
mod documents;
pub(super) mod exec;
pub(super) mod helm;
pub(super) mod job;
mod keep;
mod manifest;
pub(super) mod manifests;
mod names;
pub(super) mod namespace;
pub(super) mod node;
mod parameters;
mod planned;
mod questions;
mod reach;
mod record;
mod redefined;
mod refusal;
mod removal;
pub(super) mod restart;
mod script;
pub(super) mod secret;
mod set;
mod shown;
mod single;
mod trial;
pub(super) mod wait;
mod wish;
mod with_data;

pub use self::checks::wrong_objects;
