//! Reads what is mounted.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::mount::{Mount, MountKey};

static MOUNTS: Family = Family {
    subject: "mounts",
    probe: |_| "cat /proc/self/mountinfo".to_owned(),
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for MountKey<'a> {
    const FAMILY: &'static Family = &MOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status != 0 {
        return Err(UnreadableAnswer::new("`/proc/self/mountinfo` cannot be read"));
    }
    let lines = lines(answer);
    let mounts: Vec<(String, Mount)> = lines.iter().filter_map(|line| mount(line)).collect();
    let facts = keys.iter().filter_map(|key| {
        let path = MountKey::of(key)?.0;
        // Of several that are mounted on a path, the last is seen.
        let mut on_path = mounts.iter().rev().filter(|(on, _)| on == path).map(|(_, mount)| mount);
        let top = on_path.next().cloned();
        let top = top.map(|top| Mount {
            below: on_path.map(|mount| mount.source.clone()).collect(),
            ..top
        });
        Some((key.clone(), Fact::Mount(top)))
    });
    Ok(facts.collect())
}

/// A line of `proc_pid_mountinfo(5)`: `36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/sda1 rw`.
fn mount(line: &str) -> Option<(String, Mount)> {
    let (own, of_system) = line.split_once(" - ")?;
    let own: Vec<&str> = own.split(' ').collect();
    let of_system: Vec<&str> = of_system.split(' ').collect();
    let (path, options) = (own.get(4)?, own.get(5)?);
    let [fs_type, source, more] = of_system[..] else {
        return None;
    };
    let mount = Mount {
        source: unescaped(source),
        fs_type: fs_type.to_owned(),
        options: options.split(',').chain(more.split(',')).map(unescaped).collect(),
        below: Vec::new(),
    };
    Some((unescaped(path), mount))
}

/// Text in which blanks and backslashes are written as three octal digits.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(byte) = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            whole.push(char::from(byte));
            whole.push_str(&part[3..]);
        } else {
            whole.push('\\');
            whole.push_str(part);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_on_a_path_counts() {
        let answer = b"22 1 0:30 / / rw,relatime - overlay overlay rw,lowerdir=/x\n\
            40 22 8:1 / /srv rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            41 40 0:50 / /srv ro,nosuid,nodev master:2 propagate_from:1 - tmpfs tmp rw,size=65536k,inode64\n\
            42 22 8:1 /a\\040b /mnt/a\\040b\\134c rw - ext4 /dev/sda1 rw\n";
        let keys = ["/srv", "/mnt/a b\\c", "/mnt"].map(|path| FactKey::Mount(path.to_owned()));
        let facts = parse(&keys, 0, answer).expect("readable");
        let Fact::Mount(Some(srv)) = &facts[0].1 else {
            panic!("{facts:?}")
        };
        assert_eq!((srv.source.as_str(), srv.fs_type.as_str()), ("tmp", "tmpfs"));
        assert_eq!(srv.below, ["/dev/sda1"]);
        assert!(srv.options.contains("ro") && srv.options.contains("size=65536k"));
        assert!(matches!(&facts[1].1, Fact::Mount(Some(mount)) if mount.source == "/dev/sda1"));
        assert_eq!(facts[2].1, Fact::Mount(None));
    }
}
