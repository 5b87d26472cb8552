//! Users and groups, and the defaults for new users.

mod keys;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::value::Known;

pub use keys::{AccountDefaultsKey, GroupKey, GroupNumberKey, UserKey, UserNumberKey};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserFact {
    Absent,
    Present(User),
}

/// A user of the host. Parts may be unknown if it is yet to be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub uid: Known<u32>,
    /// The primary group's name, or its gid if it has no name.
    pub group: Known<String>,
    /// The home directory, which need not exist.
    pub home: Known<String>,
    /// The login shell.
    pub shell: Known<String>,
    /// The comment field, called GECOS.
    pub comment: Known<String>,
    /// Groups other than the primary one.
    pub groups: BTreeSet<String>,
    /// The source that it comes from, if that is not `/etc/passwd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupFact {
    Absent,
    Present(Group),
}

impl User {
    /// The path of a file in the home directory; `None` if that is not known.
    pub fn file(&self, name: &str) -> Option<String> {
        match &self.home {
            Known::Yes(home) => Some(in_home(home, name)),
            Known::No(_) => None,
        }
    }
}

/// The path of a file in a home directory.
pub fn in_home(home: &str, name: &str) -> String {
    format!("{}/{name}", home.trim_end_matches('/'))
}

/// Where the home directory of a user usually is.
pub fn usual_home(user: &str) -> String {
    match user {
        "root" => "/root".to_owned(),
        user => format!("/home/{user}"),
    }
}

/// A group of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub gid: Known<u32>,
    /// Members other than those with it as their primary group.
    pub members: BTreeSet<String>,
    /// Users with this primary group.
    pub primary_of: BTreeSet<String>,
    /// The source that it comes from, if that is not `/etc/group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
}

/// What useradd does without options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDefaults {
    /// The directory for home directories.
    pub home_base: String,
    /// The login shell; empty means the host's default.
    pub shell: String,
    /// Whether a new user gets a group of its own name.
    pub private_groups: bool,
    /// The primary group if it does not.
    pub group: String,
    /// The mode of a new home directory.
    pub home_mode: u32,
    /// The content of a new home directory; directories come before their entries.
    pub skeleton: Vec<SkeletonEntry>,
}

/// An entry of a new home directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkeletonEntry {
    /// Path below the home directory.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    pub kind: SkeletonKind,
}

/// The kind of an entry of the skeleton.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkeletonKind {
    Directory,
    /// A file with these bytes.
    File(#[serde(with = "crate::value::bytes::known")] Known<Vec<u8>>),
    Link(String),
}
