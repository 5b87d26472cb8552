//! File systems of paths and their free space, read along with the paths themselves.

use serde::{Deserialize, Serialize};

use super::family::{DependsOn, Family, InTemplates, Key, Subject};
use super::{UnreadableAnswer, path};

/// The file system of this path.
#[derive(Clone, Copy)]
pub struct DiskLocationKey<'a>(pub &'a str);

impl<'a> Key<'a> for DiskLocationKey<'a> {
    const FAMILY: &'static Family = &path::PATHS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
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

/// The device of a path and the space that it uses there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskLocation {
    /// The number of the device.
    pub device: u64,
    /// Allocated bytes.
    pub allocated: u64,
    /// The free space, if the path is a directory on a file system whose use can be calculated.
    pub room: Option<Room>,
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

/// File systems that store bytes as they are. For others, which compress or share data, the space cannot be calculated.
const RECKONED: &[&str] = &[
    "ext2/ext3",
    "ext2",
    "xfs",
    "jfs",
    "tmpfs",
    "overlayfs",
    "msdos",
    "vfat",
    "exfat",
];

/// What `stat -f` prints for each directory.
pub(super) const FORMAT: &str = "%T %S %f %a %b %d %c %n";

impl Room {
    /// The path and the free space in a line of `stat -f`.
    pub(super) fn parse(line: &str) -> Result<(&str, Option<Self>), UnreadableAnswer> {
        let unreadable = || UnreadableAnswer::new(format!("`stat -f` printed `{line}`"));
        let mut fields = line.splitn(8, ' ');
        let kind = fields.next().ok_or_else(unreadable)?;
        let mut number = || fields.next()?.parse::<u64>().ok();
        let numbers = (number(), number(), number(), number(), number(), number());
        let path = fields.next().ok_or_else(unreadable)?;
        let (Some(block), Some(free), Some(available), Some(blocks), Some(free_files), Some(files)) = numbers else {
            return Err(unreadable());
        };
        let bytes = |count: u64| count.saturating_mul(block);
        let room = Self {
            block,
            bytes: (blocks > 0).then_some((bytes(free), bytes(available))),
            files: (files > 0).then_some(free_files),
        };
        Ok((path, RECKONED.contains(&kind).then_some(room)))
    }

    /// The space that `length` bytes take.
    pub fn taken(&self, length: u64) -> u64 {
        length.div_ceil(self.block.max(1)).saturating_mul(self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_room_and_its_limits() {
        let (path, room) = Room::parse("tmpfs 4096 200 100 256 990 1000 /srv/a b").expect("readable");
        let expected = Room {
            block: 4096,
            bytes: Some((819_200, 409_600)),
            files: Some(990),
        };
        assert_eq!((path, room), ("/srv/a b", Some(expected)));
        assert_eq!(
            (expected.taken(0), expected.taken(1), expected.taken(4096)),
            (0, 4096, 4096)
        );
        let (_, proc) = Room::parse("proc 4096 0 0 0 0 0 /proc").expect("readable");
        assert_eq!(proc, None);
        let (_, endless) = Room::parse("tmpfs 4096 0 0 0 0 0 /x").expect("readable");
        assert!(endless.is_some_and(|room| room.bytes.is_none() && room.files.is_none()));
        assert_eq!(Room::parse("zfs 4096 1 1 1 1 1 /tank").expect("readable").1, None);
        assert!(Room::parse("tmpfs ? 1 /x").is_err());
    }
}
