//! The container that is a lab host: a whole Debian with systemd as PID 1 and room for an engine of its own.
//!
//! It is a machine to try things on, not a jail: it may mount, and it sees every device node of the workstation.
//! What it must not do is kept from it: set the clock, load modules, reach I/O ports, write kernel settings other than
//! those of its own network.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, Mount, MountType, MountVolumeOptions, RestartPolicy,
    RestartPolicyNameEnum,
};

use super::{LabHost, LabSpec, naming};

/// Label with the image's name as the inventory has it, since the real one carries the recipe's digest.
pub(super) const IMAGE_LABEL: &str = "homelab.lab.image";

/// The hierarchy of control groups that the workstation's kernel has mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CgroupVersion {
    /// One hierarchy a controller.
    One,
    /// The unified one.
    Two,
}

/// What the engine is asked to create for `host`, from the image `image`.
pub(super) fn body(spec: &LabSpec, host: &LabHost, image: &str, cgroup: CgroupVersion) -> ContainerCreateBody {
    let mut labels = naming::labels(spec, &host.name);
    let volume_labels = labels.clone();
    labels.insert(IMAGE_LABEL.to_owned(), host.image.clone());
    ContainerCreateBody {
        hostname: Some(host.name.clone()),
        image: Some(image.to_owned()),
        cmd: Some(vec!["sh".to_owned(), "-c".to_owned(), first_command(cgroup)]),
        labels: Some(labels),
        // What systemd takes for "power off".
        stop_signal: Some("SIGRTMIN+3".to_owned()),
        host_config: Some(host_config(host, volume_labels, cgroup)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(host: &LabHost, volume_labels: HashMap<String, String>, cgroup: CgroupVersion) -> HostConfig {
    let words = |list: &[&str]| Some(list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    let tmpfs = [("/run", "exec,mode=755"), ("/tmp", "exec,mode=1777")];
    HostConfig {
        memory: host.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        // Privileged mode asks for SYS_RESOURCE, which a workstation that is itself a guest may not have to give.
        cap_add: words(&["ALL"]),
        cap_drop: words(&["SYS_RESOURCE", "SYS_TIME", "SYS_MODULE", "SYS_RAWIO"]),
        security_opt: words(&["seccomp=unconfined", "apparmor=unconfined"]),
        // What the engine's command line calls `systempaths=unconfined`.
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

/// An engine inside the host cannot lay its overlays over the host's own: it needs a file system of its own.
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

/// What PID 1 does before it becomes systemd.
fn first_command(cgroup: CgroupVersion) -> String {
    // Credentials of units need a shared root. Kernel settings are the workstation's own, save for the network's.
    let common = "mount --make-rshared / && mount --bind /proc/sys /proc/sys \
                  && mount --bind /proc/sys/net /proc/sys/net && mount -o remount,bind,ro /proc/sys";
    match cgroup {
        // systemd of Debian 13 starts on this hierarchy only when told to; that of Debian 12 does not mind.
        CgroupVersion::One => format!("{common} && exec /lib/systemd/systemd SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"),
        // Not tried: no machine with this hierarchy was at hand. The engine mounts the container's part read-only.
        CgroupVersion::Two => format!("{common} && mount -o remount,rw /sys/fs/cgroup && exec /lib/systemd/systemd"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(cgroup: CgroupVersion) -> ContainerCreateBody {
        let host = LabHost {
            name: "alpha".into(),
            image: "debian:13".into(),
            memory: Some(512 << 20),
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
    fn the_volume_and_the_container_say_whose_they_are() {
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
        assert!(one.cmd.as_ref().unwrap()[2].ends_with("SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"));
        assert!(two.cmd.as_ref().unwrap()[2].ends_with("remount,rw /sys/fs/cgroup && exec /lib/systemd/systemd"));
        let (one, two) = (one.host_config.unwrap(), two.host_config.unwrap());
        assert_eq!(one.cgroupns_mode, Some(HostConfigCgroupnsModeEnum::HOST));
        assert_eq!(two.cgroupns_mode, Some(HostConfigCgroupnsModeEnum::PRIVATE));
        assert!(one.binds.is_some() && two.binds.is_none());
        assert_eq!(one.memory, Some(536_870_912));
        assert_eq!(one.restart_policy.unwrap().name, Some(RestartPolicyNameEnum::NO));
    }
}
