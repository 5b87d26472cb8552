//! Asks systemd for units.

use std::collections::BTreeMap;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::unit::{UnitFact, UnitKey, UnitState};
use crate::quote::quote_all;

static UNITS: Family = Family {
    subject: "units",
    probe: |keys| probe(&names(keys)),
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for UnitKey<'a> {
    const FAMILY: &'static Family = &UNITS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

fn names(keys: &[FactKey]) -> Vec<&str> {
    keys.iter().filter_map(UnitKey::of).map(|key| key.0).collect()
}

/// The probe's exit code if systemd refuses a user other than root.
const DENIED: i32 = 126;

/// One `systemctl show` for all units; it prints a block for each name, in the order asked, also for unknown ones.
fn probe(names: &[&str]) -> String {
    format!(
        "command -v systemctl >/dev/null || exit 127\n\
         systemctl show -p Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload -- {} 2>&1 && exit\n\
         code=$?; [ \"$(id -u)\" = 0 ] && exit \"$code\"\nexit {DENIED}",
        quote_all(names.iter().copied())
    )
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = lines(answer);
    if status == DENIED {
        let said = lines.last().map_or("no message", String::as_str);
        let fact = Fact::Denied(format!("systemd refuses to answer this user: {said}"));
        return Ok(keys.iter().map(|key| (key.clone(), fact.clone())).collect());
    }
    if status != 0 {
        let said = lines.last().cloned().unwrap_or_default();
        return Err(UnreadableAnswer::new(match status {
            127 => "`systemctl` not found: this host has no systemd".to_owned(),
            _ => format!("`systemctl show` exited with {status}: {said}"),
        }));
    }
    let blocks: Vec<&[String]> = lines
        .split(String::is_empty)
        .filter(|block| !block.is_empty())
        .collect();
    if blocks.len() != keys.len() {
        return Err(UnreadableAnswer::new(format!(
            "`systemctl show` printed {} units instead of {}",
            blocks.len(),
            keys.len()
        )));
    }
    Ok(keys
        .iter()
        .zip(blocks)
        .map(|(key, block)| (key.clone(), Fact::Unit(unit(block))))
        .collect())
}

fn unit(block: &[String]) -> UnitFact {
    let mut properties: BTreeMap<&str, &str> = block.iter().filter_map(|line| line.split_once('=')).collect();
    let mut take = |name: &str| properties.remove(name).unwrap_or_default().to_owned();
    let load = take("LoadState");
    if load == "not-found" {
        return UnitFact::Absent;
    }
    UnitFact::Present(UnitState {
        active: take("ActiveState"),
        enabled: take("UnitFileState"),
        needs_reload: take("NeedDaemonReload") == "yes",
        load,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"Id=ssh.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n\n\
        Id=nope.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\n";

    fn keys() -> Vec<FactKey> {
        ["ssh.service", "nope.service"]
            .map(|name| FactKey::Unit(name.to_owned()))
            .to_vec()
    }

    #[test]
    fn reads_blocks_in_the_order_asked() {
        let facts = parse(&keys(), 0, ANSWER).expect("readable");
        let state = UnitState {
            active: "active".to_owned(),
            enabled: "enabled".to_owned(),
            load: "loaded".to_owned(),
            needs_reload: false,
        };
        assert!(state.is_active() && state.is_enabled());
        assert_eq!(facts[0].1, Fact::Unit(UnitFact::Present(state)));
        assert_eq!(facts[1].1, Fact::Unit(UnitFact::Absent));
    }

    #[test]
    fn a_missing_block_is_an_error() {
        let mut keys = keys();
        keys.push(FactKey::Unit("third.service".to_owned()));
        assert!(parse(&keys, 0, ANSWER).is_err());
        let denied = parse(&keys, DENIED, b"Failed to connect to bus\n").expect("readable");
        assert!(matches!(&denied[2].1, Fact::Denied(why) if why.ends_with("Failed to connect to bus")));
        assert!(parse(&keys, 127, b"").expect_err("unreadable").what.contains("systemd"));
    }
}
