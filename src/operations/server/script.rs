//! `server.script`: run a script of the project on the host when a condition requires it.
//!
//! ```toml
//! [[operation]]
//! op = "server.script"
//! src = "scripts/migrate.sh"                   # below templates/
//! arguments = ["--all"]
//! creates = "/srv/data/.migrated"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::condition::{Condition, run_as};
use crate::change::{
    Attribute, Attributed, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop,
};
use crate::content::{Content, Input};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::run_as::RunAsSupport;
use crate::operations::text::content;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote_all;
use crate::value::Known;

/// Parameters of `server.script`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Script {
    /// File below `templates/` of the project; a template is rendered if its name ends in `.j2`. Its first line names the
    /// program that runs it, such as `#!/usr/bin/env python3`; default: `sh`.
    src: String,
    /// Words that the script gets as its arguments.
    #[serde(default)]
    arguments: Vec<String>,
    /// Path that the script creates: it runs only if that does not exist.
    creates: Option<String>,
    /// Path that the script removes: it runs only if that exists.
    removes: Option<String>,
    /// Command that checks and changes nothing: the script runs only if it fails. It runs in a dry run too.
    unless: Option<String>,
    /// Command that checks and changes nothing: the script runs only if it succeeds. It runs in a dry run too.
    only_if: Option<String>,
    /// `true` runs the script each time. This does not count as a pending change.
    #[serde(default)]
    always: bool,
    /// Paths that the script may change. By default it may change anything, so that later operations are harder to predict.
    touches: Option<Vec<String>>,
    /// How long the script may take before it is killed.
    #[serde(default = "super::condition::default_within")]
    within: Span,
}

impl Define for Script {
    const NAME: &'static str = "server.script";
    const SUMMARY: &'static str = "Run a script of the project when a condition requires it";
    const MAIN_ARGUMENT: &'static str = "src";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.script"
src = "scripts/setup.sh"
creates = "/opt/tool"
touches = ["/opt"]
"#;
    const SHELL_TEXT: &'static [&'static str] = &["unless", "only_if"];
    const SCRIPT_FILES: &'static [&'static str] = &["src"];
    const RUN_AS: RunAsSupport = RunAsSupport::Commands;
    const RUNS: RunsCommands = RunsCommands::Own;
}

impl Operation for Script {
    fn needs(&self) -> Vec<FactKey> {
        self.condition().needs()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        self.condition().touches(self.touches.as_deref())
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        context.require_asset("src", &self.src)?;
        self.condition().check(context)?;
        if self.arguments.iter().any(|argument| argument.contains('\0')) {
            return Err(context
                .refuse("arguments", "`arguments` contains NUL", "no program can take it")
                .hint("remove it"));
        }
        if !self.condition().is_due(context)? {
            return Ok(Outcome::Unchanged);
        }
        Ok(match content(context, "src", Some(&self.src), None)? {
            Known::Yes(script) => Outcome::Change(vec![self.change(context, &script)?]),
            Known::No(why) => Outcome::Deferred {
                waits_for: Vec::new(),
                why,
                touches: self.touches(context),
                preview: Vec::new(),
            },
        })
    }
}

impl Script {
    fn condition(&self) -> Condition<'_> {
        Condition {
            creates: self.creates.as_deref(),
            removes: self.removes.as_deref(),
            unless: self.unless.as_deref(),
            only_if: self.only_if.as_deref(),
            always: self.always,
            of: "src",
            what: "the script",
            without: "this would run each time",
            written: ["unless", "only_if"],
            shown: [None; 2],
            to_run: None,
            has_env: true,
        }
    }

    fn change(&self, context: &PlanContext<'_>, script: &Content) -> Result<ResourceChange, Stop> {
        let Some(bytes) = script.bytes() else {
            let title = format!("`templates/{}` is too large for a script", self.src);
            return Err(context
                .refuse("src", title, "over 1 MiB")
                .hint("copy it with `files.put`, and run it with `server.shell`"));
        };
        let text = String::from_utf8_lossy(bytes);
        let interpreter = interpreter(text.lines().next().unwrap_or_default());
        let is_secret = script.is_secret();
        let digest = if is_secret {
            Attribute::Secret(context.digests().digest(script.sha256()))
        } else {
            Attribute::known(script.sha256())
        };
        let words = [self.src.as_str()].into_iter();
        let name = quote_all(words.chain(self.arguments.iter().map(String::as_str)));
        let mut after: Attributed = [("sha256", digest)].into_iter().collect();
        after.extend(run_as(context).map(|user| ("as", Attribute::known(user))));
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::Command, &name),
            self.condition().action(context),
            Before::Absent,
            Some(after),
        );
        change.effects = self.condition().effects(context, self.touches.as_deref());
        change.steps = vec![Step::Run(Command {
            timeout: self.within.0,
            by: context.identity(),
            input: Some(if is_secret {
                Input::secret(bytes, context.digests())
            } else {
                Input::Open(script.clone())
            }),
            ..Command::new(&name, self.text(&interpreter))
        })];
        Ok(change)
    }

    /// Puts the script into a file of its own, since programs read their scripts as they go, and runs it.
    fn text(&self, interpreter: &[String]) -> String {
        let program = quote_all(interpreter.iter().map(String::as_str));
        let arguments = quote_all(self.arguments.iter().map(String::as_str));
        format!(
            "file=$(mktemp) || exit\n\
             trap 'rm -f -- \"$file\"' EXIT\n\
             trap 'exit 143' TERM\n\
             cat >\"$file\" || exit\n\
             {program} \"$file\" {arguments} </dev/null"
        )
    }
}

/// The program of a `#!` line, and what that gives it: one word, as for the kernel.
fn interpreter(first: &str) -> Vec<String> {
    let line = first.strip_prefix("#!").unwrap_or_default().trim();
    match line.split_once([' ', '\t']) {
        _ if line.is_empty() => vec!["sh".to_owned()],
        Some((program, argument)) => vec![program.to_owned(), argument.trim().to_owned()],
        None => vec![line.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_program() {
        for (line, words) in [
            ("#!/bin/bash", &["/bin/bash"][..]),
            ("#!/usr/bin/env python3", &["/usr/bin/env", "python3"]),
            ("#! /bin/sh -e -u", &["/bin/sh", "-e -u"]),
            ("echo", &["sh"]),
            ("", &["sh"]),
        ] {
            assert_eq!(interpreter(line), words, "{line}");
        }
    }
}
