//! Kubernetes: the objects of a cluster that a host speaks for.

pub(super) mod exec;
pub(super) mod job;
mod manifest;
mod names;
pub(super) mod node;
mod reach;
pub(super) mod restart;
pub(super) mod wait;

pub(in crate::operations) use manifest::Manifest;
pub(in crate::operations) use reach::api;
