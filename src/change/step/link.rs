//! The step that creates or replaces a symbolic link.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::resolved_path::{End, enter_stage, refuse_append_only, temporary_name};
use super::state::{Ownership, link_is, set_owner};
use crate::facts::path::parent;
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

    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        let target = quote(&self.target);
        let set_owner = |path: &str| set_owner(path, &self.owner.owner, &self.owner.group);
        if let Some(resolved) = options.open_path() {
            return Script::of(format!(
                "{}ln -s -- {target} ./new && {} && mv -f -T -- ./new \"../$n\"",
                enter_stage(resolved, options.random),
                set_owner("./new"),
            ));
        }
        let is_there = options
            .resolved
            .is_some_and(|resolved| matches!(resolved.end, End::Present { .. }));
        let look = if is_there {
            String::new()
        } else {
            refuse_append_only(parent(&self.path))
        };
        let temporary = quote(&temporary_name(parent(&self.path), options.random));
        Script::of(format!(
            "{look}ln -s -- {target} {temporary} && {set_owner} && mv -f -T -- {temporary} {path} || {{ rm -f -- {temporary}; exit 1; }}",
            set_owner = set_owner(&temporary),
            path = quote(&self.path),
        ))
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
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
            copies: None,
        }]
    }
}
