//! `state = "restarted"` and `"reloaded"`: what a handler does to a unit that runs.
//!
//! A unit that does not run stays stopped: whatever starts it later, such as its socket, finds what changed. So does a unit that
//! was started since the change: each start has an invocation of its own. But what a restart of an earlier run stopped is started.

use super::resource::{effects, id, key, settles, shown_activity};
use super::script::{Again, Text, again as again_unit, again_after};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, Risk, Step, Stop, has_stopped,
};
use crate::facts::docker::{SETTINGS, StopsKey, keeps_containers};
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::owed::was_started_since;
use crate::facts::path::ContentFact;
use crate::facts::unit::{Reload, ReloadKey, UnitFact, UnitKey, UnitState};
use crate::facts::{Fact, FactKey};
use crate::operations::{PlanContext, Role};
use crate::quote::quote;

/// How a running unit is made to use what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Restart,
    Reload,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Restart => "restarted",
            Self::Reload => "reloaded",
        }
    }
}

/// Refuses a restart that would happen on each run.
pub(super) fn check(context: &PlanContext<'_>, verb: Verb, others: &[(&str, Option<bool>)]) -> Result<(), Stop> {
    if context.role() == Role::Operation {
        return Err(context
            .refuse(
                "state",
                "only a handler can restart or reload a unit",
                "this would happen on every run",
            )
            .hint(format!(
                "write this as a `[[handler]]`, and `notify` it from the operations after which the unit has to be {}",
                verb.done()
            )));
    }
    if let Some((other, _)) = others.iter().find(|(_, given)| given.is_some()) {
        let title = format!("`{other}` and `state = \"{}\"` cannot be used together", verb.done());
        return Err(context
            .refuse(other, title, "a handler only runs after changes")
            .hint(format!("set `{other}` in an `[[operation]]`")));
    }
    Ok(())
}

pub(super) fn plan(context: &PlanContext<'_>, unit: &str, verb: Verb) -> Result<Outcome, Stop> {
    match context.get(UnitKey(unit)) {
        Ok(_) if context.role() == Role::HandlerThatRan => Ok(Outcome::Unchanged),
        Ok(UnitFact::Present(state)) if is_up_to_date(&state) && owes_nothing(context, unit)? => Ok(Outcome::Unchanged),
        Ok(UnitFact::Present(state)) if verb == Verb::Reload && !can_reload(context, unit, &state)? => {
            let title = format!("`{unit}` cannot be reloaded");
            Err(context
                .refuse("state", title, "its unit file has no `ExecReload=`")
                .hint("write `state = \"restarted\"`, or add `ExecReload=` to the unit file"))
        }
        Ok(UnitFact::Present(state)) => {
            let mut change = change(unit, &state, verb, context.owes_start());
            if change.risk == Risk::Restart {
                note_stopped(&mut change, &stopped_with(context, unit)?);
            }
            Ok(Outcome::Change(vec![change]))
        }
        Ok(UnitFact::Absent) if is_forgotten(context, unit) => Ok(Outcome::Unchanged),
        Ok(UnitFact::Absent) => {
            let mistake = context.mistake("service", format!("unknown unit `{unit}`"), "no such unit on the host");
            Err(Stop::Refused(Box::new(mistake.hint(
                "install its package first (`op = \"apt.packages\"`), or write its file first",
            ))))
        }
        Err(Stop::NotKnown {
            cause: NotKnown::Since(operation, why),
            ..
        }) => Ok(Outcome::Ensure {
            changes: vec![of_unknown(unit, verb, why, context.owes_start())],
            since: vec![operation],
        }),
        Err(stop) => Err(stop),
    }
}

/// Whether a unit runs with the files that it has now.
fn is_up_to_date(state: &UnitState) -> bool {
    !state.has_stopped() && !state.needs_reload && !state.is_outdated
}

/// Whether a handler runs only because an earlier run owes it, and its unit was started since; the review says so then. What is not
/// known counts as no.
fn owes_nothing(context: &PlanContext<'_>, unit: &str) -> Result<bool, Stop> {
    let Some(owed) = context.owed_record().filter(|_| !context.owes_start()) else {
        return Ok(false);
    };
    let inquiry = Inquiry::OwedFor {
        unit: unit.to_owned(),
        record: owed.path.clone(),
    };
    match context.get(InquiryKey(&inquiry)) {
        Ok(InquiryFact::Said(said)) if was_started_since(&said) => {
            context.tell(format!(
                "owed since an earlier run: handler `{}`; `{unit}` was started since, so it has nothing to do",
                owed.handler
            ));
            Ok(true)
        }
        Err(
            stop @ Stop::NotKnown {
                cause: NotKnown::NotGathered,
                ..
            },
        ) => Err(stop),
        _ => Ok(false),
    }
}

/// Whether a handler runs only because an earlier run owes it, and its unit is gone; the review says so then.
fn is_forgotten(context: &PlanContext<'_>, unit: &str) -> bool {
    let owed = context.owed_record();
    if let Some(owed) = owed {
        context.tell(format!(
            "owed since an earlier run: handler `{}`; `{unit}` is gone, so it has nothing to do",
            owed.handler
        ));
    }
    owed.is_some()
}

/// What is not known counts as yes.
fn can_reload(context: &PlanContext<'_>, unit: &str, state: &UnitState) -> Result<bool, Stop> {
    if state.has_stopped() && context.owes_start() {
        return Ok(true);
    }
    match state.reload {
        Reload::Possible | Reload::Unknown => Ok(true),
        Reload::Impossible => Ok(false),
        // systemd tells of the files that it has loaded.
        Reload::AsOnHost if state.needs_reload => Ok(true),
        Reload::AsOnHost => match context.get(ReloadKey(unit)) {
            Err(Stop::NotKnown {
                cause: NotKnown::Since(..) | NotKnown::Denied(_),
                ..
            }) => Ok(true),
            found => found,
        },
    }
}

/// The containers that end when this unit is stopped or restarted. What is not known counts as none.
///
/// Errors: they were not read yet.
fn stopped_with(context: &PlanContext<'_>, unit: &str) -> Result<Vec<String>, Stop> {
    if !["docker.service", "docker.socket"].contains(&unit) {
        return Ok(Vec::new());
    }
    let stops = match context.get(StopsKey) {
        Err(Stop::NotKnown {
            cause: NotKnown::Since(..) | NotKnown::Denied(_),
            ..
        }) => return Ok(Vec::new()),
        found => found?,
    };
    // An engine that starts without this setting ends what it finds.
    let keeps = match context.known_fact(&FactKey::Content(SETTINGS.to_owned())) {
        Some(Fact::Content(ContentFact::Bytes(settings))) => keeps_containers(&settings),
        _ => true,
    };
    Ok(if stops.is_live && keeps {
        Vec::new()
    } else {
        stops.running
    })
}

/// Says which containers end with the unit.
fn note_stopped(change: &mut ResourceChange, containers: &[String]) {
    let Some(active) = change.after.as_mut().and_then(|after| after.get_mut("active")) else {
        return;
    };
    if let (Attribute::Known(value), false) = (&*active, containers.is_empty()) {
        *active = Attribute::Noted {
            value: value.clone(),
            note: format!("stops containers {}", containers.join(", ")),
        };
    }
}

fn change(asked: &str, state: &UnitState, verb: Verb, owes_start: bool) -> ResourceChange {
    let before: Attributed = [("active", Attribute::known(shown_activity(state)))]
        .into_iter()
        .collect();
    let (after, risk) = if !state.has_stopped() {
        let done: Attributed = [("active", Attribute::known(verb.done()))].into_iter().collect();
        let risk = match verb {
            Verb::Restart => Risk::Restart,
            Verb::Reload => Risk::None,
        };
        (done, risk)
    } else if owes_start {
        let started: Attributed = [("active", Attribute::known("started"))].into_iter().collect();
        (started, Risk::None)
    } else {
        (before.clone(), Risk::None)
    };
    let left = UnitState {
        active: if owes_start && state.has_stopped() {
            "active"
        } else {
            &state.active
        }
        .to_owned(),
        needs_reload: false,
        is_new: false,
        sub: "running".to_owned(),
        is_outdated: state.is_outdated && verb == Verb::Reload,
        ..state.clone()
    };
    ResourceChange {
        id: id(&state.id),
        action: Action::Update,
        before: Before::Present(before),
        after: Some(after),
        expect: Vec::new(),
        effects: effects(asked, &left),
        steps: vec![step(&state.id, verb, settles(state))],
        risk,
        is_asked_as_before: false,
    }
}

fn of_unknown(unit: &str, verb: Verb, why: String, owes_start: bool) -> ResourceChange {
    let done = if owes_start {
        Attribute::Unknown(format!("{}, or started if it does not run", verb.done()))
    } else {
        Attribute::known(verb.done())
    };
    ResourceChange {
        id: id(unit),
        action: Action::Update,
        before: Before::Unknown(why),
        after: Some([("active", done)].into_iter().collect()),
        expect: Vec::new(),
        effects: vec![Effect::Forget(
            FactScope::Key(key(unit)),
            "a handler may change it".to_owned(),
        )],
        steps: vec![step(unit, verb, unit.ends_with(".service"))],
        risk: match verb {
            Verb::Restart => Risk::Restart,
            Verb::Reload => Risk::None,
        },
        is_asked_as_before: false,
    }
}

fn step(unit: &str, verb: Verb, settles: bool) -> Step {
    let word = verb.word();
    let again = match verb {
        // A restart does not start what was stopped meanwhile.
        Verb::Restart => Again::TryRestart,
        Verb::Reload => Again::Reload,
    };
    let Text { script, settle } = again_unit(again, unit, settles);
    Step::Run(Command {
        settle,
        already: Some(is_settled(unit)),
        recovery: Some(again_after(again, unit, settles)),
        ..Command::new(format!("systemctl {word} {unit}"), script).asked_by("state")
    })
}

/// Shell text that succeeds if the unit does not run, or was started after the change: `$noted` is set if `$invocation` is that
/// of the unit after the last change that notified the handler. `$starts` is set if the unit has to be started in any case.
///
/// A unit that systemd started by itself says nothing: it may end again and again because of the change. One that has files which
/// systemd did not load was started without them; systemd 252 does not notice a drop-in in a new folder.
fn is_settled(unit: &str) -> String {
    format!(
        "{stopped} && {{ [ -z \"$starts\" ]; exit; }}\n\
         s=$(systemctl show -p ActiveState,InvocationID,NRestarts,NeedDaemonReload,DropInPaths -- {unit}) || exit 1\n\
         case $s in *ActiveState=activating*|*NRestarts=[1-9]*|*NeedDaemonReload=yes*) exit 1 ;; esac\n\
         for f in /etc/systemd/system/{unit}.d/*.conf; do\n\
         [ ! -s \"$f\" ] || case $s in *\"/${{f##*/}}\"*) ;; *) exit 1 ;; esac\n\
         done\n\
         [ -n \"$noted\" ] || exit 1\n\
         case $s in *InvocationID=*) ;; *) exit 1 ;; esac\n\
         s=${{s#*InvocationID=}}\n\
         [ \"${{s%%[!0-9a-f]*}}\" != \"$invocation\" ]",
        stopped = has_stopped(&quote(unit)),
        unit = quote(unit),
    )
}
