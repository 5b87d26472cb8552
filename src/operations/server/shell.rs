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

use super::condition::{Condition, run_as};
use crate::change::{Attribute, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::run_as::RunAsSupport;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Text;

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
    /// Paths that the commands may change; they may start and stop containers all the same. By default they may change anything,
    /// so that later operations are harder to predict.
    touches: Option<Vec<String>>,
    /// Text that each command reads on its standard input. It may be a secret.
    input: Option<Text>,
    /// How long each command may take before it is killed.
    #[serde(default = "super::condition::default_within")]
    within: Span,
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
        self.condition().needs()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        self.condition().touches(self.touches.as_deref())
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        if self.commands.iter().all(|command| command.trim().is_empty()) {
            return Err(context
                .refuse("commands", "`commands` is empty", "nothing to run")
                .hint("write `commands = [\"…\"]`"));
        }
        self.condition().check(context)?;
        Ok(if self.condition().is_due(context)? {
            Outcome::Change(vec![self.change(context)])
        } else {
            Outcome::Unchanged
        })
    }
}

impl Shell {
    fn condition(&self) -> Condition<'_> {
        Condition {
            creates: self.creates.as_deref(),
            removes: self.removes.as_deref(),
            unless: self.unless.as_deref(),
            only_if: self.only_if.as_deref(),
            always: self.always,
            of: "commands",
            what: "the commands",
            without: "these would run each time",
            written: ["unless", "only_if"],
            shown: [None; 2],
            to_run: None,
            has_env: true,
        }
    }

    fn change(&self, context: &PlanContext<'_>) -> ResourceChange {
        // The name already shows the commands.
        let user = run_as(context).map(|user| ("as", Attribute::known(user)));
        let input = self.input.as_ref().map(|input| ("input", context.attribute_of(input)));
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::Command, &self.commands.join("; ")),
            self.condition().action(context),
            Before::Absent,
            Some(user.into_iter().chain(input).collect()),
        );
        change.effects = self.condition().effects(context, self.touches.as_deref());
        change.steps = self
            .commands
            .iter()
            .map(|command| {
                Step::Run(Command {
                    timeout: self.within.0,
                    by: context.identity(),
                    input: self.input.as_ref().map(|input| context.input_of(input)),
                    ..Command::new(command, command)
                })
            })
            .collect();
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Action;
    use crate::facts::overlay::Effect;
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
        assert!(
            matches!(&run.effects[..], [Effect::Forget(FactScope::Tree(path), _), Effect::Forget(FactScope::Containers, _)] if path == "/opt/x")
        );
    }
}
