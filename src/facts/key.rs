//! The names under which facts are asked for and kept.

use std::fmt;

use super::account::{AccountDefaults, GroupFact, UserFact};
use super::apt::InstallationFact;
use super::package::PackageFact;
use super::path::{ContentFact, PathFact};
use super::system::SystemFacts;
use super::unit::UnitFact;
use super::{UnreadableAnswer, account, apt, package, path, system, unit};

/// The name of one fact of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKey {
    /// The operating system and the machine.
    System,
    /// What is at a path, without following a last link.
    Path(String),
    /// What a file holds.
    Content(String),
    /// A Debian package.
    Package(String),
    /// What installing or removing packages would do.
    Installation(Installation),
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

/// A wish to install or remove packages, as apt is asked about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation {
    /// Names, sorted.
    pub packages: Vec<String>,
    /// Whether they are to go rather than to come.
    pub remove: bool,
    /// Whether recommended packages come along.
    pub recommends: bool,
}

/// What is known under a [`FactKey`].
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// For [`FactKey::System`].
    System(Box<SystemFacts>),
    /// For [`FactKey::Path`].
    Path(PathFact),
    /// For [`FactKey::Content`].
    Content(ContentFact),
    /// For [`FactKey::Package`].
    Package(PackageFact),
    /// For [`FactKey::Installation`].
    Installation(InstallationFact),
    /// For [`FactKey::Unit`].
    Unit(UnitFact),
    /// For [`FactKey::User`].
    User(UserFact),
    /// For [`FactKey::Group`].
    Group(GroupFact),
    /// For [`FactKey::UserNumber`] and [`FactKey::GroupNumber`]: the name of whoever has it.
    Holder(Option<String>),
    /// For [`FactKey::AccountDefaults`].
    AccountDefaults(Box<AccountDefaults>),
}

/// Facts that one command of the host reads together. The order is that of the probes in the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// [`FactKey::System`].
    System,
    /// [`FactKey::Path`].
    Paths,
    /// [`FactKey::Content`].
    Contents,
    /// [`FactKey::Package`].
    Packages,
    /// [`FactKey::Unit`].
    Units,
    /// [`FactKey::User`], [`FactKey::Group`], their numbers, [`FactKey::AccountDefaults`].
    Accounts,
    /// [`FactKey::Installation`].
    Installations,
}

type Parser = fn(&[FactKey], i32, &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer>;

impl FactKey {
    /// The family that reads it.
    pub fn family(&self) -> Family {
        match self {
            Self::System => Family::System,
            Self::Path(_) => Family::Paths,
            Self::Content(_) => Family::Contents,
            Self::Package(_) => Family::Packages,
            Self::Installation(_) => Family::Installations,
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
            Self::Content(path) => write!(formatter, "the content of `{path}`"),
            Self::Package(name) => write!(formatter, "package `{name}`"),
            Self::Installation(wish) => {
                let verb = if wish.remove { "removing" } else { "installing" };
                write!(formatter, "{verb} `{}`", wish.packages.join(" "))
            }
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
            Self::Accounts => "users and groups",
            Self::Installations => "what apt would do",
        }
    }

    pub(super) fn probe(self, keys: &[FactKey]) -> String {
        match self {
            Self::System => system::probe(),
            Self::Paths => path::probe(&paths(keys)),
            Self::Contents => path::content_probe(&paths(keys)),
            Self::Packages => package::probe(&names(keys)),
            Self::Units => unit::probe(&names(keys)),
            Self::Accounts => account::probe(keys),
            Self::Installations => apt::probe(keys),
        }
    }

    pub(super) fn parser(self) -> Parser {
        match self {
            Self::System => system::parse,
            Self::Paths => path::parse,
            Self::Contents => path::parse_content,
            Self::Packages => package::parse,
            Self::Units => unit::parse,
            Self::Accounts => account::parse,
            Self::Installations => apt::parse,
        }
    }
}

fn paths(keys: &[FactKey]) -> Vec<&str> {
    keys.iter().filter_map(FactKey::path).collect()
}

fn names(keys: &[FactKey]) -> Vec<&str> {
    keys.iter()
        .filter_map(|key| match key {
            FactKey::Package(name) | FactKey::Unit(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}
