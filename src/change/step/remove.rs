//! What is at a path is removed.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use crate::quote::quote;

/// What is at a path is removed; a directory with all below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// Absolute path.
    pub path: String,
}

impl StepKind for Remove {
    fn attempt(&self) -> String {
        format!("remove `{}`", self.path)
    }

    fn script(&self, _: &ScriptOptions) -> Script {
        Script::of(format!("rm -rf -- {}", quote(&self.path)))
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Remove { path: &self.path }]
    }
}
