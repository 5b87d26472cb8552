//! The step that removes a path.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::resolved_path::enter;
use crate::quote::quote;

/// Removes whatever is at a path, directories with their content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    pub path: String,
}

impl StepKind for Remove {
    fn attempt(&self) -> String {
        format!("remove `{}`", self.path)
    }

    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        if let Some(resolved) = options.open_path() {
            return Script::of(format!("{}rm -rf -- \"./$n\"", enter(resolved)));
        }
        Script::of(format!("rm -rf -- {}", quote(&self.path)))
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

/// Shell text that exits 0 if nothing is at `path`, not even a link that leads nowhere.
pub(super) fn is_gone(path: &str) -> String {
    let path = quote(path);
    format!("[ ! -e {path} ] && [ ! -L {path} ]")
}
