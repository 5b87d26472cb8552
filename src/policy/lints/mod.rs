//! A file for each lint.

pub(super) mod default_password;
pub(super) mod docker_socket;
pub(super) mod host_network_ports;
pub(super) mod ingress_without_tls;
pub(super) mod latest_tag;
pub(super) mod no_checksum;
pub(super) mod no_network_policy;
pub(super) mod no_resource_limits;
pub(super) mod private_key_in_clear;
pub(super) mod privilege_escalation;
pub(super) mod privileged_container;
pub(super) mod published_admin_api;
pub(super) mod secret_in_clear;
pub(super) mod trust_anchor;
pub(super) mod unit_hardening;
pub(super) mod unused_allow;
pub(super) mod wide_role;
pub(super) mod world_readable_secret;
