//! Kubernetes: the objects of a cluster that a host speaks for.

mod checks;
pub(super) mod config_map;
mod decision;
mod documents;
mod manifest;
pub(super) mod manifests;
pub(super) mod namespace;
mod parameters;
mod planned;
mod reach;
mod record;
mod removal;
mod script;
pub(super) mod secret;
mod set;
mod shown;
mod single;
mod wish;

pub use self::checks::{ClusterObjects, wrong_objects};
