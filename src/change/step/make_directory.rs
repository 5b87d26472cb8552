//! The step that creates a directory.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::resolved_path::enter_stage;
use super::state::{Attributes, directory_is, set_attributes};
use crate::quote::quote;

/// Creates a directory; its parent must exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeDirectory {
    pub path: String,
    pub attributes: Attributes,
}

impl StepKind for MakeDirectory {
    fn attempt(&self) -> String {
        format!("create directory `{}`", self.path)
    }

    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        if let Some(resolved) = options.open_path() {
            return Script::of(format!(
                "{}mkdir -- ./new && {} || exit\n\
                 [ ! -e \"../$n\" ] || {{ printf '%s\\n' \"$d/$n exists now\"; exit 1; }}\n\
                 mv -T -- ./new \"../$n\"",
                enter_stage(resolved, options.random),
                set_attributes("./new", &self.attributes),
            ));
        }
        let path = quote(&self.path);
        Script::of(format!(
            "[ -d {path} ] || mkdir -- {path} || exit\n{}",
            set_attributes(&path, &self.attributes)
        ))
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn already(&self) -> Option<String> {
        Some(directory_is(&self.path, &self.attributes))
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Place {
            path: &self.path,
            owner: &self.attributes.owner,
            group: &self.attributes.group,
            size: 0,
        }]
    }
}
