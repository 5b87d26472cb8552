//! Checks, which change nothing and report whether a deployed service works.

pub(super) mod command;
pub(super) mod file;
pub(super) mod http;
pub(super) mod tcp;

use std::time::Duration;

use super::PlanContext;
use super::parameters::Span;
use crate::change::{CheckState, NotKnown, Outcome, Stop};
use crate::facts::Check;
use crate::facts::check::{CheckFact, CheckKey};

/// How long a service may take to start by default.
pub(super) fn default_within() -> Span {
    Span(Duration::from_secs(30))
}

/// Refuses a text that no line of an output can have.
fn check_contains(context: &PlanContext<'_>, text: Option<&str>) -> Result<(), Stop> {
    match text {
        Some(text) if text.contains(['\n', '\0']) => {
            Err(context.refuse("contains", "`contains` must be one line", "contains a line break"))
        }
        _ => Ok(()),
    }
}

/// Plans what passes or fails by a fact.
pub(in crate::operations) fn plan_check(
    context: &PlanContext<'_>,
    check: &Check,
    within: Span,
) -> Result<Outcome, Stop> {
    let state = match context.get(CheckKey(check)) {
        Ok(CheckFact::Holds) => CheckState::Holds,
        Ok(CheckFact::Fails(why) | CheckFact::Impossible(why)) => CheckState::Fails(why),
        Err(Stop::NotKnown {
            cause: NotKnown::Since(..),
            ..
        }) => CheckState::Later,
        Err(stop) => return Err(stop),
    };
    Ok(Outcome::Check {
        what: check.to_string(),
        state,
        within: within.0,
    })
}
