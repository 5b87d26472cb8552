//! Builds the on-host agent: a small program that homelab brings as source, compiles on this machine for the architecture of
//! the hosts, and offers to operations as `agent:binary` and `agent:image`.
//!
//! What is built is kept in the user's cache, in a folder named after the digest of the sources, and offered to a project in
//! its `.homelab/agent`. So all projects of a user share it, and another homelab with the same agent builds nothing.

mod build;
mod error;
mod image;
mod machine;
mod offer;
mod parts;
mod source;
mod toolchain;

pub use build::{Built, build};
pub use error::AgentError;
#[cfg(test)]
pub use offer::offer_for_test;
pub use offer::{add_to, offered};
pub use parts::{ARCHITECTURES, Part, own_architecture};
