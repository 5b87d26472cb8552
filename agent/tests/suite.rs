//! The modes over HTTP, with a host that is made up: no bus, no systemd.

#[path = "suite/hosts.rs"]
mod hosts;
#[path = "suite/kill.rs"]
mod kill;
#[path = "suite/models.rs"]
mod models;
#[path = "suite/power.rs"]
mod power;
#[path = "suite/server.rs"]
mod server;
