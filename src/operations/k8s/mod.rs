//! Kubernetes: the objects of a cluster that a host speaks for.

mod as_written;
mod checks;
pub(super) mod config_map;
pub(super) mod decision;
pub(super) mod documents;
pub(super) mod exec;
pub(super) mod job;
mod keep;
pub(super) mod manifest;
pub(super) mod manifests;
pub(super) mod names;
pub(super) mod namespace;
pub(super) mod node;
pub(super) mod parameters;
pub(super) mod planned;
pub(super) mod questions;
pub(super) mod reach;
mod record;
mod redefined;
pub(super) mod refusal;
mod removal;
pub(super) mod restart;
mod script;
pub(super) mod secret;
pub(super) mod set;
pub(super) mod shown;
pub(super) mod single;
mod trial;
pub(super) mod wait;
pub(super) mod wish;
mod with_data;

pub use self::checks::wrong_objects;
