//! What apt would do, from apt's own simulation, without its lock and without writing its caches.

pub(in crate::facts) mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::deb::Control;
use super::kind::{DependsOn, Key, Subject};

/// A request to apt, which it simulates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Installation {
    pub verb: AptVerb,
    /// Package names, sorted; empty for an upgrade.
    pub packages: Vec<String>,
    /// Whether recommended packages are installed too.
    pub recommends: bool,
    /// Whether packages that are no longer needed are removed.
    pub auto_remove: bool,
    /// Whether apt uses the current lists of the mirrors instead of the host's.
    pub refreshed: bool,
    /// Packages to treat as removed, sorted: earlier operations remove them.
    pub without: Box<[String]>,
    /// Packages to treat as wanted, sorted: earlier operations mark them so.
    #[serde(default)]
    pub manual: Box<[String]>,
    /// What the only package says of itself, if it comes from a file.
    #[serde(default)]
    pub deb: Option<Box<Control>>,
}

impl Installation {
    /// The request with nothing further: apt's own defaults, on the host as it is.
    pub fn new(verb: AptVerb, packages: &[&str]) -> Self {
        Self {
            verb,
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
            recommends: true,
            auto_remove: false,
            refreshed: false,
            without: Box::default(),
            manual: Box::default(),
            deb: None,
        }
    }
}

/// The command of apt-get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AptVerb {
    Install,
    /// Also unpack again what is installed.
    Reinstall,
    Remove,
    /// Upgrade packages without removing any.
    Upgrade,
    /// Upgrade all packages, even if others must be removed.
    FullUpgrade,
}

/// Whether apt reads a name as something else if no package has it: `-` or `+` at its end as an order, `.` and `+` as a pattern.
pub fn may_be_misread(name: &str) -> bool {
    name.contains(['+', '.']) || name.ends_with('-')
}

impl AptVerb {
    /// The word of apt-get(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Reinstall => "install --reinstall",
            Self::Remove => "remove",
            Self::Upgrade => "upgrade",
            Self::FullUpgrade => "dist-upgrade",
        }
    }
}

/// What apt would do for this request.
#[derive(Clone, Copy)]
pub struct InstallationKey<'a>(pub &'a Installation);

impl<'a> Key<'a> for InstallationKey<'a> {
    type Fact = InstallationFact;

    const DEPENDS_ON: DependsOn = DependsOn::Packages;

    fn describe(self) -> String {
        format!("`apt-get {} {}`", self.0.verb.word(), self.0.packages.join(" "))
    }

    fn subject(self) -> Subject<'a> {
        Subject::Packages
    }

    fn absent() -> Option<InstallationFact> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// The package lists of apt.
#[derive(Clone, Copy)]
pub struct PackageListsKey;

impl<'a> Key<'a> for PackageListsKey {
    type Fact = ListsFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the package lists".to_owned()
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<ListsFact> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// The result of apt's simulation on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallationFact {
    Possible(Simulation),
    /// The host has no package lists, so apt knows no packages.
    NoLists,
    /// The lists could not be fetched from the mirrors, although the request needs that.
    Unrefreshed {
        /// The errors of apt, in one line.
        output: String,
    },
    /// dpkg was interrupted, and apt does nothing before that is repaired.
    Interrupted,
    /// apt would fail.
    Impossible {
        /// The last lines that apt printed, or all from the packages on that provide a virtual one or need what is not there.
        output: String,
        /// For names that apt does not know: those that are spelled almost like them.
        #[serde(default)]
        near: BTreeMap<String, Vec<String>>,
    },
}

/// A simulated run of apt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulation {
    /// Packages that would be installed or upgraded, in apt's order.
    pub installs: Vec<SimulatedInstall>,
    /// Packages that would be removed, in apt's order.
    pub removals: Vec<SimulatedRemoval>,
    /// Packages that are unpacked already and would only be configured.
    #[serde(default)]
    pub configures: Vec<String>,
    /// Packages that are held, although apt would change them: it fails instead.
    #[serde(default)]
    pub held: Vec<String>,
    /// Packages of which an older version would be installed.
    #[serde(default)]
    pub downgrades: Vec<String>,
    /// What provides the requested packages that are not among those above.
    #[serde(default)]
    pub providers: BTreeMap<String, Vec<String>>,
    /// Paths of the packages that would be upgraded or removed: these files may change or be removed.
    #[serde(with = "super::shared")]
    pub owned: Arc<BTreeSet<String>>,
}

impl Simulation {
    /// One line per package: `Inst` with name and version, or `Remv` with the name.
    pub fn lines(&self) -> Vec<String> {
        let installs = self
            .installs
            .iter()
            .map(|install| format!("Inst {} {}", install.name, install.new));
        let removals = self.removals.iter().map(|removal| format!("Remv {}", removal.name));
        installs.chain(removals).collect()
    }
}

/// A package that apt would install or upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedInstall {
    pub name: String,
    /// The installed version; `None` if the package is not installed.
    pub old: Option<String>,
    /// The version that would be installed.
    pub new: String,
    /// For an upgrade: whether the package was installed only because others depended on it.
    #[serde(default)]
    pub automatic: bool,
}

/// A package that apt would remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedRemoval {
    pub name: String,
    /// The installed version.
    pub old: String,
}

/// The package lists of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListsFact {
    /// How long ago they were last fetched, in seconds, by the host's own clock; `None` if there are none, or if their
    /// date is in the future.
    pub age: Option<u64>,
    /// Whether an operation of the plan fetches them, so that simulations use freshly fetched lists.
    pub refreshed: bool,
    /// Whether apt's sources changed after they were fetched.
    #[serde(default)]
    pub outdated: bool,
}
