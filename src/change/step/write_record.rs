//! The step that writes a record of homelab's own.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::state::{Attributes, file_is, set_attributes};
use crate::content::Content;
use crate::quote::quote;

/// Writes a file below homelab's own folder, which it creates if it is missing. No review shows it: it is about what the review shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteRecord {
    pub path: String,
    pub content: Content,
    pub attributes: Attributes,
}

impl StepKind for WriteRecord {
    fn attempt(&self) -> String {
        format!("write homelab's record `{}`", self.path)
    }

    /// Only this user can change its folder, which is created with that mode.
    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        Script {
            content: Some(self.content.clone()),
            ..Script::of(format!(
                "p={path} t={path}.{random:016x}\n\
                 mkdir -p -- \"${{p%/*}}\" || exit\n\
                 trap 'rm -f -- \"$t\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
                 set -C; cat >\"$t\" || exit; set +C\n\
                 {set} && sync -- \"$t\" && mv -f -T -- \"$t\" \"$p\"",
                path = quote(&self.path),
                random = options.random,
                set = set_attributes("\"$t\"", &self.attributes),
            ))
        }
    }

    fn already(&self) -> Option<String> {
        Some(file_is(&self.path, Some(self.content.sha256()), &self.attributes))
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::file(&self.path, &self.attributes, &self.content, None)]
    }
}
