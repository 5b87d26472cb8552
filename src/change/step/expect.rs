//! What a change counts on.

use serde::{Deserialize, Serialize};

use super::state::{Attributes, directory_is, file_is, link_is};
use crate::facts::Installation;
use crate::facts::apt::{line_filter, simulation_command};
use crate::quote::quote;

/// What must still be so on the host right before a change's first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Nothing is at the path.
    Absent {
        /// Absolute path.
        path: String,
    },
    /// A file with this content, owner and mode is at the path.
    File {
        /// Absolute path.
        path: String,
        /// SHA-256 of the content in hex; `None` where only the attributes count.
        digest: Option<String>,
        /// Owner, group and mode.
        attributes: Attributes,
    },
    /// A symbolic link that points there is at the path.
    Link {
        /// Absolute path of the link.
        path: String,
        /// The text of the link.
        target: String,
    },
    /// Nothing is at the path, or a symbolic link that points anywhere.
    AbsentOrLink {
        /// Absolute path.
        path: String,
    },
    /// A directory with these attributes is at the path.
    Directory {
        /// Absolute path.
        path: String,
        /// Owner, group and mode.
        attributes: Attributes,
    },
    /// apt would do nothing that was not reviewed.
    Installation {
        /// The wish.
        wish: Installation,
        /// What was reviewed, as [`crate::facts::apt::Simulation::lines`].
        reviewed: Vec<String>,
    },
}

/// Shell text that exits with another status than 0 where something is not as a change expects it; `None` where it expects nothing.
pub fn guard(expect: &[Expect]) -> Option<String> {
    let checks: Vec<String> = expect
        .iter()
        .map(|expect| {
            let (check, says) = match expect {
                Expect::Absent { path } => (
                    format!("[ ! -e {path} ] && [ ! -L {path} ]", path = quote(path)),
                    format!("{path} is there now"),
                ),
                Expect::File {
                    path,
                    digest,
                    attributes,
                } => (
                    file_is(path, digest.as_deref(), attributes),
                    format!("{path} is not what it was"),
                ),
                Expect::Directory { path, attributes } => {
                    (directory_is(path, attributes), format!("{path} is not what it was"))
                }
                Expect::Link { path, target } => (link_is(path, target), format!("{path} is not what it was")),
                Expect::AbsentOrLink { path } => (
                    format!("[ -L {path} ] || [ ! -e {path} ]", path = quote(path)),
                    format!("{path} is there now, and is no link"),
                ),
                Expect::Installation { wish, reviewed } => (
                    format!(
                        "! {} 2>/dev/null </dev/null | sed -n {} | grep -v -x -F -e {}",
                        simulation_command(wish),
                        quote(line_filter()),
                        quote(&reviewed.join("\n"))
                    ),
                    "apt would do this now, which was not reviewed".to_owned(),
                ),
            };
            format!("{{ {check}; }} || {{ printf '%s\\n' {}; exit 1; }}", quote(&says))
        })
        .collect();
    (!checks.is_empty()).then(|| checks.join("\n"))
}
