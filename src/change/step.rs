//! Steps: the closed set of what can be done to a host. A kind of step is a file here: its shell text, how it is told that it is
//! done already, its words for errors, and what it claims of the host stand together. `apply::perform` is what sends them.

mod command;
mod expect;
mod kind;
mod link;
mod make_directory;
mod remove;
mod set_attributes;
mod state;
mod write_file;

use serde::{Deserialize, Serialize};

use crate::content::Content;
use kind::StepKind;

pub use command::{Command, DEFAULT_TIMEOUT};
pub use expect::{Expect, guard};
pub use kind::{Claim, Script, ScriptOptions};
pub use link::Link;
pub use make_directory::MakeDirectory;
pub use remove::Remove;
pub use set_attributes::SetAttributes;
pub use state::{Attributes, Ownership};
pub use write_file::WriteFile;

/// One thing that is done to a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A file gets its content, owner and mode at once, or stays as it was.
    WriteFile(WriteFile),
    /// A directory is made.
    MakeDirectory(MakeDirectory),
    /// Owner, group and mode are set on what is there.
    SetAttributes(SetAttributes),
    /// A symbolic link is made, or made to point elsewhere.
    Link(Link),
    /// What is at a path is removed.
    Remove(Remove),
    /// A command runs.
    Run(Command),
}

impl Step {
    fn kind(&self) -> &dyn StepKind {
        match self {
            Self::WriteFile(step) => step,
            Self::MakeDirectory(step) => step,
            Self::SetAttributes(step) => step,
            Self::Link(step) => step,
            Self::Remove(step) => step,
            Self::Run(step) => step,
        }
    }

    /// What it attempts, for errors: "write `/etc/motd`".
    pub fn attempt(&self) -> String {
        self.kind().attempt()
    }

    /// The shell text that does it.
    pub fn script(&self, options: &ScriptOptions) -> Script {
        self.kind().script(options)
    }

    /// Shell text that exits 0 where nothing is left to do; `None` where the host cannot tell.
    pub fn already(&self) -> Option<String> {
        self.kind().already()
    }

    /// What it does to the host.
    pub fn claims(&self) -> Vec<Claim<'_>> {
        self.kind().claims()
    }

    /// The command, where the step is one.
    pub fn command(&self) -> Option<&Command> {
        match self {
            Self::Run(command) => Some(command),
            _ => None,
        }
    }

    /// The command of the host that must accept a new file, where one is asked.
    pub fn validator(&self) -> Option<&[String]> {
        match self {
            Self::WriteFile(file) => file.validate.as_deref(),
            _ => None,
        }
    }

    /// The bytes that it sends, to be stored beside a plan. Secret ones are never stored.
    pub fn stored_content(&mut self) -> Option<&mut Content> {
        match self {
            Self::WriteFile(file) => Some(&mut file.content),
            Self::Run(command) => command.stored_input(),
            _ => None,
        }
    }
}
