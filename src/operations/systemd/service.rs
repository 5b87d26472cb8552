//! `systemd.service`: start, stop, enable or disable a systemd unit.
//!
//! ```toml
//! [[operation]]
//! op = "systemd.service"
//! service = "apt-daily.timer"      # without a suffix, `.service` is added
//! state = "started"
//! enabled = true
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::unit::{UnitFact, UnitKey, UnitState};
use crate::facts::{Fact, FactKey};
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;

/// Parameters of `systemd.service`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Service {
    /// Name of the unit; without a suffix, `.service` is added.
    service: String,
    /// Whether the unit runs. By default this is not changed.
    state: Option<State>,
    /// Whether the unit starts at boot. By default this is not changed.
    enabled: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Started,
    Stopped,
    #[schemars(skip)]
    Restarted,
    #[schemars(skip)]
    Reloaded,
}

/// The suffixes of systemd.unit(5).
const SUFFIXES: &[&str] = &[
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

impl Define for Service {
    const NAME: &'static str = "systemd.service";
    const SUMMARY: &'static str = "Start, stop, enable or disable a systemd unit";
    const MAIN_ARGUMENT: &'static str = "service";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "systemd.service"
service = "cron"
state = "started"
enabled = true
"#;
}

impl Operation for Service {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::Unit(self.unit())]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Unit(self.unit()))]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let unit = self.unit();
        match context.get(UnitKey(&unit)) {
            Ok(UnitFact::Present(state)) => self.update(context, &unit, &state),
            Ok(UnitFact::Absent) => {
                let mistake = context.mistake("service", format!("unknown unit `{unit}`"), "no such unit on the host");
                Err(Stop::Refused(Box::new(
                    mistake.hint("install its package first: `op = \"apt.packages\"`"),
                )))
            }
            Err(Stop::NotKnown {
                cause: NotKnown::Since(operation, why),
                ..
            }) => Ok(Outcome::Ensure {
                changes: vec![self.change(&unit, Before::Unknown(why), &UnitState::default())],
                since: vec![operation],
            }),
            Err(stop) => Err(stop),
        }
    }
}

impl Service {
    fn unit(&self) -> String {
        if SUFFIXES.iter().any(|suffix| self.service.ends_with(suffix)) {
            self.service.clone()
        } else {
            format!("{}.service", self.service)
        }
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        // The characters of systemd.unit(5).
        let plain = |character: char| character.is_ascii_alphanumeric() || ":-_.\\@".contains(character);
        if self.service.is_empty() || self.service.starts_with('-') || !self.service.chars().all(plain) {
            let title = format!("`{}` is not a valid unit name", self.service);
            return Err(context
                .refuse("service", title, "use letters, digits and `:-_.\\@`")
                .hint("write a name such as \"ssh\", or with a suffix such as \"fstrim.timer\""));
        }
        if matches!(self.state, Some(State::Restarted | State::Reloaded)) {
            let title = "a restart or reload in a task is not supported yet";
            return Err(context
                .refuse("state", title, "must be \"started\" or \"stopped\"")
                .hint("write \"started\", or run `systemctl` with `server.shell` and a condition"));
        }
        if self.state.is_none() && self.enabled.is_none() {
            let title = "missing `state` or `enabled`";
            return Err(context
                .refuse("service", title, "nothing to do for this unit")
                .hint("add `state = \"started\"`, `enabled = true`, or both"));
        }
        Ok(())
    }

    fn wants_active(&self) -> Option<bool> {
        self.state.map(|state| state == State::Started)
    }

    fn update(&self, context: &PlanContext<'_>, unit: &str, state: &UnitState) -> Result<Outcome, Stop> {
        let activity = self.wants_active().filter(|active| *active != state.is_active());
        let enablement = self.enabled.filter(|enabled| *enabled != state.is_enabled());
        if activity.is_none() && enablement.is_none() {
            return Ok(Outcome::Unchanged);
        }
        if state.load == "masked" && (activity == Some(true) || enablement == Some(true)) {
            let mistake = context.mistake(
                "service",
                format!("`{unit}` is masked on the host"),
                "a masked unit can be neither started nor enabled",
            );
            return Err(Stop::Refused(Box::new(
                mistake.hint(format!("unmask it on the host: `systemctl unmask {unit}`")),
            )));
        }
        if enablement == Some(true) && state.enabled == "static" {
            let label = "has no `[Install]` section; other units start it";
            return Err(context
                .refuse("service", format!("`{unit}` cannot be enabled"), label)
                .hint("remove `enabled`"));
        }
        let before: Attributed = [
            ("active", Attribute::known(&state.active)),
            ("enabled", Attribute::known(&state.enabled)),
        ]
        .into_iter()
        .collect();
        Ok(Outcome::Change(vec![self.change(unit, Before::Present(before), state)]))
    }

    fn change(&self, unit: &str, before: Before, state: &UnitState) -> ResourceChange {
        let kept = |name: &str| match &before {
            Before::Present(before) => before.get(name).cloned(),
            _ => None,
        };
        let active = match self.wants_active() {
            Some(active) if active != state.is_active() => {
                Some(Attribute::known(if active { "active" } else { "inactive" }))
            }
            _ => kept("active"),
        };
        let enabled = match self.enabled {
            Some(enabled) if enabled != state.is_enabled() => {
                Some(Attribute::known(if enabled { "enabled" } else { "disabled" }))
            }
            _ => kept("enabled"),
        };
        let after: Attributed = [("active", active), ("enabled", enabled)]
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect();
        ResourceChange {
            id: ResourceId {
                kind: ResourceKind::Unit,
                name: unit.to_owned(),
            },
            action: Action::Update,
            before,
            effects: vec![Effect::Set(FactKey::Unit(unit.to_owned()), predicted(&after))],
            after: Some(after),
            expect: Vec::new(),
            steps: self.steps(unit, state),
            risk: if self.state == Some(State::Stopped) {
                Risk::Restart
            } else {
                Risk::None
            },
        }
    }

    fn steps(&self, unit: &str, state: &UnitState) -> Vec<Step> {
        let mut steps = Vec::new();
        if state.needs_reload {
            steps.push(run("systemctl daemon-reload", ""));
        }
        let quoted = quote(unit);
        if let Some(enabled) = self.enabled.filter(|enabled| *enabled != state.is_enabled()) {
            let verb = if enabled { "enable" } else { "disable" };
            steps.push(run(&format!("systemctl {verb} -- {quoted}"), ""));
        }
        match self.wants_active().filter(|active| *active != state.is_active()) {
            Some(true) => steps.push(run(
                &format!("systemctl start -- {quoted}"),
                &format!(" || {{ systemctl status --no-pager --full --lines 10 -- {quoted}; exit 1; }}"),
            )),
            Some(false) => steps.push(run(&format!("systemctl stop -- {quoted}"), "")),
            None => {}
        }
        steps
    }
}

fn run(command: &str, otherwise: &str) -> Step {
    Step::Run(Command::new(
        command.replace(" -- ", " "),
        format!("{command}{otherwise}"),
    ))
}

fn predicted(after: &Attributed) -> Fact {
    let text = |name: &str| match after.get(name) {
        Some(Attribute::Known(text)) => text.clone(),
        _ => String::new(),
    };
    Fact::Unit(UnitFact::Present(UnitState {
        active: text("active"),
        enabled: text("enabled"),
        load: "loaded".to_owned(),
        needs_reload: false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Bench, change, refusal};

    const WANTED: &str = "service = 'cron'\nstate = 'started'\nenabled = true";

    fn summaries(change: &ResourceChange) -> Vec<&str> {
        change
            .steps
            .iter()
            .map(|step| match step {
                Step::Run(run) => run.summary.as_str(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_unit_as_wanted_is_unchanged() {
        for active in ["active", "activating"] {
            let bench = Bench::new::<Service>(WANTED).unit("cron.service", active, "enabled", "loaded");
            assert_eq!(bench.plan(), Ok(Outcome::Unchanged));
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let stopped = change(
            Bench::new::<Service>(WANTED)
                .unit("cron.service", "failed", "enabled", "loaded")
                .plan(),
        );
        assert_eq!(summaries(&stopped), ["systemctl start cron.service"]);
        let after = stopped.after.expect("stays");
        assert_eq!(after["active"], Attribute::known("active"));
        assert_eq!(after["enabled"], Attribute::known("enabled"));
        let text = "service = 'a.timer'\nstate = 'stopped'\nenabled = false";
        let change = change(
            Bench::new::<Service>(text)
                .unit("a.timer", "active", "enabled", "loaded")
                .plan(),
        );
        assert_eq!(
            summaries(&change),
            ["systemctl disable a.timer", "systemctl stop a.timer"]
        );
        assert_eq!(change.risk, Risk::Restart);
    }

    #[test]
    fn a_unit_that_a_package_may_create_is_ensured() {
        let outcome = Bench::new::<Service>(WANTED)
            .no_unit("cron.service")
            .package_may_create()
            .plan();
        assert!(matches!(outcome, Ok(Outcome::Ensure { .. })), "{outcome:?}");
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        let refused = |text: &str| refusal(Bench::new::<Service>(text).no_unit("cron.service").plan()).to_string();
        assert_eq!(refused(WANTED), "t.toml:1:11: unknown unit `cron.service`");
        assert_eq!(refused("service = 'cron'"), "t.toml:1:11: missing `state` or `enabled`");
        assert_eq!(
            refused("service = 'a b'\nenabled = true"),
            "t.toml:1:11: `a b` is not a valid unit name"
        );
        assert_eq!(
            refused("service = 'a'\nstate = 'restarted'"),
            "t.toml:2:9: a restart or reload in a task is not supported yet"
        );
        let masked = Bench::new::<Service>(WANTED).unit("cron.service", "inactive", "masked", "masked");
        assert_eq!(
            refusal(masked.plan()).to_string(),
            "t.toml:1:11: `cron.service` is masked on the host"
        );
    }
}
