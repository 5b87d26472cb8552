//! What time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Microseconds since 1970, as logind and systemd count.
pub fn now() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_micros()).unwrap_or(u64::MAX)
}

/// Seconds since the host was started, time asleep included. `/proc/uptime` is hidden from the service.
pub fn uptime() -> u64 {
    let passed = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(passed.tv_sec).unwrap_or(0)
}

/// As RFC 3339 has it, in the host's time zone: `2026-01-31T08:15:00+01:00`.
pub fn rfc3339(at: u64) -> String {
    formatted(at, "%Y-%m-%dT%H:%M:%S%:z")
}

/// As people read it, in the host's time zone: `2026-01-31 08:15:00`.
pub fn local(at: u64) -> String {
    formatted(at, "%Y-%m-%d %H:%M:%S")
}

fn formatted(at: u64, format: &str) -> String {
    let at = i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_microsecond(at).ok());
    at.map_or_else(
        || "never".to_owned(),
        |at| at.to_zoned(TimeZone::system()).strftime(format).to_string(),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_of_the_host() {
        let text = super::rfc3339(1_700_000_000_000_000);
        let read: jiff::Timestamp = text.parse().expect(&text);
        assert_eq!(read.as_second(), 1_700_000_000);
        assert_eq!(super::local(1_700_000_000_000_000).len(), "2023-11-14 22:13:20".len());
        assert_eq!(super::rfc3339(u64::MAX), "never");
    }
}
