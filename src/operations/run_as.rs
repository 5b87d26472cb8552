//! `become` and `become_user`: the user that an operation runs as.
//!
//! ```toml
//! [[operation]]
//! op = "server.shell"
//! become_user = "deploy"
//! commands = ["git -C app pull"]
//! unless = "git -C app diff --quiet origin"
//! ```
//!
//! A command runs as that user. Files are still written by root, but new ones belong to the user.

use serde::Deserialize;

use crate::facts::Identity;
use crate::value::{Entry, Kind, Table, Value, ValueError, deserialize};

/// How an operation supports running as another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunAsSupport {
    /// Not at all: it needs root, or the user makes no difference.
    None,
    /// New files belong to the user.
    Owner,
    /// Commands run as the user.
    Commands,
}

/// The keys that say which user an operation runs as.
pub const BECOME_KEYS: &[&str] = &[BECOME, BECOME_USER];

pub(super) const BECOME: &str = "become";
pub(super) const BECOME_USER: &str = "become_user";

/// The keys as they were read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Whether it runs as root or `become_user` instead of the login user.
    #[serde(rename = "become")]
    pub(super) privileged: Option<bool>,
    pub(super) become_user: Option<String>,
}

/// `become` and `become_user` of an operation, an include, a task or a deploy's entry.
#[derive(Clone, Debug)]
pub struct RunAs {
    written: Table,
    pub(super) wish: Result<Wish, ValueError>,
}

impl Default for RunAs {
    fn default() -> Self {
        Self {
            written: Table::new(),
            wish: Ok(Wish::default()),
        }
    }
}

impl RunAs {
    /// Reads the keys, already rendered.
    ///
    /// The operations that use them report a wrong type.
    pub fn new(written: Table) -> Self {
        if written.is_empty() {
            return Self::default();
        }
        Self {
            wish: deserialize(&Value::new(Kind::Table(written.clone()))),
            written,
        }
    }

    /// Removes the keys from a table of parameters and reads them.
    pub fn take(parameters: &mut Table) -> Self {
        let keys = BECOME_KEYS.iter();
        let written = keys.filter_map(|key| parameters.shift_remove_entry(*key)).collect();
        Self::new(written)
    }

    /// The keys as they were given.
    pub fn written(&self) -> &Table {
        &self.written
    }

    /// Whether one of the keys is set.
    pub fn is_given(&self) -> bool {
        !self.written.is_empty()
    }

    pub(super) fn entry(&self, key: &str) -> Option<(&String, &Entry)> {
        self.written.get_key_value(key)
    }

    /// The user to run as; keys of a wrong type count as not given.
    pub(super) fn identity(&self) -> Identity {
        match &self.wish {
            Ok(wish) if self.is_given() => wish.identity(),
            _ => Identity::Own,
        }
    }
}

impl Wish {
    pub(super) fn identity(&self) -> Identity {
        match (&self.become_user, self.privileged) {
            (Some(user), _) => Identity::User(user.clone()),
            (None, Some(false)) => Identity::LoginUser,
            (None, _) => Identity::Root,
        }
    }
}
