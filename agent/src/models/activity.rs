//! When models were used, as those who use them report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::settings::Monitoring;
use crate::names::ModelName;
use crate::state::{StateError, StateFile, Stored};

const MINUTE: u64 = 60_000_000;

/// How a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub is_active: bool,
    pub is_idle: bool,
}

impl Standing {
    /// By when a model was last used, or began to run.
    pub fn at(now: u64, last: Option<u64>, monitoring: &Monitoring) -> Self {
        let within = |minutes: u32| last.is_some_and(|last| now.saturating_sub(last) <= u64::from(minutes) * MINUTE);
        Self {
            is_active: within(monitoring.active_minutes),
            is_idle: !within(monitoring.idle_minutes),
        }
    }
}

/// The last report of each model, in microseconds since 1970. They survive a restart of the agent.
pub struct Reports {
    file: Option<StateFile>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    last: BTreeMap<String, u64>,
    is_changed: bool,
}

impl Reports {
    /// Reads what was reported before; without a file, reports are only remembered.
    ///
    /// Errors: the file cannot be read.
    pub fn load(file: Option<StateFile>) -> Result<Self, StateError> {
        let last = match file.as_ref().map(StateFile::read).transpose()? {
            Some(Stored::Value(last)) => last,
            Some(Stored::Nothing | Stored::PutAside(_)) | None => BTreeMap::new(),
        };
        let held = Mutex::new(Held {
            last,
            is_changed: false,
        });
        Ok(Self { file, held })
    }

    /// Notes that a model is used now. The caller has seen that it exists.
    pub fn report(&self, model: &ModelName, now: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.last.insert(model.as_str().to_owned(), now);
        held.is_changed = true;
    }

    /// When a model was last reported. A time in the future, from before a clock was set, counts as now.
    pub fn last(&self, model: &ModelName, now: u64) -> Option<u64> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.last.get(model.as_str()).map(|last| (*last).min(now))
    }

    /// Writes what is new, and forgets models that are gone. Called now and then: a report is not worth a write to the disk.
    ///
    /// Errors: the file cannot be written.
    pub fn save(&self, models: &BTreeSet<&str>) -> Result<(), StateError> {
        let last = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let before = held.last.len();
            held.last.retain(|name, _| models.contains(name.as_str()));
            if !held.is_changed && held.last.len() == before {
                return Ok(());
            }
            held.is_changed = false;
            held.last.clone()
        };
        self.file.as_ref().map_or(Ok(()), |file| file.write(&last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{MINUTE, Reports, Standing};
    use crate::models::settings::Monitoring;
    use crate::names::ModelName;
    use crate::state::StateFile;

    #[test]
    fn a_model_is_active_then_neither_then_idle() {
        let monitoring = Monitoring::default();
        let now = 1_000 * MINUTE;
        for (minutes_ago, is_active, is_idle) in [
            (Some(0), true, false),
            (Some(10), true, false),
            (Some(11), false, false),
            (Some(30), false, false),
            (Some(31), false, true),
            (None, false, true),
        ] {
            let last = minutes_ago.map(|minutes| now - minutes * MINUTE);
            assert_eq!(
                Standing::at(now, last, &monitoring),
                Standing { is_active, is_idle },
                "{minutes_ago:?}"
            );
        }
    }

    #[test]
    fn reports_survive_a_restart_and_models_that_are_gone_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = || Some(StateFile::new(folder.path(), "activity.json"));
        let [tiny, old] = ["tiny", "old"].map(|name| ModelName::parse(name).expect(name));
        let reports = Reports::load(file()).expect("read");
        reports.report(&tiny, 5);
        reports.report(&old, 7);
        reports.save(&BTreeSet::from(["tiny"])).expect("written");
        let again = Reports::load(file()).expect("read");
        assert_eq!([again.last(&tiny, 100), again.last(&old, 100)], [Some(5), None]);
        assert_eq!(again.last(&tiny, 3), Some(3));
    }
}
