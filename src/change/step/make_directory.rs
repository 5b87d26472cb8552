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
    /// Whether a directory that is there by then stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps: bool,
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
        let set = set_attributes(&path, &self.attributes);
        Script::of(if self.keeps {
            format!("[ ! -d {path} ] || exit 0\nmkdir -- {path} || exit\n{set}")
        } else {
            format!("[ -d {path} ] || mkdir -- {path} || exit\n{set}")
        })
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn already(&self) -> Option<String> {
        Some(if self.keeps {
            format!("[ -d {} ]", quote(&self.path))
        } else {
            directory_is(&self.path, &self.attributes)
        })
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Place {
            path: &self.path,
            owner: &self.attributes.owner,
            group: &self.attributes.group,
            size: 0,
            copies: None,
        }]
    }
}
