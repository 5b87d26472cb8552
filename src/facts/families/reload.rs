//! Asks systemd which units can be reloaded.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::unit::ReloadKey;
use crate::quote::quote_all;

static RELOADS: Family = Family {
    subject: "reloads of units",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for ReloadKey<'a> {
    const FAMILY: &'static Family = &RELOADS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// A line for each unit, in the order asked, and blank lines between them.
fn probe(keys: &[FactKey]) -> String {
    let names = keys.iter().filter_map(ReloadKey::of).map(|key| key.0);
    format!("systemctl show -p CanReload -- {}", quote_all(names))
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = lines(answer);
    if status != 0 {
        let said = lines.last().map_or("no message", String::as_str);
        let fact = Fact::Denied(format!("systemd does not answer: {said}"));
        return Ok(keys.iter().map(|key| (key.clone(), fact.clone())).collect());
    }
    let told: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("CanReload="))
        .collect();
    if told.len() != keys.len() {
        return Err(UnreadableAnswer::new(format!(
            "`systemctl show` printed {} units instead of {}",
            told.len(),
            keys.len()
        )));
    }
    let facts = keys.iter().zip(told);
    Ok(facts
        .map(|(key, can)| (key.clone(), Fact::Reload(can == "yes")))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_in_the_order_asked() {
        let keys = ["a.service", "b.service"].map(|unit| FactKey::Reload(unit.to_owned()));
        let facts = parse(&keys, 0, b"CanReload=yes\n\nCanReload=no\n").expect("readable");
        let found: Vec<&Fact> = facts.iter().map(|(_, fact)| fact).collect();
        assert_eq!(found, [&Fact::Reload(true), &Fact::Reload(false)]);
        let denied = parse(&keys, 1, b"no bus\n").expect("readable");
        assert!(matches!(&denied[1].1, Fact::Denied(why) if why.ends_with("no bus")));
        assert!(parse(&keys, 0, b"CanReload=yes\n").is_err());
    }
}
