//! `systemd.daemon_reload`: have systemd read all unit files again, as a handler.
//!
//! ```toml
//! [[handler]]
//! name = "unit files changed"
//! op = "systemd.daemon_reload"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::script::daemon_reload;
use crate::change::{Action, Attributed, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::{Define, Operation, PlanContext, Role};

/// `systemd.daemon_reload` has no parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct DaemonReload {}

impl Define for DaemonReload {
    const NAME: &'static str = "systemd.daemon_reload";
    const SUMMARY: &'static str = "Have systemd read all unit files again (only as a handler)";
    const MAIN_ARGUMENT: &'static str = "";
    const EXAMPLE: &'static str = r#"[[handler]]
name = "unit files changed"
op = "systemd.daemon_reload"
"#;
}

impl Operation for DaemonReload {
    fn needs(&self) -> Vec<FactKey> {
        Vec::new()
    }

    /// It starts and stops nothing. A unit that is planned to be loaded later is loaded once more.
    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        Vec::new()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        match context.role() {
            Role::HandlerThatRan => Ok(Outcome::Unchanged),
            Role::Handler => Ok(Outcome::Change(vec![change()])),
            Role::Operation => Err(context
                .refuse(
                    "op",
                    "`systemd.daemon_reload` works only as a handler",
                    "this would happen on every run",
                )
                .hint("write it as a `[[handler]]`; `systemd.service` loads changed unit files by itself")),
        }
    }
}

fn change() -> ResourceChange {
    ResourceChange {
        id: ResourceId::new(ResourceKind::Command, "systemctl daemon-reload"),
        action: Action::Update,
        before: Before::Absent,
        after: Some(Attributed::new()),
        expect: Vec::new(),
        effects: Vec::new(),
        steps: vec![daemon_reload()],
        risk: Risk::None,
        is_asked_as_before: false,
    }
}
