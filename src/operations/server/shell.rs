//! `server.shell`: run commands when a condition requires it.
//!
//! ```toml
//! [[operation]]
//! op = "server.shell"
//! commands = ["tar -C /opt -xf /opt/tool.tar"]
//! creates = "/opt/tool"
//! ```
//!
//! `unless` and `only_if` run in a dry run too, so they must not change anything.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::change::{
    Action, Attribute, Attributed, Before, Command, DEFAULT_TIMEOUT, Outcome, ResourceChange, ResourceId, ResourceKind,
    Risk, Step, Stop,
};
use crate::facts::check::{CheckFact, CheckKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::PathFact;
use crate::facts::{Check, Environment, FactKey, Identity};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::run_as::RunAsSupport;
use crate::operations::{Define, Operation, PlanContext, Role};

/// Parameters of `server.shell`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Shell {
    /// Commands for `sh`, run in order until one fails.
    commands: Vec<String>,
    /// Path that the commands create: they run only if it does not exist.
    creates: Option<String>,
    /// Path that the commands remove: they run only if it exists.
    removes: Option<String>,
    /// Command that checks and changes nothing: the commands run only if it fails. It runs in a dry run too.
    unless: Option<String>,
    /// Command that checks and changes nothing: the commands run only if it succeeds. It runs in a dry run too.
    only_if: Option<String>,
    /// `true` runs the commands each time. This does not count as a pending change.
    #[serde(default)]
    always: bool,
    /// Paths that the commands may change. By default they may change anything, so that later operations are harder to
    /// predict.
    touches: Option<Vec<String>>,
    /// How long each command may take before it is killed.
    #[serde(default = "default_within")]
    within: Span,
}

fn default_within() -> Span {
    Span(DEFAULT_TIMEOUT)
}

impl Define for Shell {
    const NAME: &'static str = "server.shell";
    const SUMMARY: &'static str = "Run commands when a condition requires it";
    const MAIN_ARGUMENT: &'static str = "commands";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.shell"
commands = ["tar -C /opt -xf /srv/tool.tar"]
creates = "/opt/tool"
touches = ["/opt"]
"#;
    const SHELL_TEXT: &'static [&'static str] = &["commands", "unless", "only_if"];
    const RUN_AS: RunAsSupport = RunAsSupport::Commands;
    const RUNS: RunsCommands = RunsCommands::Own;
}

impl Operation for Shell {
    fn needs(&self) -> Vec<FactKey> {
        let paths = [&self.creates, &self.removes].into_iter().flatten();
        let commands = [&self.unless, &self.only_if].into_iter().flatten();
        paths
            .cloned()
            .map(FactKey::Path)
            .chain(commands.cloned().map(|script| condition(script, Identity::Own)))
            .collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        match &self.touches {
            None => vec![FactScope::Everything],
            Some(paths) => {
                let given = [&self.creates, &self.removes].into_iter().flatten();
                paths.iter().chain(given).cloned().map(FactScope::Tree).collect()
            }
        }
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        if context.role() == Role::HandlerThatRan && !self.has_condition() {
            return Ok(Outcome::Unchanged);
        }
        let due = if let Some(path) = &self.creates {
            context.path(path)? == PathFact::Absent
        } else if let Some(path) = &self.removes {
            context.path(path)? != PathFact::Absent
        } else if let Some(script) = &self.unless {
            !succeeds(context, script)?
        } else if let Some(script) = &self.only_if {
            succeeds(context, script)?
        } else {
            true
        };
        Ok(if due {
            Outcome::Change(vec![self.change(context)])
        } else {
            Outcome::Unchanged
        })
    }
}

fn succeeds(context: &PlanContext<'_>, script: &str) -> Result<bool, Stop> {
    let check = Check::Command {
        script: script.to_owned(),
        by: context.identity(),
        env: context.environment(),
    };
    Ok(context.get(CheckKey(&check))? == CheckFact::Holds)
}

fn condition(script: String, by: Identity) -> FactKey {
    FactKey::Check(Check::Command {
        script,
        by,
        env: Environment::default(),
    })
}

/// Shows the user that the commands run as, unless it is root.
fn attributed(context: &PlanContext<'_>) -> Attributed {
    let session = context.session();
    let user = match context.identity() {
        Identity::Root => None,
        Identity::Own => session.and_then(|session| Some(session.unprivileged?.account.user)),
        Identity::LoginUser => session.map(|session| session.login.user),
        Identity::User(user) => Some(user),
    };
    let name = user.map(|user| ("as", Attribute::known(user)));
    name.into_iter().collect()
}

impl Shell {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        if self.commands.iter().all(|command| command.trim().is_empty()) {
            return Err(context
                .refuse("commands", "`commands` is empty", "nothing to run")
                .hint("write `commands = [\"…\"]`"));
        }
        self.check_condition(context)?;
        for (argument, path) in [("creates", &self.creates), ("removes", &self.removes)] {
            if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
                return Err(context
                    .refuse(
                        argument,
                        format!("`{argument}` is not an absolute path"),
                        "must start with `/`",
                    )
                    .hint("write an absolute path; commands start in the user's home directory"));
            }
        }
        Ok(())
    }

    fn check_condition(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let conditions = [
            ("creates", self.creates.is_some()),
            ("removes", self.removes.is_some()),
            ("unless", self.unless.is_some()),
            ("only_if", self.only_if.is_some()),
            ("always", self.always),
        ];
        let mut given = conditions
            .iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(name, _)| name);
        let mistake = match (given.next(), given.next()) {
            (Some(_), None) => return Ok(()),
            (Some(first), Some(second)) => context.mistake(
                second,
                format!("`{first}` and `{second}` cannot be used together"),
                "one condition is enough",
            ),
            (None, _) if context.role() != Role::Operation => return Ok(()),
            (None, _) => context.mistake(
                "commands",
                "missing condition for the commands",
                "these would run each time",
            ),
        };
        let hint = "use exactly one of `creates`, `removes`, `unless`, `only_if` and `always = true`";
        Err(Stop::Refused(Box::new(mistake.hint(hint))))
    }

    /// Whether the host decides whether the commands run.
    fn has_condition(&self) -> bool {
        [&self.creates, &self.removes, &self.unless, &self.only_if]
            .iter()
            .any(|condition| condition.is_some())
    }

    fn change(&self, context: &PlanContext<'_>) -> ResourceChange {
        let effects = self.touches(context).into_iter();
        ResourceChange {
            id: ResourceId {
                kind: ResourceKind::Command,
                name: self.commands.join("; "),
            },
            action: match context.role() {
                // Being notified is a change that is pending.
                Role::Handler if !self.has_condition() => Action::Update,
                Role::Operation if self.always => Action::RunEachTime,
                _ => Action::Create,
            },
            before: Before::Absent,
            // The name already shows the commands.
            after: Some(attributed(context)),
            expect: Vec::new(),
            effects: effects
                .map(|scope| Effect::Forget(scope, "the command may change it".to_owned()))
                .collect(),
            steps: self
                .commands
                .iter()
                .map(|command| {
                    Step::Run(Command {
                        timeout: self.within.0,
                        by: context.identity(),
                        ..Command::new(command, command)
                    })
                })
                .collect(),
            risk: Risk::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Bench, change};

    #[test]
    fn paths_decide_whether_it_runs() {
        let creates = "commands = ['make it']\ncreates = '/x'";
        let bench = Bench::new::<Shell>(creates).file("/x", "", 0o644);
        assert_eq!(bench.plan(), Ok(Outcome::Unchanged));
        let run = change(Bench::new::<Shell>(creates).absent("/x").plan());
        assert_eq!(run.action, Action::Create);
        assert!(matches!(&run.steps[..], [Step::Run(run)] if run.script == "make it" && !run.supervised));
        assert!(matches!(&run.effects[..], [Effect::Forget(FactScope::Everything, _)]));
        let removes = Bench::new::<Shell>("commands = ['rm -r /x']\nremoves = '/x'").absent("/x");
        assert_eq!(removes.plan(), Ok(Outcome::Unchanged));
    }

    #[test]
    fn running_each_time_does_not_count_as_drift() {
        let run = change(Bench::new::<Shell>("commands = ['a']\nalways = true\ntouches = ['/opt/x']").plan());
        assert!(!run.action.is_pending());
        assert!(matches!(&run.effects[..], [Effect::Forget(FactScope::Tree(path), _)] if path == "/opt/x"));
    }
}
