//! `allow` and `allow_reason`: lints that the project has reasons to ignore.

use super::fields::{Fields, Named};
use crate::error::Diagnostic;

/// Lints that are allowed in a place, and why.
#[derive(Clone, Debug, Default)]
pub struct Allowance {
    /// Their names. `policy` knows which there are.
    pub lints: Vec<Named>,
    pub reason: String,
}

/// The keys of an allowance.
pub(super) const ALLOW: &str = "allow";
pub(super) const ALLOW_REASON: &str = "allow_reason";

/// Takes both keys. Neither works alone: a reader has to be able to judge the reason.
pub(super) fn allowance(fields: &mut Fields<'_>) -> Allowance {
    let place = [ALLOW, ALLOW_REASON].map(|key| fields.value_place(key));
    let has = [ALLOW, ALLOW_REASON].map(|key| fields.has(key));
    let lints = fields.names(ALLOW);
    let reason = fields.text(ALLOW_REASON);
    let reason = reason.map(|reason| reason.name.trim().to_owned());
    let (title, place, label, hint) = match (has, &reason) {
        ([true, false], _) => (
            "missing `allow_reason`",
            &place[0],
            "why is this allowed?",
            "add `allow_reason = \"…\"`: `homelab check --verbose` shows it",
        ),
        ([false, true], _) => (
            "`allow_reason` needs `allow`",
            &place[1],
            "the reason of what?",
            "add `allow = [\"…\"]` with the names of lints, or remove it",
        ),
        ([true, true], Some(reason)) if reason.is_empty() => (
            "`allow_reason` is empty",
            &place[1],
            "says nothing",
            "say why this is as it should be",
        ),
        _ => {
            return Allowance {
                lints,
                reason: reason.unwrap_or_default(),
            };
        }
    };
    fields.mistake(Diagnostic::new(title).at_maybe(place.as_ref(), label).hint(hint));
    Allowance::default()
}
