//! `server.reboot`: restart the host when a package asks for it.
//!
//! ```toml
//! [[operation]]
//! op = "server.reboot"
//! ```

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::change::{
    Action, Attribute, Attributed, Before, NotKnown, Outcome, Reboot as RebootStep, ResourceChange, ResourceId,
    ResourceKind, Risk, Step, Stop,
};
use crate::facts::kernel::KernelParameterKey;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::PathFact;
use crate::facts::system::SystemKey;
use crate::facts::{Fact, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::{Span, yes};
use crate::operations::{Define, Operation, PlanContext, Role};

/// Parameters of `server.reboot`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Reboot {
    /// `false` restarts it each time, or each time it is notified as a handler.
    #[serde(default = "yes")]
    when_needed: bool,
    /// How long the host may take to come back.
    #[serde(default = "ten_minutes")]
    within: Span,
}

fn ten_minutes() -> Span {
    Span(Duration::from_secs(600))
}

/// Packages create this file if the host has to be restarted after their installation.
const REQUIRED: &str = "/run/reboot-required";
/// Another one after each boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// What a boot empties or decides anew.
const OF_A_BOOT: [&str; 3] = ["/run", "/tmp", "/proc"];

impl Define for Reboot {
    const NAME: &'static str = "server.reboot";
    const SUMMARY: &'static str = "Restart the host when a package asks for it";
    const MAIN_ARGUMENT: &'static str = "when_needed";
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.reboot"
within = "15m"
"#;
}

impl Operation for Reboot {
    fn needs(&self) -> Vec<FactKey> {
        let required = self.when_needed.then(|| FactKey::Path(REQUIRED.to_owned()));
        let boot = [FactKey::KernelParameter(BOOT_ID.to_owned()), FactKey::System];
        boot.into_iter().chain(required).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let trees = OF_A_BOOT.map(|top| FactScope::Tree(top.to_owned()));
        let rest = [FactScope::Units, FactScope::Key(FactKey::System)];
        trees.into_iter().chain(rest).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        if self.within.0.is_zero() {
            return Err(context
                .refuse(
                    "within",
                    "`within` must be longer than zero",
                    "no host boots in no time",
                )
                .hint("write a duration such as `\"10m\"`"));
        }
        if context.role() == Role::HandlerThatRan && !self.when_needed {
            return Ok(Outcome::Unchanged);
        }
        // In the same round.
        let boot_id = context.get(KernelParameterKey(BOOT_ID));
        if self.when_needed {
            match context.path(REQUIRED) {
                Ok(PathFact::Absent) => return Ok(Outcome::Unchanged),
                Ok(PathFact::Present(_)) => {}
                Err(Stop::NotKnown {
                    cause: NotKnown::Since(operation, _),
                    ..
                }) => {
                    return Ok(Outcome::Deferred {
                        waits_for: vec![operation],
                        why: "restarts the host if a package asks for it".to_owned(),
                        touches: self.touches(context),
                        preview: Vec::new(),
                    });
                }
                Err(stop) => return Err(stop),
            }
        }
        let Some(boot_id) = boot_id? else {
            return Err(context
                .refuse(
                    "within",
                    "this host has no boot id",
                    format!("`{BOOT_ID}` is not there"),
                )
                .hint("restart it by hand: nothing would prove that it has booted"));
        };
        Ok(Outcome::Change(vec![self.change(context, boot_id)?]))
    }
}

impl Reboot {
    fn change(&self, context: &PlanContext<'_>, boot_id: String) -> Result<ResourceChange, Stop> {
        let mut system = context.get(SystemKey)?;
        let why = match system.machine.reboot_required.take() {
            _ if !self.when_needed && context.role() == Role::Handler => "notified".to_owned(),
            _ if !self.when_needed => String::new(),
            Some(packages) if !packages.is_empty() => format!("required by {}", packages.join(", ")),
            _ => "required".to_owned(),
        };
        let why = Some(why).filter(|why| !why.is_empty());
        let after: Attributed = why.map(|why| ("reboot", Attribute::known(why))).into_iter().collect();
        let action = match context.role() {
            Role::Operation if !self.when_needed => Action::RunEachTime,
            _ => Action::Update,
        };
        let id = ResourceId::new(ResourceKind::Host, &system.machine.hostname);
        let mut change = ResourceChange::new(id, action, Before::Present(Attributed::new()), Some(after));
        let why = "the host restarts".to_owned();
        let forgotten = OF_A_BOOT
            .map(|top| FactScope::Tree(top.to_owned()))
            .into_iter()
            .chain([FactScope::Units]);
        change.effects = forgotten.map(|scope| Effect::Forget(scope, why.clone())).collect();
        change.effects.extend([
            Effect::Set(FactKey::Path(REQUIRED.to_owned()), Fact::Path(PathFact::Absent)),
            Effect::Set(FactKey::System, Fact::System(system)),
        ]);
        change.steps = vec![Step::Reboot(RebootStep {
            boot_id,
            within: self.within.0,
        })];
        change.risk = Risk::Reboot;
        Ok(change)
    }
}
