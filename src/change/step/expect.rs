//! Conditions for a change, checked on the host.

use serde::{Deserialize, Serialize};

use super::resolved_path::ResolvedPath;
use super::state::{Attributes, content_is, directory_is, file_is, link_is};
use crate::facts::archive::{Archive, is_as_previewed};
use crate::facts::path::{MountPoints, for_each_mount, names_digest};
use crate::quote::quote;

/// A condition that must still be true on the host right before a change's first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// The directories above a path are those that were reviewed.
    ResolvedPath(Box<ResolvedPath>),
    /// Nothing is at the path.
    Absent { path: String },
    /// A file with this content and these attributes is at the path.
    File {
        path: String,
        /// SHA-256 of the content in hex; `None` compares only the attributes.
        digest: Option<String>,
        attributes: Attributes,
    },
    /// A symbolic link with this target is at the path.
    Link { path: String, target: String },
    /// Nothing or any symbolic link is at the path.
    AbsentOrLink { path: String },
    /// A directory with these attributes is at the path.
    Directory { path: String, attributes: Attributes },
    /// What is in a directory has these names, see [`crate::facts::path::Entries::digest`].
    Names { path: String, digest: String },
    /// The file at the path has this content.
    Content { path: String, digest: String },
    /// Extracting an archive would still do what was reviewed: what the host says of it has this digest.
    Archive { archive: Box<Archive>, digest: String },
    /// So many file systems are mounted on the path, one upon the other.
    Mount { path: String, count: usize },
}

/// Shell text that prints the first condition that is not true and fails; `None` without conditions.
pub fn guard(expect: &[Expect]) -> Option<String> {
    let checks: Vec<String> = expect
        .iter()
        .map(|expect| {
            let (check, message) = match expect {
                Expect::ResolvedPath(resolved) => (
                    resolved.is_as_reviewed(),
                    format!("a directory above {} has changed", resolved.path),
                ),
                Expect::Absent { path } => (
                    format!("[ ! -e {path} ] && [ ! -L {path} ]", path = quote(path)),
                    format!("{path} exists now"),
                ),
                Expect::File {
                    path,
                    digest,
                    attributes,
                } => (
                    file_is(path, digest.as_deref(), attributes),
                    format!("{path} has changed"),
                ),
                Expect::Directory { path, attributes } => {
                    (directory_is(path, attributes), format!("{path} has changed"))
                }
                Expect::Names { path, digest } => (
                    format!("[ \"$({})\" = {digest} ]", names_digest(path)),
                    format!("what is in {path} has changed"),
                ),
                Expect::Link { path, target } => (link_is(path, target), format!("{path} has changed")),
                Expect::AbsentOrLink { path } => (
                    format!("[ -L {path} ] || [ ! -e {path} ]", path = quote(path)),
                    format!("{path} exists now and is not a link"),
                ),
                Expect::Content { path, digest } => (content_is(path, digest), format!("{path} has changed")),
                Expect::Archive { archive, digest } => (
                    is_as_previewed(archive, digest),
                    format!("what is in {} has changed", archive.dest),
                ),
                Expect::Mount { path, count } => (
                    format!(
                        "n=0; {}; [ $n = {count} ]",
                        for_each_mount(path, MountPoints::At, "n=$((n + 1))"),
                    ),
                    match count {
                        0 => format!("something is mounted on {path} now"),
                        _ => format!("what is mounted on {path} changed"),
                    },
                ),
            };
            format!("{{ {check}; }} || {{ printf '%s\\n' {}; exit 1; }}", quote(&message))
        })
        .collect();
    (!checks.is_empty()).then(|| checks.join("\n"))
}
