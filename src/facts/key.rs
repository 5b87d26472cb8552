//! The names under which facts are asked for and kept.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::account::{AccountDefaults, GroupFact, UserFact};
use super::apt::{InstallationFact, ListsFact};
use super::check::CheckFact;
use super::package::PackageFact;
use super::path::{ContentFact, PathFact};
use super::place::DiskLocation;
use super::system::SystemFacts;
use super::unit::UnitFact;
use super::{Identity, UnreadableAnswer, account, apt, check, package, path, presence, system, unit};

/// The name of one fact of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKey {
    /// The operating system and the machine.
    System,
    /// What is at a path, without following a last link.
    Path(String),
    /// What a file holds.
    Content(String),
    /// Where on disks a path lies. It is read along with the path itself.
    DiskLocation(String),
    /// A Debian package.
    Package(String),
    /// What apt would do.
    Installation(Installation),
    /// The package lists of apt.
    PackageLists,
    /// Whether something holds now.
    Check(Check),
    /// A systemd unit, with its suffix.
    Unit(String),
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// The user that has a number.
    UserNumber(u32),
    /// The group that has a number.
    GroupNumber(u32),
    /// What the host does for a new user.
    AccountDefaults,
}

/// A wish that apt is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Installation {
    /// What is wished.
    pub verb: AptVerb,
    /// Names, sorted; none for an upgrade.
    pub packages: Vec<String>,
    /// Whether recommended packages come along.
    pub recommends: bool,
    /// Whether packages that nothing needs any more go.
    pub auto_remove: bool,
    /// Whether apt is asked with the lists that the mirrors have now, rather than with those of the host.
    pub refreshed: bool,
    /// Packages that apt is to take for removed, sorted: operations before remove them.
    pub without: Vec<String>,
}

/// What apt is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AptVerb {
    /// Install packages.
    Install,
    /// Remove packages.
    Remove,
    /// Upgrade what can be upgraded without removing anything.
    Upgrade,
    /// Upgrade everything, also where packages must go for it.
    FullUpgrade,
}

impl AptVerb {
    /// The word of apt-get(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Remove => "remove",
            Self::Upgrade => "upgrade",
            Self::FullUpgrade => "dist-upgrade",
        }
    }
}

/// Something that can be tried on a host without changing it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A connection to a port comes about.
    Tcp {
        /// Name or address, as the host sees it.
        host: String,
        /// The port.
        port: u16,
    },
    /// A page is answered as wanted.
    Http {
        /// The address.
        url: String,
        /// The status wanted.
        status: u16,
        /// Text that the page must hold.
        contains: Option<String>,
    },
    /// The user's own command ends with 0.
    Command {
        /// Shell text.
        script: String,
        /// As whom it is tried.
        by: Identity,
    },
}

/// What is known under a [`FactKey`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// For [`FactKey::System`].
    System(Box<SystemFacts>),
    /// For [`FactKey::Path`].
    Path(PathFact),
    /// For [`FactKey::Content`].
    Content(ContentFact),
    /// For [`FactKey::DiskLocation`]; nothing where there is nothing.
    DiskLocation(#[serde(with = "presence")] Option<DiskLocation>),
    /// For [`FactKey::Package`].
    Package(PackageFact),
    /// For [`FactKey::Installation`].
    Installation(InstallationFact),
    /// For [`FactKey::PackageLists`].
    PackageLists(ListsFact),
    /// For [`FactKey::Check`].
    Check(CheckFact),
    /// For [`FactKey::Unit`].
    Unit(UnitFact),
    /// For [`FactKey::User`].
    User(UserFact),
    /// For [`FactKey::Group`].
    Group(GroupFact),
    /// For [`FactKey::UserNumber`]: the name of the user that has it.
    UserNumber(#[serde(with = "presence")] Option<String>),
    /// For [`FactKey::GroupNumber`]: the name of the group that has it.
    GroupNumber(#[serde(with = "presence")] Option<String>),
    /// For [`FactKey::AccountDefaults`].
    AccountDefaults(Box<AccountDefaults>),
    /// For any key: the host does not tell, for this reason.
    Denied(String),
}

/// Facts that one command of the host reads together. The order is that of the probes in the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// [`FactKey::System`].
    System,
    /// [`FactKey::Path`], [`FactKey::DiskLocation`].
    Paths,
    /// [`FactKey::Content`].
    Contents,
    /// [`FactKey::Package`].
    Packages,
    /// [`FactKey::Unit`].
    Units,
    /// [`FactKey::PackageLists`].
    PackageLists,
    /// [`FactKey::User`], [`FactKey::Group`], their numbers, [`FactKey::AccountDefaults`].
    Accounts,
    /// [`FactKey::Installation`].
    Installations,
    /// [`FactKey::Check`].
    Checks,
}

type Parser = fn(&[FactKey], i32, &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer>;

impl FactKey {
    /// The family that reads it.
    pub fn family(&self) -> Family {
        match self {
            Self::System => Family::System,
            Self::Path(_) | Self::DiskLocation(_) => Family::Paths,
            Self::Content(_) => Family::Contents,
            Self::Package(_) => Family::Packages,
            Self::Installation(_) => Family::Installations,
            Self::PackageLists => Family::PackageLists,
            Self::Check(_) => Family::Checks,
            Self::Unit(_) => Family::Units,
            Self::User(_) | Self::Group(_) | Self::UserNumber(_) | Self::GroupNumber(_) | Self::AccountDefaults => {
                Family::Accounts
            }
        }
    }

    /// The path of a path or content key.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Path(path) | Self::Content(path) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for FactKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => formatter.write_str("the system"),
            Self::Path(path) => write!(formatter, "path `{path}`"),
            Self::DiskLocation(path) => write!(formatter, "the place of `{path}`"),
            Self::Content(path) => write!(formatter, "the content of `{path}`"),
            Self::Package(name) => write!(formatter, "package `{name}`"),
            Self::Installation(wish) => write!(formatter, "`apt-get {} {}`", wish.verb.word(), wish.packages.join(" ")),
            Self::PackageLists => formatter.write_str("the package lists"),
            Self::Check(check) => check.fmt(formatter),
            Self::Unit(name) => write!(formatter, "unit `{name}`"),
            Self::User(name) => write!(formatter, "user `{name}`"),
            Self::Group(name) => write!(formatter, "group `{name}`"),
            Self::UserNumber(number) => write!(formatter, "the user with number {number}"),
            Self::GroupNumber(number) => write!(formatter, "the group with number {number}"),
            Self::AccountDefaults => formatter.write_str("what a new user gets"),
        }
    }
}

impl Family {
    /// What the family is about, in words.
    pub fn subject(self) -> &'static str {
        match self {
            Self::System => "the system",
            Self::Paths => "paths",
            Self::Contents => "file contents",
            Self::Packages => "packages",
            Self::Units => "units",
            Self::PackageLists => "the package lists",
            Self::Accounts => "users and groups",
            Self::Installations => "what apt would do",
            Self::Checks => "checks",
        }
    }

    pub(super) fn probe(self, keys: &[FactKey]) -> String {
        match self {
            Self::System => system::probe(),
            Self::Paths => path::probe(&paths(keys)),
            Self::Contents => path::content_probe(&paths(keys)),
            Self::Packages => package::probe(&names(keys)),
            Self::Units => unit::probe(&names(keys)),
            Self::PackageLists => apt::lists_probe(),
            Self::Accounts => account::probe(keys),
            Self::Installations => apt::probe(keys),
            Self::Checks => check::probe(keys),
        }
    }

    /// How much longer than others its probe may say nothing.
    pub(super) fn allowance(self, keys: &[FactKey]) -> Duration {
        match self {
            Self::Installations => apt::allowance(keys),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn parser(self) -> Parser {
        match self {
            Self::System => system::parse,
            Self::Paths => path::parse,
            Self::Contents => path::parse_content,
            Self::Packages => package::parse,
            Self::Units => unit::parse,
            Self::PackageLists => apt::parse_lists,
            Self::Accounts => account::parse,
            Self::Installations => apt::parse,
            Self::Checks => check::parse,
        }
    }
}

fn paths(keys: &[FactKey]) -> Vec<&str> {
    let mut paths: Vec<&str> = keys
        .iter()
        .filter_map(|key| match key {
            FactKey::DiskLocation(path) => Some(path.as_str()),
            other => other.path(),
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

fn names(keys: &[FactKey]) -> Vec<&str> {
    keys.iter()
        .filter_map(|key| match key {
            FactKey::Package(name) | FactKey::Unit(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(formatter, "tcp {host}:{port}"),
            Self::Http { url, .. } => write!(formatter, "http {url}"),
            Self::Command { script, .. } => write!(formatter, "`{script}`"),
        }
    }
}
