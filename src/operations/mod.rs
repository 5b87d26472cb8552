//! Operations: what the entries of a task do. Each has a file with its name: `apt/packages.rs` is `apt.packages`.
//!
//! An operation reads facts and returns changes; it never talks to a host itself. To add one, write its file, its `mod` line
//! and its line in [`OPERATIONS`].

mod apt;
mod assets;
mod capture;
mod cluster_objects;
mod conduct;
mod context;
mod crontab;
mod definition;
mod directed;
mod docker;
mod file_place;
mod files;
mod git;
mod helm;
mod http;
mod k3s;
mod k8s;
mod links;
mod nftables;
mod operation;
mod ownership;
mod parameters;
mod placed;
mod request;
mod resolved_paths;
mod run_as;
mod server;
mod ssh;
mod sudo;
mod systemd;
mod table;
mod verify;
mod wording;
mod work;
mod written;
mod zfs;

use definition::Define;

pub use assets::{AGENT, CERTIFICATE, agent_asset, certificate_hint};
pub use capture::MAKES_VALUES;
pub use cluster_objects::ClusterObjects;
pub use conduct::{CONDUCT_KEYS, ConductKeys};
pub use context::{OwedRecord, PlanContext, Role};
pub use definition::Definition;
pub use docker::{YamlNode, parse_yaml, signal_mistake};
pub use files::{is_needed, pattern_mistake};
pub use k8s::wrong_objects;
pub use operation::{CronEntry, Demand, ImageUse, Operation, Served, ServedService, Site, Stays, Tree};
pub use placed::{PlacedObject, PlacedText};
pub use run_as::{BECOME_KEYS, RunAs};
pub use systemd::Needs as UnitNeeds;
pub use table::{CAPTURE, OPERATIONS, family, find, operation_as_key, operation_suggestion};
pub use wording::{Parameter, schema_of, value_at};
pub use written::{WrittenLines, WrittenText};

#[cfg(test)]
mod testing;
mod text;
