//! Facts about a host, and how they are read. This module does no input or output: `gather` sends the probes.
//!
//! A kind of fact is in two files: its key and its value here, and how it is read in `families`: the probe (shell text that only
//! reads) and the parser of the probe's output. `key` joins the values, and `questions` joins the families.
//!
//! A new kind is these two files with their `mod` lines, two lines in `key.rs` and its examples: docs/adding-an-operation.md.

pub mod account;
mod answer;
pub mod apt;
pub mod archive;
pub mod calendar;
pub mod check;
mod collection;
pub mod compose;
pub mod deb;
pub mod docker;
pub mod download;
mod environment;
mod families;
mod family;
pub mod git;
mod grammar;
pub mod helm;
pub mod http;
mod identity;
pub mod inquiry;
pub mod journal;
pub mod k3s;
pub mod kernel;
mod key;
mod kind;
pub mod kubernetes;
pub mod layers;
pub mod locale;
pub mod made;
pub mod mark;
pub mod module;
pub mod mount;
pub mod nftables;
pub mod node_images;
pub mod overlay;
pub mod owed;
pub mod own_units;
pub mod package;
pub mod password;
pub mod path;
pub mod place;
pub mod port;
mod presence;
mod probe;
mod questions;
pub mod remembered;
mod scope;
pub mod session;
mod shared;
pub mod sshd;
pub mod swap;
pub mod system;
pub mod unit;
pub mod zfs;

pub use answer::UnreadableAnswer;
pub use apt::{AptVerb, Installation};
pub use check::{Check, Shown};
pub use collection::Facts;
pub use environment::{APART, Environment};
pub use families::{receiving, sending};
pub use family::{Family, InTemplates, Readable};
pub use grammar::is_harmless;
pub use identity::Identity;
pub use key::{Fact, FactKey, Stored};
pub use kind::{DependsOn, Key, Subject};
pub use probe::Probe;
pub use questions::{Question, questions};

#[cfg(test)]
mod examples;
