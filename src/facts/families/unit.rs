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

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,UnitFileState,Type,RemainAfterExit,NRestarts,CanStart,\
                          CanStop,NeedDaemonReload,SourcePath";

/// One `systemctl show` for all units; it prints a block for each name, in the order asked, also for unknown ones.
///
/// What `indirect` units install instead of themselves is only in their files. It is in a further block, a line for each.
fn probe(names: &[&str]) -> String {
    let names = quote_all(names.iter().copied());
    format!(
        "command -v systemctl >/dev/null || exit 127\n\
         o=$(systemctl show -p {PROPERTIES} -- {names} 2>&1); code=$?; printf '%s\\n' \"$o\"\n\
         if [ $code != 0 ]; then [ \"$(id -u)\" = 0 ] && exit $code; exit {DENIED}; fi\n\
         case $o in *=indirect*) ;; *) exit 0;; esac\n\
         echo; set -f\n\
         for u in {names}; do\n\
         [ \"$(systemctl show -p UnitFileState --value -- \"$u\")\" = indirect ] || continue\n\
         for a in $(systemctl cat -- \"$u\" | sed -n 's/^Also=//p'); do\n\
         echo \"$u $a $(systemctl show -p UnitFileState --value -- \"$a\")\"\n\
         done; done"
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
    let mut blocks: Vec<&[String]> = lines
        .split(String::is_empty)
        .filter(|block| !block.is_empty())
        .collect();
    let also = if blocks.len() == keys.len() + 1 {
        blocks.pop()
    } else {
        None
    };
    if blocks.len() != keys.len() {
        return Err(UnreadableAnswer::new(format!(
            "`systemctl show` printed {} units instead of {}",
            blocks.len(),
            keys.len()
        )));
    }
    let facts = keys.iter().zip(blocks).map(|(key, block)| {
        let mut unit = unit(block);
        if let (UnitFact::Present(state), Some(UnitKey(name))) = (&mut unit, UnitKey::of(key)) {
            state.also = installed_by(name, also.unwrap_or_default());
        }
        (key.clone(), Fact::Unit(unit))
    });
    Ok(facts.collect())
}

fn unit(block: &[String]) -> UnitFact {
    let mut properties: BTreeMap<&str, &str> = block.iter().filter_map(|line| line.split_once('=')).collect();
    let mut take = |name: &str| properties.remove(name).unwrap_or_default().to_owned();
    let state = UnitState {
        id: take("Id"),
        load: take("LoadState"),
        active: take("ActiveState"),
        sub: take("SubState"),
        enabled: take("UnitFileState"),
        service_type: take("Type"),
        remains: take("RemainAfterExit") == "yes",
        was_restarted: take("NRestarts").parse::<u64>().is_ok_and(|times| times > 0),
        can_start: take("CanStart") != "no",
        can_stop: take("CanStop") != "no",
        needs_reload: take("NeedDaemonReload") == "yes",
        source: take("SourcePath"),
        also: BTreeMap::new(),
    };
    // A unit whose file is gone may still run.
    if state.load == "not-found" && matches!(state.active.as_str(), "inactive" | "failed") {
        return UnitFact::Absent;
    }
    UnitFact::Present(state)
}

/// The units of `Also=` of `name`, and their `UnitFileState`.
fn installed_by(name: &str, lines: &[String]) -> BTreeMap<String, String> {
    let own = lines
        .iter()
        .filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [unit, other, state] if unit == name => Some((other.to_owned(), state.to_owned())),
            _ => None,
        });
    own.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"Type=simple\nRemainAfterExit=no\nNRestarts=0\nId=ssh.service\nLoadState=loaded\nActiveState=active\n\
        SubState=running\nSourcePath=\nUnitFileState=enabled\nCanStart=yes\nCanStop=yes\nNeedDaemonReload=no\n\n\
        Type=\nRemainAfterExit=no\nNRestarts=0\nId=nope.service\nLoadState=not-found\nActiveState=inactive\n\
        SubState=dead\nSourcePath=\nUnitFileState=\nCanStart=no\nCanStop=yes\nNeedDaemonReload=no\n";

    fn keys(names: &[&str]) -> Vec<FactKey> {
        names.iter().map(|name| FactKey::Unit((*name).to_owned())).collect()
    }

    fn ssh() -> UnitState {
        let text = str::to_owned;
        UnitState {
            id: text("ssh.service"),
            load: text("loaded"),
            active: text("active"),
            sub: text("running"),
            enabled: text("enabled"),
            service_type: text("simple"),
            can_start: true,
            can_stop: true,
            ..UnitState::default()
        }
    }

    #[test]
    fn reads_blocks_in_the_order_asked() {
        let facts = parse(&keys(&["sshd.service", "nope.service"]), 0, ANSWER).expect("readable");
        assert_eq!(facts[0].1, Fact::Unit(UnitFact::Present(ssh())));
        assert_eq!(facts[1].1, Fact::Unit(UnitFact::Absent));
    }

    #[test]
    fn what_an_indirect_unit_installs_is_in_a_further_block() {
        let answer = "Id=uuidd.service\nLoadState=loaded\nUnitFileState=indirect\n\nId=a.service\nLoadState=loaded\n\n\
                      uuidd.service uuidd.socket disabled\n";
        let facts = parse(&keys(&["uuidd.service", "a.service"]), 0, answer.as_bytes()).expect("readable");
        let also = |at: usize| match &facts[at].1 {
            Fact::Unit(UnitFact::Present(state)) => state.also.clone(),
            other => panic!("{other:?}"),
        };
        let installed = BTreeMap::from([("uuidd.socket".to_owned(), "disabled".to_owned())]);
        assert_eq!(also(0), installed);
        assert!(also(1).is_empty());
    }

    #[test]
    fn a_unit_that_runs_without_its_file_is_present() {
        let answer = b"Id=gone.service\nLoadState=not-found\nActiveState=active\nSubState=running\n";
        let facts = parse(&keys(&["gone.service"]), 0, answer).expect("readable");
        assert!(matches!(&facts[0].1, Fact::Unit(UnitFact::Present(state)) if state.active == "active"));
    }

    #[test]
    fn a_missing_block_is_an_error() {
        let keys = keys(&["sshd.service", "nope.service", "third.service", "fourth.service"]);
        assert!(parse(&keys, 0, ANSWER).is_err());
        let denied = parse(&keys, DENIED, b"Failed to connect to bus\n").expect("readable");
        assert!(matches!(&denied[2].1, Fact::Denied(why) if why.ends_with("Failed to connect to bus")));
        assert!(parse(&keys, 127, b"").expect_err("unreadable").what.contains("systemd"));
    }
}
