//! Kubernetes: the objects of a cluster that a host speaks for.

mod decision;
mod manifest;
pub(super) mod manifests;
mod parameters;
mod planned;
mod reach;
mod read;
mod record;
mod removal;
mod script;
mod set;
mod shown;
mod wish;
