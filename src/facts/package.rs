//! Debian packages, as dpkg knows them.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use crate::value::Known;

/// The Debian package of this name.
#[derive(Clone, Copy)]
pub struct PackageKey<'a>(pub &'a str);

impl<'a> Key<'a> for PackageKey<'a> {
    type Fact = PackageFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("package `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Packages
    }

    fn absent() -> Option<PackageFact> {
        Some(PackageFact::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// A Debian package on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageFact {
    /// Not installed; its configuration files may exist.
    Absent,
    /// Installed and configured.
    Installed { version: Known<String> },
    /// Unpacked or half configured, after dpkg was interrupted.
    Broken {
        /// dpkg's name of the state.
        status: String,
    },
}
