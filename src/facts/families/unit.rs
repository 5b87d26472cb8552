//! Asks systemd for units.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::owed::CHANGED_UNITS;
use crate::facts::unit::files::is_file_of;
use crate::facts::unit::{Reload, UnitFact, UnitKey, UnitState};
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

/// Where the owner of a host has unit files. Packages restart what they change.
const OWN_FILES: &str = "/etc/systemd/system";

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,UnitFileState,Type,RemainAfterExit,NRestarts,CanStart,\
                          CanStop,NeedDaemonReload,InvocationID,SourcePath,FragmentPath,DropInPaths,ExecMainStartTimestamp,\
                          ExecMainStartTimestampMonotonic,ActiveEnterTimestamp,ActiveEnterTimestampMonotonic";

/// One `systemctl show` for all units; it prints a block for each name, in the order asked, also for unknown ones.
///
/// A further block has a line for each thing that systemd does not know: when files below [`OWN_FILES`] were changed, and
/// which invocation of a unit was running when homelab changed its files, and
/// what `indirect` units install instead of themselves, which is only in their files. All drop-ins there count: systemd 252 does not
/// notice one in a new folder. If a unit is to be loaded again, so do all files, since systemd does not know new ones.
fn probe(names: &[&str]) -> String {
    let names = quote_all(names.iter().copied());
    format!(
        "command -v systemctl >/dev/null || exit 127\n\
         set -- {names}\n\
         o=$(TZ=UTC systemctl show -p {PROPERTIES} -- \"$@\" 2>&1); code=$?; printf \"%s\\n\" \"$o\"\n\
         if [ $code != 0 ]; then [ \"$(id -u)\" = 0 ] && exit $code; exit {DENIED}; fi\n\
         d={OWN_FILES} p=\n\
         for w in $d/*.d/*.conf; do [ ! -s \"$w\" ] || p=\"$p $w\"; done\n\
         case $o in *Reload=yes*) p=\"$p $(printf \"%s \" $d/*.*)\";; esac\n\
         set -f; echo\n\
         case $o$p in *$d/*)\n\
         for w in $o; do w=${{w#*=}}; case $w in $d/*) p=\"$p $w\";; esac; done\n\
         read -r u _ </proc/uptime; echo \"uptime $u\"; stat -L -c \"changed %.6Z %n\" -- /proc/self $p 2>/dev/null;; esac\n\
         for u; do [ -f {CHANGED_UNITS}/\"$u\" ] && read -r i <{CHANGED_UNITS}/\"$u\" && echo \"noted $u $i\"; done\n\
         case $o in *=indirect*)\n\
         s() {{ systemctl show -p UnitFileState --value -- \"$1\"; }}\n\
         for u; do\n\
         [ \"$(s \"$u\")\" = indirect ] || continue\n\
         for a in $(systemctl cat -- \"$u\" | sed -n \"s/^Also=//p\"); do\n\
         echo \"also $u $a $(s \"$a\")\"\n\
         done; done;; esac\n\
         exit 0"
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
        // What systemd says about one name is among the properties of the others.
        let is_property = |line: &str| PROPERTIES.split(',').any(|name| line.split('=').next() == Some(name));
        let said = lines.iter().rfind(|line| !line.is_empty() && !is_property(line));
        let said = said.map_or("no message", String::as_str);
        return Err(UnreadableAnswer::new(match status {
            127 => "`systemctl` not found: this host has no systemd".to_owned(),
            _ => format!("`systemctl show` exited with {status}: {said}"),
        }));
    }
    let mut blocks: Vec<&[String]> = lines
        .split(String::is_empty)
        .filter(|block| !block.is_empty())
        .collect();
    let further = if blocks.len() == keys.len() + 1 {
        blocks.pop().unwrap_or_default()
    } else {
        &[]
    };
    if blocks.len() != keys.len() {
        return Err(UnreadableAnswer::new(format!(
            "`systemctl show` printed {} units instead of {}",
            blocks.len(),
            keys.len()
        )));
    }
    let clock = Clock::read(further);
    let facts = keys.iter().zip(blocks).map(|(key, block)| {
        let unit = match UnitKey::of(key) {
            Some(UnitKey(name)) => unit(name, block, further, clock.as_ref()),
            None => UnitFact::Absent,
        };
        (key.clone(), Fact::Unit(unit))
    });
    Ok(facts.collect())
}

fn unit(name: &str, block: &[String], further: &[String], clock: Option<&Clock>) -> UnitFact {
    let mut properties: BTreeMap<&str, &str> = block.iter().filter_map(|line| line.split_once('=')).collect();
    let mut take = |name: &str| properties.remove(name).unwrap_or_default().to_owned();
    let started = [
        (take("ExecMainStartTimestamp"), take("ExecMainStartTimestampMonotonic")),
        (take("ActiveEnterTimestamp"), take("ActiveEnterTimestampMonotonic")),
    ];
    let drop_ins = take("DropInPaths");
    let drop_ins: Vec<&str> = drop_ins.split_whitespace().collect();
    let invocation = take("InvocationID");
    let mut state = UnitState {
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
        file: take("FragmentPath"),
        is_outdated: false,
        lacks_command: false,
        has_drop_ins: !drop_ins.is_empty(),
        reload: Reload::default(),
        is_new: false,
        source: take("SourcePath"),
        also: installed_by(name, further),
    };
    // A unit whose file is gone may still run.
    if state.load == "not-found" && matches!(state.active.as_str(), "inactive" | "failed") {
        return UnitFact::Absent;
    }
    let runs = matches!(state.active.as_str(), "active" | "reloading" | "refreshing");
    // A file that is gone has no time.
    state.needs_reload |= state.load == "loaded" && clock.is_some_and(|clock| clock.has_unknown(&state.id, &drop_ins));
    state.is_outdated = runs && !invocation.is_empty() && further.contains(&format!("noted {} {invocation}", state.id));
    // If it was started since its files changed, it runs without those that systemd has not loaded.
    let has_own = |clock: &Clock| clock.changed.keys().any(|file| is_own_file(&state.id, file));
    state.is_outdated |= runs && state.needs_reload && clock.is_some_and(has_own);
    if let Some(clock) = clock
        && runs
        && let Some(start) = started
            .iter()
            .find_map(|(time, monotonic)| Start::read(time, monotonic))
    {
        let mut files = drop_ins.iter().copied().chain([state.file.as_str()]);
        state.is_outdated |= files.any(|file| clock.is_changed_since(file, &start));
    }
    UnitFact::Present(state)
}

/// Whether this is a unit file or a drop-in of a unit, and no folder of drop-ins.
fn is_own_file(unit: &str, file: &str) -> bool {
    !matches!(file.rsplit_once('.'), Some((_, "d"))) && is_file_of(unit, file)
}

/// When something was started: by the host's clock of that moment, and in seconds since it booted.
struct Start {
    time: Timestamp,
    since_boot: f64,
}

impl Start {
    fn read(time: &str, monotonic: &str) -> Option<Self> {
        const MICROSECONDS: f64 = 1e6;
        let microseconds: f64 = monotonic.parse().ok().filter(|microseconds| *microseconds > 0.0)?;
        let time = strtime::parse("%a %Y-%m-%d %H:%M:%S UTC", time)
            .ok()?
            .to_datetime()
            .ok()?;
        Some(Self {
            time: TimeZone::UTC.to_timestamp(time).ok()?,
            since_boot: microseconds / MICROSECONDS,
        })
    }
}

/// The host's clock, and when files were changed by it.
struct Clock {
    /// When the host booted, by the clock of now.
    boot: f64,
    changed: BTreeMap<String, f64>,
}

impl Clock {
    fn read(lines: &[String]) -> Option<Self> {
        let words = |line: &'_ String, word: &str| line.strip_prefix(word).map(str::to_owned);
        let uptime: f64 = lines.iter().find_map(|line| words(line, "uptime ")?.parse().ok())?;
        let changed: BTreeMap<String, f64> = lines
            .iter()
            .filter_map(|line| {
                let line = words(line, "changed ")?;
                let (time, path) = line.split_once(' ')?;
                Some((path.to_owned(), time.parse().ok()?))
            })
            .collect();
        Some(Self {
            boot: changed.get("/proc/self")? - uptime,
            changed,
        })
    }

    /// Whether there is a drop-in of `unit` that systemd has not loaded: neither it nor another of its name, which may come first.
    fn has_unknown(&self, unit: &str, loaded: &[&str]) -> bool {
        let is_loaded = |name: &str| loaded.iter().any(|path| path.rsplit('/').next() == Some(name));
        let mut drop_ins = self.changed.keys().filter_map(|path| {
            let (folder, name) = path.rsplit_once('/')?;
            let is_drop_in = folder.strip_suffix(".d").is_some() && name.strip_suffix(".conf").is_some();
            (is_drop_in && is_file_of(unit, path)).then_some(name)
        });
        drop_ins.any(|name| !is_loaded(name))
    }

    /// Whether a file was changed after `start`. Either clock alone may be wrong: one was set since then, the other stands
    /// still while the host sleeps.
    fn is_changed_since(&self, file: &str, start: &Start) -> bool {
        /// The kernel's clock of files is coarse, in seconds.
        const COARSE: f64 = 0.01;
        let Some(changed) = self.changed.get(file) else {
            return false;
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in an f64")]
        let by_the_clock = start.time.as_second() as f64;
        *changed >= by_the_clock && *changed > self.boot + start.since_boot + COARSE
    }
}

/// The units of `Also=` of `name`, and their `UnitFileState`.
fn installed_by(name: &str, lines: &[String]) -> BTreeMap<String, String> {
    let own = lines
        .iter()
        .filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            ["also", unit, other, state] if unit == name => Some((other.to_owned(), state.to_owned())),
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
    fn what_systemd_says_about_one_name_is_told() {
        let answer =
            "Id=a.service\nLoadState=loaded\n\nFailed to get properties: no such name\nId=b.service\nInvocationID=1\n";
        let error = parse(&keys(&["a.service", "b@.service"]), 1, answer.as_bytes()).expect_err("not readable");
        assert_eq!(
            error.to_string(),
            "`systemctl show` exited with 1: Failed to get properties: no such name"
        );
    }

    #[test]
    fn what_an_indirect_unit_installs_is_in_a_further_block() {
        let answer = "Id=uuidd.service\nLoadState=loaded\nUnitFileState=indirect\n\nId=a.service\nLoadState=loaded\n\n\
                      also uuidd.service uuidd.socket disabled\n";
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
    fn what_was_started_before_its_file_changed_is_outdated() {
        let is_outdated = |active: &str, now: &str, changed: &str, drop_in: &str| {
            let answer = format!(
                "Id=a.service\nLoadState=loaded\nActiveState={active}\nFragmentPath=/etc/systemd/system/a.service\n\
                 DropInPaths=/usr/lib/x.conf /etc/systemd/system/a.service.d/x.conf\n\
                 ExecMainStartTimestamp=Sat 2026-11-28 08:49:37 UTC\nExecMainStartTimestampMonotonic=100500000\n\n\
                 uptime 200.00\nchanged {now} /proc/self\nchanged {changed} /etc/systemd/system/a.service\n\
                 changed {drop_in} /etc/systemd/system/a.service.d/x.conf\n"
            );
            let facts = parse(&keys(&["a.service"]), 0, answer.as_bytes()).expect("readable");
            matches!(&facts[0].1, Fact::Unit(UnitFact::Present(state)) if state.is_outdated)
        };
        // Started at 1795855777.5.
        let now = "1795855877.000000";
        let (before, after) = ("1795855777.400000", "1795855777.600000");
        assert!(!is_outdated("active", now, before, before));
        assert!(is_outdated("active", now, after, before));
        assert!(is_outdated("active", now, before, after));
        assert!(!is_outdated("inactive", now, after, before));
        // The clock was set an hour ahead after the start, or the host slept for an hour.
        let later = "1795859477.000000";
        assert!(!is_outdated("active", later, "1795859300.000000", before));
        assert!(!is_outdated(
            "active",
            "1795852277.000000",
            "1795852200.000000",
            "1795852100.000000"
        ));
        assert!(is_outdated("active", later, "1795859400.000000", before));
    }

    #[test]
    fn what_runs_without_a_file_that_is_not_loaded_is_outdated_whenever_it_was_started() {
        let is_outdated = |needs_reload: &str, file: &str, changed: &str| {
            let answer = format!(
                "Id=a-b.service\nLoadState=loaded\nActiveState=active\nNeedDaemonReload={needs_reload}\n\
                 FragmentPath=/usr/lib/systemd/system/a-b.service\nDropInPaths=\n\
                 ExecMainStartTimestamp=Sat 2026-11-28 08:49:37 UTC\nExecMainStartTimestampMonotonic=100500000\n\n\
                 uptime 200.00\nchanged 1795855877.000000 /proc/self\nchanged {changed} /etc/systemd/system/{file}\n"
            );
            let facts = parse(&keys(&["a-b.service"]), 0, answer.as_bytes()).expect("readable");
            matches!(&facts[0].1, Fact::Unit(UnitFact::Present(state)) if state.is_outdated)
        };
        // Started at 1795855777.5.
        let (before, after) = ("1795855777.400000", "1795855777.600000");
        // systemd 252 does not notice a drop-in in a new folder.
        for (file, counts, counts_unnoticed) in [
            ("a-b.service.d/x.conf", true, true),
            ("a-.service.d/x.conf", true, true),
            ("service.d/x.conf", true, true),
            ("a-b.service", true, false),
            ("a-b.service.d", false, false),
            ("b.service.d/x.conf", false, false),
            ("b.service", false, false),
        ] {
            for changed in [before, after] {
                assert_eq!(is_outdated("yes", file, changed), counts, "{file} {changed}");
                assert_eq!(is_outdated("no", file, changed), counts_unnoticed, "{file} {changed}");
            }
        }
    }

    #[test]
    fn a_drop_in_that_systemd_does_not_know_has_to_be_loaded() {
        for (load, loaded, file, needs_reload) in [
            ("loaded", "", "a.service.d/x.conf", true),
            (
                "loaded",
                "/etc/systemd/system/a.service.d/x.conf",
                "a.service.d/x.conf",
                false,
            ),
            // One of the same name that comes first.
            (
                "loaded",
                "/run/systemd/system.control/a.service.d/x.conf",
                "a.service.d/x.conf",
                false,
            ),
            (
                "loaded",
                "/etc/systemd/system/a.service.d/y.conf",
                "a.service.d/x.conf",
                true,
            ),
            ("loaded", "", "b.service.d/x.conf", false),
            ("loaded", "", "a.service", false),
            // systemd reads no drop-ins of these.
            ("masked", "", "a.service.d/x.conf", false),
            ("bad-setting", "", "a.service.d/x.conf", false),
        ] {
            let answer = format!(
                "Id=a.service\nLoadState={load}\nActiveState=inactive\nNeedDaemonReload=no\nDropInPaths={loaded}\n\n\
                 uptime 200.00\nchanged 1795855877.0 /proc/self\nchanged 1795855877.0 /etc/systemd/system/{file}\n"
            );
            let facts = parse(&keys(&["a.service"]), 0, answer.as_bytes()).expect("readable");
            let found = matches!(&facts[0].1, Fact::Unit(UnitFact::Present(state)) if state.needs_reload);
            assert_eq!(found, needs_reload, "{answer}");
        }
    }

    #[test]
    fn what_ran_when_its_files_changed_is_outdated_until_it_was_started() {
        for (active, invocation, noted, is_outdated) in [
            ("active", "aa", "noted a.service aa", true),
            ("active", "bb", "noted a.service aa", false),
            ("active", "aa", "noted b.service aa", false),
            ("active", "", "noted a.service ", false),
            ("failed", "aa", "noted a.service aa", false),
        ] {
            let answer =
                format!("Id=a.service\nLoadState=loaded\nActiveState={active}\nInvocationID={invocation}\n\n{noted}\n");
            let facts = parse(&keys(&["a.service"]), 0, answer.as_bytes()).expect("readable");
            let Fact::Unit(UnitFact::Present(state)) = &facts[0].1 else {
                panic!("{facts:?}")
            };
            assert_eq!(state.is_outdated, is_outdated, "{answer}");
        }
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
