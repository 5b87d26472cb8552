//! What runs on the hosts of a home lab and beside its nginx: one small program with four modes.

pub mod activity;
pub mod arguments;
pub mod bus;
pub mod client;
pub mod clock;
pub mod config;
pub mod journal;
pub mod models;
pub mod names;
pub mod nginx_sync;
pub mod power;
pub mod server;
pub mod state;
#[cfg(test)]
mod test_server;
