//! k3s: a Kubernetes that is one program.

pub(super) mod image;
pub(super) mod kubeconfig;
mod start;
