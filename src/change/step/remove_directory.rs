//! The step that removes a directory.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::remove::is_gone;
use super::resolved_path::enter;
use crate::facts::path::{MountPoints, for_each_mount};
use crate::quote::quote;

/// Removes a directory that is empty, or with what is in it. What is mounted in it stays, and so does the directory then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveDirectory {
    pub path: String,
    /// Whether it is removed with all that is in it.
    pub recursive: bool,
}

impl StepKind for RemoveDirectory {
    fn attempt(&self) -> String {
        format!("remove directory `{}`", self.path)
    }

    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        let (entered, path) = match options.open_path() {
            Some(resolved) => (enter(resolved), "\"./$n\"".to_owned()),
            None => (String::new(), quote(&self.path)),
        };
        if !self.recursive {
            return Script::of(format!("{entered}rmdir -- {path}"));
        }
        let then = "printf '%s\\n' \"something is mounted at $p\"; exit 1";
        let refused = for_each_mount(&self.path, MountPoints::AtOrBelow, then);
        Script::of(format!(
            "{refused}\n\
             {entered}rm -rf --one-file-system -- {path}"
        ))
    }

    fn proof(&self) -> Option<String> {
        Some(is_gone(&self.path))
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Remove { path: &self.path }]
    }
}
