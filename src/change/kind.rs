//! The kinds of resources that homelab changes.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

/// The kind of a resource. Its word appears in reviews and in JSON.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, Serialize, Deserialize,
)]
#[serde(into = "&'static str", try_from = "String")]
#[strum(serialize_all = "lowercase")]
pub enum ResourceKind {
    /// The files of an archive, by the folder that they are in.
    #[strum(serialize = "archive in")]
    Archive,
    /// A check that runs after the changes.
    Check,
    /// A command that the user wrote.
    Command,
    /// The name of a compose project.
    #[strum(serialize = "compose project")]
    ComposeProject,
    /// A service of a compose project, by the names of both.
    #[strum(serialize = "compose service")]
    ComposeService,
    /// The name of a container.
    #[strum(serialize = "container name")]
    ContainerName,
    Directory,
    /// The cache of the Docker engine's builder.
    #[strum(serialize = "docker build cache")]
    DockerBuildCache,
    /// A container of the Docker engine.
    #[strum(serialize = "docker container")]
    DockerContainer,
    /// An image of the Docker engine.
    #[strum(serialize = "docker image")]
    DockerImage,
    /// A network of the Docker engine.
    #[strum(serialize = "docker network")]
    DockerNetwork,
    /// A volume of the Docker engine.
    #[strum(serialize = "docker volume")]
    DockerVolume,
    File,
    /// The rules of the kernel's packet filter that a file gives.
    #[strum(serialize = "firewall rules")]
    FirewallRules,
    /// A working tree of git, by its folder.
    #[strum(serialize = "git repository")]
    GitRepository,
    Group,
    /// A release of Helm, by name and namespace.
    #[strum(serialize = "helm release")]
    HelmRelease,
    /// What a web API holds.
    #[strum(serialize = "http resource")]
    HttpResource,
    /// A node of a Kubernetes cluster, which k3s runs.
    #[strum(serialize = "k3s node")]
    K3sNode,
    /// A Job of a cluster.
    Job,
    /// A module of the kernel.
    #[strum(serialize = "kernel module")]
    KernelModule,
    /// An object of a cluster of Kubernetes.
    #[strum(serialize = "object")]
    KubernetesObject,
    /// The objects of a cluster that an operation takes care of.
    #[strum(serialize = "set")]
    KubernetesSet,
    /// The host itself, which restarts.
    Host,
    /// A parameter of the kernel (sysctl).
    #[strum(serialize = "kernel parameter")]
    KernelParameter,
    /// A symbolic link.
    Link,
    /// A locale that programs can use.
    Locale,
    /// A file system that is mounted on a path.
    Mount,
    /// An image that the containerd of k3s has on a node.
    #[strum(serialize = "node image")]
    NodeImage,
    /// A label of a node of a cluster, by node and name.
    #[strum(serialize = "node label")]
    NodeLabel,
    /// A taint of a node of a cluster, by node, key and effect.
    #[strum(serialize = "node taint")]
    NodeTaint,
    /// An operation whose changes are not known yet.
    Operation,
    /// A Debian package.
    Package,
    /// apt's lists of available packages.
    #[strum(serialize = "package lists")]
    PackageLists,
    /// Packages that apt changes in addition to the requested ones.
    #[strum(serialize = "packages that come along with")]
    PackagesAlong,
    /// A port of the host.
    Port,
    /// A swap file.
    Swap,
    /// A systemd unit.
    Unit,
    User,
    /// What runs pods in a cluster, by kind, name and namespace.
    Workload,
    /// A dataset of ZFS.
    #[strum(serialize = "ZFS dataset")]
    ZfsDataset,
}

impl ResourceKind {
    /// The kind's word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl TryFrom<String> for ResourceKind {
    type Error = strum::ParseError;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        word.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_its_word_in_text_and_in_json() {
        for (kind, word) in [
            (ResourceKind::File, "file"),
            (ResourceKind::PackageLists, "package lists"),
            (ResourceKind::PackagesAlong, "packages that come along with"),
        ] {
            assert_eq!(kind.as_str(), word);
            assert_eq!(serde_json::to_value(kind).expect("a word"), word);
            assert_eq!(
                serde_json::from_value::<ResourceKind>(word.into()).expect("a kind"),
                kind
            );
        }
        assert!(serde_json::from_str::<ResourceKind>("\"flie\"").is_err());
    }
}
