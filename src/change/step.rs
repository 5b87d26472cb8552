//! Steps: the closed set of what can be done to a host, and what each counts on.

use std::sync::Arc;
use std::time::Duration;

use crate::facts::{Identity, Installation};

/// Owner, group and mode of something at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Owner's name.
    pub owner: String,
    /// Group's name.
    pub group: String,
    /// Permission bits.
    pub mode: u32,
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Owner's name.
    pub owner: String,
    /// Group's name.
    pub group: String,
}

/// One thing that is done to a host. Closed: `apply::perform` carries each out, and nothing else alters a host.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A file gets its content, owner and mode at once, or stays as it was.
    WriteFile {
        /// Absolute path, links resolved.
        path: String,
        /// The bytes.
        content: Arc<[u8]>,
        /// Owner, group and mode.
        attributes: Attributes,
        /// A command of the host that must accept the new file before it replaces the old one; `{path}` is the file.
        validate: Option<Vec<String>>,
    },
    /// A directory is made; its parent must be there.
    MakeDirectory {
        /// Absolute path.
        path: String,
        /// Owner, group and mode.
        attributes: Attributes,
    },
    /// Owner, group and mode are set on what is there.
    SetAttributes {
        /// Absolute path, links resolved.
        path: String,
        /// Owner, group and mode.
        attributes: Attributes,
    },
    /// A symbolic link is made, or made to point elsewhere.
    Link {
        /// Absolute path of the link.
        path: String,
        /// The text of the link.
        target: String,
        /// Whose it is.
        owner: Ownership,
    },
    /// What is at a path goes; a directory only with all below it.
    Remove {
        /// Absolute path.
        path: String,
    },
    /// A command runs.
    Run(Command),
}

/// A command to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The command as people read it.
    pub summary: String,
    /// Shell text.
    pub script: String,
    /// After this long the command is ended.
    pub timeout: Duration,
    /// Whether it outlives the connection, as a job of the host.
    pub supervised: bool,
    /// As whom it runs.
    pub by: Identity,
}

/// What must still be so on the host right before a change's first step.
#[derive(Clone, Debug, PartialEq)]
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
