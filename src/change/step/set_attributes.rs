//! The step that sets owner, group and mode.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::resolved_path::set_attributes_of_end;
use super::state::{Attributes, attributes_are, set_attributes};
use crate::quote::quote;

/// Sets owner, group and mode of an existing file or directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAttributes {
    /// With links resolved: a link itself has no mode.
    pub path: String,
    pub attributes: Attributes,
}

impl StepKind for SetAttributes {
    fn attempt(&self) -> String {
        format!("set owner and mode of `{}`", self.path)
    }

    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        Script::of(match options.open_path() {
            Some(resolved) => set_attributes_of_end(resolved, options.random, &self.attributes),
            None => set_attributes(&quote(&self.path), &self.attributes),
        })
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn already(&self) -> Option<String> {
        Some(attributes_are(&self.path, &self.attributes))
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Attributes {
            path: &self.path,
            owner: Some((&self.attributes.owner, &self.attributes.group)),
        }]
    }
}
