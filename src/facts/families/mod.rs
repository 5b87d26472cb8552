//! The families of facts: for each the probe and the parser of its output.

mod account;
mod apt;
mod calendar;
pub(super) mod check;
mod compose;
mod docker;
mod entries;
mod helm;
pub(super) mod http;
mod inquiry;
mod k3s;
mod kernel;
mod kubernetes;
mod listing;
mod locale;
mod login_key;
mod metadata;
mod misspelling;
mod module;
mod mount;
mod node_images;
mod package;
mod password;
mod path;
mod path_resolution;
mod reload;
mod room;
mod session;
pub(super) mod sight;
mod swap;
mod system;
mod unit;
mod web_answer;
mod zfs;

pub use http::{receiving, sending};
