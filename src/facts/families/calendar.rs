//! Asks systemd about calendar events.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::calendar::{CalendarFact, CalendarKey};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::quote::quote_all;

static CALENDARS: Family = Family {
    subject: "calendar events",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for CalendarKey<'a> {
    const FAMILY: &'static Family = &CALENDARS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// A line for each: when it comes next, or what is wrong.
fn probe(keys: &[FactKey]) -> String {
    let events = keys.iter().filter_map(CalendarKey::of).map(|key| key.0);
    format!(
        "command -v systemd-analyze >/dev/null || exit 127\n\
         for e in {}; do\n\
         if o=$(systemd-analyze calendar -- \"$e\" 2>&1)\n\
         then printf 'next %s\\n' \"$(printf '%s\\n' \"$o\" | sed -n 's/^ *Next elapse: *//p')\"\n\
         else printf 'wrong %s\\n' \"$(printf '%s\\n' \"$o\" | tail -n 1)\"; fi\n\
         done",
        quote_all(events)
    )
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status != 0 {
        return Err(UnreadableAnswer::new(match status {
            127 => "`systemd-analyze` not found: this host has no systemd".to_owned(),
            _ => format!("`systemd-analyze calendar` exited with {status}"),
        }));
    }
    let facts = keys.iter().zip(lines(answer)).map(|(key, line)| {
        let fact = match line.split_once(' ') {
            Some(("next", time)) => CalendarFact::Next(time.trim().to_owned()),
            Some(("wrong", why)) => CalendarFact::Wrong(why.to_owned()),
            _ => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
        };
        Ok((key.clone(), Fact::Calendar(fact)))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_next_or_is_wrong() {
        let keys = ["daily", "dayly", "2001-01-01"].map(|event| FactKey::Calendar(event.to_owned()));
        let answer =
            b"next Sun 2026-11-29 00:00:00 UTC\nwrong Failed to parse calendar specification 'dayly'\nnext never\n";
        let facts = parse(&keys, 0, answer).expect("readable");
        let found: Vec<&Fact> = facts.iter().map(|(_, fact)| fact).collect();
        let next = |time: &str| Fact::Calendar(CalendarFact::Next(time.to_owned()));
        let wrong = CalendarFact::Wrong("Failed to parse calendar specification 'dayly'".to_owned());
        assert_eq!(
            found,
            [
                &next("Sun 2026-11-29 00:00:00 UTC"),
                &Fact::Calendar(wrong),
                &next("never")
            ]
        );
        assert!(parse(&keys, 127, b"").expect_err("unreadable").what.contains("systemd"));
        assert!(parse(&keys, 0, b"what\n").is_err());
    }
}
