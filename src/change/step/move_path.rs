//! The step that moves a path.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::remove::is_gone;
use crate::quote::quote;

/// Moves what is at a path to another one, where nothing is. It is not used where other users could change either of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovePath {
    pub from: String,
    pub path: String,
    pub owner: String,
    pub group: String,
}

impl StepKind for MovePath {
    fn attempt(&self) -> String {
        format!("move `{}` to `{}`", self.from, self.path)
    }

    /// With `-n`, what came there meanwhile stays; then the proof fails.
    fn script(&self, _options: &ScriptOptions<'_>) -> Script {
        Script::of(format!("mv -n -T -- {} {}", quote(&self.from), quote(&self.path)))
    }

    fn proof(&self) -> Option<String> {
        let path = quote(&self.path);
        Some(format!(
            "{} && {{ [ -e {path} ] || [ -L {path} ]; }}",
            is_gone(&self.from)
        ))
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![
            Claim::Place {
                path: &self.path,
                owner: &self.owner,
                group: &self.group,
                size: 0,
            },
            Claim::Remove { path: &self.from },
        ]
    }
}
