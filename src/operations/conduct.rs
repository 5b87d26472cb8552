//! `timeout`, `retries`, `on_error`, `env` and `sensitive`: how an operation is carried out.
//!
//! ```toml
//! [[operation]]
//! op = "server.shell"
//! commands = ["curl -sSf -o /opt/tool https://example.org/tool"]
//! creates = "/opt/tool"
//! env = { https_proxy = "http://proxy:3128" }
//! timeout = "2m"
//! retries = 3
//! on_error = "ignore"
//! ```

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::context::PlanContext;
use super::operation::Operation;
use super::parameters::Span;
use crate::change::{Attribute, Conduct, OnError, Outcome, ResourceChange, ResourceKind, Step, Stop};
use crate::facts::overlay::FactScope;
use crate::facts::{Environment, FactKey};
use crate::value::{Kind, Table, Value, ValueError, Varied, deserialize};

/// The keys that say how an operation is carried out. No operation has a parameter of such a name.
pub const CONDUCT_KEYS: &[&str] = &[TIMEOUT, RETRIES, ON_ERROR, ENV, SENSITIVE];

const TIMEOUT: &str = "timeout";
const RETRIES: &str = "retries";
const ON_ERROR: &str = "on_error";
const ENV: &str = "env";
const SENSITIVE: &str = "sensitive";
/// The parameter that limits the commands of an operation as `timeout` does.
const WITHIN: &str = "within";
const VALIDATE: &str = "validate";

/// Which commands an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunsCommands {
    /// None that take variables from the user.
    None,
    /// The user's own.
    Own,
    /// The user's own, in a container: what homelab runs on the host to get there does not get their variables.
    Contained,
    /// Those of apt, with some variables that homelab sets.
    Apt,
    /// `validate`, if it is given.
    Validate,
    /// None: it tries something for as long as `within` says.
    Tries,
    /// The user's own, which it tries for as long as `within` says.
    TriesOwn,
}

/// Variables that change what every program does, among them the shell that reads the commands.
const OF_EVERY_PROGRAM: [&str; 11] = [
    "BASHOPTS",
    "BASH_ENV",
    "ENV",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "IFS",
    "LOCPATH",
    "NLSPATH",
    "PS4",
    "SHELLOPTS",
];

/// Variables that homelab sets for apt, or that would make apt do something else than its simulation.
const OF_APT: [&str; 3] = ["APT_CONFIG", "DEBIAN_FRONTEND", "LC_ALL"];

/// What must be written for one of the keys, in words; `None` for any other key.
pub(super) fn expected(key: &str) -> Option<&'static str> {
    match key {
        TIMEOUT => Some("a duration such as \"30s\""),
        RETRIES => Some("a whole number from 0 to 255"),
        ON_ERROR => Some("\"ignore\", \"stop_host\" or \"stop_all\""),
        ENV => Some("a table of strings"),
        SENSITIVE => Some("true or false"),
        _ => None,
    }
}

/// The keys as they are read.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConductKeys {
    /// How long each command may take before it is killed. The default depends on the operation.
    timeout: Option<Span>,
    /// How often to try again after a failure. Each time, after a pause, the host is read and the operation planned and
    /// applied again.
    #[serde(default)]
    retries: u8,
    /// What a failure stops: nothing, the host, or all hosts at their next operation.
    #[serde(default)]
    on_error: OnError,
    /// Variables for the commands that it runs, such as `{ http_proxy = "http://proxy:3128" }`.
    #[serde(default)]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    env: BTreeMap<String, Varied<Text>>,
    /// `true` hides the texts of files in reviews. `false` shows the old lines of a file that not every user of the host may read.
    sensitive: Option<bool>,
}

/// The value of a variable. A lone template that gives a number is as good as the number's text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl de::Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// An operation with one of the keys.
#[derive(Debug)]
struct Conducted {
    operation: Box<dyn Operation>,
    runs: RunsCommands,
    name: &'static str,
    wish: ConductKeys,
    env: Environment,
}

/// The operation that `read` makes of its own parameters, carried out as the keys among `parameters` say.
///
/// Errors: a value of the wrong type.
pub(super) fn conduct(
    name: &'static str,
    runs: RunsCommands,
    parameters: &Value,
    read: impl FnOnce(&Value) -> Result<Box<dyn Operation>, ValueError>,
) -> Result<Box<dyn Operation>, ValueError> {
    let is_given = |table: &&Table| table.keys().any(|key| CONDUCT_KEYS.contains(&key.as_str()));
    let Some(table) = parameters.as_table().filter(is_given) else {
        return read(parameters);
    };
    let (keys, own): (Table, Table) = table
        .clone()
        .into_iter()
        .partition(|(key, _)| CONDUCT_KEYS.contains(&key.as_str()));
    let wish: ConductKeys = deserialize(&Value::new(Kind::Table(keys)))?;
    let operation = read(&Value::new(Kind::Table(own)).at(parameters.origin.as_ref()))?;
    let env = wish.env.iter().map(|(name, value)| {
        let text = value.text(|text| text.0.clone());
        (name.clone(), text)
    });
    Ok(Box::new(Conducted {
        operation,
        runs,
        name,
        env: Environment::new(env.collect()),
        wish,
    }))
}

impl Operation for Conducted {
    fn needs(&self) -> Vec<FactKey> {
        let own = self.operation.needs().into_iter();
        if self.runs == RunsCommands::Contained {
            return own.collect();
        }
        own.map(|key| match key {
            FactKey::Check(check) => FactKey::Check(check.with_environment(&self.env)),
            other => other,
        })
        .collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        self.operation.touches(context)
    }

    fn within(&self) -> Option<&dyn Operation> {
        Some(&*self.operation)
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check_timeout(context)?;
        self.check_env(context)?;
        context.set_environment(self.env.clone());
        context.set_sensitive(self.wish.sensitive);
        let mut outcome = self.operation.plan(context)?;
        for change in outcome.changes_mut() {
            self.apply(change);
        }
        Ok(outcome)
    }

    fn conduct(&self) -> Conduct {
        Conduct {
            timeout: self.wish.timeout.map(|span| span.0),
            retries: self.wish.retries,
            on_error: self.wish.on_error,
        }
    }
}

impl Conducted {
    /// Gives the commands of a change their time limit and their variables.
    fn apply(&self, change: &mut ResourceChange) {
        let timeout = self.wish.timeout.map(|span| span.0);
        for step in &mut change.steps {
            match step {
                Step::Run(command) => {
                    command.timeout = timeout.unwrap_or(command.timeout);
                    command.env.clone_from(&self.env);
                }
                Step::WriteFile(file) => {
                    file.validate_within = timeout;
                    file.validate_env.clone_from(&self.env);
                }
                _ => {}
            }
        }
        if change.id.kind == ResourceKind::Command
            && !self.env.is_empty()
            && let Some(after) = &mut change.after
        {
            let names: Vec<&str> = self.env.names().collect();
            after.insert(ENV, Attribute::known(names.join(" ")));
        }
    }

    fn check_timeout(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(timeout) = self.wish.timeout else {
            return Ok(());
        };
        if matches!(self.runs, RunsCommands::Tries | RunsCommands::TriesOwn) {
            let title = format!("`{}` does not support `{TIMEOUT}`", self.name);
            let label = match self.runs {
                RunsCommands::TriesOwn => "each try has ten seconds",
                _ => "it runs no command",
            };
            return Err(context
                .refuse(TIMEOUT, title, label)
                .hint(format!("use `{WITHIN}`: how long to keep trying")));
        }
        if context.arguments.contains_key(WITHIN) {
            let title = format!("`{TIMEOUT}` and `{WITHIN}` cannot be used together");
            return Err(context
                .refuse(TIMEOUT, title, "both limit each command")
                .hint("remove one of the two"));
        }
        if timeout.0.is_zero() {
            return Err(context
                .refuse(
                    TIMEOUT,
                    "`timeout` must be longer than zero",
                    "no command ends in no time",
                )
                .hint("write a duration such as `\"30s\"`, or remove it for the default"));
        }
        Ok(())
    }

    fn check_env(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        if self.wish.env.is_empty() && !context.arguments.contains_key(ENV) {
            return Ok(());
        }
        self.check_support(context)?;
        for (name, value) in &self.wish.env {
            let refuse = |title: String, label: &str| context.refuse_entry(ENV, name, title, label);
            if !is_name(name) {
                let title = format!("`{name}` is not a valid name of a variable");
                return Err(refuse(title, "use letters, digits and `_`, not starting with a digit")
                    .hint("rename it, such as `HTTP_PROXY`"));
            }
            if name.starts_with("LD_") || OF_EVERY_PROGRAM.contains(&name.as_str()) {
                let title = format!("`{name}` is not supported in `{ENV}`");
                return Err(
                    refuse(title, "changes every program, also the shell that reads the commands")
                        .hint(format!("set it for one command, such as `{name}=… command`")),
                );
            }
            if self.runs == RunsCommands::Apt && OF_APT.contains(&name.as_str()) {
                let title = format!("`{name}` is not supported in `{ENV}` of `{}`", self.name);
                return Err(refuse(
                    title,
                    "homelab sets this for apt, also where it asks apt for the review",
                )
                .hint("remove it; write apt's own settings to a file in `/etc/apt/apt.conf.d`"));
            }
            if value.expose().0.contains('\0') {
                let title = format!("`{name}` contains a NUL byte");
                return Err(refuse(title, "no variable can contain one").hint("remove it"));
            }
        }
        Ok(())
    }

    /// Refuses variables where no command would see them.
    fn check_support(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let refuse = |title: String, label: &str| context.refuse_key(ENV, title, label);
        match self.runs {
            RunsCommands::Own | RunsCommands::Contained | RunsCommands::Apt | RunsCommands::TriesOwn => Ok(()),
            RunsCommands::Validate if context.arguments.contains_key(VALIDATE) => Ok(()),
            RunsCommands::Validate => {
                let title = format!("`{ENV}` of `{}` needs `{VALIDATE}`", self.name);
                Err(refuse(title, "this would have no effect").hint(format!("remove it, or add `{VALIDATE}`")))
            }
            RunsCommands::None | RunsCommands::Tries => {
                let title = format!("`{}` does not support `{ENV}`", self.name);
                Err(refuse(title, "this would have no effect").hint(
                    "remove it; it works with `server.shell` and the operations of `apt`, and where there is `validate`",
                ))
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts_well
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests;
