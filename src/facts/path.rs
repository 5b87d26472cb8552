//! Files, directories and links, and the content of files.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use crate::quote::quote;
use crate::value::Known;

/// The directories in which a package may create files, and the file with which it asks for a restart of the host.
const OF_PACKAGES: [&str; 10] = [
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/run/reboot-required",
    "/sbin",
    "/usr",
    "/var",
];
/// What is the host's own below them: by Debian's policy, and what homelab keeps there.
const OF_HOST: [&str; 3] = ["/var/lib/homelab", "/var/local", "/var/tmp"];

/// The directories that the running system cannot do without.
const OF_SYSTEM: [&str; 13] = [
    "/", "/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var",
];

/// Whether a directory must not be moved away, unmounted or hidden by a mount while the system runs.
pub fn is_of_system(path: &str) -> bool {
    OF_SYSTEM.contains(&path)
}

/// Files above this size are compared by digest and never fetched, in bytes.
pub const CONTENT_LIMIT: u64 = 1 << 20;

/// What could prevent a change of what is at this path. It is read only before a change.
#[derive(Clone, Copy)]
pub struct MetadataKey<'a>(pub &'a str);

/// How much is in the directory at this path. It is read only before the directory is removed.
#[derive(Clone, Copy)]
pub struct EntriesKey<'a>(pub &'a str);

/// The names of what is in the directory at this path, with all that is below.
#[derive(Clone, Copy)]
pub struct ListingKey<'a>(pub &'a str);

/// What is at this path, without following a last link.
#[derive(Clone, Copy)]
pub struct PathKey<'a>(pub &'a str);

/// The content of the file at this path.
#[derive(Clone, Copy)]
pub struct ContentKey<'a>(pub &'a str);

impl<'a> Key<'a> for PathKey<'a> {
    type Fact = PathFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("path `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Path(self.0)
    }

    fn absent() -> Option<PathFact> {
        Some(PathFact::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        let is_below_any = |tops: &[&str]| tops.iter().any(|top| is_below(self.0, top));
        is_below_any(&OF_PACKAGES) && !is_below_any(&OF_HOST)
    }
}

impl<'a> Key<'a> for ContentKey<'a> {
    type Fact = ContentFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("the content of `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Path(self.0)
    }

    fn absent() -> Option<ContentFact> {
        Some(ContentFact::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        PathKey(self.0).may_come_with_packages()
    }

    /// Content that has not been read does not mean that the file is absent.
    fn presence(self) -> Option<&'a str> {
        Some(self.0)
    }
}

impl<'a> Key<'a> for EntriesKey<'a> {
    type Fact = Entries;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("what is in `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Path(self.0)
    }

    fn absent() -> Option<Entries> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

impl<'a> Key<'a> for ListingKey<'a> {
    type Fact = Listing;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("the names in `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Path(self.0)
    }

    fn absent() -> Option<Listing> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

impl<'a> Key<'a> for MetadataKey<'a> {
    type Fact = Metadata;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("the flags of `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Path(self.0)
    }

    fn absent() -> Option<Metadata> {
        Some(Metadata::default())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// What could prevent a change of what is at a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    /// The letters of lsattr(1), without those that a file system sets by itself.
    pub flags: String,
    /// Whether the flags are not known, since the host has no `lsattr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_flags: bool,
    /// Whether something is mounted there.
    pub is_mount: bool,
    /// Where the file system is mounted that it is on, if nothing on that can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<String>,
}

/// What is in a directory, with all that is below.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entries {
    /// How many files, directories and others; at most [`Entries::MOST`].
    pub count: u64,
    /// Whether something is mounted below.
    pub has_mounts: bool,
    /// SHA-256 in hex of their kinds and names, so that what comes or goes later is noticed; `None` if there are too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Entries {
    /// More than this are not counted.
    pub const MOST: u64 = 10_000;
}

/// The names of what is in a directory, with all that is below; nothing if there is no directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listing {
    /// By their paths below it, without what is mounted there.
    pub entries: BTreeMap<String, EntryKind>,
    /// Paths that cannot be in `entries`, since they are no UTF-8 or have control characters, as they can be shown.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unusable: BTreeSet<String>,
    /// Whether nothing is missing because there is too much.
    pub is_complete: bool,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            unusable: BTreeSet::new(),
            is_complete: true,
        }
    }
}

impl Listing {
    /// More than this many bytes of names are not read.
    pub const MOST: usize = 4 << 20;
}

/// The kind of an entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    File,
    Directory,
    Link,
    /// A socket, a device, a pipe.
    Other,
}

/// Shell text that prints the SHA-256 in hex of the kinds and names of all that is below a directory, without what is mounted there.
pub fn names_digest(path: &str) -> String {
    let path = quote(path);
    format!("find {path} -xdev -mindepth 1 -printf \"%y%P\\0\" 2>/dev/null | sort -z | sha256sum | cut -c 1-64")
}

/// A path as in the field of a mount point of `proc_pid_mountinfo(5)`.
pub fn mount_field(path: &str) -> String {
    let mut escaped = String::new();
    for character in path.chars() {
        match character {
            ' ' => escaped.push_str("\\040"),
            '\t' => escaped.push_str("\\011"),
            '\\' => escaped.push_str("\\134"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Which mount points are meant, by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountPoints {
    /// At the path itself.
    At,
    /// Below it.
    Below,
    /// At it, or below.
    AtOrBelow,
}

/// Shell text that runs `then` for each of these mount points of a path, with its field of `proc_pid_mountinfo(5)` in `$p`.
///
/// They are compared, never looked at: a dead server of NFS does not answer.
pub fn for_each_mount(path: &str, which: MountPoints, then: &str) -> String {
    let at = quote(&mount_field(path));
    let pattern = match which {
        MountPoints::At => at,
        MountPoints::Below => format!("{at}/*"),
        MountPoints::AtOrBelow => format!("{at}|{at}/*"),
    };
    each_mount("i", &format!("case $p in {pattern}) {then} ;; esac"))
}

/// Shell text that runs `then` for each mount point of the host, with its field in `$p`. `rest` are variables for the fields after that.
pub fn each_mount(rest: &str, then: &str) -> String {
    format!("while read -r i i i i p {rest}; do {then}; done </proc/self/mountinfo")
}

/// The path in such a field.
pub fn unescaped(field: &str) -> String {
    let with_blanks = field.replace("\\040", " ").replace("\\011", "\t");
    with_blanks.replace("\\134", "\\")
}

/// What is at a path, without following a last link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathFact {
    Absent,
    Present(Inode),
}

/// An entry of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inode {
    pub kind: InodeKind,
    /// The owner's name, or the uid if it has no name.
    pub owner: String,
    /// The group's name, or the gid if it has no name.
    pub group: String,
    /// The uid; `None` if only the name is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<u32>,
    /// The gid; `None` if only the name is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<u32>,
    /// Permission bits, set-id and sticky bits included.
    pub mode: u32,
}

/// The kind of an entry of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InodeKind {
    /// A regular file.
    File {
        /// SHA-256 of the content in lowercase hex.
        digest: Known<String>,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link {
        /// The text of the link.
        target: String,
    },
    /// A socket, a device, a pipe.
    Other,
}

impl Inode {
    /// The owner who is meant by `wanted`, a name or a uid, as the host calls it if that is the owner already.
    pub fn owner_as<'a>(&'a self, wanted: &'a str) -> &'a str {
        called(wanted, &self.owner, self.owner_id)
    }

    /// The group that is meant by `wanted`, a name or a gid, as the host calls it if that is the group already.
    pub fn group_as<'a>(&'a self, wanted: &'a str) -> &'a str {
        called(wanted, &self.group, self.group_id)
    }

    /// The kind, for messages.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            InodeKind::File { .. } => "a file",
            InodeKind::Directory => "a directory",
            InodeKind::Link { .. } => "a link",
            InodeKind::Other => "a device, socket or pipe",
        }
    }
}

/// A number and the name that it has on the host are the same account.
fn called<'a>(wanted: &'a str, name: &'a str, number: Option<u32>) -> &'a str {
    let is_number = number.is_some_and(|number| wanted.parse() == Ok(number));
    if is_number { name } else { wanted }
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentFact {
    /// There is no regular file.
    Absent,
    Bytes(#[serde(with = "crate::value::bytes")] Vec<u8>),
    /// More than [`CONTENT_LIMIT`].
    TooLarge,
}

/// The directories above an absolute path, the root first.
pub fn ancestors(path: &str) -> Vec<String> {
    let mut above: Vec<String> = path
        .char_indices()
        .filter(|(at, character)| *character == '/' && *at > 0)
        .map(|(at, _)| path[..at].to_owned())
        .collect();
    above.insert(0, "/".to_owned());
    above
}

/// The directory that holds `path`.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

/// The kernel's limit (`path_resolution(7)`).
const LINK_LIMIT: usize = 40;

/// What is at a place on the way to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A link, with its target.
    Link(String),
    /// Nothing, or it is not known: the rest of the path stays as written.
    Nothing,
    Other,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// The path without links; `None` if it follows too many links, or one whose target has a line break.
    pub end: Option<String>,
    /// What the path is after each link, the last as `end`.
    pub via: Vec<String>,
}

/// Follows `path` part by part, as the kernel does. `look` gets the path of each part, which has no links above it, and whether it
/// is the last.
///
/// Errors: those of `look`.
pub fn follow<E>(path: &str, mut look: impl FnMut(&str, bool) -> Result<Place, E>) -> Result<Led, E> {
    let mut via = Vec::new();
    let mut rest: Vec<String> = parts(path).rev().map(str::to_owned).collect();
    let mut at = String::new();
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.truncate(at.rfind('/').unwrap_or_default());
            continue;
        }
        at = format!("{at}/{part}");
        match look(&at, rest.is_empty())? {
            Place::Other => {}
            Place::Link(target) => {
                if via.len() == LINK_LIMIT || target.contains('\n') {
                    return Ok(Led { end: None, via });
                }
                at.truncate(if target.starts_with('/') { 0 } else { parent_length(&at) });
                rest.extend(parts(&target).rev().map(str::to_owned));
                via.push(as_written(&at, &rest));
            }
            Place::Nothing => {
                at = as_written(&at, &rest);
                rest.clear();
            }
        }
    }
    let end = if at.is_empty() { "/".to_owned() } else { at };
    if let Some(last) = via.last_mut() {
        last.clone_from(&end);
    }
    Ok(Led { end: Some(end), via })
}

/// All paths that are looked at on the way to `path`, those as written first. `target` is the target of a link.
pub(super) fn visited_paths(path: &str, target: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut on_it: Vec<String> = ancestors(path).into_iter().chain([path.to_owned()]).collect();
    let look = |at: &str, _| {
        if !on_it.iter().any(|known| known == at) {
            on_it.push(at.to_owned());
        }
        Ok::<_, std::convert::Infallible>(target(at).map_or(Place::Other, Place::Link))
    };
    let _ = follow(path, look);
    on_it
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn parent_length(path: &str) -> usize {
    path.rfind('/').unwrap_or_default()
}

/// `at` and the parts after it, the next one last, without a look at what is there.
fn as_written(at: &str, rest: &[String]) -> String {
    let mut whole: Vec<&str> = Vec::new();
    for part in parts(at).chain(rest.iter().rev().map(String::as_str)) {
        if part == ".." {
            whole.pop();
        } else {
            whole.push(part);
        }
    }
    format!("/{}", whole.join("/"))
}

/// Whether a path is `top`, or below it.
pub fn is_below(path: &str, top: &str) -> bool {
    let top = top.trim_end_matches('/');
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_above_a_path() {
        assert_eq!(ancestors("/etc/apt/x"), ["/", "/etc", "/etc/apt"]);
        assert_eq!(parent("/etc"), "/");
        assert_eq!(parent("/etc/apt/x"), "/etc/apt");
    }

    fn led(path: &str, links: &[(&str, &str)]) -> Led {
        let look = |at: &str, _| {
            let link = links.iter().find(|(link, _)| *link == at);
            Ok::<_, ()>(link.map_or(Place::Other, |(_, target)| Place::Link((*target).to_owned())))
        };
        follow(path, look).expect("no errors")
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let end = |path: &str, links: &[(&str, &str)]| led(path, links).end;
        let lib = &[("/lib", "usr/lib")][..];
        assert_eq!(end("/lib/systemd/x", lib).as_deref(), Some("/usr/lib/systemd/x"));
        assert_eq!(led("/lib/x", lib).via, ["/usr/lib/x"]);
        assert_eq!(end("/a/b/c", &[("/a/b", "../z")]).as_deref(), Some("/z/c"));
        assert_eq!(end("/a/b", &[("/a/b", "/x//y/")]).as_deref(), Some("/x/y"));
        // A link before `..`: its own target's parent counts.
        let twice = &[("/a/l", "d/../f"), ("/a/d", "/b/c")][..];
        assert_eq!(end("/a/l", twice).as_deref(), Some("/b/f"));
        assert_eq!(
            visited_paths("/a/l", |at| twice
                .iter()
                .find(|(link, _)| *link == at)
                .map(|(_, to)| (*to).to_owned())),
            ["/", "/a", "/a/l", "/a/d", "/b", "/b/c", "/b/f"]
        );
        assert_eq!(end("/a", &[("/a", "/a")]), None);
        assert_eq!(end("/a", &[("/a", "x\ny")]), None);
        assert_eq!(end("/", &[]).as_deref(), Some("/"));
        let absent = follow("/a/b/../c", |at, _| {
            Ok::<_, ()>(if at == "/a" { Place::Nothing } else { Place::Other })
        });
        assert_eq!(absent.expect("no errors").end.as_deref(), Some("/a/c"));
    }
}
