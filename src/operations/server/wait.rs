//! `server.wait`: wait until a port is open, a path exists or a unit is active.
//!
//! ```toml
//! [[operation]]
//! op = "server.wait"
//! port = 5432
//! within = "2m"
//! ```

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::change::{Action, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop};
use crate::facts::check::{CheckFact, CheckKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::PathFact;
use crate::facts::unit::{UnitFact, UnitKey};
use crate::facts::{Check, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::files::parameters::check_path;
use crate::operations::parameters::{Span, readable};
use crate::operations::systemd::name;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;

/// Parameters of `server.wait`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Wait {
    /// TCP port of the host that has to accept connections. Give `port`, `path` or `unit`.
    port: Option<u16>,
    /// Absolute path that has to exist.
    path: Option<String>,
    /// Unit of systemd that has to be active; without a suffix, `.service` is added.
    unit: Option<String>,
    /// How long to wait at most.
    #[serde(default = "a_minute")]
    within: Span,
}

fn a_minute() -> Span {
    Span(Duration::from_secs(60))
}

impl Define for Wait {
    const NAME: &'static str = "server.wait";
    const SUMMARY: &'static str = "Wait until a port is open, a path exists or a unit is active";
    const MAIN_ARGUMENT: &'static str = "port";
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.wait"
port = 22
within = "2m"
"#;
}

/// What is waited for.
enum Awaited<'a> {
    Port(u16),
    Path(&'a str),
    /// With its suffix.
    Unit(String),
}

impl Operation for Wait {
    fn needs(&self) -> Vec<FactKey> {
        let Some(Ok(awaited)) = self.awaited() else {
            return Vec::new();
        };
        vec![match awaited {
            Awaited::Port(port) => FactKey::Check(check(port)),
            Awaited::Path(path) => FactKey::Path(path.to_owned()),
            Awaited::Unit(unit) => FactKey::Unit(unit),
        }]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        self.path.iter().map(|path| FactScope::Tree(path.clone())).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let awaited = match self.awaited() {
            Some(Ok(awaited)) => awaited,
            Some(Err(second)) => {
                let title = "`port`, `path` and `unit` cannot be used together";
                return Err(context
                    .refuse(second, title, "one of them is enough")
                    .hint("write an operation for each"));
            }
            None => {
                return Err(context
                    .refuse("within", "missing `port`, `path` or `unit`", "this waits for nothing")
                    .hint("write one of them"));
            }
        };
        match &awaited {
            Awaited::Path(path) => check_path(context, "path", path)?,
            Awaited::Unit(_) => name::check(context, "unit", self.unit.as_deref().unwrap_or_default())?,
            Awaited::Port(_) => {}
        }
        if self.within.0.is_zero() {
            return Err(context
                .refuse(
                    "within",
                    "`within` must be longer than zero",
                    "nothing can be awaited in no time",
                )
                .hint("write a duration such as `\"1m\"`"));
        }
        if let Awaited::Unit(unit) = &awaited
            && context.get(UnitKey(unit)) == Ok(UnitFact::Absent)
        {
            let title = format!("unknown unit `{unit}`");
            return Err(context
                .refuse("unit", title, "not on the host, and no earlier operation creates it")
                .hint("correct the name, or wait for the `path` or `port` of what starts it"));
        }
        let is_so = match &awaited {
            Awaited::Port(port) => context
                .get(CheckKey(&check(*port)))
                .map(|fact| fact == CheckFact::Holds),
            Awaited::Path(path) => context.path(path).map(|fact| fact != PathFact::Absent),
            Awaited::Unit(unit) => context.get(UnitKey(unit)).map(|fact| is_active(&fact)),
        };
        match is_so {
            Ok(true) => Ok(Outcome::Unchanged),
            Ok(false)
            | Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            }) => Ok(Outcome::Change(vec![self.change(&awaited)])),
            Err(stop) => Err(stop),
        }
    }
}

fn is_active(fact: &UnitFact) -> bool {
    matches!(fact, UnitFact::Present(state) if state.active == "active")
}

fn check(port: u16) -> Check {
    Check::Tcp {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

impl Wait {
    /// What is waited for; the name of the second parameter if there are several, `None` if there is none.
    fn awaited(&self) -> Option<Result<Awaited<'_>, &'static str>> {
        Some(match (self.port, self.path.as_deref(), self.unit.as_deref()) {
            (Some(port), None, None) => Ok(Awaited::Port(port)),
            (None, Some(path), None) => Ok(Awaited::Path(path)),
            (None, None, Some(unit)) => Ok(Awaited::Unit(name::full(unit))),
            (None, None, None) => return None,
            (Some(_), Some(_), _) => Err("path"),
            _ => Err("unit"),
        })
    }

    /// Waiting changes nothing, so it counts as no change.
    fn change(&self, awaited: &Awaited<'_>) -> ResourceChange {
        let (what, test) = match awaited {
            Awaited::Port(port) => (
                format!("port {port}"),
                format!(
                    "if command -v nc; then nc -z -w 5 127.0.0.1 {port}; \
                     else timeout 5 bash -c 'exec 3<>\"/dev/tcp/127.0.0.1/$1\"' - {port}; fi"
                ),
            ),
            Awaited::Path(path) => (
                format!("path {path}"),
                format!("[ -e {path} ] || [ -L {path} ]", path = quote(path)),
            ),
            Awaited::Unit(unit) => (
                format!("unit {unit}"),
                format!("[ \"$(systemctl show -P ActiveState -- {})\" = active ]", quote(unit)),
            ),
        };
        let name = format!("wait up to {} for {what}", readable(self.within.0.as_secs().max(1)));
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::Command, &name),
            Action::RunEachTime,
            Before::Absent,
            Some(std::iter::empty().collect()),
        );
        if let Awaited::Path(path) = awaited {
            let why = "it is there then".to_owned();
            change.effects = vec![Effect::Forget(FactScope::Tree((*path).to_owned()), why)];
        }
        change.steps = vec![Step::Run(Command {
            timeout: self.within.0,
            ..Command::new(name, format!("until {{ {test}; }} >/dev/null 2>&1; do sleep 1; done"))
        })];
        change
    }
}
