//! The interface of every kind of step.

use super::resolved_path::ResolvedPath;
use super::state::Attributes;
use crate::content::Content;
use crate::facts::overlay::FactScope;
use crate::facts::{FactKey, Identity};

/// The interface of every kind of step.
pub(super) trait StepKind {
    /// A phrase for errors: "write `/etc/motd`".
    fn attempt(&self) -> String;

    /// The shell text of the step.
    fn script(&self, options: &ScriptOptions<'_>) -> Script;

    /// Shell text that exits 0 if the step is already done; `None` if the host cannot know.
    fn already(&self) -> Option<String> {
        None
    }

    /// Shell text that exits 0 if the host now is as the step leaves it; `None` if only facts can show that.
    fn proof(&self) -> Option<String> {
        self.already()
    }

    /// The path that it changes, if it is about one.
    fn path(&self) -> Option<&str> {
        None
    }

    /// What it does to the host, as far as the step itself knows.
    fn claims(&self) -> Vec<Claim<'_>>;
}

/// Options for the shell text of a step.
#[derive(Clone, Copy, Debug)]
pub struct ScriptOptions<'a> {
    /// Whether output is forwarded as it arrives.
    pub live: bool,
    /// A random number for unique names.
    pub random: u64,
    /// What was reviewed of the way to the step's path.
    pub resolved: Option<&'a ResolvedPath>,
}

impl<'a> ScriptOptions<'a> {
    /// The way to the step's path, if other users may change what is on it.
    pub(super) fn open_path(&self) -> Option<&'a ResolvedPath> {
        self.resolved.filter(|resolved| resolved.is_open)
    }
}

/// The shell text of a step. It runs in a subshell of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// It reads `content` from its standard input, if there is any.
    pub body: String,
    /// Watches what the body did, and fails if that did not last. What the body printed is its standard input. Neighboring steps
    /// may be watched at the same time, after all of them have run: `$watched` is not empty if one of them was watched before with success.
    pub settle: Option<String>,
    pub content: Option<Content>,
    /// A path for large content, which may be uploaded before the text runs. `$staged` then has this path.
    pub stage: Option<String>,
}

impl Script {
    pub(super) fn of(body: String) -> Self {
        Self {
            body,
            ..Self::default()
        }
    }
}

/// What a step does to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// Something is created at a path, or replaced.
    Place {
        path: &'a str,
        owner: &'a str,
        group: &'a str,
        /// In bytes; 0 if only the host knows.
        size: u64,
        /// The path of the file that is as large, if it is a copy of one.
        copies: Option<&'a str>,
    },
    /// Attributes of a path are set, which needs only its owner's rights.
    Attributes {
        path: &'a str,
        /// Owner and group, if they are set.
        owner: Option<(&'a str, &'a str)>,
    },
    Remove {
        path: &'a str,
    },
    /// A command runs. The effects of its change say what it does.
    Run {
        by: &'a Identity,
        /// Whether homelab wrote the command, so that its effects are bounded.
        is_known: bool,
    },
}

impl<'a> Claim<'a> {
    /// A file of this content is at a path. `copies` is the file of the host that the content comes from, if it is one.
    pub(super) fn file(path: &'a str, attributes: &'a Attributes, content: &Content, copies: Option<&'a str>) -> Self {
        Self::Place {
            path,
            owner: &attributes.owner,
            group: &attributes.group,
            size: content.size(),
            copies,
        }
    }
}

impl Claim<'_> {
    /// The facts that it changes; `None` if only the change's effects know them.
    pub fn alters(&self) -> Option<FactScope> {
        match self {
            Self::Place { path, .. } | Self::Attributes { path, .. } => {
                Some(FactScope::Key(FactKey::Path((*path).to_owned())))
            }
            Self::Remove { path } => Some(FactScope::Tree((*path).to_owned())),
            Self::Run { .. } => None,
        }
    }
}
