//! k3s: the program, its settings and unit, and the node that it runs. All of it is written by homelab; the install script of k3s is
//! not used, since what it will do is not known before.

pub(super) mod agent;
mod check;
mod configuration;
mod due;
mod flags;
pub(super) mod image;
pub(super) mod kubeconfig;
mod node;
mod plan;
mod removal;
mod role;
mod script;
pub(super) mod server;
mod source;
mod start;
mod version;
mod wish;
