//! The step that creates or replaces a symbolic link.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::state::{Ownership, link_is, temporary_name};
use crate::quote::quote;

/// Creates a symbolic link, or replaces one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub path: String,
    pub target: String,
    pub owner: Ownership,
}

impl StepKind for Link {
    fn attempt(&self) -> String {
        format!("create link `{}`", self.path)
    }

    fn script(&self, options: &ScriptOptions) -> Script {
        let temporary = quote(&temporary_name(&self.path, options.random));
        let owner = quote(&format!("{}:{}", self.owner.owner, self.owner.group));
        Script::of(format!(
            "ln -s -- {target} {temporary} && chown -h -- {owner} {temporary} && mv -f -T -- {temporary} {path} || {{ rm -f -- {temporary}; exit 1; }}",
            target = quote(&self.target),
            path = quote(&self.path),
        ))
    }

    fn already(&self) -> Option<String> {
        Some(link_is(&self.path, &self.target))
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Place {
            path: &self.path,
            owner: &self.owner.owner,
            group: &self.owner.group,
            size: 0,
        }]
    }
}
