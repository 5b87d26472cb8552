//! The names and labels of a lab's containers and volumes.

use std::collections::HashMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::LabError;
use super::spec::LabSpec;
use crate::quote::check_label;

/// Label of every container and volume of a lab; its value is the project.
pub(super) const PROJECT_LABEL: &str = "homelab.lab.project";
/// Label with the inventory's name.
pub(super) const INVENTORY_LABEL: &str = "homelab.lab.inventory";
/// Label with the host's name.
pub(super) const HOST_LABEL: &str = "homelab.lab.host";

/// A short id of the project at `root`: the same in every run from that folder, and different for any other folder.
pub fn project_id(root: &Path) -> String {
    let whole = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
    let whole = whole.canonicalize().unwrap_or(whole);
    hex_of(whole.as_os_str().as_encoded_bytes(), 4)
}

/// The first `bytes` bytes of the digest of `data`, in hex.
pub(super) fn hex_of(data: &[u8], bytes: usize) -> String {
    let mut hex = String::with_capacity(2 * bytes);
    for byte in Sha256::digest(data).iter().take(bytes) {
        hex.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
    hex
}

/// Fails for a name that cannot be part of the name of a host, a container and a folder.
pub(super) fn check_names(spec: &LabSpec) -> Result<(), LabError> {
    check("project", &spec.project)?;
    check("inventory", &spec.inventory)?;
    spec.hosts.iter().try_for_each(|host| check("host", &host.name))
}

/// Fails if `name` cannot be part of a host name.
pub(super) fn check(kind: &'static str, name: &str) -> Result<(), LabError> {
    check_label(name).map_err(|cause| LabError::BadName {
        kind,
        name: name.to_owned(),
        cause,
    })
}

/// The name of a host's container.
pub(super) fn container_name(spec: &LabSpec, host: &str) -> String {
    format!("homelab-{}-{}-{host}", spec.project, spec.inventory)
}

/// The labels of a container or volume: project, inventory and host.
pub(super) fn labels(spec: &LabSpec, host: &str) -> HashMap<String, String> {
    HashMap::from([
        (PROJECT_LABEL.to_owned(), spec.project.clone()),
        (INVENTORY_LABEL.to_owned(), spec.inventory.clone()),
        (HOST_LABEL.to_owned(), host.to_owned()),
    ])
}

/// The engine's filter for everything in `spec`'s lab.
pub(super) fn label_filter(spec: &LabSpec) -> HashMap<String, Vec<String>> {
    let project = format!("{PROJECT_LABEL}={}", spec.project);
    let inventory = format!("{INVENTORY_LABEL}={}", spec.inventory);
    HashMap::from([("label".to_owned(), vec![project, inventory])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_id_is_stable_and_differs_between_folders() {
        let one = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let id = project_id(one.path());
        assert_eq!(id, project_id(&one.path().join(".")));
        assert_ne!(id, project_id(other.path()));
        assert_eq!(id.len(), 8);
        check("project", &id).unwrap();
    }

    #[test]
    fn containers_are_named_after_project_inventory_and_host() {
        let spec = LabSpec {
            project: "abcd0123".into(),
            inventory: "dev".into(),
            hosts: vec![],
        };
        assert_eq!(
            container_name(&spec, "services-dev"),
            "homelab-abcd0123-dev-services-dev"
        );
        assert_eq!(labels(&spec, "x")[HOST_LABEL], "x");
        assert_eq!(
            label_filter(&spec)["label"],
            ["homelab.lab.project=abcd0123", "homelab.lab.inventory=dev"]
        );
    }
}
