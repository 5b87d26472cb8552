//! Reads files, directories and links with their file systems, and the content of files.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::path_resolution::set_paths;
use super::room;
use crate::facts::answer::{UnreadableAnswer, lines as answer_lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::path::{CONTENT_LIMIT, ContentFact, ContentKey, Inode, InodeKind, PathFact, PathKey, visited_paths};
use crate::facts::place::{DiskLocation, DiskLocationKey, PathResolutionKey, Room};
use crate::quote::quote_all;
use crate::value::Known;

static PATHS: Family = Family {
    subject: "paths",
    probe,
    allowance: no_allowance,
    parse,
};

static CONTENTS: Family = Family {
    subject: "file contents",
    probe: |keys| content_probe(&paths(keys)),
    allowance: no_allowance,
    parse: parse_content,
};

impl<'a> Readable<'a> for PathKey<'a> {
    const FAMILY: &'static Family = &PATHS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for DiskLocationKey<'a> {
    const FAMILY: &'static Family = &PATHS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for PathResolutionKey<'a> {
    const FAMILY: &'static Family = &PATHS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for ContentKey<'a> {
    const FAMILY: &'static Family = &CONTENTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// The paths of `keys`, each once.
fn paths(keys: &[FactKey]) -> Vec<&str> {
    let mut paths: Vec<&str> = keys.iter().filter_map(FactKey::path).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Files above this size are read in pieces, with a line of output after each: on a slow disk a file takes minutes, and homelab
/// gives up on a silent host. In bytes, a power of two.
const PIECE: u64 = 64 << 20;

/// How long reading small files, or a piece of a large one, may take before a named pipe is suspected: well below the time that
/// a host may be silent. In seconds.
const LIMIT: u32 = 20;

/// The start of a line for a directory that this user may not write to. For root, that is one that no user may write to.
const CLOSED: &str = "- ";

/// One `stat` for all paths and one for the file systems of directories, what may not be seen, one `sha256sum` for those that are
/// files, and one for each large one, then the links' targets.
///
/// The first digit of a mode in hexadecimal is the type (inode(7)): 8 is a file, 4 a directory, a a link. Where nothing else is among the
/// paths, `sha256sum` gets them all and says nothing of directories: a loop of the shell over thousands takes longer than their digests.
///
/// Where all is there and this user's own, files are files. Elsewhere a named pipe may take the place of one at any time, and reading it
/// never ends: so reading has a limit, and after that each file has one of its own.
///
/// Where there is something else, the files are collected in a text: a shell copies all of `$@` whenever it gets
/// longer, which takes most of the time for thousands.
///
/// A sign of life is a line that no digest looks like. Processes are what a look at a host costs; `busybox` has a `find` that cannot
/// print, and so one `readlink` a link. The targets come last and end in NUL: they are text that users of the host choose.
fn probe(keys: &[FactKey]) -> String {
    let (names, named) = if keys.len() < MANY { (EACH, "") } else { (ONCE, NAMED) };
    format!(
        "{}\
         {}\n\
         s=$(stat -c \"%f $w %d %i %h %b s%s %n\" -- \"$@\" 2>/dev/null); [ -z \"$s\" ] || printf \"%s\\n\" \"$s\"\n\
         {named}\
         echo rooms\n\
         (f=; for p; do [ ! -d \"$p\" ] || [ -L \"$p\" ] || {{ f=$f$n$p; [ -w \"$p\" ] || echo \"- $p\"; }}; done\n\
         [ -z \"$f\" ] || {{ IFS=$n; set -f; exec stat -f -c \"{room}\" -- $f 2>/dev/null; }})\n\
         echo hidden\n\
         for p; do [ ! -r \"$p\" ] || continue; hl_hidden \"$p\"; [ -z \"$why\" ] || printf \"%s\\n%s\\n\" \"$p\" \"$why\"; done\n\
         echo digests\n\
         (case $n$s in *${{n}}8*) ;; *) exit; esac\n\
         case $n$s in *$n[!48]*) f=; for p; do [ -L \"$p\" ] || [ ! -f \"$p\" ] || f=$f$n$p; done; IFS=$n; set -f; set -- $f; esac\n\
         {}\n\
         d=[0-9][0-9][0-9][0-9] large=\n\
         case $s in *\" s\"$d$d*) large=$(find \"$@\" -prune -type f -size +{kibibytes}k 2>/dev/null);; esac\n\
         [ -z \"$large\" ] || {{ f=; for p; do case \"$n$large$n\" in\n\
         *\"$n$p$n\"*) {{ d=$(i=0; size=$(stat -c %s -- \"$p\"); while [ $((i * {PIECE})) -lt \"$size\" ]; do\n\
         timeout {LIMIT} dd if=\"$p\" bs=65536 skip=$((i * {blocks})) count={blocks} 2>/dev/null || break; printf \".\\n\" >&4; i=$((i + 1)); done | sha256sum); }} 4>&1\n\
         printf \"%s  %s\\n\" \"${{d%% *}}\" \"$p\" ;;\n\
         *) f=$f$n$p ;; esac; done; IFS=$n; set -f; set -- $f; }}\n\
         [ $# != 0 ] || exit; [ -n \"$o\" ] || exec sha256sum -- \"$@\" 2>/dev/null\n\
         timeout {LIMIT} sha256sum -- \"$@\" 2>/dev/null; [ $? != 124 ] || {{ echo; for p; do [ ! -f \"$p\" ] || timeout {LIMIT} sha256sum -- \"$p\" 2>/dev/null; done; }})\n\
         echo links\n\
         case $n$s in *${{n}}a*) for p; do shift; [ ! -L \"$p\" ] || set -- \"$@\" \"$p\"; done\n\
         find \"$@\" -prune -printf \"%p\\0%l\\0\" 2>/dev/null || for p; do t=$(readlink -n -- \"$p\"; echo /); printf \"%s\\0\" \"$p\" \"${{t%/}}\"; done; esac\n\
         true",
        set_paths(keys),
        names.asked,
        names.others,
        room = room::FORMAT,
        kibibytes = PIECE >> 10,
        blocks = PIECE >> 16
    )
}

/// How the names of owners and groups are asked for.
struct Names {
    /// What `stat` prints of owner and group, and what further it takes.
    asked: &'static str,
    /// Sets `o` if any path may belong to someone else.
    others: &'static str,
}

/// `stat` looks up two names for each path, and opens the accounts each time.
const EACH: Names = Names {
    asked: "w=\"%U:%u %G:%g\"",
    others: "o=; for p; do [ -O \"$p\" ] || { o=y; break; }; done",
};

/// From this number of paths, a name is looked up once: that takes some processes more.
const MANY: usize = 100;
const ONCE: Names = Names {
    asked: "w=\"%u %g\"",
    others: "o=y; [ \"$u\" != \"$(id -u)\" ] || o=",
};

/// After the lines of `stat`: the names of their owners and groups.
const NAMED: &str = "ids() { printf \"%s\\n\" \"$s\" | cut -d \" \" -f \"$1\" | sort -u; }\n\
    u=$(ids 2); echo owners; [ -z \"$u\" ] || { getent passwd $u; echo groups; getent group $(ids 3); }\n";

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    const LINKS: &[u8] = b"\nlinks\n";
    let missing = |name: &str| UnreadableAnswer::new(format!("missing section `{name}`"));
    // No earlier line has this text: they are numbers, names of users and paths of the project.
    let at = answer.windows(LINKS.len()).position(|window| window == LINKS);
    let (lines, targets) = answer.split_at(at.ok_or_else(|| missing("links"))?);
    let links = targets_of(&targets[LINKS.len()..]);
    let lines = answer_lines(lines);
    let section = |name: &str| lines.iter().position(|line| line == name).ok_or_else(|| missing(name));
    let (rooms_at, hidden_at, digests_at) = (section("rooms")?, section("hidden")?, section("digests")?);
    let (stats, names) = match section("owners") {
        Ok(at) => (&lines[..at], AccountNames::read(&lines[at + 1..rooms_at])),
        Err(_) => (&lines[..rooms_at], AccountNames::default()),
    };
    let (closed, rooms): (Vec<&String>, Vec<&String>) = lines[rooms_at + 1..hidden_at]
        .iter()
        .partition(|line| line.starts_with(CLOSED));
    let closed: BTreeSet<&str> = closed
        .into_iter()
        .filter_map(|line| line.strip_prefix(CLOSED))
        .collect();
    let rooms: BTreeMap<&str, Option<Room>> = rooms
        .into_iter()
        .map(|line| room::parse(line))
        .collect::<Result<_, _>>()?;
    let mut hidden = pairs(&lines[hidden_at + 1..digests_at]);
    let digests: BTreeMap<String, &str> = lines[digests_at + 1..].iter().filter_map(|line| digest(line)).collect();
    let mut present = BTreeMap::new();
    for line in stats {
        let (path, mut inode, mut place) = parse_stat(line, &links, &digests)?;
        names.put(&mut inode);
        if matches!(inode.kind, InodeKind::Link { .. }) && !links.contains_key(path) {
            hidden.insert(path, "it changed while it was read");
            continue;
        }
        if let (
            InodeKind::File {
                digest: digest @ Known::No(_),
            },
            Some(why),
        ) = (&mut inode.kind, hidden.get(path))
        {
            *digest = Known::No((*why).to_owned());
        }
        place.room = rooms.get(path).copied().flatten();
        place.is_closed = closed.contains(path);
        present.insert(path, (inode, place));
    }
    let fact_of = |path: &str| match (present.get(path), hidden.get(path)) {
        (Some((inode, _)), _) => Fact::Path(PathFact::Present(inode.clone())),
        (None, Some(why)) => Fact::Denied((*why).to_owned()),
        (None, None) => Fact::Path(PathFact::Absent),
    };
    let place_of = |path: &str| Fact::DiskLocation(present.get(path).map(|(_, place)| *place));
    let both = |path: &str| {
        [
            (FactKey::Path(path.to_owned()), fact_of(path)),
            (FactKey::DiskLocation(path.to_owned()), place_of(path)),
        ]
    };
    let facts = keys.iter().flat_map(|key| match key {
        FactKey::Path(path) => both(path).to_vec(),
        FactKey::DiskLocation(path) => vec![(key.clone(), place_of(path))],
        FactKey::PathResolution(path) => {
            let on_it = visited_paths(path, |at| {
                let (inode, _) = present.get(at)?;
                match &inode.kind {
                    InodeKind::Link { target } => Some(target.clone()),
                    _ => None,
                }
            });
            let facts: Vec<_> = on_it.iter().flat_map(|at| both(at)).collect();
            facts
                .into_iter()
                .chain([(key.clone(), Fact::PathResolution(on_it))])
                .collect()
        }
        _ => Vec::new(),
    });
    Ok(facts.collect())
}

/// The names of accounts by their numbers, where they come apart from the paths.
#[derive(Default)]
struct AccountNames<'a> {
    owners: BTreeMap<&'a str, &'a str>,
    groups: BTreeMap<&'a str, &'a str>,
}

impl<'a> AccountNames<'a> {
    /// Lines of passwd(5), `groups`, and lines of group(5): a name, a password and a number come first in both.
    fn read(lines: &'a [String]) -> Self {
        let entries = |lines: &'a [String]| {
            let mut names = BTreeMap::new();
            for line in lines {
                let mut fields = line.split(':');
                if let (Some(name), Some(number)) = (fields.next(), fields.nth(1)) {
                    names.entry(number).or_insert(name);
                }
            }
            names
        };
        let at = lines.iter().position(|line| line == "groups").unwrap_or(lines.len());
        Self {
            owners: entries(&lines[..at]),
            groups: entries(&lines[at..]),
        }
    }

    /// Puts names in the place of numbers that have one.
    fn put(&self, inode: &mut Inode) {
        for (number, names) in [(&mut inode.owner, &self.owners), (&mut inode.group, &self.groups)] {
            if let Some(name) = names.get(number.as_str()) {
                (*name).clone_into(number);
            }
        }
    }
}

/// Pairs of a link and its target, each of which ends in NUL.
fn targets_of(text: &[u8]) -> BTreeMap<String, String> {
    let fields: Vec<String> = text
        .split(|byte| *byte == 0)
        .map(|field| String::from_utf8_lossy(field).into_owned())
        .collect();
    let pairs = fields.chunks_exact(2);
    pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// A line of sha256sum(1), which marks and doubles backslashes in names.
fn digest(line: &str) -> Option<(String, &str)> {
    let (digest, path) = line.trim_start_matches('\\').split_once("  ")?;
    let path = if line.starts_with('\\') {
        path.replace("\\\\", "\\")
    } else {
        path.to_owned()
    };
    Some((path, digest))
}

/// Pairs of lines.
fn pairs(lines: &[String]) -> BTreeMap<&str, &str> {
    let pairs = lines.chunks_exact(2);
    pairs.map(|pair| (pair[0].as_str(), pair[1].as_str())).collect()
}

fn parse_stat<'a>(
    line: &'a str,
    links: &BTreeMap<String, String>,
    digests: &BTreeMap<String, &str>,
) -> Result<(&'a str, Inode, DiskLocation), UnreadableAnswer> {
    let unreadable = || UnreadableAnswer::new(format!("`stat` printed `{line}`"));
    let mut fields = line.splitn(9, ' ');
    let mut next = || fields.next().ok_or_else(unreadable);
    let (raw, owner, group) = (next()?, next()?, next()?);
    let (device, inode, links_to_it, blocks, _size, path) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let raw = u32::from_str_radix(raw, 16).map_err(|_| unreadable())?;
    // The file type is in the upper bits of `st_mode` (inode(7)).
    let kind = match raw & 0o170_000 {
        0o100_000 => InodeKind::File {
            digest: digests.get(path).map_or_else(
                || Known::No("the file could not be read".to_owned()),
                |digest| Known::Yes((*digest).to_owned()),
            ),
        },
        0o040_000 => InodeKind::Directory,
        0o120_000 => InodeKind::Link {
            target: links.get(path).cloned().unwrap_or_default(),
        },
        _ => InodeKind::Other,
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_| unreadable());
    let place = DiskLocation {
        device: number(device)?,
        inode: number(inode)?,
        links: number(links_to_it)?,
        // stat(2) counts in blocks of 512 bytes on every file system.
        allocated: number(blocks)?.saturating_mul(512),
        room: None,
        is_closed: false,
    };
    let inode = Inode {
        kind,
        owner: name_or_number(owner),
        group: name_or_number(group),
        owner_id: number_of(owner),
        group_id: number_of(group),
        mode: raw & 0o7777,
    };
    Ok((path, inode, place))
}

/// The number, which comes last.
fn number_of(field: &str) -> Option<u32> {
    field.rsplit(':').next()?.parse().ok()
}

fn name_or_number(field: &str) -> String {
    match field.split_once(':') {
        Some(("UNKNOWN" | "", number)) => number.to_owned(),
        Some((name, _)) => name.to_owned(),
        None => field.to_owned(),
    }
}

/// One `cat` for all files, after their sizes: starting processes is what makes reading a host slow. Files of the kernel have no size
/// and are sent encoded.
fn content_probe(paths: &[&str]) -> String {
    format!(
        "set -- {}\n\
         for p; do shift\n\
         hl_hidden \"$p\"; if [ -n \"$why\" ]; then printf \"denied %s\\n\" \"$why\"; continue; fi\n\
         if [ -f \"$p\" ] && [ ! -L \"$p\" ]; then\n\
         case $p in /proc/*|/sys/*) printf \"inline \"; base64 <\"$p\" | tr -d \"\\n\"; printf \"\\n\" ;;\n\
         *) echo file; set -- \"$@\" \"$p\" ;; esac\n\
         else echo absent; fi\n\
         done\n\
         [ $# = 0 ] || for s in $(stat -c %s -- \"$@\"); do echo $s; p=$1; shift; [ $s -gt {CONTENT_LIMIT} ] || set -- \"$@\" \"$p\"; done\n\
         echo contents\n\
         [ $# = 0 ] || exec timeout {LIMIT} cat -- \"$@\"",
        quote_all(paths.iter().copied()),
    )
}

fn parse_content(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    const BEGIN: &[u8] = b"contents\n";
    let missing = || UnreadableAnswer::new("missing contents");
    // No earlier line has this text: they are names of states, and numbers.
    let at = answer
        .windows(BEGIN.len())
        .enumerate()
        .find(|(at, window)| *window == BEGIN && (*at == 0 || answer[at - 1] == b'\n'))
        .map(|(at, _)| at)
        .ok_or_else(missing)?;
    let (head, mut contents) = (&answer[..at], &answer[at + BEGIN.len()..]);
    let lines = answer_lines(head);
    let (states, sizes) = lines.split_at_checked(keys.len()).ok_or_else(missing)?;
    let mut sizes = sizes.iter();
    let facts = keys.iter().zip(states).map(|(key, state)| {
        let content = match state.split_once(' ') {
            Some(("inline", encoded)) => ContentFact::Bytes(
                STANDARD
                    .decode(encoded)
                    .map_err(|error| UnreadableAnswer::new(format!("{key}: {error}")))?,
            ),
            Some(("denied", why)) => return Ok((key.clone(), Fact::Denied(why.to_owned()))),
            None if state == "absent" => ContentFact::Absent,
            None if state == "file" => {
                let changed = || UnreadableAnswer::new(format!("{key} changed while it was read"));
                let size = sizes
                    .next()
                    .and_then(|size| size.parse::<u64>().ok())
                    .ok_or_else(changed)?;
                if size > CONTENT_LIMIT {
                    return Ok((key.clone(), Fact::Content(ContentFact::TooLarge)));
                }
                let size = usize::try_from(size).map_err(|_| changed())?;
                let (content, rest) = contents.split_at_checked(size).ok_or_else(changed)?;
                contents = rest;
                ContentFact::Bytes(content.to_vec())
            }
            _ => return Err(UnreadableAnswer::new(format!("{key}: `{state}`"))),
        };
        Ok((key.clone(), Fact::Content(content)))
    });
    let facts: Vec<_> = facts.collect::<Result<_, _>>()?;
    if contents.is_empty() {
        Ok(facts)
    } else {
        Err(UnreadableAnswer::new("a file grew while it was read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(probe: &str) -> Vec<u8> {
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(probe)
            .output()
            .expect("sh runs");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    fn look(paths: &[String]) -> Vec<PathFact> {
        let keys: Vec<FactKey> = paths.iter().map(|path| FactKey::Path(path.clone())).collect();
        parse(&keys, 0, &ask(&probe(&keys)))
            .expect("readable")
            .into_iter()
            .filter_map(|(_, fact)| match fact {
                Fact::Path(fact) => Some(fact),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn sees_files_directories_links_and_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(at("a file's name"), "").expect("write");
        std::fs::create_dir(at("directory")).expect("mkdir");
        std::os::unix::fs::symlink("directory", at("link")).expect("symlink");
        std::os::unix::fs::symlink("nowhere", at("broken")).expect("symlink");
        std::process::Command::new("chmod")
            .arg("4751")
            .arg(at("a file's name"))
            .status()
            .expect("chmod");
        std::fs::write(at("back\\slash"), "").expect("write");
        let found = look(&[
            at("a file's name"),
            at("broken"),
            at("directory"),
            at("link"),
            at("none"),
            at("back\\slash"),
        ]);
        let PathFact::Present(file) = &found[0] else {
            panic!("{found:?}")
        };
        assert_eq!(file.mode, 0o4751);
        let digest = Known::Yes(crate::secret::sha256_hex(b""));
        assert_eq!(file.kind, InodeKind::File { digest });
        assert!(matches!(&found[5], PathFact::Present(inode) if inode.kind == file.kind));
        let kinds: Vec<_> = found[1..4]
            .iter()
            .map(|fact| match fact {
                PathFact::Present(inode) => inode.kind.clone(),
                PathFact::Absent => panic!("{found:?}"),
            })
            .collect();
        let link = |target: &str| InodeKind::Link {
            target: target.to_owned(),
        };
        assert_eq!(kinds, [link("nowhere"), InodeKind::Directory, link("directory")]);
        assert_eq!(found[4], PathFact::Absent);
    }

    #[test]
    fn many_paths_have_the_same_owners_as_few() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths: Vec<String> = (0..MANY)
            .map(|number| folder.path().join(number.to_string()).to_string_lossy().into_owned())
            .collect();
        for (number, path) in paths.iter().enumerate() {
            std::fs::write(path, path).expect("write");
            // Where tests run as root: a name, and a number that no account has.
            let (owner, group) = [(None, None), (Some(1), Some(2)), (Some(98_765), Some(98_765))][number % 3];
            let _ = std::os::unix::fs::chown(path, owner, group);
        }
        let few = paths.chunks(MANY / 2).flat_map(look);
        let many = look(&paths);
        assert!(many.iter().all(|fact| matches!(fact, PathFact::Present(inode) if matches!(inode.kind, InodeKind::File { digest: Known::Yes(_) }))));
        assert_eq!(many, few.collect::<Vec<_>>());
    }

    #[test]
    fn sees_the_room_of_directories() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().to_string_lossy().into_owned();
        let file = format!("{top}/file");
        std::fs::write(&file, "x".repeat(5000)).expect("write");
        let keys = [FactKey::Path(top.clone()), FactKey::DiskLocation(file.clone())];
        let facts = parse(&keys, 0, &ask(&probe(&keys))).expect("readable");
        let place = |at: &str| {
            let key = FactKey::DiskLocation(at.to_owned());
            match facts.iter().find(|(known, _)| *known == key) {
                Some((_, Fact::DiskLocation(Some(place)))) => *place,
                other => panic!("{other:?}"),
            }
        };
        let metadata = std::fs::metadata(&file).expect("there");
        assert_eq!(
            place(&file).allocated,
            std::os::unix::fs::MetadataExt::blocks(&metadata) * 512
        );
        assert_eq!(place(&file).device, std::os::unix::fs::MetadataExt::dev(&metadata));
        assert_eq!((place(&top).device, place(&file).room), (place(&file).device, None));
        assert_eq!(facts.len(), 3);
    }

    #[test]
    fn a_directory_that_nobody_may_write_to_is_marked() {
        let keys = ["/srv/x", "/srv"].map(|path| FactKey::DiskLocation(path.to_owned()));
        let answer = b"41ed root:0 root:0 1 2 3 8 s9 /srv/x\n41ed root:0 root:0 1 1 3 8 s9 /srv\nrooms\n- /srv/x\n\
            tmpfs 4096 200 100 256 990 1000 /srv/x\ntmpfs 4096 200 100 256 990 1000 /srv\nhidden\ndigests\nlinks\n";
        let facts = parse(&keys, 0, answer).expect("readable");
        let closed: Vec<_> = facts
            .iter()
            .map(|(_, fact)| match fact {
                Fact::DiskLocation(Some(place)) => (place.is_closed, place.room.is_some()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(closed, [(true, true), (false, true)]);
    }

    #[test]
    fn reads_bytes_exactly() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f").to_string_lossy().into_owned();
        let bytes = b"a\0b\r\nno newline \xff";
        std::fs::write(&path, bytes).expect("write");
        let missing = folder.path().join("g").to_string_lossy().into_owned();
        let keys = [FactKey::Content(path.clone()), FactKey::Content(missing.clone())];
        let facts = parse_content(&keys, 0, &ask(&content_probe(&[&path, &missing]))).expect("readable");
        assert_eq!(facts[0].1, Fact::Content(ContentFact::Bytes(bytes.to_vec())));
        assert_eq!(facts[1].1, Fact::Content(ContentFact::Absent));
        std::fs::write(&path, "x".repeat(1 + usize::try_from(CONTENT_LIMIT).expect("fits"))).expect("write");
        let facts = parse_content(&keys[..1], 0, &ask(&content_probe(&[&path]))).expect("readable");
        assert_eq!(facts[0].1, Fact::Content(ContentFact::TooLarge));
    }

    #[test]
    fn a_large_file_is_read_with_signs_of_life() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths: Vec<String> = ["a large one", "small"]
            .iter()
            .map(|name| folder.path().join(name).to_string_lossy().into_owned())
            .collect();
        let file = std::fs::File::create(&paths[0]).expect("create");
        file.set_len(2 * PIECE + 5).expect("a hole");
        std::fs::write(&paths[1], "x").expect("write");
        let keys: Vec<FactKey> = paths.iter().map(|path| FactKey::Path(path.clone())).collect();
        let answer = ask(&probe(&keys));
        assert_eq!(
            answer.split(|byte| *byte == b'\n').filter(|line| *line == b".").count(),
            3
        );
        for (path, fact) in paths.iter().zip(look(&paths)) {
            let output = std::process::Command::new("sha256sum")
                .arg(path)
                .output()
                .expect("it runs");
            let expected = String::from_utf8_lossy(&output.stdout)[..64].to_owned();
            let PathFact::Present(inode) = fact else {
                panic!("absent")
            };
            let digest = Known::Yes(expected);
            assert_eq!(inode.kind, InodeKind::File { digest });
        }
    }

    /// The answer of a probe that finds a named pipe in the place of a file which it has just seen.
    fn ask_while_swapped(script: &str, path: &str) -> Vec<u8> {
        let swap = format!(
            "timeout() {{ rm -f {path} && mkfifo {path}; shift; command timeout 2 \"$@\"; }}\n",
            path = crate::quote::quote(path)
        );
        // As if another user owned all of it.
        let script = format!(
            "{swap}{}",
            script.replace("[ -O", "[ -L").replace("exec timeout", "timeout")
        );
        let output = std::process::Command::new("timeout")
            .args(["-s", "KILL", "10", "sh", "-c", &script])
            .output();
        let output = output.expect("it runs");
        assert!(
            output.status.code().is_some_and(|code| code < 128),
            "it waits for the pipe: {output:?}"
        );
        output.stdout
    }

    #[test]
    fn a_named_pipe_in_the_place_of_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        for name in ["one", "swapped", "two"] {
            std::fs::write(at(name), name).expect("write");
        }
        let keys: Vec<FactKey> = ["one", "swapped", "two"].map(|name| FactKey::Path(at(name))).to_vec();
        let answer = ask_while_swapped(&probe(&keys), &at("swapped"));
        let digests: Vec<_> = parse(&keys, 0, &answer)
            .expect("readable")
            .into_iter()
            .filter_map(|(_, fact)| match fact {
                Fact::Path(PathFact::Present(Inode {
                    kind: InodeKind::File { digest },
                    ..
                })) => Some(digest),
                _ => None,
            })
            .collect();
        let known = |text: &str| Known::Yes(crate::secret::sha256_hex(text.as_bytes()));
        let unread = Known::No("the file could not be read".to_owned());
        assert_eq!(digests, [known("one"), unread, known("two")]);

        std::fs::remove_file(at("swapped")).expect("remove");
        std::fs::write(at("swapped"), "swapped").expect("write");
        let path = at("swapped");
        let answer = ask_while_swapped(&content_probe(&[&path]), &path);
        let error = parse_content(&[FactKey::Content(path)], 0, &answer).expect_err("not read");
        assert!(error.to_string().contains("changed while it was read"), "{error}");
    }

    #[test]
    fn an_owner_without_a_name_is_a_number() {
        let line = "81a4 UNKNOWN:1234 root:0 42 7 2 8 s4096 /x";
        let (_, inode, place) = parse_stat(line, &BTreeMap::new(), &BTreeMap::new()).expect("readable");
        assert_eq!(
            (place.device, place.inode, place.links, place.allocated),
            (42, 7, 2, 4096)
        );
        assert_eq!((inode.owner.as_str(), inode.group.as_str()), ("1234", "root"));
    }

    #[test]
    fn several_contents_come_byte_for_byte_in_one_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let files: [(&str, &[u8]); 4] = [
            ("a b", b"contents\nfile\n"),
            ("empty", b""),
            ("binary", b"\0\xff\n\n"),
            ("no line break", b"x"),
        ];
        for (name, content) in files {
            std::fs::write(at(name), content).expect("write");
        }
        let mut paths: Vec<String> = files.iter().map(|(name, _)| at(name)).collect();
        paths.insert(2, at("missing"));
        paths.push("/proc/sys/kernel/ostype".to_owned());
        let keys: Vec<FactKey> = paths.iter().map(|path| FactKey::Content(path.clone())).collect();
        let names: Vec<&str> = paths.iter().map(String::as_str).collect();
        let answer = ask(&content_probe(&names));
        let facts = parse_content(&keys, 0, &answer).expect("readable");
        let found: Vec<Option<&[u8]>> = facts
            .iter()
            .map(|(_, fact)| match fact {
                Fact::Content(ContentFact::Bytes(bytes)) => Some(bytes.as_slice()),
                _ => None,
            })
            .collect();
        let expected: [Option<&[u8]>; 6] = [
            Some(files[0].1),
            Some(files[1].1),
            None,
            Some(files[2].1),
            Some(files[3].1),
            Some(b"Linux\n"),
        ];
        assert_eq!(found, expected);
        assert!(parse_content(&keys, 0, &answer[..answer.len() - 1]).is_err());
        assert!(parse_content(&keys, 0, &[&answer[..], b"more"].concat()).is_err());
    }
}
