//! A unit in facts, effects and reviews.

use std::collections::BTreeSet;

use crate::change::{ResourceId, ResourceKind};
use crate::facts::overlay::Effect;
use crate::facts::unit::{UnitFact, UnitState};
use crate::facts::{Fact, FactKey};

pub(super) fn key(unit: &str) -> FactKey {
    FactKey::Unit(unit.to_owned())
}

pub(super) fn id(unit: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Unit, unit)
}

/// Under the name that was asked for too, which may be an alias.
pub(super) fn effects(asked: &str, after: &UnitState) -> Vec<Effect> {
    let names: BTreeSet<&str> = [asked, &after.id].into();
    let fact = || Fact::Unit(UnitFact::Present(after.clone()));
    names.into_iter().map(|name| Effect::Set(key(name), fact())).collect()
}

/// Only the process of a service may end right after its start.
pub(super) fn settles(state: &UnitState) -> bool {
    state.id.ends_with(".service") && state.service_type != "oneshot"
}

/// `activating` alone would read as if all were well.
pub(super) fn shown_activity(state: &UnitState) -> String {
    match state.sub.as_str() {
        sub if state.active == "activating" && !sub.is_empty() => format!("activating ({sub})"),
        _ => state.active.clone(),
    }
}

/// Why it is not known whether a unit is enabled.
pub(super) const BEHIND_THE_MASK: &str = "its unit file counts once it is unmasked";

/// The link that masks a unit.
pub(super) fn mask(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}")
}
