//! All lints.

use super::lint::Lint;
use super::lints::{
    default_password, docker_socket, host_network_ports, ingress_without_tls, latest_tag, no_checksum,
    no_network_policy, no_resource_limits, private_key_in_clear, privilege_escalation, privileged_container,
    published_admin_api, secret_in_clear, trust_anchor, unit_hardening, unused_allow, wide_role, world_readable_secret,
};

/// All lints, by name.
pub const LINTS: &[Lint] = &[
    default_password::LINT,
    docker_socket::LINT,
    host_network_ports::LINT,
    ingress_without_tls::LINT,
    latest_tag::LINT,
    no_checksum::LINT,
    no_network_policy::LINT,
    no_resource_limits::LINT,
    private_key_in_clear::LINT,
    privilege_escalation::LINT,
    privileged_container::LINT,
    published_admin_api::LINT,
    secret_in_clear::LINT,
    trust_anchor::LINT,
    unit_hardening::LINT,
    UNUSED_ALLOW,
    wide_role::LINT,
    world_readable_secret::LINT,
];

/// The lint that is about the others.
pub(super) const UNUSED_ALLOW: Lint = unused_allow::LINT;
