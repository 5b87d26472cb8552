//! The container of a lab host: a full Debian with systemd as PID 1, in which Docker can run too.
//!
//! It is a machine for tests, not a security boundary: it may mount, and it sees every device node of the workstation. It
//! cannot set the clock, load modules, use I/O ports, or write kernel settings other than those of its own network.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, Mount, MountType, MountVolumeOptions, RestartPolicy,
    RestartPolicyNameEnum,
};

use super::naming;
use super::spec::{LabHost, LabSpec};

/// The program that PID 1 of a host starts with, in its image.
pub(super) const START: &str = "/usr/local/lib/homelab-lab-start";
/// Label with the image's name from the inventory; the real name contains the recipe's digest.
pub(super) const IMAGE_LABEL: &str = "homelab.lab.image";

/// The version of control groups on the workstation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CgroupVersion {
    /// One hierarchy for each controller.
    One,
    /// The unified hierarchy.
    Two,
}

/// The request to create the container of `host` from `image`.
pub(super) fn body(spec: &LabSpec, host: &LabHost, image: &str, cgroup: CgroupVersion) -> ContainerCreateBody {
    let mut labels = naming::labels(spec, &host.name);
    let volume_labels = labels.clone();
    labels.insert(IMAGE_LABEL.to_owned(), host.image.clone());
    ContainerCreateBody {
        hostname: Some(host.name.clone()),
        image: Some(image.to_owned()),
        cmd: Some(first_command(cgroup)),
        labels: Some(labels),
        // systemd powers off on this signal.
        stop_signal: Some("SIGRTMIN+3".to_owned()),
        host_config: Some(host_config(host, volume_labels, cgroup)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(host: &LabHost, volume_labels: HashMap<String, String>, cgroup: CgroupVersion) -> HostConfig {
    let words = |list: &[&str]| Some(list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    let tmpfs = [("/run", "exec,mode=755"), ("/tmp", "exec,mode=1777")];
    HostConfig {
        memory: host
            .memory_limit()
            .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        // Not `privileged`: that includes SYS_RESOURCE, which a workstation that is itself a guest may not have.
        cap_add: words(&["ALL"]),
        cap_drop: words(&["SYS_RESOURCE", "SYS_TIME", "SYS_MODULE", "SYS_RAWIO"]),
        security_opt: words(&["seccomp=unconfined", "apparmor=unconfined"]),
        // `--security-opt systempaths=unconfined` on Docker's command line.
        masked_paths: Some(Vec::new()),
        readonly_paths: Some(Vec::new()),
        device_cgroup_rules: words(&["a *:* rwm"]),
        tmpfs: Some(
            tmpfs
                .map(|(path, options)| (path.to_owned(), options.to_owned()))
                .into(),
        ),
        mounts: Some(vec![engine_data(volume_labels)]),
        binds: match cgroup {
            CgroupVersion::One => words(&["/sys/fs/cgroup:/sys/fs/cgroup:rw"]),
            CgroupVersion::Two => None,
        },
        cgroupns_mode: Some(match cgroup {
            CgroupVersion::One => HostConfigCgroupnsModeEnum::HOST,
            CgroupVersion::Two => HostConfigCgroupnsModeEnum::PRIVATE,
        }),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..HostConfig::default()
    }
}

/// A volume for Docker inside the host: overlayfs does not work on top of the container's own overlay.
fn engine_data(labels: HashMap<String, String>) -> Mount {
    Mount {
        target: Some("/var/lib/docker".to_owned()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions {
            labels: Some(labels),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

/// The command of PID 1, which becomes systemd.
fn first_command(cgroup: CgroupVersion) -> Vec<String> {
    let version = match cgroup {
        CgroupVersion::One => "1",
        CgroupVersion::Two => "2",
    };
    [START, version].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(cgroup: CgroupVersion) -> ContainerCreateBody {
        let host = LabHost {
            name: "alpha".into(),
            image: "debian:13".into(),
            memory: Some(512 << 20),
            registry: false,
            kubernetes: false,
            models: false,
            helm: false,
        };
        let spec = LabSpec {
            project: "p".into(),
            inventory: "dev".into(),
            hosts: vec![host.clone()],
        };
        body(&spec, &host, "homelab-lab/debian:13-x", cgroup)
    }

    #[test]
    fn a_host_may_not_touch_the_clock_modules_or_ports() {
        let dropped = made(CgroupVersion::One).host_config.unwrap().cap_drop.unwrap();
        for capability in ["SYS_TIME", "SYS_MODULE", "SYS_RAWIO"] {
            assert!(dropped.iter().any(|one| one == capability), "{capability}");
        }
    }

    #[test]
    fn the_volume_and_the_container_are_labeled_with_project_and_host() {
        let body = made(CgroupVersion::One);
        let labels = body.labels.unwrap();
        assert_eq!(labels[naming::HOST_LABEL], "alpha");
        assert_eq!(labels[IMAGE_LABEL], "debian:13");
        let mounts = body.host_config.unwrap().mounts.unwrap();
        assert_eq!(mounts[0].target.as_deref(), Some("/var/lib/docker"));
        assert_eq!(mounts[0].source, None);
        let volume = mounts[0].volume_options.as_ref().unwrap();
        assert_eq!(volume.labels.as_ref().unwrap()[naming::INVENTORY_LABEL], "dev");
    }

    #[test]
    fn control_groups_follow_what_the_engine_reports() {
        let one = made(CgroupVersion::One);
        let two = made(CgroupVersion::Two);
        assert_eq!(one.cmd.as_ref().unwrap(), &[START, "1"]);
        assert_eq!(two.cmd.as_ref().unwrap(), &[START, "2"]);
        let (one, two) = (one.host_config.unwrap(), two.host_config.unwrap());
        assert_eq!(one.cgroupns_mode, Some(HostConfigCgroupnsModeEnum::HOST));
        assert_eq!(two.cgroupns_mode, Some(HostConfigCgroupnsModeEnum::PRIVATE));
        assert!(one.binds.is_some() && two.binds.is_none());
        assert_eq!(one.memory, Some(536_870_912));
        assert_eq!(one.restart_policy.unwrap().name, Some(RestartPolicyNameEnum::NO));
    }
}
