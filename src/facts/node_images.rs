//! The images that the containerd of k3s has on a node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use crate::value::Known;

/// The program of k3s, by its path.
pub const PROGRAM: &str = "/usr/local/bin/k3s";
/// The units of k3s: of a server and of an agent.
pub const UNITS: [&str; 2] = ["k3s.service", "k3s-agent.service"];

/// The images of this node.
#[derive(Clone, Copy)]
pub struct NodeImagesKey;

/// What the node has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeImages {
    /// There is no k3s.
    NoProgram,
    /// Its containerd does not answer, for this reason.
    Silent(String),
    /// All images by their names, as Docker prints them: `caddy:2.10`.
    Answers(BTreeMap<String, NodeImage>),
}

/// An image of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeImage {
    /// The digest of its configuration, `sha256:…`.
    pub id: Known<String>,
    /// Its name as containerd has it: `docker.io/library/caddy:2.10`.
    pub full_name: String,
}

impl Key<'_> for NodeImagesKey {
    type Fact = NodeImages;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the images of this node".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<NodeImages> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    /// A restart leaves images alone; where there were none to ask for, k3s may come or start.
    fn is_outdated_by(self, known: &NodeImages, changed: Subject<'_>) -> bool {
        !matches!(known, NodeImages::Answers(_))
            && match changed {
                Subject::Unit(unit) => UNITS.contains(&unit),
                Subject::Path(path) => path == PROGRAM,
                Subject::Packages | Subject::Accounts | Subject::Other => false,
            }
    }
}
