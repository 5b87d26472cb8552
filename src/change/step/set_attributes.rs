//! Owner, group and mode are set on what is there.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::state::{Attributes, attributes_are, set_attributes};
use crate::quote::quote;

/// Owner, group and mode are set on what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAttributes {
    /// Absolute path, links resolved.
    pub path: String,
    /// Owner, group and mode.
    pub attributes: Attributes,
}

impl StepKind for SetAttributes {
    fn attempt(&self) -> String {
        format!("set owner and mode of `{}`", self.path)
    }

    fn script(&self, _: &ScriptOptions) -> Script {
        Script::of(set_attributes(&quote(&self.path), &self.attributes))
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
