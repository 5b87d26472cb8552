//! The step that writes a file.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::state::{Attributes, content_is, file_is, set_attributes, temporary_name};
use crate::content::Content;
use crate::quote::quote;

/// Writes a file atomically: content, owner and mode together, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteFile {
    /// With links resolved, since the file at this path is replaced.
    pub path: String,
    pub content: Content,
    pub attributes: Attributes,
    /// A command that must accept the new file before it replaces the old one; `{path}` is the new file.
    pub validate: Option<Vec<String>>,
}

impl StepKind for WriteFile {
    fn attempt(&self) -> String {
        format!("write `{}`", self.path)
    }

    /// Writes to a temporary file in the same directory, which replaces the target once it is complete and accepted.
    fn script(&self, options: &ScriptOptions) -> Script {
        let temporary = temporary_name(&self.path, options.random);
        let body = format!(
            "p={path}\n\
             t={quoted}\n\
             trap 'rm -f -- \"$t\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
             if [ -d \"$p\" ]; then echo \"$p is a directory\"; exit 1; fi\n\
             [ \"$staged\" = \"$t\" ] || {{ set -C; cat >\"$t\" || exit; set +C; }}\n\
             [ \"$(sha256sum <\"$t\")\" = '{digest}  -' ] || {{ echo 'the content arrived incomplete'; exit 1; }}\n\
             {attributes} || exit\n\
             {accepted}\
             sync -- \"$t\" && mv -f -T -- \"$t\" \"$p\"",
            path = quote(&self.path),
            quoted = quote(&temporary),
            digest = self.content.sha256(),
            attributes = set_attributes("\"$t\"", &self.attributes),
            accepted = self
                .validate
                .as_deref()
                .map_or_else(String::new, |command| accepted(command, self.content.sha256())),
        );
        Script {
            body,
            content: Some(self.content.clone()),
            stage: Some(temporary),
        }
    }

    fn already(&self) -> Option<String> {
        Some(file_is(&self.path, Some(self.content.sha256()), &self.attributes))
    }

    /// The content counts only if it can be read: without root, a file may be closed to its own writer.
    fn proof(&self) -> Option<String> {
        let attributes = file_is(&self.path, None, &self.attributes);
        let content = content_is(&self.path, self.content.sha256());
        Some(format!(
            "{attributes} && {{ [ ! -r {} ] || {content}; }}",
            quote(&self.path)
        ))
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Place {
            path: &self.path,
            owner: &self.attributes.owner,
            group: &self.attributes.group,
            size: self.content.size(),
        }]
    }
}

/// Runs the command on `$t`, and compares the file with `digest` and what it was before: the command may write to it.
fn accepted(command: &[String], digest: &str) -> String {
    const STATE: &str = "$(stat -c '%d:%i %u:%g %a' -- \"$t\")";
    let words: Vec<String> = command
        .iter()
        .map(|word| {
            // `"$t"` must stay outside the quoted parts.
            word.split("{path}").map(quote_part).collect::<Vec<_>>().join("\"$t\"")
        })
        .collect();
    let shown = one_line(&command.join(" "));
    let refusal = quote(&format!(
        "`validate` did not accept the new file; the old file stays: `{shown}` exited with"
    ));
    let changed = quote(&format!(
        "`validate` changed the new file; the old file stays: `{shown}`"
    ));
    format!(
        "s={STATE}\n\
         {words} </dev/null || {{ code=$?; printf '%s %s\\n' {refusal} \"$code\"; exit \"$code\"; }}\n\
         [ \"$s $(sha256sum <\"$t\")\" = \"{STATE} {digest}  -\" ] || {{ printf '%s\\n' {changed}; exit 1; }}\n",
        words = words.join(" ")
    )
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn quote_part(part: &str) -> String {
    if part.is_empty() { String::new() } else { quote(part) }
}
