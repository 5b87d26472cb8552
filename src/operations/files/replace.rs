//! `files.replace`: replace what a regular expression matches in a text file.
//!
//! ```toml
//! [[operation]]
//! op = "files.replace"
//! path = "/etc/default/grub"
//! matching = '^GRUB_TIMEOUT=\d+$'
//! replace = "GRUB_TIMEOUT=1"
//! ```

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{Mode, check_owners, check_path, check_validate};
use super::text::{WhenAbsent, invalid, needs, plan_edit};
use super::whole_file::{FileWish, WishedContent};
use crate::change::{Outcome, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Text;

/// Parameters of `files.replace`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Replace {
    /// Absolute path on the host of a file that exists.
    path: String,
    /// Regular expression for what is replaced, wherever it matches. `^` and `$` match at each line.
    matching: String,
    /// What takes its place. `$1` or `${name}` stands for what a group matched, `$$` for a dollar sign.
    replace: Text,
    /// Letters for the expression: `i` ignores case, `s` has `.` match line breaks too, `x` ignores white space in the expression.
    flags: Option<String>,
    /// `"some"` refuses a file with neither a match nor the replacement; `"any"` accepts it.
    #[serde(default)]
    expect: Expected,
    /// User who owns the file. By default the owner is kept.
    user: Option<String>,
    /// Group that the file belongs to. By default the group is kept.
    group: Option<String>,
    /// Permissions of the file. By default they are kept.
    mode: Option<Mode>,
    /// Command of the host, as a list of words, that must accept the new file before it replaces the old one, such as
    /// `["nginx", "-t"]`; `{path}` stands for the path of the new file. It is tried before the review, where nothing that it
    /// writes is kept.
    validate: Option<Vec<String>>,
    /// `true` keeps the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: bool,
}

/// What must be in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Expected {
    #[default]
    Some,
    Any,
}

impl Define for Replace {
    const NAME: &'static str = "files.replace";
    const SUMMARY: &'static str = "Replace what a regular expression matches in a text file";
    const MAIN_ARGUMENT: &'static str = "path";
    const RUNS: RunsCommands = RunsCommands::Validate;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.replace"
path = "/etc/default/grub"
matching = '^GRUB_TIMEOUT=\d+$'
replace = "GRUB_TIMEOUT=1"
"#;
}

const CREATE_FIRST: &str = "create it first with `files.put`, which also writes whole files";

impl Operation for Replace {
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
        let expression = self.expression(context)?;
        self.check_groups(context, &expression)?;
        let wish = FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            validate: self.validate.clone(),
            backup: self.backup,
            own_lines: Some(self.own_lines()),
            ..FileWish::new(&self.path, "path", WishedContent::Ready(Content::new([])))
        };
        let has_secret = self.replace.is_secret();
        plan_edit(
            context,
            wish,
            WhenAbsent::Refuse(CREATE_FIRST),
            has_secret,
            |text, world| self.edited(context, text, &expression, self.replace.in_world(world)),
        )
    }
}

/// A part of a replacement.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Group(&'a str),
}

impl Replace {
    /// The lines of a replacement that takes nothing over from the host.
    fn own_lines(&self) -> Vec<String> {
        match parts(self.replace.expose())[..] {
            [Part::Text(text)] => text.lines().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    fn expression(&self, context: &PlanContext<'_>) -> Result<Regex, Stop> {
        let flags = self.flags.as_deref().unwrap_or_default();
        if let Some(other) = flags.chars().find(|flag| !"isx".contains(*flag)) {
            let title = format!("unknown flag `{other}` in `flags`");
            return Err(context
                .refuse("flags", title, "use the letters `i`, `s` and `x`")
                .hint("remove it: `^` and `$` match at each line, and every match is replaced"));
        }
        RegexBuilder::new(&self.matching)
            .multi_line(true)
            .crlf(true)
            .case_insensitive(flags.contains('i'))
            .dot_matches_new_line(flags.contains('s'))
            .ignore_whitespace(flags.contains('x'))
            .build()
            .map_err(|error| invalid(context, "matching", &self.matching, &error))
    }

    /// Refuses groups that the expression does not have: they would silently be empty.
    fn check_groups(&self, context: &PlanContext<'_>, expression: &Regex) -> Result<(), Stop> {
        let has = |name: &str| match name.parse::<usize>() {
            Ok(number) => number < expression.captures_len(),
            Err(_) => expression.capture_names().flatten().any(|known| known == name),
        };
        let unknown = parts(self.replace.expose()).into_iter().find_map(|part| match part {
            Part::Group(name) if !has(name) => Some(name),
            _ => None,
        });
        if let Some(name) = unknown {
            let title = format!("`matching` has no group `{name}`");
            return Err(context
                .refuse("replace", title, "it would always be empty")
                .hint("write `${1}x` where text follows a group, and `$$` for a dollar sign"));
        }
        let has_own = |digit: char| {
            digit
                .to_digit(10)
                .is_some_and(|digit| digit > 0 && has(&digit.to_string()))
        };
        let mut pairs = self.replace.expose().chars().zip(self.replace.expose().chars().skip(1));
        if let Some((_, digit)) = pairs.find(|(first, second)| *first == '\\' && has_own(*second)) {
            let title = format!("`\\{digit}` in `replace` is no group");
            return Err(context
                .refuse("replace", title, "it would be written as it is")
                .hint(format!("write `${digit}` for what the group matched")));
        }
        Ok(())
    }

    fn edited(&self, context: &PlanContext<'_>, text: &str, expression: &Regex, replace: &str) -> Result<String, Stop> {
        if self.expect == Expected::Some && !expression.is_match(text) && !has_replacement(replace, text) {
            let title = format!("nothing in `{}` matches `matching`", self.path);
            return Err(context
                .refuse(
                    "matching",
                    title,
                    "and what it would be replaced by is not there either",
                )
                .hint("correct the expression; if there may be nothing to replace, add `expect = \"any\"`"));
        }
        let edited = expression.replace_all(text, replace);
        if expression.replace_all(&edited, replace) != edited {
            let title = "`matching` matches what `replace` writes";
            return Err(context
                .refuse("replace", title, "so every deploy would change it again")
                .hint("write `matching` so that it does not match the new text, with `^`, `$` or `\\b`"));
        }
        Ok(edited.into_owned())
    }
}

/// Whether an earlier run may have replaced something. What is removed leaves nothing to find.
fn has_replacement(replace: &str, text: &str) -> bool {
    let parts = parts(replace);
    let is_fixed = parts
        .iter()
        .any(|part| matches!(part, Part::Text(text) if !text.trim().is_empty()));
    if !is_fixed {
        return true;
    }
    let pattern: String = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => regex::escape(text),
            Part::Group(_) => "(?s:.*?)".to_owned(),
        })
        .collect();
    Regex::new(&pattern).is_ok_and(|expression| expression.is_match(text))
}

/// The parts of a replacement, as [`regex::Captures::expand`] reads it.
fn parts(replace: &str) -> Vec<Part<'_>> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut parts = Vec::new();
    let mut rest = replace;
    while let Some(at) = rest.find('$') {
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let length = after.find(|character| !is_name(character)).unwrap_or(after.len());
        rest = match braced {
            _ if after.starts_with('$') => {
                parts.push(Part::Text("$"));
                &after[1..]
            }
            Some((name, rest)) => {
                parts.push(Part::Group(name));
                rest
            }
            None if length > 0 => {
                parts.push(Part::Group(&after[..length]));
                &after[length..]
            }
            None => {
                parts.push(Part::Text("$"));
                after
            }
        };
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Bench, refusal, written};

    fn edit(parameters: &str, text: &str) -> Option<String> {
        written(Bench::on_file::<Replace>(parameters, text).plan())
    }

    #[test]
    fn every_match_is_replaced_and_a_second_run_finds_nothing() {
        let cases = [
            ("matching = 'a'\nreplace = 'b'", "a ca\n", Some("b cb\n")),
            ("matching = '^a$'\nreplace = 'b'", "a\nca\na", Some("b\nca\nb")),
            ("matching = '^a$'\nreplace = 'b'", "a\r\nca\r\n", Some("b\r\nca\r\n")),
            ("matching = '^A$'\nreplace = 'b'\nflags = 'i'", "a\n", Some("b\n")),
            (
                "matching = '(\\w+)=1'\nreplace = '${1}=2'",
                "x=1\ny=1\n",
                Some("x=2\ny=2\n"),
            ),
            ("matching = '(\\w+)=1'\nreplace = '${1}=2'", "x=2\n", None),
            ("matching = '^x=.*'\nreplace = 'x=2'", "x=2\n", None),
            ("matching = '^#.*\\n'\nreplace = ''", "#a\nb\n", Some("b\n")),
            ("matching = '^#.*\\n'\nreplace = ''", "b\n", None),
            ("matching = 'a.b'\nreplace = 'c'\nflags = 's'", "a\nb\n", Some("c\n")),
            ("matching = 'a'\nreplace = '$$1'", "a\n", Some("$1\n")),
            ("matching = 'a'\nreplace = '$$1'", "$1\n", None),
            ("matching = 'a'\nreplace = 'b'\nexpect = 'any'", "c\n", None),
        ];
        for (parameters, text, expected) in cases {
            let once = edit(parameters, text);
            assert_eq!(once.as_deref(), expected, "{parameters} on {text:?}");
            if let Some(once) = once {
                assert_eq!(edit(parameters, &once), None, "again: {parameters} on {text:?}");
            }
        }
    }

    #[test]
    fn what_no_run_would_settle_is_refused() {
        let refused = |parameters: &str, text: &str| refusal(Bench::on_file::<Replace>(parameters, text).plan()).title;
        let again = "`matching` matches what `replace` writes";
        assert_eq!(refused("matching = 'a'\nreplace = 'ab'", "a\n"), again);
        assert_eq!(refused("matching = ''\nreplace = 'x'", "a\n"), again);
        assert_eq!(refused("matching = '(a)'\nreplace = '$1$1'", "a\n"), again);
        assert_eq!(
            refused("matching = 'a'\nreplace = 'b'", "c\n"),
            "nothing in `/f` matches `matching`"
        );
        assert_eq!(
            refused("matching = '(a)'\nreplace = '$1x'", "a\n"),
            "`matching` has no group `1x`"
        );
        assert_eq!(
            refused("matching = '(a)'\nreplace = '\\1x'", "a\n"),
            "`\\1` in `replace` is no group"
        );
        assert_eq!(
            refused("matching = 'a'\nreplace = 'b'\nflags = 'g'", "a\n"),
            "unknown flag `g` in `flags`"
        );
        assert_eq!(
            refused("matching = '('\nreplace = 'b'", "a\n"),
            "`matching` is not a valid regular expression"
        );
    }

    #[test]
    fn a_replacement_is_read_as_the_library_reads_it() {
        let captures = |replace: &str| {
            let expression = Regex::new("(?P<name>a)(b)?").expect("valid");
            let captures = expression.captures("ab").expect("a match");
            let mut expanded = String::new();
            captures.expand(replace, &mut expanded);
            let own: String = parts(replace)
                .iter()
                .map(|part| match part {
                    Part::Text(text) => (*text).to_owned(),
                    Part::Group(name) => match name.parse() {
                        Ok(number) => captures.get(number).map_or("", |found| found.as_str()).to_owned(),
                        Err(_) => captures.name(name).map_or("", |found| found.as_str()).to_owned(),
                    },
                })
                .collect();
            assert_eq!(own, expanded, "{replace}");
        };
        for replace in [
            "",
            "x",
            "$1",
            "$1x",
            "${1}x",
            "$$1",
            "$",
            "a$",
            "$-",
            "${name}$2",
            "$name.",
            "${",
            "${1",
            "$$$1",
        ] {
            captures(replace);
        }
    }
}
