//! `files.line`: add, replace or remove a line in a text file.
//!
//! ```toml
//! [[operation]]
//! op = "files.line"
//! path = "/etc/ssh/sshd_config"
//! line = "PermitRootLogin no"
//! matching = "^#?PermitRootLogin "     # a line that matches is replaced; otherwise the line is added at the end
//! ```

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{Mode, check_owners, check_path, check_validate};
use super::text::{WhenAbsent, expression, needs, plan_edit, split_end};
use super::whole_file::{FileWish, WishedContent};
use crate::change::{Outcome, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Text;

/// Parameters of `files.line`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Line {
    /// Absolute path on the host.
    path: String,
    /// The whole line, without a line break.
    line: Text,
    /// Regular expression for the line to replace. Further matches are removed; if nothing matches, `line` is added at the end.
    matching: Option<String>,
    /// `false` removes `line`, and every line that `matching` finds.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// `true` creates the file if there is none.
    #[serde(default)]
    create: bool,
    /// User who owns the file. By default the owner is kept; a new file belongs to `root`.
    user: Option<String>,
    /// Group that the file belongs to. By default the group is kept; a new file gets `root`.
    group: Option<String>,
    /// Permissions of the file. By default they are kept; a new file gets `"0644"`.
    mode: Option<Mode>,
    /// Command of the host, as a list of words, that must accept the new file before it replaces the old one, such as
    /// `["nginx", "-t"]`; `{path}` stands for the path of the new file. It is tried before the review, where nothing that it
    /// writes is kept.
    validate: Option<Vec<String>>,
    /// `true` keeps the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: bool,
}

impl Define for Line {
    const NAME: &'static str = "files.line";
    const SUMMARY: &'static str = "Add, replace or remove a line in a text file";
    const MAIN_ARGUMENT: &'static str = "path";
    const RUNS: RunsCommands = RunsCommands::Validate;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.line"
path = "/etc/ssh/sshd_config"
line = "PermitRootLogin prohibit-password"
matching = "^#?PermitRootLogin "
validate = ["sshd", "-t", "-f", "{path}"]
"#;
}

impl Operation for Line {
    fn needs(&self) -> Vec<FactKey> {
        needs(&self.path)
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path.clone()))]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "path", &self.path)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        check_validate(context, self.validate.as_deref())?;
        if self.line.expose().contains('\n') {
            return Err(context
                .refuse("line", "`line` contains a line break", "must be one line")
                .hint("write one operation per line, or use `for_each`"));
        }
        let matching = self.expression(context)?;
        let wish = FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            validate: self.validate.clone(),
            backup: self.backup,
            own_lines: Some(vec![self.line.expose().to_owned()]),
            ..FileWish::new(&self.path, "path", WishedContent::Ready(Content::new([])))
        };
        let when_absent = WhenAbsent::of(self.present, self.create);
        plan_edit(context, wish, when_absent, self.line.is_secret(), |text, world| {
            Ok(self.edited(text, self.line.in_world(world), matching.as_ref()))
        })
    }
}

impl Line {
    fn expression(&self, context: &PlanContext<'_>) -> Result<Option<Regex>, Stop> {
        let Some(pattern) = &self.matching else {
            return Ok(None);
        };
        let expression = expression(context, "matching", pattern)?;
        if self.present && !expression.is_match(self.line.expose()) {
            let label = "does not match `line`, so every deploy would add it again";
            return Err(context
                .refuse("matching", "`matching` must match `line` too", label)
                .hint("write `matching` so that it matches the old line and the new one"));
        }
        Ok(Some(expression))
    }

    fn edited(&self, text: &str, wanted: &str, matching: Option<&Regex>) -> String {
        let found = |line: &str| line == wanted || matching.is_some_and(|expression| expression.is_match(line));
        let mut edited = String::with_capacity(text.len() + wanted.len() + 1);
        let mut placed = !self.present;
        for piece in text.split_inclusive('\n') {
            let (line, end) = split_end(piece);
            if !found(line) {
                edited.push_str(piece);
            } else if !placed {
                edited.push_str(wanted);
                edited.push_str(end);
                placed = true;
            }
        }
        if !placed {
            if !edited.is_empty() && !edited.ends_with('\n') {
                edited.push('\n');
            }
            edited.push_str(wanted);
            edited.push('\n');
        }
        edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::NotKnown;
    use crate::operations::testing::{Bench, written};

    fn edit(parameters: &str, text: &str) -> Option<String> {
        written(Bench::on_file::<Line>(parameters, text).plan())
    }

    #[test]
    fn adds_replaces_and_removes() {
        let cases = [
            ("line = 'b'", "a\n", Some("a\nb\n")),
            ("line = 'b'", "a", Some("a\nb\n")),
            ("line = 'b'", "", Some("b\n")),
            ("line = 'b'", "a\nb\n", None),
            (
                "line = 'x 2'\nmatching = '^#?x '",
                "a\n#x 1\nc\nx 3\n",
                Some("a\nx 2\nc\n"),
            ),
            ("line = 'x 2'\nmatching = '^#?x '", "a\nx 2\nc\n", None),
            ("line = 'x 2'\nmatching = '^#?x '", "a\r\nx 1\r\n", Some("a\r\nx 2\r\n")),
            ("line = 'b'\npresent = false", "a\nb\nb\nc\n", Some("a\nc\n")),
            ("line = 'b'\npresent = false", "a\n", None),
        ];
        for (parameters, text, expected) in cases {
            assert_eq!(edit(parameters, text).as_deref(), expected, "{parameters} on {text:?}");
        }
    }

    #[test]
    fn an_edited_file_needs_no_further_edit() {
        for text in ["a\n", "#x 1\nx 1", "", "x 2\r\nx 9"] {
            let parameters = "line = 'x 2'\nmatching = '^#?x '";
            let once = edit(parameters, text).unwrap_or_else(|| text.to_owned());
            assert_eq!(edit(parameters, &once), None, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_a_package_may_create_is_not_known() {
        let stop = Bench::new::<Line>("path = '/etc/x'\nline = 'b'")
            .directory("/")
            .directory("/etc")
            .absent("/etc/x")
            .package_may_create()
            .plan()
            .expect_err("not known");
        assert!(
            matches!(
                stop,
                Stop::NotKnown {
                    cause: NotKnown::Since(..),
                    ..
                }
            ),
            "{stop:?}"
        );
    }
}
