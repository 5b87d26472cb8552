//! Hosts without a plan: they could not be read, or a saved plan does not apply to them.

use super::phrases;
use crate::apply::HostEnd;

/// The label before hosts that could not be read.
pub(super) const NOT_READ: &str = "not read";

/// The label before hosts to which a saved plan does not apply.
pub(super) const NOT_APPLIED: &str = "not applied";

/// The label before hosts without a plan that ended so.
pub(super) fn label(end: HostEnd) -> &'static str {
    match end {
        HostEnd::Stale => NOT_APPLIED,
        _ => NOT_READ,
    }
}

/// How a host without a plan ended: nothing else is stale before it is changed than what moved since its plan was saved.
pub(super) fn end(end: HostEnd) -> &'static str {
    match end {
        HostEnd::Stale => "not as it was when the plan was saved",
        _ => phrases::host_end(end).0,
    }
}
