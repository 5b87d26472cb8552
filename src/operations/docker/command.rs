//! Command lines of the host's own `docker`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::facts::docker::DOCKER;
use crate::quote::{quote, quote_all};

/// A command line.
pub(super) struct Docker(String);

impl Docker {
    /// `docker` with these words.
    pub(super) fn new(words: &[&str]) -> Self {
        Self(format!("{DOCKER} {}", quote_all(words.iter().copied())))
    }

    /// With an option, if there is a value for it.
    pub(super) fn option(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let _ = write!(self.0, " {name} {}", quote(value));
        }
        self
    }

    /// With an option for each pair of a name and a value.
    pub(super) fn pairs(mut self, name: &str, pairs: &BTreeMap<String, String>) -> Self {
        for (key, value) in pairs {
            self = self.option(name, Some(&format!("{key}={value}")));
        }
        self
    }

    pub(super) fn flag(mut self, name: &str, is_set: bool) -> Self {
        if is_set {
            let _ = write!(self.0, " {name}");
        }
        self
    }

    /// As people type it.
    pub(super) fn shown(self, name: &str) -> String {
        let words = self.0.strip_prefix(DOCKER).unwrap_or(&self.0);
        format!("docker{words} {}", quote(name))
    }

    /// As it is.
    pub(super) fn text(self) -> String {
        self.0
    }

    /// With the names of what it is about; what it prints counts.
    pub(super) fn of<'a>(self, names: impl IntoIterator<Item = &'a str>) -> String {
        format!("{} {}", self.0, quote_all(names))
    }

    /// With the name of what it is about. Docker prints that name or an id, which says nothing.
    pub(super) fn on(self, name: &str) -> String {
        format!("{} {} >/dev/null", self.0, quote(name))
    }
}
