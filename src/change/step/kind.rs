//! What every kind of step states of itself.

use crate::content::Content;
use crate::facts::overlay::FactScope;
use crate::facts::{FactKey, Identity};

/// What every kind of step states of itself.
pub(super) trait StepKind {
    /// What it attempts, for errors: "write `/etc/motd`".
    fn attempt(&self) -> String;

    /// The shell text that does it.
    fn script(&self, options: &ScriptOptions) -> Script;

    /// Shell text that exits 0 where nothing is left to do; `None` where the host cannot tell.
    fn already(&self) -> Option<String> {
        None
    }

    /// What it does to the host, as far as it can be told from outside.
    fn claims(&self) -> Vec<Claim<'_>>;
}

/// How the shell text of a step is wanted.
#[derive(Clone, Copy, Debug)]
pub struct ScriptOptions {
    /// Whether output is wanted as it comes.
    pub live: bool,
    /// A random number, for names that nobody else uses.
    pub random: u64,
}

/// The shell text of a step. It runs in a subshell of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The text. It reads `content` on its standard input, or nothing.
    pub body: String,
    /// What the text needs beside it.
    pub content: Option<Content>,
    /// A path where a large content may be put before the text runs, which then finds this path in `$staged`.
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
    /// Something is put at a path, over what may be there.
    Place {
        /// Absolute path.
        path: &'a str,
        /// Whose it will be.
        owner: &'a str,
        /// The group that it will have.
        group: &'a str,
        /// How many bytes it holds.
        size: u64,
    },
    /// Attributes of what is at a path are set, which its owner may do.
    Attributes {
        /// Absolute path.
        path: &'a str,
        /// Owner and group that it gets, where they are set.
        owner: Option<(&'a str, &'a str)>,
    },
    /// What is at a path is removed.
    Remove {
        /// Absolute path.
        path: &'a str,
    },
    /// A command runs: what it does, the effects of its change say.
    Run {
        /// As whom.
        by: &'a Identity,
        /// Whether what it may do is bounded: the host's own tools, not a command of the user.
        is_known: bool,
    },
}

impl Claim<'_> {
    /// The facts that it makes other than they were; `None` where only the change's effects tell.
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
