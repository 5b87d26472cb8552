//! `homelab` deploys a whole home lab over SSH and shows a true diff first.
//!
//! Data flows one way: `project::load` → `remote` → `rounds` (`gather` ⇄ `plan::build`) → `report` → `apply`.
//! The library never prints, reads the terminal or exits; the binary's `cli` does.

pub mod agent;
pub mod apply;
pub mod change;
pub mod content;
pub mod error;
pub mod facts;
pub mod gather;
pub mod lab;
pub mod operations;
pub mod pki;
pub mod plan;
pub mod policy;
pub mod project;
pub mod quote;
pub mod remote;
pub mod report;
pub mod rounds;
pub mod saved;
pub mod schema;
pub mod secret;
pub mod secrets;
pub mod starter;
pub mod template;
pub mod value;
