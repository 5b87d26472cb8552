//! Files, directories and links, and the content of files.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use crate::value::Known;

/// The directories in which a package may create files.
const OF_PACKAGES: [&str; 3] = ["/etc", "/usr", "/var/lib"];

/// Files above this size are compared by digest and never fetched, in bytes.
pub const CONTENT_LIMIT: u64 = 1 << 20;

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
        OF_PACKAGES.iter().any(|top| is_below(self.0, top))
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

/// Whether a path is `top`, or below it.
pub(super) fn is_below(path: &str, top: &str) -> bool {
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
}
