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

use super::parameters::{check_path, path_and_ancestors};
use super::whole_file::{FileWish, WishedContent, plan_file};
use crate::change::{Outcome, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::{ContentFact, ContentKey, PathFact};
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `files.line`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Line {
    /// Absolute path on the host of a file that exists.
    path: String,
    /// The whole line, without a line break.
    line: String,
    /// Regular expression for the line to replace. Further matches are removed; if nothing matches, `line` is added at the end.
    matching: Option<String>,
    /// `false` removes `line`, and every line that `matching` finds.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// Command of the host, as a list of words, that must accept the new file before it replaces the old one; `{path}` stands
    /// for the new file.
    validate: Option<Vec<String>>,
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
        let mut needs = path_and_ancestors(&self.path);
        needs.push(FactKey::Content(self.path.clone()));
        needs
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path.clone()))]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "path", &self.path)?;
        if self.line.contains('\n') {
            return Err(context
                .refuse("line", "`line` contains a line break", "must be one line")
                .hint("write one operation per line, or use `for_each`"));
        }
        let matching = self.expression(context)?;
        let path = context.resolve(&self.path)?;
        if context.path(&path)? == PathFact::Absent {
            let mistake = context.mistake("path", format!("`{path}` does not exist"), "no such file on the host");
            return Err(Stop::Refused(Box::new(
                mistake.hint("create it first with `files.put`, which also writes whole files"),
            )));
        }
        let text = text_of(context, &path)?;
        let wish = FileWish {
            path: &path,
            path_argument: "path",
            content: WishedContent::Ready(Content::new(self.edited(&text, matching.as_ref()).into_bytes())),
            owner: None,
            group: None,
            mode: None,
            validate: self.validate.clone(),
        };
        plan_file(context, &wish)
    }
}

impl Line {
    fn expression(&self, context: &PlanContext<'_>) -> Result<Option<Regex>, Stop> {
        let Some(pattern) = &self.matching else {
            return Ok(None);
        };
        let expression = Regex::new(pattern).map_err(|error| {
            context
                .refuse(
                    "matching",
                    "`matching` is not a valid regular expression",
                    last_line(&error.to_string()),
                )
                .hint("write backslashes in a single-quoted string: '\\s'")
        })?;
        if self.present && !expression.is_match(&self.line) {
            let label = "does not match `line`, so every deploy would add it again";
            return Err(context
                .refuse("matching", "`matching` must match `line` too", label)
                .hint("write `matching` so that it matches the old line and the new one"));
        }
        Ok(Some(expression))
    }

    fn edited(&self, text: &str, matching: Option<&Regex>) -> String {
        let found = |line: &str| line == self.line || matching.is_some_and(|expression| expression.is_match(line));
        let mut edited = String::with_capacity(text.len() + self.line.len() + 1);
        let mut placed = !self.present;
        for piece in text.split_inclusive('\n') {
            let (line, end) = split_end(piece);
            if !found(line) {
                edited.push_str(piece);
            } else if !placed {
                edited.push_str(&self.line);
                edited.push_str(end);
                placed = true;
            }
        }
        if !placed {
            if !edited.is_empty() && !edited.ends_with('\n') {
                edited.push('\n');
            }
            edited.push_str(&self.line);
            edited.push('\n');
        }
        edited
    }
}

fn text_of(context: &PlanContext<'_>, path: &str) -> Result<String, Stop> {
    let bytes = match context.get(ContentKey(path))? {
        ContentFact::Bytes(bytes) => bytes,
        ContentFact::Absent => {
            return Err(context.refuse("path", format!("`{path}` is not a file"), "only a file has lines"));
        }
        ContentFact::TooLarge => {
            return Err(context.refuse("path", format!("`{path}` is too large to edit by line"), "over 1 MiB"));
        }
    };
    String::from_utf8(bytes).map_err(|_| {
        context.refuse(
            "path",
            format!("`{path}` is not UTF-8 text"),
            "its lines cannot be edited",
        )
    })
}

/// The message of an error, without the drawing of the place above it.
fn last_line(error: &str) -> String {
    error
        .lines()
        .last()
        .unwrap_or(error)
        .trim_start_matches("error: ")
        .to_owned()
}

fn split_end(piece: &str) -> (&str, &str) {
    let line = piece.trim_end_matches(['\n', '\r']);
    piece.split_at(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{NotKnown, Step};
    use crate::operations::testing::{Bench, change};

    fn edit(parameters: &str, text: &str) -> Option<String> {
        let bench = Bench::new::<Line>(&format!("path = '/f'\n{parameters}"));
        match bench.directory("/").file_with_content("/f", text).plan() {
            Ok(Outcome::Unchanged) => None,
            outcome => {
                let change = change(outcome);
                let Step::WriteFile(file) = &change.steps[0] else {
                    panic!("{change:?}")
                };
                Some(String::from_utf8(file.content.bytes().expect("in memory").to_vec()).expect("text"))
            }
        }
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
