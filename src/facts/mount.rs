//! What is mounted, and where.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// What is mounted on this path.
#[derive(Clone, Copy)]
pub struct MountKey<'a>(pub &'a str);

impl<'a> Key<'a> for MountKey<'a> {
    type Fact = Option<Mount>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("what is mounted on `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Option<Mount>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// As the kernel knows it: `/dev/sda1`, `tmpfs`, `nas:/export`. For a directory of another file system, that file system's.
    pub source: String,
    /// `ext4`, `tmpfs` …
    pub fs_type: String,
    /// Those of the mount point and those of the file system.
    pub options: BTreeSet<String>,
    /// The sources of what is mounted on the same path below it, and seen once it is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<String>,
}
