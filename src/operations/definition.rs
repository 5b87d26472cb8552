//! The description of an operation: its name, its documentation and its parameters.
//!
//! All of it comes from the struct that parameters are read into, so the documentation cannot differ from the code.

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use super::conduct::{ConductKeys, RunsCommands, conduct, expected};
use super::directed::direct;
use super::operation::Operation;
use super::run_as::{RunAs, RunAsSupport};
use super::wording::{Parameter, keys_below, schema_of, value_at};
use crate::error::{Diagnostic, Origin};
use crate::template::{ScriptWord, is_template, script_words};
use crate::value::{Kind, Part, Table, Value, ValueError, deserialize, keys_of};

/// An operation as a type.
pub(super) trait Define: Operation + DeserializeOwned + JsonSchema + 'static {
    /// The name in `op = "…"`.
    const NAME: &'static str;
    /// What it does, in one line.
    const SUMMARY: &'static str;
    /// The parameter that identifies an operation in a review.
    const MAIN_ARGUMENT: &'static str;
    /// The parameter that does so where the main one is left out, if there is one.
    const MAIN_ARGUMENT_OR: Option<&'static str> = None;
    /// Parameters that tell operations with the same main argument apart: where they are given, the default name has them.
    const TOLD_APART_BY: &'static [&'static str] = &[];
    /// A complete entry of a task.
    const EXAMPLE: &'static str;
    /// The parameters that a shell reads, such as `commands` or `create.commands`: text of hosts must be quoted there.
    const SHELL_TEXT: &'static [&'static str] = &[];
    /// The parameters that name a file which a shell runs, unless its first line names another program.
    const SCRIPT_FILES: &'static [&'static str] = &[];
    /// The parameters that are the text of a unit.
    const UNIT_TEXT: &'static [&'static str] = &[];
    /// What to do where a secret is refused, if that is something else than for most operations.
    const INSTEAD_OF_SECRETS: Option<&'static str> = None;
    /// Whether it supports `become_user`, and how.
    const RUN_AS: RunAsSupport = RunAsSupport::None;
    /// Which commands it runs, for `env` and `timeout`.
    const RUNS: RunsCommands = RunsCommands::None;
}

/// A line of the table of operations.
pub struct Definition {
    /// The name in `op = "…"`.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The parameter that identifies an operation in a review.
    pub main_argument: &'static str,
    /// The parameter that does so where the main one is left out.
    pub main_argument_or: Option<&'static str>,
    /// Parameters that the default name has beside it.
    pub told_apart_by: &'static [&'static str],
    /// A complete entry of a task.
    pub example: &'static str,
    /// The parameters that a shell reads: text of hosts must be quoted there.
    shell_text: &'static [&'static str],
    script_files: &'static [&'static str],
    unit_text: &'static [&'static str],
    instead_of_secrets: Option<&'static str>,
    run_as: RunAsSupport,
    runs: RunsCommands,
    parse: fn(&Value) -> Result<Box<dyn Operation>, ValueError>,
    schema: fn() -> Schema,
    keys: fn() -> &'static [&'static str],
}

/// Adds the values at `path` and below it that a shell reads: those that `shell_text` names, and the scripts of `sh -c` in lists of
/// words.
fn add_shell_values<'a>(shell_text: &[&str], path: &str, value: &'a Value, found: &mut Vec<&'a Value>) {
    if shell_text.contains(&path) {
        found.push(value);
        return;
    }
    match &value.kind {
        Kind::List(words) => {
            let plain: Vec<Option<&str>> = words.iter().map(Value::as_str).collect();
            let scripts = script_words(&plain).into_iter().filter(|one| one.is_shell);
            found.extend(scripts.map(|one| &words[one.at]));
            let deeper = words.iter().filter(|word| word.as_str().is_none());
            deeper.for_each(|word| add_shell_values(shell_text, path, word, found));
        }
        Kind::Table(table) => {
            for (key, entry) in table {
                add_shell_values(shell_text, &format!("{path}.{key}"), &entry.value, found);
            }
        }
        _ => {}
    }
}

/// Adds the words in `value` and below it that are programs of other languages: `python3 -c …`.
fn add_program_words<'a>(value: &'a Value, found: &mut Vec<(&'a Value, ScriptWord)>) {
    match &value.kind {
        Kind::List(words) => {
            let plain: Vec<Option<&str>> = words.iter().map(Value::as_str).collect();
            let programs = script_words(&plain).into_iter().filter(|one| !one.is_shell);
            found.extend(programs.map(|one| (&words[one.at], one)));
            for word in words {
                add_program_words(word, found);
            }
        }
        Kind::Table(table) => table.values().for_each(|entry| add_program_words(&entry.value, found)),
        _ => {}
    }
}

/// The template that the misfit comes from, if one stands where the misfit is not written itself.
///
/// Also whether it is the misfit itself that it gives, and not something that the misfit is in.
fn error_template<'a>(error: &ValueError, written: &'a Table) -> Option<(&'a Value, bool)> {
    let mut at = &written.get(error.key()?)?.value;
    let mut is_whole = true;
    for part in &error.path()[1..] {
        let inner = match (&at.kind, part) {
            (Kind::Table(table), Part::Key(key)) => table.get(key).map(|entry| &entry.value),
            (Kind::List(items), Part::Item(index)) => items.get(*index),
            _ => None,
        };
        let Some(inner) = inner else {
            is_whole = false;
            break;
        };
        at = inner;
    }
    at.as_str().is_some_and(is_template).then_some((at, is_whole))
}

/// How a template that gives a number or a truth value has to be written where a string is wanted.
fn as_string(error: &ValueError, expected: &str, template: &Value) -> Option<String> {
    let is_plain = matches!(error.found()?.kind, Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_));
    let expression = template.as_str()?.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let expression = expression.trim_matches('-').trim();
    if !is_plain || !expected.contains("a string") || expression.contains("{{") {
        return None;
    }
    let is_name = |sign: char| sign.is_alphanumeric() || "_.[]\"'".contains(sign);
    Some(if expression.chars().all(is_name) {
        format!("write `{{{{ {expression} | string }}}}`")
    } else {
        format!("write `{{{{ ({expression}) | string }}}}`")
    })
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Definition {
    /// Whether it is a check, which changes nothing.
    pub fn is_check(&self) -> bool {
        self.name.starts_with("verify.") || self.name == "k8s.wait"
    }

    /// Whether it runs services that web sites may lead to.
    pub fn has_services(&self) -> bool {
        matches!(self.name, "docker.compose" | "docker.container")
    }

    /// Whether it asks what services do: at the end of a task, it comes after the handlers.
    pub fn asks_services(&self) -> bool {
        self.is_check() || self.name == "http.resource"
    }

    pub(super) const fn of<T: Define>() -> Self {
        Self {
            name: T::NAME,
            summary: T::SUMMARY,
            main_argument: T::MAIN_ARGUMENT,
            main_argument_or: T::MAIN_ARGUMENT_OR,
            told_apart_by: T::TOLD_APART_BY,
            example: T::EXAMPLE,
            shell_text: T::SHELL_TEXT,
            script_files: T::SCRIPT_FILES,
            unit_text: T::UNIT_TEXT,
            instead_of_secrets: T::INSTEAD_OF_SECRETS,
            run_as: T::RUN_AS,
            runs: T::RUNS,
            parse: |parameters| deserialize::<T>(parameters).map(|operation| Box::new(operation) as Box<dyn Operation>),
            schema: schema_of::<T>,
            keys: keys_of::<T>,
        }
    }

    /// The names of its own parameters, in order.
    pub fn keys(&self) -> &'static [&'static str] {
        (self.keys)()
    }

    /// The values in the arguments that a shell reads, with the keys of the arguments: text of hosts must be quoted there. Of the words of
    /// a command, which no shell reads, it is the script of `sh -c`.
    pub fn shell_values<'a>(&self, arguments: &'a Table) -> Vec<(&'a str, &'a Value)> {
        let values = arguments.iter().flat_map(|(key, entry)| {
            let mut found = Vec::new();
            add_shell_values(self.shell_text, key, &entry.value, &mut found);
            found.into_iter().map(|value| (key.as_str(), value))
        });
        values.collect()
    }

    /// The words of commands that are programs of other languages, for which no quotes of a shell do.
    pub fn program_words<'a>(&self, arguments: &'a Table) -> Vec<(&'a Value, ScriptWord)> {
        let mut found = Vec::new();
        let own = arguments
            .iter()
            .filter(|(key, _)| !self.shell_text.contains(&key.as_str()));
        own.for_each(|(_, entry)| add_program_words(&entry.value, &mut found));
        found
    }

    /// The parameters that name a file which a shell runs, unless its first line names another program.
    pub fn script_files(&self) -> &'static [&'static str] {
        self.script_files
    }

    /// The parameters that are the text of a unit.
    pub fn unit_text(&self) -> &'static [&'static str] {
        self.unit_text
    }

    /// Whether it supports `become_user`.
    pub fn can_run_as_others(&self) -> bool {
        self.run_as != RunAsSupport::None
    }

    /// A mistake for parameters that cannot be read: `arguments` and `run_as` with the values of templates, `written` as they are
    /// written, `place` is the operation's position.
    pub fn misfit(
        &self,
        error: ValueError,
        [arguments, written]: [&Table; 2],
        run_as: &RunAs,
        place: &Origin,
    ) -> Diagnostic {
        if error.is_secret {
            return self.secret_refused(error, place);
        }
        let title = format!("invalid parameters of `{}`", self.name);
        let given = |key| arguments.get_key_value(key).or_else(|| run_as.entry(key));
        let Some((key, entry)) = error.key().and_then(given) else {
            return error.into_diagnostic(title, Some(place));
        };
        let Some((name, expected)) = self.value_at(key, error.path()) else {
            return error.into_diagnostic(title, Some(place));
        };
        let template = error_template(&error, written);
        let used = entry.key_apart().or_else(|| template?.0.origin.as_ref());
        let title_of_value = format!("{name} of `{}`", self.name);
        match error.misfit(&title_of_value, &expected, used) {
            Some(misfit) => {
                let whole = template.filter(|(_, is_whole)| *is_whole);
                misfit.hint_maybe(whole.and_then(|(template, _)| as_string(&error, &expected, template)))
            }
            None => error.into_diagnostic(format!("invalid {title_of_value}"), Some(place)),
        }
    }

    /// The name of the value at the end of `path`, below its parameter `key`, and its type in words.
    fn value_at(&self, key: &str, path: &[Part]) -> Option<(String, String)> {
        let own_words = match key {
            "become" => Some("true or false"),
            "become_user" => Some("the name of a user"),
            key => expected(key),
        };
        match own_words {
            Some(words) if path.len() == 1 => Some((format!("`{key}`"), words.to_owned())),
            Some(_) => value_at(&schema_of::<ConductKeys>(), path),
            None => value_at(&self.schema(), path),
        }
    }

    /// The keys of the table that the parameter `key` is, if it has only those.
    pub fn keys_below(&self, key: &str) -> Option<Vec<String>> {
        keys_below(&self.schema(), key)
    }

    /// The mistake of a secret where others could read it.
    fn secret_refused(&self, error: ValueError, place: &Origin) -> Diagnostic {
        let title = match error.key() {
            Some(key) => format!("`{key}` of `{}` cannot be a secret", self.name),
            None => format!("a secret cannot be used here in `{}`", self.name),
        };
        let usual = match self.runs {
            RunsCommands::Contained => {
                "other users of the host can see it: pass it in `input`, or set `env = { NAME = … }` and let a shell of the container \
                 read it: `[\"sh\", \"-c\", \"… \\\"$NAME\\\"\"]`"
            }
            RunsCommands::Own if self.keys().contains(&"input") => {
                "other users of the host can see it: set `env = { NAME = … }` and write `\"$NAME\"`, or pass it in `input`"
            }
            RunsCommands::Own if self.keys().contains(&"headers") => {
                "other users of the host can see it: pass it in `headers`, such as `{ Authorization = \"Bearer …\" }`"
            }
            RunsCommands::Own => {
                "other users of the host can see it: set `env = { NAME = … }`, and read `\"$NAME\"` in the script"
            }
            RunsCommands::TriesOwn => {
                "other users of the host can see it: set `env = { NAME = … }`, and write a command that reads it, such as \
                 `[\"sh\", \"-c\", \"… \\\"$NAME\\\"\"]`"
            }
            _ => {
                "reviews and other users can see it: use secrets in the content of files, in `env`, headers and bodies"
            }
        };
        let hint = self.instead_of_secrets.unwrap_or(usual);
        error.into_diagnostic(title, Some(place)).hint(hint)
    }

    /// The operation with `parameters`, a table, running as `run_as` says.
    ///
    /// Errors: a parameter that is unknown, missing or of the wrong type, at its position.
    pub fn parse(&self, parameters: &Value, run_as: &RunAs) -> Result<Box<dyn Operation>, ValueError> {
        conduct(self.name, self.runs, parameters, |own| {
            direct(self.name, self.run_as, run_as, || (self.parse)(own))
        })
    }

    /// A JSON Schema (draft 7) of the table of parameters, without references.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// The parameters, in the order of the code.
    pub fn parameters(&self) -> Vec<Parameter> {
        Parameter::all_of(&self.schema())
    }
}

#[cfg(test)]
mod tests;
