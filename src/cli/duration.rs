//! Durations on the command line.

use std::time::Duration;

/// A duration as it is written, such as `5m` or `90s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_: jiff::Error| "write a number with its unit, such as `30s` or `5m`".to_owned())?;
    parsed
        .try_into()
        .map_err(|_| "a duration cannot be negative".to_owned())
}
