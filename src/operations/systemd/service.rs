//! `systemd.service`: start, stop, enable, disable or mask a systemd unit.
//!
//! ```toml
//! [[operation]]
//! op = "systemd.service"
//! service = "apt-daily.timer"      # without a suffix, `.service` is added
//! state = "started"
//! enabled = true
//! ```

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::name;
use super::refusal::refusal;
use super::resource::{BEHIND_THE_MASK, id, key, mask, settles, shown_activity};
use super::restart::{self, Verb as Restart};
use super::script::{daemon_reload, forget_failure, step, step_for_unknown};
use super::states::{Cell, Verb, activity, can_renew, enablement, masking};
use crate::change::{
    Action, Attribute, Attributed, Before, NotKnown, Outcome, ResourceChange, ResourceKind, Risk, Step, Stop,
};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{Inode, InodeKind, PathFact};
use crate::facts::unit::{UnitFact, UnitKey, UnitState};
use crate::facts::{Fact, FactKey};
use crate::operations::{Define, Demand, Operation, PlanContext};

/// Parameters of `systemd.service`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Service {
    /// Name of the unit; without a suffix, `.service` is added.
    service: String,
    /// Whether the unit runs. By default this is not changed. In a handler, `"restarted"` and `"reloaded"` do that to a unit
    /// that runs.
    state: Option<State>,
    /// Whether the unit starts at boot. By default this is not changed.
    enabled: Option<bool>,
    /// `true` masks the unit, so that nothing can start it; what runs goes on. `false` unmasks it. By default this is not
    /// changed.
    masked: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Started,
    Stopped,
    Restarted,
    Reloaded,
}

impl Define for Service {
    const NAME: &'static str = "systemd.service";
    const SUMMARY: &'static str = "Start, stop, enable, disable or mask a systemd unit";
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
        let unit = self.unit();
        let reload = (self.restart() == Some(Restart::Reload)).then(|| FactKey::Reload(unit.clone()));
        [key(&unit)].into_iter().chain(reload).collect()
    }

    fn restarts(&self) -> Option<String> {
        self.restart().map(|_| self.unit())
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let asked = self.unit();
        let real = match context.get(UnitKey(&asked)) {
            Ok(UnitFact::Present(state)) if state.id != asked => Some(state.id),
            _ => None,
        };
        let units: Vec<String> = [asked].into_iter().chain(real).collect();
        let masks = units.iter().filter(|_| self.masked.is_some()).map(|unit| mask(unit));
        let paths = masks.map(FactKey::Path);
        let keys = units.iter().map(|unit| key(unit)).chain(paths);
        keys.map(FactScope::Key).collect()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let unit = self.unit();
        let demand = |property, value: bool| Demand::new(ResourceKind::Unit, &unit, property, value.to_string());
        let active = self.state.and_then(|state| match state {
            State::Started => Some(true),
            State::Stopped => Some(false),
            State::Restarted | State::Reloaded => None,
        });
        let active = active.map(|is_active| demand("active", is_active));
        active
            .into_iter()
            .chain(self.enabled.map(|is_enabled| demand("enabled", is_enabled)))
            .collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let unit = self.unit();
        if let Some(verb) = self.restart() {
            return restart::plan(context, &unit, verb);
        }
        match context.get(UnitKey(&unit)) {
            Ok(UnitFact::Present(state)) => self.update(context, &unit, &state),
            Ok(UnitFact::Absent) if self.masked == Some(true) => Ok(Outcome::Change(vec![mask_absent(&unit)])),
            Ok(UnitFact::Absent) if !self.needs_unit() => Ok(Outcome::Unchanged),
            Ok(UnitFact::Absent) => {
                let mistake = context.mistake("service", format!("unknown unit `{unit}`"), "no such unit on the host");
                Err(Stop::Refused(Box::new(mistake.hint(
                    "install its package first (`op = \"apt.packages\"`), or write its file first; an alias is unknown \
                     while its unit is disabled",
                ))))
            }
            Err(Stop::NotKnown {
                cause: NotKnown::Since(operation, why),
                ..
            }) if !self.needs_unit() || !context.was_absent(&key(&unit)) => Ok(Outcome::Ensure {
                changes: vec![self.ensured(context, &unit, why)],
                since: vec![operation],
            }),
            Err(stop) => Err(stop),
        }
    }
}

/// What has to happen to a unit.
#[derive(Default)]
struct Due {
    reload: bool,
    unmasking: Option<Verb>,
    enablement: Option<Verb>,
    activity: Option<Verb>,
    masking: Option<Verb>,
}

impl Due {
    /// In the order in which they run.
    fn verbs(&self) -> impl Iterator<Item = Verb> {
        [self.unmasking, self.enablement, self.activity, self.masking]
            .into_iter()
            .flatten()
    }
}

impl Service {
    /// What a timer should be.
    pub(super) fn of_timer(unit: &str, is_on: bool) -> Self {
        Self {
            service: unit.to_owned(),
            state: Some(if is_on { State::Started } else { State::Stopped }),
            enabled: Some(is_on),
            masked: None,
        }
    }

    fn unit(&self) -> String {
        name::full(&self.service)
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        name::check(context, "service", &self.service)?;
        if let Some(verb) = self.restart() {
            return restart::check(context, verb, &[("enabled", self.enabled), ("masked", self.masked)]);
        }
        if self.masked == Some(true) && self.needs_unit() {
            let (argument, written) = match self.enabled {
                Some(true) => ("enabled", "enabled = true"),
                _ => ("state", "state = \"started\""),
            };
            let title = format!("`masked = true` and `{written}` cannot be used together");
            return Err(context
                .refuse(argument, title, "a masked unit can be neither started nor enabled")
                .hint("remove one of the two"));
        }
        if self.state.is_none() && self.enabled.is_none() && self.masked.is_none() {
            let title = "missing `state` or `enabled`";
            return Err(context
                .refuse("service", title, "nothing to do for this unit")
                .hint("add `state = \"started\"`, `enabled = true`, or both"));
        }
        Ok(())
    }

    /// How a handler makes a running unit use what changed.
    fn restart(&self) -> Option<Restart> {
        match self.state? {
            State::Restarted => Some(Restart::Restart),
            State::Reloaded => Some(Restart::Reload),
            State::Started | State::Stopped => None,
        }
    }

    fn wants_active(&self) -> Option<bool> {
        self.state.map(|state| state == State::Started)
    }

    /// Whether what is wanted is impossible without the unit.
    fn needs_unit(&self) -> bool {
        self.wants_active() == Some(true) || self.enabled == Some(true)
    }

    /// Whether the unit file has to be loaded again for its own sake: systemd reads a new one by itself, and nothing is
    /// started from the file of a unit that is to stop.
    fn is_reload_shown(&self, state: &UnitState) -> bool {
        state.needs_reload && !state.is_new && self.needs_unit()
    }

    fn update(&self, context: &PlanContext<'_>, asked: &str, state: &UnitState) -> Result<Outcome, Stop> {
        let due = self.due(context, state)?;
        if !self.is_reload_shown(state) && due.verbs().next().is_none() {
            return Ok(Outcome::Unchanged);
        }
        Ok(Outcome::Change(vec![self.change(asked, state, &due)]))
    }

    fn due(&self, context: &PlanContext<'_>, state: &UnitState) -> Result<Due, Stop> {
        let verb = |argument: &str, cell: Option<Cell>| match cell {
            None | Some(Cell::Holds | Cell::AsInstalled) => Ok(None),
            Some(Cell::Do(verb)) => Ok(Some(verb)),
            Some(Cell::Refuse(obstacle)) => Err(refusal(context, argument, state, obstacle)),
        };
        let masking = verb("masked", self.masked.map(|wanted| masking(state, wanted)))?;
        if masking == Some(Verb::Unmask) {
            return Ok(self.due_after_unmasking(state));
        }
        Ok(Due {
            reload: state.needs_reload,
            unmasking: None,
            enablement: verb("enabled", self.enabled.map(|wanted| enablement(state, wanted)))?,
            activity: verb("state", self.wants_active().map(|wanted| activity(state, wanted)))?,
            masking,
        })
    }

    /// What is behind the mask is seen only without it: all that is wanted is ensured.
    fn due_after_unmasking(&self, state: &UnitState) -> Due {
        let is_active = !matches!(state.active.as_str(), "inactive" | "failed" | "maintenance");
        let activity = self.wants_active().filter(|wanted| *wanted != is_active);
        Due {
            unmasking: Some(Verb::Unmask),
            enablement: self.enabled.map(|on| if on { Verb::Enable } else { Verb::Disable }),
            activity: activity.map(|on| if on { Verb::StartAfresh } else { Verb::Stop }),
            ..Due::default()
        }
    }

    fn change(&self, asked: &str, state: &UnitState, due: &Due) -> ResourceChange {
        let after = UnitState {
            needs_reload: false,
            is_new: false,
            ..self.after(state, due)
        };
        let is_hidden = due.unmasking.is_some() && due.enablement.is_none();
        let attributes = |unit: &UnitState, is_after: bool| -> Attributed {
            let file = if unit.needs_reload { "changed" } else { "loaded" };
            let process = if unit.is_outdated {
                "started before its unit file changed"
            } else {
                "restarted"
            };
            let renewal = [
                (self.is_reload_shown(state), "unit file", file),
                (due.activity == Some(Verb::Renew), what_runs(&state.id), process),
            ];
            let enabled = if is_after && is_hidden {
                Attribute::Unknown(BEHIND_THE_MASK.to_owned())
            } else {
                Attribute::known(&unit.enabled)
            };
            let rest = [("active", Attribute::known(shown_activity(unit))), ("enabled", enabled)];
            renewal
                .into_iter()
                .filter(|(is_due, ..)| *is_due)
                .map(|(_, name, value)| (name, Attribute::known(value)))
                .chain(rest)
                .collect()
        };
        let forgets = due.activity == Some(Verb::Stop) && state.load == "not-found";
        let (action, before) = if state.is_new {
            (Action::Create, Before::Absent)
        } else {
            (Action::Update, Before::Present(attributes(state, false)))
        };
        ResourceChange {
            id: id(&state.id),
            action,
            before,
            after: Some(attributes(&after, true)),
            expect: Vec::new(),
            effects: effects(asked, &after, due),
            steps: steps(&state.id, due, settles(state))
                .into_iter()
                .chain(forgets.then(|| forget_failure(&state.id)))
                .collect(),
            risk: risk(&state.id, due),
            is_asked_as_before: false,
        }
    }

    /// The state after the steps, as far as it is wanted.
    fn after(&self, state: &UnitState, due: &Due) -> UnitState {
        let mut after = state.clone();
        if due.activity.is_some() {
            let is_active = self.wants_active() == Some(true);
            if is_active { "active" } else { "inactive" }.clone_into(&mut after.active);
            after.sub = String::new();
            after.was_restarted = false;
            after.is_outdated = false;
        } else if after.is_started() {
            // This operation does not start it.
            "running".clone_into(&mut after.sub);
        }
        if due.enablement.is_some() {
            let is_enabled = self.enabled == Some(true);
            if is_enabled { "enabled" } else { "disabled" }.clone_into(&mut after.enabled);
        }
        if due.unmasking.is_some() {
            "loaded".clone_into(&mut after.load);
        }
        if due.masking.is_some() {
            after = masked(after);
        }
        after
    }

    /// The whole wanted state of a unit that is not known yet, because of `why`.
    ///
    /// It may run by then, and an earlier operation may have changed its files since it was started.
    fn ensured(&self, context: &PlanContext<'_>, unit: &str, why: String) -> ResourceChange {
        let due = Due {
            reload: false,
            enablement: self.enabled.map(|on| if on { Verb::Enable } else { Verb::Disable }),
            activity: self.wants_active().map(|on| if on { Verb::Start } else { Verb::Stop }),
            unmasking: (self.masked == Some(false)).then_some(Verb::Unmask),
            masking: (self.masked == Some(true)).then_some(Verb::Mask),
        };
        let unknown = UnitState {
            id: unit.to_owned(),
            load: "loaded".to_owned(),
            can_start: true,
            can_stop: true,
            ..UnitState::default()
        };
        let mut after = self.after(&unknown, &due);
        if after.is_started() {
            // It may run already.
            "running".clone_into(&mut after.sub);
        }
        let is_hidden = due.unmasking.is_some() && due.enablement.is_none();
        let enabled = if is_hidden {
            Attribute::Unknown(BEHIND_THE_MASK.to_owned())
        } else {
            Attribute::known(&after.enabled)
        };
        let may_renew = self.wants_active() == Some(true) && can_renew(unit) && context.changes_files_last(unit);
        let attributes = [
            (may_renew, what_runs(unit), Attribute::Unknown(IF_IT_RUNS.to_owned())),
            (due.activity.is_some(), "active", Attribute::known(&after.active)),
            (
                due.enablement.or(due.masking).is_some() || is_hidden,
                "enabled",
                enabled,
            ),
        ];
        let wanted = attributes
            .into_iter()
            .filter_map(|(is_due, name, value)| is_due.then_some((name, value)));
        let steps = due.verbs().map(|verb| step_for_unknown(verb, unit, settles(&unknown)));
        ResourceChange {
            id: id(unit),
            action: Action::Update,
            before: Before::Unknown(why),
            after: Some(wanted.collect()),
            expect: Vec::new(),
            effects: if due.activity.is_some() && due.enablement.is_some() {
                effects(unit, &after, &due)
            } else {
                let why = "only a part of its state is known".to_owned();
                let forget = Effect::Forget(FactScope::Key(key(unit)), why);
                mask_effect(unit, &due).into_iter().chain([forget]).collect()
            },
            steps: steps.collect(),
            risk: match risk(unit, &due) {
                // What a package starts has no users yet.
                Risk::None if may_renew && !context.is_absent_but_for_packages(&key(unit)) => renewal_risk(unit),
                other => other,
            },
            is_asked_as_before: false,
        }
    }
}

/// The change that stops and disables a unit whose file will be removed; `None` if it is neither active nor enabled.
///
/// Errors: it cannot be stopped.
pub(super) fn ended(
    context: &PlanContext<'_>,
    argument: &str,
    state: &UnitState,
) -> Result<Option<ResourceChange>, Stop> {
    let disable = match enablement(state, false) {
        Cell::Do(verb) => Some(verb),
        _ => None,
    };
    let stop = match activity(state, false) {
        Cell::Do(verb) => Some(verb),
        Cell::Refuse(obstacle) => return Err(refusal(context, argument, state, obstacle)),
        _ => None,
    };
    let due = Due {
        enablement: disable,
        activity: stop,
        ..Due::default()
    };
    if due.verbs().next().is_none() {
        return Ok(None);
    }
    let wish = Service {
        service: state.id.clone(),
        state: Some(State::Stopped),
        enabled: Some(false),
        masked: None,
    };
    Ok(Some(wish.change(&state.id, state, &due)))
}

/// The change that makes systemd load the files of a unit again.
pub(super) fn loaded(state: &UnitState) -> ResourceChange {
    let file = |word: &str| -> Attributed { [("unit file", Attribute::known(word))].into_iter().collect() };
    let after = UnitState {
        needs_reload: false,
        ..state.clone()
    };
    ResourceChange {
        id: id(&state.id),
        action: Action::Update,
        before: Before::Present(file("changed")),
        after: Some(file("loaded")),
        expect: Vec::new(),
        effects: effects(&state.id, &after, &Due::default()),
        steps: vec![daemon_reload()],
        risk: Risk::None,
        is_asked_as_before: false,
    }
}

fn risk(unit: &str, due: &Due) -> Risk {
    match due.activity {
        Some(Verb::Renew) => renewal_risk(unit),
        Some(Verb::Stop) => Risk::Restart,
        _ => Risk::None,
    }
}

fn renewal_risk(unit: &str) -> Risk {
    if what_runs(unit) == PROCESS {
        Risk::Restart
    } else {
        // Nothing runs that this could interrupt.
        Risk::None
    }
}

/// Under the name that was asked for too, which may be an alias.
fn effects(asked: &str, after: &UnitState, due: &Due) -> Vec<Effect> {
    let names: BTreeSet<&str> = [asked, &after.id].into();
    let is_hidden = due.unmasking.is_some() && (due.enablement.is_none() || due.activity.is_none());
    let of_unit = names.into_iter().map(|name| {
        if is_hidden {
            Effect::Forget(FactScope::Key(key(name)), BEHIND_THE_MASK.to_owned())
        } else {
            Effect::Set(key(name), Fact::Unit(UnitFact::Present(after.clone())))
        }
    });
    mask_effect(&after.id, due).into_iter().chain(of_unit).collect()
}

fn mask_effect(unit: &str, due: &Due) -> Option<Effect> {
    let fact = if due.masking.is_some() {
        PathFact::Present(Inode {
            owner_id: None,
            group_id: None,
            kind: InodeKind::Link {
                target: "/dev/null".to_owned(),
            },
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: 0o777,
        })
    } else if due.unmasking.is_some() {
        PathFact::Absent
    } else {
        return None;
    };
    Some(Effect::Set(FactKey::Path(mask(unit)), Fact::Path(fact)))
}

/// A unit that is masked and otherwise as before.
fn masked(state: UnitState) -> UnitState {
    UnitState {
        load: "masked".to_owned(),
        enabled: "masked".to_owned(),
        file: mask(&state.id),
        needs_reload: false,
        ..state
    }
}

/// Masks a unit that may come later.
fn mask_absent(unit: &str) -> ResourceChange {
    let due = Due {
        masking: Some(Verb::Mask),
        ..Due::default()
    };
    let after = masked(UnitState {
        id: unit.to_owned(),
        active: "inactive".to_owned(),
        sub: "dead".to_owned(),
        can_start: true,
        can_stop: true,
        ..UnitState::default()
    });
    ResourceChange {
        id: id(unit),
        action: Action::Create,
        before: Before::Absent,
        after: Some([("enabled", Attribute::known(&after.enabled))].into_iter().collect()),
        expect: Vec::new(),
        effects: effects(unit, &after, &due),
        steps: steps(unit, &due, false),
        risk: Risk::None,
        is_asked_as_before: false,
    }
}

const PROCESS: &str = "process";

/// What happens to a unit that is not known yet and whose files an earlier operation changes.
const IF_IT_RUNS: &str = "restarted if it runs already";

/// What a unit has that is restarted.
fn what_runs(unit: &str) -> &'static str {
    match unit.rsplit('.').next() {
        Some("timer") => "timer",
        Some("path") => "path unit",
        _ => PROCESS,
    }
}

fn steps(unit: &str, due: &Due, settles: bool) -> Vec<Step> {
    let reload = due.reload.then(daemon_reload);
    reload
        .into_iter()
        .chain(due.verbs().map(|verb| step(verb, unit, settles)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Bench, change, refusal as refused};

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
        let absent = |text: &str| refused(Bench::new::<Service>(text).no_unit("cron.service").plan()).to_string();
        let cases = [
            (WANTED, "t.toml:1:11: unknown unit `cron.service`"),
            ("service = 'cron'", "t.toml:1:11: missing `state` or `enabled`"),
            (
                "service = 'a b'\nenabled = true",
                "t.toml:1:11: `a b` is not a valid unit name",
            ),
            (
                "service = '@a'\nenabled = true",
                "t.toml:1:11: `@a` is not a valid unit name",
            ),
            (
                "service = '.timer'\nenabled = true",
                "t.toml:1:11: `.timer` is not a valid unit name",
            ),
            (
                "service = 'getty@'\nenabled = true",
                "t.toml:1:11: `getty@.service` is a template: name an instance, such as `getty@tty1.service`",
            ),
            (
                "service = 'a@.timer'\nenabled = true",
                "t.toml:1:11: `a@.timer` is a template: name an instance, such as `a@main.timer`",
            ),
            (
                "service = 'a'\nstate = 'restarted'",
                "t.toml:2:9: only a handler can restart or reload a unit",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(absent(text), expected);
        }
        let long = format!("service = '{}'\nenabled = true", "a".repeat(250));
        assert!(absent(&long).ends_with("is not a valid unit name"));
        let masked = Bench::new::<Service>(WANTED).unit("cron.service", "inactive", "masked", "masked");
        assert_eq!(
            refused(masked.plan()).to_string(),
            "t.toml:1:11: `cron.service` is masked on the host"
        );
    }

    #[test]
    fn what_is_absent_is_stopped_and_disabled() {
        let text = "service = 'cron'\nstate = 'stopped'\nenabled = false";
        let bench = Bench::new::<Service>(text).no_unit("cron.service");
        assert_eq!(bench.plan(), Ok(Outcome::Unchanged));
        let Ok(Outcome::Ensure { changes, .. }) = bench.package_may_create().plan() else {
            panic!("an unknown unit is ensured")
        };
        for step in &changes[0].steps {
            let script = &step.command().expect("a command").script;
            assert!(script.contains("= not-found ]"), "{script}");
        }
    }
}
