//! File systems of paths and their free space, read along with the paths themselves.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// The file system of this path.
#[derive(Clone, Copy)]
pub struct DiskLocationKey<'a>(pub &'a str);

impl<'a> Key<'a> for DiskLocationKey<'a> {
    type Fact = Option<DiskLocation>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("the file system of `{}`", self.0)
    }

    /// Its value before the first operation counts; it is not read again.
    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Option<DiskLocation>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// The directories and links on the way to a path, which are read along with it: one look finds where a path leads.
#[derive(Clone, Copy)]
pub struct PathResolutionKey<'a>(pub &'a str);

impl<'a> Key<'a> for PathResolutionKey<'a> {
    /// The paths on the way. Each of them has a fact of its own.
    type Fact = Vec<String>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("the way to `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Path(self.0)
    }

    fn absent() -> Option<Vec<String>> {
        Some(Vec::new())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// The device of a path and the space that it uses there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskLocation {
    /// The number of the device.
    pub device: u64,
    /// The number of the inode on its device.
    #[serde(default)]
    pub inode: u64,
    /// How many names it has.
    #[serde(default)]
    pub links: u64,
    /// Allocated bytes.
    pub allocated: u64,
    /// The free space, if the path is a directory on a file system whose use can be calculated.
    pub room: Option<Room>,
    /// For a directory: whether the user that reads it may not write to it. If that is root, it is immutable, or its file system is
    /// read-only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_closed: bool,
}

/// Free space on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The block size in bytes; files take whole blocks.
    pub block: u64,
    /// Free bytes for root, and for other users; `None` without a limit.
    pub bytes: Option<(u64, u64)>,
    /// The number of files that can still be created; `None` without a limit.
    pub files: Option<u64>,
}

impl Room {
    /// The space that `length` bytes take.
    pub fn taken(&self, length: u64) -> u64 {
        length.div_ceil(self.block.max(1)).saturating_mul(self.block)
    }
}

/// A readable size with three digits.
pub fn bytes(count: i128) -> String {
    const STEP: i128 = 1024;
    let mut unit = 1;
    for name in ["bytes", "KiB", "MiB", "GiB"] {
        if count < STEP * unit || name == "GiB" {
            let tenths = count * 10 / unit;
            return if unit == 1 || tenths >= 1000 {
                format!("{} {name}", count / unit)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
        unit *= STEP;
    }
    format!("{count} bytes")
}
