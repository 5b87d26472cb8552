//! Kubernetes: the objects of a cluster that a host speaks for.

mod checks;
mod documents;
mod manifest;
mod reach;

pub(in crate::operations) use manifest::Manifest;
pub(in crate::operations) use reach::api;
