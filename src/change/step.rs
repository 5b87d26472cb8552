//! Steps: the closed set of what homelab can do to a host.
//!
//! Each kind of step is a file here, with its shell text, its test for work that is already done, its words for errors and
//! its claims about the host. `apply::perform` sends them.

mod command;
mod expect;
mod fetch;
mod joint;
mod kind;
mod link;
mod make_directory;
mod move_path;
mod previous;
mod reboot;
mod remove;
mod remove_directory;
mod resolved_path;
mod set_attributes;
mod staged;
mod state;
mod unit_validator;
mod validator;
mod write_file;
mod write_record;
mod write_together;

use serde::{Deserialize, Serialize};

use crate::content::Content;
use kind::StepKind;

pub use command::{Command, DEFAULT_TIMEOUT, NOT_BEGUN, NOT_NOTED, NOT_REVIEWED, PUT_BACK, PUT_BACK_PARTLY};
pub use expect::{Expect, guard};
pub use fetch::Fetch;
pub use joint::{Joint, reviewed_file};
pub use kind::{Claim, Script, ScriptOptions};
pub use link::Link;
pub use make_directory::MakeDirectory;
pub use move_path::MovePath;
pub use previous::{Kept, Previous};
pub use reboot::Reboot;
pub use remove::Remove;
pub use remove_directory::RemoveDirectory;
pub use resolved_path::{Above, End, FileNumber, ResolvedPath};
pub use set_attributes::SetAttributes;
pub use staged::{StagedPart, ValidatorAnswer, Verdict, staged, staged_limit, verdicts};
pub use state::{Attributes, Ownership};
pub use unit_validator::UnitValidator;
pub use validator::ValidatorName;
pub use write_file::WriteFile;
pub use write_record::WriteRecord;
pub use write_together::{OneOfMany, groups, write_together};

/// One thing that is done to a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    WriteFile(WriteFile),
    MakeDirectory(MakeDirectory),
    SetAttributes(SetAttributes),
    Link(Link),
    Remove(Remove),
    MovePath(MovePath),
    RemoveDirectory(RemoveDirectory),
    Run(Command),
    Reboot(Reboot),
    WriteRecord(WriteRecord),
}

/// The parameters that the text of a file comes from.
const TEXT_PARAMETERS: [&str; 5] = ["content", "src", "line", "command", "on_calendar"];

impl Step {
    fn kind(&self) -> &dyn StepKind {
        match self {
            Self::WriteFile(step) => step,
            Self::MakeDirectory(step) => step,
            Self::SetAttributes(step) => step,
            Self::Link(step) => step,
            Self::Remove(step) => step,
            Self::MovePath(step) => step,
            Self::RemoveDirectory(step) => step,
            Self::Run(step) => step,
            Self::Reboot(step) => step,
            Self::WriteRecord(step) => step,
        }
    }

    /// A phrase for errors: "write `/etc/motd`".
    pub fn attempt(&self) -> String {
        self.kind().attempt()
    }

    /// The shell text of the step.
    pub fn script(&self, options: &ScriptOptions<'_>) -> Script {
        self.kind().script(options)
    }

    /// Shell text that exits 0 if the step is already done; `None` if the host cannot know.
    pub fn already(&self) -> Option<String> {
        self.kind().already()
    }

    /// Shell text that exits 0 if the host now is as the step leaves it; `None` if only facts can show that.
    pub fn proof(&self) -> Option<String> {
        self.kind().proof()
    }

    /// The path that it changes, if it is about one.
    pub fn path(&self) -> Option<&str> {
        self.kind().path()
    }

    /// What it does to the host.
    pub fn claims(&self) -> Vec<Claim<'_>> {
        self.kind().claims()
    }

    /// The command, if the step runs one.
    pub fn command(&self) -> Option<&Command> {
        match self {
            Self::Run(command) => Some(command),
            _ => None,
        }
    }

    /// The parameters of operations that may ask for it, the most likely one first.
    pub fn asked_by(&self) -> Vec<&str> {
        match self {
            Self::WriteFile(_) => TEXT_PARAMETERS.to_vec(),
            Self::Run(command) => command.asked_by.as_deref().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The parameter that is to blame if it ends with this exit code, where one certainly is.
    pub fn blames(&self, status: i32) -> Option<&'static str> {
        match self {
            Self::WriteFile(file) if status == fetch::OTHER_DIGEST => {
                matches!(file.fetch, Some(Fetch::Download { .. })).then_some("sha256")
            }
            _ => None,
        }
    }

    /// The command that must accept a new file, if there is one.
    pub fn validator(&self) -> Option<&[String]> {
        match self {
            Self::WriteFile(file) => file.validate.as_deref(),
            _ => None,
        }
    }

    /// What people call the command that must accept a new file, and whether they wrote it.
    pub fn validator_name(&self) -> Option<ValidatorName> {
        match self {
            Self::WriteFile(file) => file.validator().map(|validator| ValidatorName::of(&validator)),
            _ => None,
        }
    }

    /// The bytes that it sends, which are stored separately from a plan. Secret ones are never stored.
    pub fn stored_content(&mut self) -> Option<&mut Content> {
        match self {
            Self::WriteFile(file) => file.stored_content(),
            Self::Run(command) => command.stored_input(),
            Self::WriteRecord(record) => Some(&mut record.content),
            _ => None,
        }
    }
}
