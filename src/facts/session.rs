//! The user that the host's shell runs as, and the user that logged in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use super::path::Inode;

/// The fingerprint of the public key that opened this connection.
#[derive(Clone, Copy)]
pub struct LoginKeyKey;

impl<'a> Key<'a> for LoginKeyKey {
    /// `None` if the host does not say.
    type Fact = Option<String>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the key of this connection".to_owned()
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Option<String>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// The user that the host's shell runs as, and the user that logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub login: Account,
    /// The user that the shell runs as, if that is not root.
    pub unprivileged: Option<Unprivileged>,
    /// The user that reads for a review of what root would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
}

/// A user and its primary group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub user: String,
    pub group: String,
}

/// A user other than root that the host's shell runs as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unprivileged {
    pub account: Account,
    pub groups: BTreeSet<String>,
    /// The folder for homelab's state in the user's home directory.
    pub state_folder: String,
    /// Whether jobs of earlier runs as root may exist that this user cannot see.
    pub jobs_are_hidden: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            login: Account {
                user: "root".to_owned(),
                group: "root".to_owned(),
            },
            unprivileged: None,
            reader: None,
        }
    }
}

impl Session {
    /// The session that changes what this one only reads: root's.
    pub fn planned_as_root(&mut self) {
        if let Some(reader) = self.unprivileged.take() {
            self.reader = Some(reader.account.user);
        }
    }

    /// Why an operation that needs root is not possible; `None` for root.
    pub fn needs_root(&self) -> Option<String> {
        let user = &self.unprivileged.as_ref()?.account.user;
        Some(if *user == self.login.user {
            format!("needs root; the login user is `{user}`")
        } else {
            format!("needs root; homelab runs as `{user}` here")
        })
    }

    /// A notice for the review, if the shell does not run as root.
    pub fn notice(&self) -> Option<String> {
        if let Some(reader) = &self.reader {
            return Some(format!(
                "read as `{reader}`, planned for root: handlers that earlier runs owe, and what they created, are not seen"
            ));
        }
        let unprivileged = self.unprivileged.as_ref()?;
        let hidden = if unprivileged.jobs_are_hidden {
            "; jobs of earlier runs as root are not visible"
        } else {
            ""
        };
        Some(format!(
            "runs without root: the lock is in {}{hidden}",
            unprivileged.state_folder
        ))
    }
}

impl Unprivileged {
    /// The lock file in the state folder.
    pub fn lock_path(&self) -> String {
        format!("{}/lock", self.state_folder)
    }

    /// Whether this user may create entries in a directory, by its owner and mode.
    pub fn may_write(&self, directory: &Inode) -> bool {
        const WRITE_AND_SEARCH: u32 = 0o3;
        let bits = if directory.owner == self.account.user {
            directory.mode >> 6
        } else if self.groups.contains(&directory.group) {
            directory.mode >> 3
        } else {
            directory.mode
        };
        bits & WRITE_AND_SEARCH == WRITE_AND_SEARCH
    }

    /// Whether this user may replace or remove an entry of a directory that they may write to.
    pub fn may_replace(&self, inode: &Inode, directory: &Inode) -> bool {
        const STICKY: u32 = 0o1000;
        directory.mode & STICKY == 0 || self.owns(inode) || self.owns(directory)
    }

    /// Whether this user is the owner.
    pub fn owns(&self, inode: &Inode) -> bool {
        inode.owner == self.account.user
    }

    /// Whether this user may change the owner and group of their own file to these.
    pub fn may_give(&self, owner: &str, group: &str) -> bool {
        owner == self.account.user && self.groups.contains(group)
    }
}
