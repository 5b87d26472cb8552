//! The units of systemd whose files the administrator of a host wrote, or homelab.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// These units.
#[derive(Clone, Copy)]
pub struct OwnUnitsKey;

/// A unit that runs, has failed, or starts at boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnUnit {
    pub name: String,
    /// systemd's word: `active`, `failed`, `inactive`, …
    pub active: String,
    /// More about that: `running`, `listening`, …
    pub sub: String,
}

impl OwnUnit {
    /// Both words of systemd.
    pub fn state(&self) -> String {
        format!("{} ({})", self.active, self.sub)
    }
}

impl Key<'_> for OwnUnitsKey {
    type Fact = Vec<OwnUnit>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "units whose files are in /etc/systemd/system".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<Vec<OwnUnit>> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}
