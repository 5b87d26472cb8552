//! The SSH server, and the keys of other servers.

pub(super) mod keyscan;
pub(super) mod server_config;
mod server_refusal;
