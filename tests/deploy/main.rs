//! `homelab deploy`, end to end, on real lab hosts. What it claims is checked on the host with the system's own commands.
//!
//! Each test has a project in a folder of its own, and so a lab of its own; both go when it ends, however it ends.
#![expect(
    clippy::unwrap_used,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod accounts;
mod acting;
mod apt_lock;
mod as_nobody;
mod bad_input;
mod becoming;
mod commands;
mod completion;
mod concurrency;
mod conditions;
mod convergence;
mod documentation;
mod ends;
mod examples;
mod faults;
mod held_back;
mod host;
mod jump;
mod kept;
mod language;
mod local;
mod lost_link;
mod many;
mod mixture;
mod new_project;
mod not_yet;
mod odd_hosts;
mod output;
mod people;
mod project;
mod refused;
mod repository;
mod review;
mod round_trips;
mod silent;
mod snapshot;
mod stages;
mod sudo;
mod trust;
mod upgrades;
mod without_root;
