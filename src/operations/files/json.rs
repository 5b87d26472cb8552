//! `files.json`: write values to a JSON file, whole or in part.
//!
//! ```toml
//! [[operation]]
//! op = "files.json"
//! path = "/etc/docker/daemon.json"
//! merge = { live-restore = true, log-opts = { max-size = "10m" } }
//! remove = ["/debug"]
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value};

use super::parameters::{Mode, check_owners, check_path, check_validate};
use super::text::{in_all_worlds, needs};
use super::whole_file::{FileWish, WishedContent, plan_file};
use crate::change::{NotKnown, Outcome, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::{ContentFact, ContentKey, PathFact};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::has_infinite;
use crate::operations::{Define, Operation, PlanContext};
use crate::secret::World;
use crate::value::{Text, Varied};

mod exact;
mod shown;

/// Parameters of `files.json`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Json {
    /// Absolute path on the host. A missing file is created.
    path: String,
    /// The whole value of the file. Give `value`, or `merge` and `remove`.
    #[schemars(extend("title" = "a table, a list, a string, a number, or true or false"))]
    value: Option<Varied<Value>>,
    /// Values that are added or replaced; in tables, what is not named stays.
    merge: Option<Varied<Map<String, Value>>>,
    /// JSON pointers, such as `"/log-opts/max-size"`, of values that are removed.
    #[serde(default)]
    remove: Vec<String>,
    /// Spaces for each level when the file is written.
    #[serde(default = "two")]
    #[schemars(range(min = 0, max = 8))]
    indent: u8,
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

fn two() -> u8 {
    2
}

impl Define for Json {
    const NAME: &'static str = "files.json";
    const SUMMARY: &'static str = "Write values to a JSON file, whole or in part";
    const MAIN_ARGUMENT: &'static str = "path";
    const RUNS: RunsCommands = RunsCommands::Validate;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.json"
path = "/etc/docker/daemon.json"
merge = { live-restore = true, log-opts = { max-size = "10m" } }
remove = ["/debug"]
"#;
}

impl Operation for Json {
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
        self.check_values(context)?;
        let text = match self.old_text(context) {
            // The whole value is certain, whatever is there then.
            Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            }) if self.value.is_some() => None,
            text => text?,
        };
        let real = self.new_text(context, text.as_deref(), World::Real)?;
        let new = if self.has_secret() {
            in_all_worlds(real, |world| self.new_text(context, text.as_deref(), world))
        } else {
            Text::open(real)
        };
        let content = WishedContent::Ready(Content::of_text(&new));
        let wish = FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            validate: self.validate.clone(),
            backup: self.backup,
            shown: Some(shown::by_paths),
            own_lines: self.own_lines(),
            ..FileWish::new(&self.path, "path", content)
        };
        plan_file(context, &wish)
    }
}

impl Json {
    fn has_secret(&self) -> bool {
        self.value.as_ref().is_some_and(Varied::is_secret) || self.merge.as_ref().is_some_and(Varied::is_secret)
    }

    /// The lines of a review that come from `merge`; `None` if the whole value is given.
    fn own_lines(&self) -> Option<Vec<String>> {
        if self.value.is_some() {
            return None;
        }
        let merge = Value::Object(self.merge.as_ref().map(Varied::expose).cloned().unwrap_or_default());
        Some(shown::by_paths(&merge.to_string()).lines().map(str::to_owned).collect())
    }

    /// What the file gets where it has `text` now.
    fn new_text(&self, context: &PlanContext<'_>, text: Option<&str>, world: World) -> Result<String, Stop> {
        if let Some(value) = &self.value {
            let value = value.in_world(world);
            let old = text.and_then(|text| Some((text, serde_json::from_str::<Value>(text).ok()?)));
            return Ok(match old {
                Some((text, old)) if old == *value => text.to_owned(),
                _ => self.written(value),
            });
        }
        let text = text.unwrap_or_default();
        let old = self.old_value(context, text)?;
        let mut new = old.clone().unwrap_or_else(|| Value::Object(Map::default()));
        if let (Value::Object(new), Some(merge)) = (&mut new, &self.merge) {
            merged(new, merge.in_world(world));
        }
        for pointer in &self.remove {
            self.remove_from(context, &mut new, pointer)?;
        }
        if old.as_ref() == Some(&new) {
            return Ok(text.to_owned());
        }
        exact::check(text).map_err(|number| self.inexact(context, number))?;
        if old.is_some() {
            exact::check_keys(text).map_err(|error| self.ambiguous(context, &error))?;
        }
        Ok(self.written(&new))
    }

    fn check_values(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let is_partial = self.merge.is_some() || !self.remove.is_empty();
        if self.value.is_some() && is_partial {
            let argument = if self.merge.is_some() { "merge" } else { "remove" };
            let title = format!("`value` and `{argument}` cannot be used together");
            return Err(context
                .refuse(argument, title, "used together with `value`, which is the whole file")
                .hint("remove one of them"));
        }
        if self.value.is_none() && !is_partial {
            return Err(context
                .refuse(
                    "path",
                    "missing `value`, `merge` or `remove`",
                    "this file has no content",
                )
                .hint("add `value = { … }` for the whole file, or `merge = { … }` for a part of it"));
        }
        let has_infinite_values = |table: &Map<String, Value>| table.values().any(has_infinite);
        for (argument, is_infinite) in [
            (
                "value",
                self.value.as_ref().map(Varied::expose).is_some_and(has_infinite),
            ),
            (
                "merge",
                self.merge.as_ref().map(Varied::expose).is_some_and(has_infinite_values),
            ),
        ] {
            if is_infinite {
                let title = format!("`{argument}` has `inf` or `nan` in it");
                return Err(context
                    .refuse(argument, title, "JSON has no such numbers")
                    .hint("write it as a string, if the program reads that"));
            }
        }
        if self.indent > 8 {
            return Err(context
                .refuse("indent", "`indent` must be from 0 to 8", "spaces for each level")
                .hint("remove it for two spaces"));
        }
        match self.remove.iter().find(|pointer| !pointer.starts_with('/')) {
            None => Ok(()),
            Some(pointer) => {
                let title = format!("`{}` is not a JSON pointer", pointer.escape_debug());
                Err(context
                    .refuse_item("remove", pointer, title, "must start with `/`")
                    .hint("write the names on the way, such as \"/log-opts/max-size\"; `~1` stands for `/` in a name"))
            }
        }
    }

    fn remove_from(&self, context: &PlanContext<'_>, value: &mut Value, pointer: &str) -> Result<(), Stop> {
        let Some((above, name)) = pointer.rsplit_once('/') else {
            return Ok(());
        };
        let name = name.replace("~1", "/").replace("~0", "~");
        match value.pointer_mut(above) {
            Some(Value::Object(table)) => drop(table.shift_remove(&name)),
            Some(Value::Array(_)) => {
                let title = format!("`{above}` of `{}` is a list", self.path);
                return Err(context
                    .refuse_item("remove", pointer, title, "each deploy would remove another item")
                    .hint("write the whole list with `merge`"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The text of the file; `None` if there is no file.
    fn old_text(&self, context: &PlanContext<'_>) -> Result<Option<String>, Stop> {
        let path = context.resolve(&self.path)?;
        if context.path(&path)? == PathFact::Absent {
            return Ok(None);
        }
        let bytes = match context.get(ContentKey(&path))? {
            ContentFact::Bytes(bytes) => bytes,
            // The file itself says what is wrong with it.
            ContentFact::Absent => return Ok(None),
            ContentFact::TooLarge => {
                return Err(context
                    .refuse("path", format!("`{path}` is too large to edit"), "over 1 MiB")
                    .hint("write the whole file with `files.put`"));
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) if self.value.is_some() => Ok(None),
            Err(_) => Err(context
                .refuse("path", format!("`{path}` is not UTF-8 text"), "so it is not JSON")
                .hint("write the whole file with `value`")),
        }
    }

    fn old_value(&self, context: &PlanContext<'_>, text: &str) -> Result<Option<Value>, Stop> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let old: Value = serde_json::from_str(text).map_err(|error| {
            let title = format!("`{}` is not valid JSON", self.path);
            context
                .refuse("path", title, error.to_string())
                .hint("repair the file on the host, or write the whole file with `value`; JSON has no comments")
        })?;
        if self.merge.is_some() && !old.is_object() {
            let title = format!("`{}` has no table to merge into", self.path);
            return Err(context
                .refuse("merge", title, "the file is another value")
                .hint("write the whole file with `value`"));
        }
        Ok(Some(old))
    }

    fn ambiguous(&self, context: &PlanContext<'_>, error: &serde_json::Error) -> Stop {
        let title = format!("`{}` has a key twice, and one of them would be lost", self.path);
        context
            .refuse("path", title, error.to_string())
            .hint("remove one of the two on the host, or write the whole file with `value`")
    }

    fn inexact(&self, context: &PlanContext<'_>, number: &str) -> Stop {
        let title = format!("`{}` has the number {number}, which would lose digits", self.path);
        context
            .refuse("path", title, "more digits than homelab can write again")
            .hint("write the whole file with `files.put`")
    }

    fn written(&self, value: &Value) -> String {
        let indent = " ".repeat(usize::from(self.indent));
        let mut text = Vec::new();
        let written = if self.indent == 0 {
            serde_json::to_writer(&mut text, value)
        } else {
            value.serialize(&mut Serializer::with_formatter(
                &mut text,
                PrettyFormatter::with_indent(indent.as_bytes()),
            ))
        };
        let mut text = written.map_or_else(|_| String::new(), |()| String::from_utf8_lossy(&text).into_owned());
        text.push('\n');
        text
    }
}

/// Tables are merged, all else is replaced.
fn merged(old: &mut Map<String, Value>, new: &Map<String, Value>) {
    for (key, value) in new {
        match (old.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merged(inner, value),
            _ => drop(old.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Bench, refusal, written};

    fn edit(parameters: &str, text: &str) -> Option<String> {
        written(Bench::on_file::<Json>(parameters, text).plan())
    }

    #[test]
    fn values_are_compared_and_spacing_is_not() {
        let cases = [
            ("value = { a = 1, b = [1, 'x'] }", "{\"b\":[1,\"x\"],\n\n\"a\":1}", None),
            ("value = { a = 1 }\nindent = 0", "{\"a\":2}", Some("{\"a\":1}\n")),
            ("value = { a = 1 }", "no JSON", Some("{\n  \"a\": 1\n}\n")),
            ("value = [1]\nindent = 4", "{}", Some("[\n    1\n]\n")),
            ("merge = { a = { b = 1 } }", "{\"a\": {\"b\":1, \"c\":2}}", None),
            (
                "merge = { a = { b = 1 } }\nindent = 0",
                "{\"z\":0,\"a\":{\"c\":2}}",
                Some("{\"z\":0,\"a\":{\"c\":2,\"b\":1}}\n"),
            ),
            (
                "merge = { a = [1] }\nindent = 0",
                "{\"a\":[1,2]}",
                Some("{\"a\":[1]}\n"),
            ),
            ("merge = { a = 1 }\nindent = 0", "\n", Some("{\"a\":1}\n")),
            (
                "remove = ['/a/b', '/x~1y', '/none/z']\nindent = 0",
                "{\"a\":{\"b\":1,\"c\":2},\"x/y\":1,\"l\":[1,2]}",
                Some("{\"a\":{\"c\":2},\"l\":[1,2]}\n"),
            ),
            ("remove = ['/a']", "{\"b\":1}", None),
            ("merge = { a = 1 }", "{\"a\":1,\"n\":12345678901234567890123}", None),
        ];
        for (parameters, text, expected) in cases {
            assert_eq!(edit(parameters, text).as_deref(), expected, "{parameters} on {text:?}");
        }
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        let refused = |parameters: &str, text: &str| refusal(Bench::on_file::<Json>(parameters, text).plan()).title;
        assert_eq!(refused("", "{}"), "missing `value`, `merge` or `remove`");
        assert_eq!(
            refused("value = 1\nmerge = { a = 1 }", "{}"),
            "`value` and `merge` cannot be used together"
        );
        assert_eq!(refused("merge = { a = 1 }", "[1]"), "`/f` has no table to merge into");
        assert_eq!(refused("merge = { a = 1 }", "{ // x\n}"), "`/f` is not valid JSON");
        assert_eq!(refused("remove = ['/a/0']", "{\"a\":[1]}"), "`/a` of `/f` is a list");
        assert_eq!(refused("remove = ['a']", "{}"), "`a` is not a JSON pointer");
        assert_eq!(
            refused("merge = { a = 2 }", "{\"n\":12345678901234567890123}"),
            "`/f` has the number 12345678901234567890123, which would lose digits"
        );
        assert_eq!(
            refused("merge = { a = 2 }", "{\"x\":{\"b\":1,\"b\":2}}"),
            "`/f` has a key twice, and one of them would be lost"
        );
    }
}
