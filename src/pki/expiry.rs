//! Certificates that expire soon.

use jiff::Timestamp;

use super::certificate::Kind;
use super::project::Pki;

/// From how many days before its end on a certificate is reported.
pub const NOTICE_DAYS: i64 = 30;

/// A certificate that expires soon, or has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// What it is called in the project.
    pub name: String,
    pub kind: Kind,
    pub not_after: Timestamp,
    /// Days until then, rounded up; zero or less if that is past.
    pub days: i64,
}

/// Days from `now` until `end`, rounded up; zero or less if that is past.
pub fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    -(now.as_second() - end.as_second()).div_euclid(24 * 3600)
}

impl Pki {
    /// The certificates that end within so many days from `now`, or have ended, the first end first. A certificate that was replaced
    /// or revoked is none of them.
    pub fn expiring(&self, now: Timestamp, within_days: i64) -> Vec<Expiring> {
        let mut found: Vec<Expiring> = self
            .entries()
            .filter_map(|entry| {
                let held = entry.held.as_ref()?;
                Some(Expiring {
                    name: entry.name.clone(),
                    kind: held.certificate.kind,
                    not_after: held.certificate.not_after,
                    days: days_until(held.certificate.not_after, now),
                })
            })
            .filter(|expiring| expiring.days <= within_days)
            .collect();
        found.sort_by_key(|expiring| expiring.not_after);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_has_begun_counts() {
        const DAY: i64 = 24 * 3600;
        let at = |second| Timestamp::from_second(second).expect("a time");
        for (end, now, days) in [
            (DAY, 0, 1),
            (DAY, 1, 1),
            (1, 0, 1),
            (0, 0, 0),
            (0, 1, 0),
            (0, DAY, -1),
            (31 * DAY, 1, 31),
        ] {
            assert_eq!(days_until(at(end), at(now)), days, "{end} {now}");
        }
    }
}
