//! `docker.exec`: run a command in a container when a condition requires it.
//!
//! ```toml
//! [[operation]]
//! op = "docker.exec"
//! container = "db"
//! command = ["createuser", "app"]
//! unless = ["sh", "-c", "psql -tc '\\du' | grep -qw app"]
//! ```
//!
//! `unless` and `only_if` run in a dry run too, so they must not change anything.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::command::Docker;
use super::engine;
use super::resource::{check_name, named, unless_they_change};
use crate::change::{Attribute, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop};
use crate::facts::docker::ContainerKey;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{APART, Environment, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::server::condition::{Condition, check_lists, default_within};
use crate::operations::{Define, Operation, PlanContext, Role};
use crate::quote::{quote, quote_all};
use crate::value::Text;

/// The state of a container in which it runs commands.
const RUNS: &str = "running";

/// Parameters of `docker.exec`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Exec {
    /// The command, as a list of words. No shell reads it: for one, write `["sh", "-c", "…"]`.
    command: Vec<String>,
    /// Name of the container. Give this, or `project` and `service`.
    container: Option<String>,
    /// Name of the compose project that the service belongs to.
    project: Option<String>,
    /// Service of `project`: the command runs in its first container.
    service: Option<String>,
    /// User of the container that it runs as; by default that of its image.
    user: Option<String>,
    /// Folder of the container that it runs in; by default that of its image.
    workdir: Option<String>,
    /// Text that the command reads on its standard input. It may be a secret.
    input: Option<Text>,
    /// Path in the container that the command creates: it runs only if it does not exist.
    creates: Option<String>,
    /// Path in the container that the command removes: it runs only if it exists.
    removes: Option<String>,
    /// Command in the container that checks and changes nothing: the command runs only if it fails. It runs in a dry run too.
    unless: Option<Vec<String>>,
    /// Command in the container that checks and changes nothing: the command runs only if it succeeds. It runs in a dry run too.
    only_if: Option<Vec<String>>,
    /// `true` runs the command each time. This does not count as a pending change.
    #[serde(default)]
    always: bool,
    /// Paths of the host that the command may change, through what is mounted into the container.
    #[serde(default)]
    touches: Vec<String>,
    /// How long it may take before it is killed, with what it started in the container.
    #[serde(default = "default_within")]
    within: Span,
}

impl Define for Exec {
    const NAME: &'static str = "docker.exec";
    const SUMMARY: &'static str = "Run a command in a container when a condition requires it";
    const MAIN_ARGUMENT: &'static str = "command";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "docker.exec"
container = "db"
command = ["createuser", "app"]
unless = ["sh", "-c", "psql -tc '\\du' | grep -qw app"]
user = "postgres"
"#;
    const RUNS: RunsCommands = RunsCommands::Contained;
}

impl Operation for Exec {
    fn needs(&self) -> Vec<FactKey> {
        let conditions = self.conditions();
        let container = self.place().key().map(FactKey::DockerContainer);
        [FactKey::DockerEngine]
            .into_iter()
            .chain(container)
            .chain(conditions.needs())
            .collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let container = self
            .place()
            .key()
            .map(|key| FactScope::Key(FactKey::DockerContainer(key)));
        let paths = self.touches.iter().cloned().map(FactScope::Tree);
        container.into_iter().chain(paths).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        engine::runs(context, "command", true)?;
        // The container of a handler may be created by what notifies it.
        if context.role() == Role::Operation {
            self.place()
                .check_runs(context, |argument, title, label| context.refuse(argument, title, label))?;
        }
        let conditions = self.conditions();
        Ok(if conditions.condition(self.always).is_due(context)? {
            Outcome::Change(vec![self.change(context, &conditions)])
        } else {
            Outcome::Unchanged
        })
    }
}

/// What to do about a condition that cannot run. Small images have no programs but their own.
const TO_RUN: &str = "a condition is a program of the container, and `creates` and `removes` need its `test`: correct it, or use `always = true`";

/// The commands on the host that decide whether it runs.
struct Conditions {
    unless: Option<String>,
    only_if: Option<String>,
    /// These two as people know them.
    shown: [Option<String>; 2],
    /// The parameters that these two come from.
    written: [&'static str; 2],
}

impl Conditions {
    fn needs(&self) -> Vec<FactKey> {
        self.condition(false).needs()
    }

    fn condition(&self, always: bool) -> Condition<'_> {
        Condition {
            creates: None,
            removes: None,
            unless: self.unless.as_deref(),
            only_if: self.only_if.as_deref(),
            always,
            of: "command",
            what: "the command",
            without: "this would run each time",
            written: self.written,
            shown: [self.shown[0].as_deref(), self.shown[1].as_deref()],
            to_run: Some(TO_RUN),
            has_env: false,
        }
    }
}

impl Exec {
    /// Refuses what needs no facts to be wrong.
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_lists(
            context,
            [Some(&self.command), self.unless.as_ref(), self.only_if.as_ref()],
            &self.touches,
        )?;
        check_env(context)?;
        self.place().check(context, "command")?;
        let conditions = self.conditions();
        let given = Condition {
            creates: self.creates.as_deref(),
            removes: self.removes.as_deref(),
            unless: self.unless.as_ref().map(|_| ""),
            only_if: self.only_if.as_ref().map(|_| ""),
            ..conditions.condition(self.always)
        };
        given.check(context)
    }

    fn place(&self) -> Place<'_> {
        Place {
            container: self.container.as_deref(),
            project: self.project.as_deref(),
            service: self.service.as_deref(),
            user: self.user.as_deref(),
            workdir: self.workdir.as_deref(),
        }
    }

    fn conditions(&self) -> Conditions {
        let nothing = Environment::default();
        // Docker says on standard output why it could not start a program, with the exit code that a shell has for that.
        let run = |words: &[String]| format!("{} >&2", self.place().run(&nothing, false, words));
        let shown = |words: &[String]| {
            let words = quote_all(words.iter().map(String::as_str));
            format!("docker exec {} {words}", self.place().shown())
        };
        let test = |path: &String| ["test", "-e", path].map(str::to_owned).to_vec();
        let unless = self.unless.clone().or_else(|| self.creates.as_ref().map(test));
        let only_if = self.only_if.clone().or_else(|| self.removes.as_ref().map(test));
        Conditions {
            shown: [unless.as_deref().map(shown), only_if.as_deref().map(shown)],
            unless: unless.as_deref().map(run),
            only_if: only_if.as_deref().map(run),
            written: [
                if self.unless.is_some() { "unless" } else { "creates" },
                if self.only_if.is_some() { "only_if" } else { "removes" },
            ],
        }
    }

    fn change(&self, context: &PlanContext<'_>, conditions: &Conditions) -> ResourceChange {
        let shown = quote_all(self.command.iter().map(String::as_str));
        let input = self.input.as_ref().map(|input| ("input", context.attribute_of(input)));
        let place = [("in", Attribute::known(self.place().shown()))];
        let user = self.user.as_ref().map(|user| ("as", Attribute::known(user)));
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::Command, &shown),
            conditions.condition(self.always).action(context),
            Before::Absent,
            Some(place.into_iter().chain(user).chain(input).collect()),
        );
        change.effects = self
            .touches(context)
            .into_iter()
            .map(|scope| Effect::Forget(scope, "the command may change it".to_owned()))
            .collect();
        let script = self
            .place()
            .run_marked(&context.environment(), self.input.is_some(), &self.command);
        let command = Command {
            timeout: self.within.0,
            env_is_apart: true,
            input: self.input.as_ref().map(|input| context.input_of(input)),
            ..Command::new(format!("docker exec {} {shown}", self.place().shown()), script)
        };
        change.steps = vec![Step::Run(command)];
        change
    }
}

/// Shell text that marks what is started in the container by a variable, and ends it if this shell is ended: Docker does not. The host
/// sees these processes as its own.
const MARK: &str = "read -r mark </proc/sys/kernel/random/uuid; mark=HOMELAB_EXEC=$mark\n\
    end() {\n\
    found=\n\
    for signal in TERM KILL; do\n\
    for process in $(grep -lzxF -e \"$mark\" /proc/[0-9]*/environ 2>/dev/null); do\n\
    process=${process%/environ}; kill -$signal \"${process#/proc/}\" 2>/dev/null && found=1\n\
    done\n\
    [ -z \"$found\" ] || sleep 1\n\
    done\n\
    [ -n \"$found\" ] || echo 'what it started may still run in the container' >&2\n\
    exit 124\n\
    }\n\
    trap end HUP INT TERM\n";

/// Refuses variables that reach the container only through the `docker` command, which would take them for its own.
fn check_env(context: &PlanContext<'_>) -> Result<(), Stop> {
    let environment = context.environment();
    let is_of_docker = |name: &str| matches!(name, "PATH" | "HOME") || name.starts_with("DOCKER_");
    match environment.lines().find(|(name, fits)| !fits && is_of_docker(name)) {
        None => Ok(()),
        Some((name, _)) => {
            let title = format!("`{name}` must be a single line of less than 60000 bytes");
            Err(context
                .refuse_entry("env", name, title, "the `docker` command has a variable of this name")
                .hint("write a shorter value without line breaks"))
        }
    }
}

/// Where a command runs.
#[derive(Clone, Copy, Default)]
pub(in crate::operations) struct Place<'a> {
    pub(in crate::operations) container: Option<&'a str>,
    pub(in crate::operations) project: Option<&'a str>,
    pub(in crate::operations) service: Option<&'a str>,
    pub(in crate::operations) user: Option<&'a str>,
    pub(in crate::operations) workdir: Option<&'a str>,
}

impl Place<'_> {
    /// The key of its container; `None` if it is not given as it must be.
    pub(in crate::operations) fn key(&self) -> Option<String> {
        match (self.container, self.project, self.service) {
            (Some(container), None, None) => Some(container.to_owned()),
            (None, Some(project), Some(service)) => Some(format!("{project}/{service}")),
            _ => None,
        }
    }

    /// The container in words: `db`, or `shop/db` for a service.
    pub(in crate::operations) fn shown(&self) -> String {
        self.key().unwrap_or_default()
    }

    /// The parameter that says which container it is.
    fn argument(&self) -> &'static str {
        if self.container.is_some() {
            "container"
        } else {
            "service"
        }
    }

    /// Refuses a container that is not given as it must be.
    pub(in crate::operations) fn check(&self, context: &PlanContext<'_>, argument: &str) -> Result<(), Stop> {
        let parts = [
            ("container", self.container),
            ("project", self.project),
            ("service", self.service),
        ];
        if self.key().is_none() {
            let given: Vec<String> = parts
                .iter()
                .filter(|(_, value)| value.is_some())
                .map(|(name, _)| (*name).to_owned())
                .collect();
            let label = if given.is_empty() {
                "in no container".to_owned()
            } else {
                format!("given: {}", named(&given))
            };
            return Err(context
                .refuse(argument, "it is not clear in which container this runs", label)
                .hint("write `container`, or `project` and `service`"));
        }
        for (name, value) in parts {
            if let Some(value) = value {
                check_name(context, name, value, 1)?;
            }
        }
        match self.workdir.filter(|path| !path.starts_with('/')) {
            None => Ok(()),
            Some(path) => {
                let title = format!("`{path}` is not an absolute path");
                Err(context
                    .refuse("workdir", title, "must start with `/`")
                    .hint("write an absolute path of the container"))
            }
        }
    }

    /// Refuses a container that does not run although nothing before it starts it. `refuse` points at a parameter.
    pub(in crate::operations) fn check_runs(
        &self,
        context: &PlanContext<'_>,
        refuse: impl FnOnce(&str, String, String) -> Stop,
    ) -> Result<(), Stop> {
        let key = self.key().unwrap_or_default();
        let found = context.get(ContainerKey(&key))?;
        if found.as_ref().is_some_and(|container| container.state == RUNS) {
            return Ok(());
        }
        let key = FactKey::DockerContainer(key);
        let what = key.to_string();
        let (title, label) = match &found {
            None => (format!("there is no {what}"), "not on the host".to_owned()),
            Some(container) => (format!("{what} does not run"), format!("it is {}", container.state)),
        };
        let refusal = refuse(self.argument(), title, label).hint("start it first, in an earlier operation");
        Err(unless_they_change(context, key, refusal))
    }

    /// The same as [`Self::run`], which ends what it started in the container if it is ended itself.
    fn run_marked(&self, environment: &Environment, reads_input: bool, command: &[String]) -> String {
        let run = self.text(environment, reads_input, command, true);
        // The shell of a command in the background would have no input.
        format!("{MARK}exec 5<&0\n{{ exec <&5 5<&-\n{run}\n}} &\nwait $!")
    }

    /// Shell text that runs a command in the container, with these variables of the shell.
    pub(in crate::operations) fn run(
        &self,
        environment: &Environment,
        reads_input: bool,
        command: &[String],
    ) -> String {
        self.text(environment, reads_input, command, false)
    }

    fn text(&self, environment: &Environment, reads_input: bool, command: &[String], is_marked: bool) -> String {
        let mut docker = Docker::new(&["exec"])
            .flag("--interactive", reads_input)
            .option("--user", self.user)
            .option("--workdir", self.workdir)
            .flag("--env \"$mark\"", is_marked);
        // Their values are not on the command line, which every user of the host can read, and not variables of the `docker` command,
        // but for those of several lines, which no file can have.
        let (mut file, mut assigned) = (String::new(), String::new());
        for (name, fits) in environment.lines() {
            if fits {
                let _ = writeln!(file, "{name}=${APART}{name}");
            } else {
                let _ = write!(assigned, "{name}=\"${APART}{name}\" ");
                docker = docker.option("--env", Some(name));
            }
        }
        if !file.is_empty() {
            docker = docker.option("--env-file", Some("/dev/fd/3"));
            file = format!("exec 3<<homelab_env\n{file}homelab_env\n");
        }
        let docker = format!("{assigned}{}", docker.text());
        let words = quote_all(command.iter().map(String::as_str));
        let (Some(project), Some(service)) = (self.project, self.service) else {
            let container = quote(self.container.unwrap_or_default());
            return format!("{file}{docker} {container} {words}");
        };
        let label = |name: &str, value: &str| format!("label=com.docker.compose.{name}={value}");
        let list = Docker::new(&["ps", "--format", "{{.Names}}"])
            .option("--filter", Some(&label("project", project)))
            .option("--filter", Some(&label("service", service)))
            .option("--filter", Some(&label("oneoff", "False")));
        format!(
            "{file}container=$({} | sort -V | head -n 1)\n\
             [ -n \"$container\" ] || {{ echo {} >&2; exit 1; }}\n\
             {docker} \"$container\" {words}",
            list.text(),
            quote(&format!("no container of service {service} of project {project} runs")),
        )
    }
}
