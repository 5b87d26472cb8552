//! Keys of facts and their values, one line per kind: joins what the files of the kinds define.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::apt::Installation;
use super::check::Check;
use super::compose::ProjectFiles;
use super::helm::ReleaseQuestion;
use super::http::Question;
use super::inquiry::Inquiry;
use super::kind::{About, DependsOn, Key, Subject};
use super::kubernetes::{Api, Question as KubernetesQuestion};
use super::presence;
use super::unit::template;

/// How a [`FactKey`] and its [`Fact`] are stored.
pub trait Stored<'a>: Key<'a> {
    fn stored(self) -> FactKey;

    /// The stored key as one of this kind.
    fn of(key: &'a FactKey) -> Option<Self>;

    /// The stored fact as one of this kind.
    fn fact(fact: Fact) -> Option<Self::Fact>;
}

/// Hands `$Variant(name: Name) => Key, Fact` of each kind to a macro of a module beside this one.
macro_rules! every_kind {
    ($then:ident) => {
        $then! {
            /// The operating system and the machine.
            System => super::system::SystemKey, Box<super::system::SystemFacts>;
            /// What is at a path, without following a last link.
            Path(path: String) => super::path::PathKey<'a>, super::path::PathFact;
            /// The file system of a path. It is read along with the path itself.
            DiskLocation(path: String) => super::place::DiskLocationKey<'a>, #[serde(with = "presence")] Option<super::place::DiskLocation>;
            /// The directories and links on the way to a path. They are read along with it.
            PathResolution(path: String) => super::place::PathResolutionKey<'a>, Vec<String>;
            /// What could prevent a change of what is at a path.
            Metadata(path: String) => super::path::MetadataKey<'a>, super::path::Metadata;
            /// What is in a directory.
            Entries(path: String) => super::path::EntriesKey<'a>, super::path::Entries;
            /// The names of what is in a directory, with all that is below.
            Listing(path: String) => super::path::ListingKey<'a>, super::path::Listing;
            /// The content of a file.
            Content(path: String) => super::path::ContentKey<'a>, super::path::ContentFact;
            /// A Debian package.
            Package(name: String) => super::package::PackageKey<'a>, super::package::PackageFact;
            /// Installed packages that a name may mean, if no package has this name.
            Misspelling(name: String) => super::package::MisspellingKey<'a>, Vec<String>;
            /// A systemd unit, with its suffix.
            Unit(name: String) => super::unit::UnitKey<'a>, super::unit::UnitFact;
            /// Whether a systemd unit can be reloaded.
            Reload(unit: String) => super::unit::ReloadKey<'a>, bool;
            /// The package lists of apt.
            PackageLists => super::apt::PackageListsKey, super::apt::ListsFact;
            /// A user.
            User(name: String) => super::account::UserKey<'a>, super::account::UserFact;
            /// A group.
            Group(name: String) => super::account::GroupKey<'a>, super::account::GroupFact;
            /// The user with this uid.
            UserNumber(number: u32) => super::account::UserNumberKey<'a>, #[serde(with = "presence")] Option<String>;
            /// The group with this gid.
            GroupNumber(number: u32) => super::account::GroupNumberKey<'a>, #[serde(with = "presence")] Option<String>;
            /// The defaults for a new user.
            AccountDefaults => super::account::AccountDefaultsKey, Box<super::account::AccountDefaults>;
            /// The password of a user, as a digest.
            Password(user: String) => super::password::PasswordKey<'a>, #[serde(with = "presence")] Option<String>;
            /// What apt would do.
            Installation(wish: Installation) => super::apt::InstallationKey<'a>, super::apt::InstallationFact;
            /// A calendar event of a timer.
            Calendar(event: String) => super::calendar::CalendarKey<'a>, super::calendar::CalendarFact;
            /// The value of a kernel parameter, by its file below `/proc/sys`.
            KernelParameter(path: String) => super::kernel::KernelParameterKey<'a>, #[serde(with = "presence")] Option<String>;
            /// A module of the kernel.
            KernelModule(name: String) => super::module::KernelModuleKey<'a>, super::module::KernelModule;
            /// What is mounted on a path.
            Mount(path: String) => super::mount::MountKey<'a>, #[serde(with = "presence")] Option<super::mount::Mount>;
            /// A dataset of ZFS.
            ZfsDataset(name: String) => super::zfs::DatasetKey<'a>, super::zfs::DatasetFact;
            /// A swap file.
            Swap(path: String) => super::swap::SwapKey<'a>, super::swap::SwapFact;
            /// The Docker engine.
            DockerEngine => super::docker::EngineKey, super::docker::Engine;
            /// The networks of the Docker engine with this name.
            DockerNetwork(name: String) => super::docker::NetworkKey<'a>, Vec<super::docker::Network>;
            /// A volume of the Docker engine.
            DockerVolume(name: String) => super::docker::VolumeKey<'a>, #[serde(with = "presence")] Option<super::docker::Volume>;
            /// An image of the Docker engine.
            DockerImage(name: String) => super::docker::ImageKey<'a>, #[serde(with = "presence")] Option<super::docker::Image>;
            /// How containers are connected to the network with this name.
            DockerEndpoints(network: String) => super::docker::EndpointsKey<'a>, Vec<super::docker::Endpoint>;
            /// A container of the Docker engine, or the first of a service: `PROJECT/SERVICE`.
            DockerContainer(name: String) => super::docker::ContainerKey<'a>, #[serde(with = "presence")] Option<super::docker::Container>;
            /// All that the Docker engine has.
            DockerUsage => super::docker::UsageKey, super::docker::Usage;
            /// The cache of the Docker engine's builder.
            DockerBuildCache => super::docker::BuildCacheKey, super::docker::BuildCache;
            /// A container of the Docker engine, as it was created.
            DockerDetails(name: String) => super::docker::DetailsKey<'a>, #[serde(with = "presence")] Option<Box<super::docker::Details>>;
            /// Who has ports of the host.
            DockerPublished => super::docker::PublishedKey, super::docker::Published;
            /// The addresses of the networks of the Docker engine.
            DockerSubnets => super::docker::SubnetsKey, std::collections::BTreeMap<String, Vec<String>>;
            /// The drivers of the Docker engine.
            DockerDrivers => super::docker::DriversKey, super::docker::Drivers;
            /// The containers that end with the Docker engine.
            DockerStops => super::docker::StopsKey, super::docker::Stops;
            /// The volumes that compose made for a project.
            ProjectVolumes(project: String) => super::docker::ProjectVolumesKey<'a>, std::collections::BTreeMap<String, super::docker::Volume>;
            /// What a registry has under the name of an image.
            RegistryImage(name: String) => super::docker::RegistryKey<'a>, super::docker::RegistryAnswer;
            /// The containers of a compose project, and what they may use.
            ComposeProject(name: String) => super::compose::ProjectKey<'a>, Box<super::compose::Project>;
            /// What compose makes of the files of a project.
            ComposeConfig(files: ProjectFiles) => super::compose::ConfigKey<'a>, super::compose::ConfigFact;
            /// k3s and its node.
            K3s => super::k3s::K3sKey, Box<super::k3s::K3s>;
            /// The images that the containerd of k3s has.
            NodeImages => super::node_images::NodeImagesKey, super::node_images::NodeImages;
            /// The units whose files are the host's own.
            OwnUnits => super::own_units::OwnUnitsKey, Vec<super::own_units::OwnUnit>;
            /// The cluster of Kubernetes that the host reaches.
            KubernetesCluster(api: Api) => super::kubernetes::ClusterKey<'a>, super::kubernetes::Cluster;
            /// An object of that cluster, and what the API server would make of it.
            KubernetesObject(question: KubernetesQuestion) => super::kubernetes::ObjectKey<'a>, super::kubernetes::ObjectFact;
            /// A release of Helm, and what a chart would make of it.
            HelmRelease(question: ReleaseQuestion) => super::helm::ReleaseKey<'a>, super::helm::ReleaseFact;
            /// The locales that programs can use.
            Locales => super::locale::LocalesKey, std::collections::BTreeSet<String>;
            /// The key that opened this connection.
            LoginKey => super::session::LoginKeyKey, #[serde(with = "presence")] Option<String>;
            /// What a program of the host says to this.
            Inquiry(inquiry: Inquiry) => super::inquiry::InquiryKey<'a>, super::inquiry::InquiryFact;
            /// What a web API answers.
            Answer(question: Question) => super::http::AnswerKey<'a>, super::http::Answer;
            /// Whether a check passes now.
            Check(check: Check) => super::check::CheckKey<'a>, super::check::CheckFact;
        }
    };
}
pub(super) use every_kind;

/// The two enums, which forward to the key of each kind.
macro_rules! storage {
    ($(
        $(#[$doc:meta])*
        $variant:ident $(($name:ident: $of:ty))? => super::$module:ident::$key:ident $(<$life:lifetime>)?, $(#[$stored:meta])* $fact:ty;
    )*) => {
        /// The name of one fact of a host. Families are read in the order of the variants.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FactKey {
            $($(#[$doc])* $variant $(($of))?,)*
        }

        /// The value of a [`FactKey`].
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Fact {
            $(
                #[doc = concat!("For [`FactKey::", stringify!($variant), "`].")]
                $variant($(#[$stored])* $fact),
            )*
            /// For any key: the fact cannot be read, for this reason.
            Denied(String),
        }

        impl FactKey {
            /// The names of all kinds.
            #[cfg(test)]
            pub(super) const KINDS: &'static [&'static str] = &[$(stringify!($variant)),*];

            /// The changes that make it out of date.
            pub fn depends_on(&self) -> DependsOn {
                match self {
                    $(Self::$variant { .. } => super::$module::$key::DEPENDS_ON,)*
                }
            }

            /// The part of a host that it is about.
            pub fn subject(&self) -> Subject<'_> {
                match self {
                    $(Self::$variant $(($name))? => super::$module::$key $(($name))?.subject(),)*
                }
            }

            /// The fact for something absent; `None` if it always exists.
            pub fn absent(&self) -> Option<Fact> {
                match self {
                    $(Self::$variant { .. } => super::$module::$key::absent().map(Fact::$variant),)*
                }
            }

            /// Whether installing a package may create it.
            pub fn may_come_with_packages(&self) -> bool {
                match self {
                    $(Self::$variant $(($name))? => super::$module::$key $(($name))?.may_come_with_packages(),)*
                }
            }

            /// Whether a change to another fact, about `changed`, makes `known` out of date.
            pub(super) fn is_outdated_by(&self, known: &Fact, changed: Subject<'_>) -> bool {
                match (self, known) {
                    $((Self::$variant $(($name))?, Fact::$variant(known)) => {
                        super::$module::$key $(($name))?.is_outdated_by(known, changed)
                    })*
                    _ => false,
                }
            }

            /// The key of the fact that shows whether it exists, if that is another one.
            pub fn presence(&self) -> Option<FactKey> {
                let path = match self {
                    $(Self::$variant $(($name))? => super::$module::$key $(($name))?.presence(),)*
                };
                path.map(|path| FactKey::Path(path.to_owned()))
            }
        }

        impl fmt::Display for FactKey {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&match self {
                    $(Self::$variant $(($name))? => super::$module::$key $(($name))?.describe(),)*
                })
            }
        }

        $(
            impl<'a> Stored<'a> for super::$module::$key $(<$life>)? {
                fn stored(self) -> FactKey {
                    FactKey::$variant $(({
                        let $name = self.0;
                        ToOwned::to_owned($name)
                    }))?
                }

                fn of(key: &'a FactKey) -> Option<Self> {
                    match key {
                        FactKey::$variant $(($name))? => Some(super::$module::$key $(($name))?),
                        _ => None,
                    }
                }

                fn fact(fact: Fact) -> Option<Self::Fact> {
                    match fact {
                        Fact::$variant(fact) => Some(fact),
                        _ => None,
                    }
                }
            }
        )*
    };
}

every_kind!(storage);

impl FactKey {
    /// The path that the fact is about.
    pub fn path(&self) -> Option<&str> {
        match self.subject() {
            Subject::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The fact of a unit; `None` for a template, which systemd cannot show.
    pub fn of_unit(unit: &str) -> Option<Self> {
        template(unit).is_none().then(|| Self::Unit(unit.to_owned()))
    }

    /// What it is about. Every kind is listed: one that is left out would stay valid where it is out of date.
    pub(super) fn about(&self) -> About<'_> {
        match self {
            Self::DockerNetwork(_)
            | Self::DockerVolume(_)
            | Self::DockerImage(_)
            | Self::DockerEndpoints(_)
            | Self::DockerContainer(_)
            | Self::DockerDetails(_)
            | Self::DockerPublished
            | Self::DockerStops
            | Self::ProjectVolumes(_)
            | Self::ComposeProject(_) => About::DockerThing,
            Self::DockerUsage | Self::DockerBuildCache | Self::DockerSubnets | Self::DockerDrivers => {
                About::AllOfDocker
            }
            Self::Entries(path) | Self::Listing(path) => About::Folder(path),
            Self::Inquiry(inquiry) => inquiry.folder().map_or(About::Itself, About::Folder),
            Self::Answer(question) => About::WebResource(&question.0.url),
            // What is planned has the files of earlier operations too.
            Self::ComposeConfig(files) if files.0.planned.is_empty() => About::ProjectFiles {
                project: &files.0.project,
                directory: &files.0.directory,
            },
            Self::ComposeConfig(files) => About::PlannedProject(&files.0.project),
            Self::System
            | Self::Path(_)
            | Self::DiskLocation(_)
            | Self::PathResolution(_)
            | Self::Metadata(_)
            | Self::Content(_)
            | Self::Package(_)
            | Self::Misspelling(_)
            | Self::Unit(_)
            | Self::Reload(_)
            | Self::PackageLists
            | Self::User(_)
            | Self::Group(_)
            | Self::UserNumber(_)
            | Self::GroupNumber(_)
            | Self::AccountDefaults
            | Self::Password(_)
            | Self::Installation(_)
            | Self::Calendar(_)
            | Self::KernelParameter(_)
            | Self::KernelModule(_)
            | Self::Mount(_)
            | Self::ZfsDataset(_)
            | Self::Swap(_)
            | Self::DockerEngine
            | Self::RegistryImage(_)
            | Self::K3s
            | Self::NodeImages
            | Self::OwnUnits
            | Self::KubernetesCluster(_)
            | Self::KubernetesObject(_)
            | Self::HelmRelease(_)
            | Self::Locales
            | Self::LoginKey
            | Self::Check(_) => About::Itself,
        }
    }

    /// The URL of the web API's resource that it is about.
    pub(super) fn url(&self) -> Option<&str> {
        match self.about() {
            About::WebResource(url) => Some(url),
            _ => None,
        }
    }

    /// Whether it is about what a plan makes of the host: once that is done, nothing is to be learned from it.
    pub fn is_about_plan(&self) -> bool {
        matches!(self.about(), About::PlannedProject(_))
    }

    /// The compose project that it is about.
    pub(super) fn compose_project(&self) -> Option<&str> {
        match self.about() {
            About::ProjectFiles { project, .. } | About::PlannedProject(project) => Some(project),
            _ => None,
        }
    }

    /// The folder whose content decides about it, besides its own changes.
    pub(super) fn folder(&self) -> Option<&str> {
        match self.about() {
            About::Folder(path) => Some(path),
            About::ProjectFiles { directory, .. } => Some(directory),
            _ => None,
        }
    }

    /// Whether it is about what the Docker engine has, of which what containers do is a part.
    pub fn is_about_containers(&self) -> bool {
        matches!(self.about(), About::DockerThing | About::AllOfDocker)
    }

    /// Whether it is about more of what the Docker engine has than one thing.
    pub(super) fn is_about_all_of_docker(&self) -> bool {
        self.about() == About::AllOfDocker
    }

    /// Whether `fact` means that the thing does not exist.
    pub fn is_absent(&self, fact: &Fact) -> bool {
        self.absent().as_ref() == Some(fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_no_fact() {
        for (unit, expected) in [("a.service", true), ("a@b.service", true), ("a@.service", false)] {
            let expected = expected.then(|| FactKey::Unit(unit.to_owned()));
            assert_eq!(FactKey::of_unit(unit), expected, "{unit}");
        }
    }
}
