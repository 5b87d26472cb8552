//! The step that removes a path.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::road::enter;
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
        if let Some(road) = options.open_road() {
            return Script::of(format!("{}rm -rf -- \"./$n\"", enter(road)));
        }
        Script::of(format!("rm -rf -- {}", quote(&self.path)))
    }

    fn proof(&self) -> Option<String> {
        let path = quote(&self.path);
        Some(format!("[ ! -e {path} ] && [ ! -L {path} ]"))
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Remove { path: &self.path }]
    }
}
