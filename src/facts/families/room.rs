//! Reads the free space of file systems.

use crate::facts::answer::UnreadableAnswer;
use crate::facts::place::Room;

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

/// The path and the free space in a line of `stat -f`.
pub(super) fn parse(line: &str) -> Result<(&str, Option<Room>), UnreadableAnswer> {
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
    let room = Room {
        block,
        bytes: (blocks > 0).then_some((bytes(free), bytes(available))),
        files: (files > 0).then_some(free_files),
    };
    Ok((path, RECKONED.contains(&kind).then_some(room)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_room_and_its_limits() {
        let (path, room) = parse("tmpfs 4096 200 100 256 990 1000 /srv/a b").expect("readable");
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
        let (_, proc) = parse("proc 4096 0 0 0 0 0 /proc").expect("readable");
        assert_eq!(proc, None);
        let (_, endless) = parse("tmpfs 4096 0 0 0 0 0 /x").expect("readable");
        assert!(endless.is_some_and(|room| room.bytes.is_none() && room.files.is_none()));
        assert_eq!(parse("zfs 4096 1 1 1 1 1 /tank").expect("readable").1, None);
        assert!(parse("tmpfs ? 1 /x").is_err());
    }
}
