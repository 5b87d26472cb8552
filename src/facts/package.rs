//! Debian packages, as dpkg knows them.

mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use crate::value::Known;

pub use status::{ErrorFlag, State, Status, Want};

/// The Debian package of this name, which may end in `:` and an architecture.
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

    /// Another package may provide the name from now on, and what provides it may have another mark.
    fn is_outdated_by(self, known: &PackageFact, changed: Subject<'_>) -> bool {
        changed == Subject::Packages && matches!(known, PackageFact::Absent | PackageFact::Provided { .. })
    }
}

/// The installed packages that this name is almost the name of. Empty if apt's lists have a package of this very name.
#[derive(Clone, Copy)]
pub struct MisspellingKey<'a>(pub &'a str);

impl<'a> Key<'a> for MisspellingKey<'a> {
    type Fact = Vec<String>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("packages with a name like `{}`", self.0)
    }

    /// What is installed meanwhile makes no other name right.
    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Vec<String>> {
        Some(Vec::new())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// A Debian package on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageFact {
    /// dpkg does not know it, and no installed package provides it.
    Absent,
    /// dpkg knows it. Whether it is there is in its status.
    Listed {
        version: Known<String>,
        status: Status,
        /// Whether it was installed only because others depended on it, so that it is removed once none does.
        #[serde(default)]
        automatic: bool,
    },
    /// Nothing of it is there, but these installed packages provide it; for each, whether it was installed automatically.
    Provided { by: BTreeMap<String, bool> },
}

impl PackageFact {
    /// A package that a user wanted and that is installed.
    pub fn installed(version: Known<String>) -> Self {
        Self::Listed {
            version,
            status: Status::INSTALLED,
            automatic: false,
        }
    }

    /// Whether it is installed and configured.
    pub fn is_installed(&self) -> bool {
        matches!(self, Self::Listed { status, .. } if status.state == State::Installed)
    }
}
