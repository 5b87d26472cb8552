//! What is told while a host is read: conditions and checks of a project, which run before anyone agreed to anything, and
//! another run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::events::{OnEvent, Purpose, ReadingEvent};
use crate::facts::{Fact, FactKey};
use crate::plan::Snapshot;

/// Why a fact is not known if conditions do not run.
const SKIPPED: &str = "not run because of `--no-conditions`";

/// Something to tell before a host was read.
pub enum News {
    /// Commands of the project, before they run.
    Commands(Purpose, Vec<String>),
    /// Another run is changing the host.
    Locked(String),
}

/// Called with news of a host that is being read.
pub type OnNews<'a> = &'a (dyn Fn(News) + Send + Sync);

/// The facts of `host` to read now. Conditions that are not to run are known to be skipped from now on; those that will
/// run are given to `on_news`.
pub(super) fn to_read(
    host: &str,
    missing: &BTreeSet<FactKey>,
    snapshot: &mut Snapshot,
    on_news: OnNews<'_>,
) -> BTreeSet<FactKey> {
    if !snapshot.skips_conditions {
        for purpose in [Purpose::Condition, Purpose::Check] {
            let commands: Vec<String> = missing.iter().filter_map(|key| command(key, purpose)).collect();
            if !commands.is_empty() {
                on_news(News::Commands(purpose, commands));
            }
        }
        return missing.clone();
    }
    let (skipped, rest): (BTreeSet<_>, BTreeSet<_>) = missing
        .iter()
        .cloned()
        .partition(|key| matches!(key, FactKey::Check(_) | FactKey::Answer(_)));
    let facts = snapshot.facts.entry(host.to_owned()).or_default();
    for key in skipped {
        facts.insert(key, Fact::Denied(SKIPPED.to_owned()));
    }
    rest
}

/// Sends news of a host as events.
pub(super) fn noted(host: &str, on_event: &OnEvent) -> impl Fn(News) + Send + Sync {
    let (host, on_event) = (host.to_owned(), Arc::clone(on_event));
    let is_told = AtomicBool::new(false);
    move |news| {
        let host = host.clone();
        match news {
            News::Commands(purpose, commands) => on_event(ReadingEvent::Commands {
                host,
                purpose,
                commands,
            }),
            // The host may be read again.
            News::Locked(words) if !is_told.swap(true, Ordering::Relaxed) => {
                on_event(ReadingEvent::Locked { host, words });
            }
            News::Locked(_) => {}
        }
    }
}

/// The command that is run to read `key`, if it is one for this purpose.
fn command(key: &FactKey, purpose: Purpose) -> Option<String> {
    match key {
        FactKey::Check(check) if check.is_program() == (purpose == Purpose::Check) => check.command(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::facts::check::ProgramCheck;
    use crate::facts::{Check, Environment, Identity};

    #[test]
    fn a_check_is_named_as_a_check() {
        let check = FactKey::Check(Check::Program(Box::new(ProgramCheck {
            words: ["test", "-e", "/a b"].map(str::to_owned).to_vec(),
            exit_code: 0,
            contains: None,
            by: Identity::Own,
            env: Environment::default(),
        })));
        let named = Mutex::new(Vec::new());
        let note = |news: News| {
            if let News::Commands(purpose, commands) = news {
                named.lock().expect("whole").push((purpose, commands));
            }
        };
        to_read("a", &BTreeSet::from([check]), &mut Snapshot::default(), &note);
        let named = named.into_inner().expect("whole");
        assert_eq!(named, [(Purpose::Check, vec!["test -e '/a b'".to_owned()])]);
    }

    #[test]
    fn conditions_are_named_before_they_run_and_are_left_out_on_request() {
        let condition = FactKey::Check(Check::Command {
            script: "test -e /x".into(),
            by: Identity::Own,
            env: crate::facts::Environment::default(),
            shown: crate::facts::Shown::default(),
        });
        let port = FactKey::Check(Check::Tcp {
            host: "127.0.0.1".to_owned(),
            port: 22,
        });
        let missing = BTreeSet::from([FactKey::System, condition.clone(), port.clone()]);
        let named = Mutex::new(Vec::new());
        let note = |news: News| {
            if let News::Commands(_, commands) = news {
                named.lock().expect("whole").extend(commands);
            }
        };
        let mut snapshot = Snapshot::default();
        assert_eq!(to_read("a", &missing, &mut snapshot, &note), missing);
        assert_eq!(*named.lock().expect("whole"), ["test -e /x"]);
        snapshot.skips_conditions = true;
        let rest = to_read("a", &missing, &mut snapshot, &note);
        assert_eq!(rest, BTreeSet::from([FactKey::System]));
        assert_eq!(named.lock().expect("whole").len(), 1);
        for key in [&condition, &port] {
            assert_eq!(snapshot.facts["a"].get(key), Some(&Fact::Denied(SKIPPED.to_owned())));
        }
    }
}
