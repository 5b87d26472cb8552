//! `verify.command`: check that a command succeeds, or says what it should.
//!
//! ```toml
//! [[operation]]
//! op = "verify.command"
//! command = ["pg_isready", "-h", "127.0.0.1"]
//! contains = "accepting connections"
//! ```
//!
//! It runs in a dry run too, so it must not change anything.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{check_contains, default_within, plan_check};
use crate::change::{Outcome, Stop};
use crate::facts::check::ProgramCheck;
use crate::facts::overlay::FactScope;
use crate::facts::{Check, Environment, FactKey, Identity};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::run_as::RunAsSupport;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `verify.command`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Command {
    /// Command that checks and changes nothing, as a list of words that no shell reads. It runs in a dry run too, for at most
    /// ten seconds.
    command: Vec<String>,
    /// Exit code that it must have.
    #[serde(default)]
    exit_code: u8,
    /// Text that its output must contain, within one line of the last 64 KiB. Errors count as output.
    contains: Option<String>,
    /// How long to keep trying after a change.
    #[serde(default = "default_within")]
    within: Span,
}

impl Define for Command {
    const NAME: &'static str = "verify.command";
    const SUMMARY: &'static str = "Check that a command succeeds, or says what it should";
    const MAIN_ARGUMENT: &'static str = "command";
    const RUNS: RunsCommands = RunsCommands::TriesOwn;
    const RUN_AS: RunAsSupport = RunAsSupport::Commands;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "verify.command"
command = ["systemctl", "is-system-running"]
within = "30s"
"#;
}

impl Operation for Command {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::Check(self.check(Identity::Own, Environment::default()))]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        Vec::new()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        if self.command.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(context
                .refuse("command", "`command` is empty", "nothing to run")
                .hint("write `command = [\"…\"]`"));
        }
        if let Some(word) = self.command.iter().find(|word| word.contains('\0')) {
            return Err(context.refuse_item("command", word, "a word contains a NUL byte", "no command can have one"));
        }
        check_contains(context, self.contains.as_deref())?;
        plan_check(
            context,
            &self.check(context.identity(), context.environment()),
            self.within,
        )
    }
}

impl Command {
    fn check(&self, by: Identity, env: Environment) -> Check {
        Check::Program(Box::new(ProgramCheck {
            words: self.command.clone(),
            exit_code: self.exit_code,
            contains: self.contains.clone(),
            by,
            env,
        }))
    }
}
