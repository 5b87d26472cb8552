//! What tests on lab hosts share: projects in folders of their own, hosts, and what is on them.

pub(crate) mod deb;
pub(crate) mod docker;
pub(crate) mod host;
pub(crate) mod leftovers;
pub(crate) mod project;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod secrets;
pub(crate) mod shell;
pub(crate) mod snapshot;
