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

/// A number of whole days as it is written, such as `30d` or `2 weeks`.
pub(super) fn days(text: &str) -> Result<i64, String> {
    let wrong = |_: jiff::Error| "write a number of days or weeks, such as `30d` or `2w`".to_owned();
    let span: jiff::Span = text.parse().map_err(wrong)?;
    let length = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(wrong)?;
    match length.as_hours() / 24 {
        days @ 1.. => Ok(days),
        _ => Err("write at least a day, such as `1d`".to_owned()),
    }
}
