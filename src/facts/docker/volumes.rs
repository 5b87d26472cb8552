//! The volumes that compose made for a project.

use std::collections::BTreeMap;

use super::{Volume, is_about_engine};
use crate::facts::kind::{DependsOn, Key, Subject};

/// The volumes of the compose project of this name, with those that no service uses any more.
#[derive(Clone, Copy)]
pub struct ProjectVolumesKey<'a>(pub &'a str);

impl<'a> Key<'a> for ProjectVolumesKey<'a> {
    /// By their names on the host.
    type Fact = BTreeMap<String, Volume>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("the volumes of compose project `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<BTreeMap<String, Volume>> {
        Some(BTreeMap::new())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &BTreeMap<String, Volume>, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}
