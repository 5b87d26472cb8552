//! Durations on the command line.

use std::time::Duration;

/// A duration as it is written, such as `5m` or `90s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    parsed
        .try_into()
        .map_err(|_| "a duration cannot be negative".to_owned())
}
