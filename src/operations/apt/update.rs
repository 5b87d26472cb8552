//! `apt.update`: refresh the package lists, each time or when they are old.
//!
//! ```toml
//! [[operation]]
//! op = "apt.update"
//! cache_time = "1h"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::run::{LockTimeout, update_run};
use crate::change::{
    Action, Attribute, Attributed, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop,
};
use crate::facts::apt::{ListsFact, PackageListsKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::{Span, readable};
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `apt.update`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Update {
    /// Keep lists that are newer than this, unless apt's sources changed after they were fetched. By default they are refreshed
    /// each time.
    cache_time: Option<Span>,
    /// How long to wait for another process that holds the lock of the package lists.
    #[serde(default)]
    lock_timeout: LockTimeout,
}

impl Define for Update {
    const NAME: &'static str = "apt.update";
    const SUMMARY: &'static str = "Refresh the package lists, each time or when they are old";
    const MAIN_ARGUMENT: &'static str = "cache_time";
    const RUNS: RunsCommands = RunsCommands::Apt;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.update"
cache_time = "1h"
"#;
}

impl Operation for Update {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::PackageLists]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::PackageLists)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let ListsFact { age, outdated, .. } = context.get(PackageListsKey)?;
        if let (Some(age), Some(Span(limit))) = (age, self.cache_time)
            && age < limit.as_secs()
            && !outdated
        {
            return Ok(Outcome::Unchanged);
        }
        let attributed = |text: String| -> Attributed { [("age", Attribute::known(text))].into_iter().collect() };
        Ok(Outcome::Change(vec![ResourceChange {
            id: ResourceId::new(ResourceKind::PackageLists, "of apt"),
            action: match self.cache_time {
                Some(_) => Action::Refresh,
                None => Action::RunEachTime,
            },
            before: age.map_or(Before::Absent, |age| {
                let sources = if outdated {
                    ", from before a change of apt's sources"
                } else {
                    ""
                };
                Before::Present(attributed(format!("{} old{sources}", readable(age))))
            }),
            after: Some(attributed("refreshed".to_owned())),
            expect: Vec::new(),
            effects: vec![Effect::Set(
                FactKey::PackageLists,
                Fact::PackageLists(ListsFact {
                    age: Some(0),
                    refreshed: true,
                    outdated: false,
                }),
            )],
            steps: vec![update_run(self.lock_timeout)],
            risk: Risk::None,
            is_asked_as_before: false,
        }]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Bench, change};

    fn outcome(parameters: &str, age: Option<u64>) -> Result<Outcome, Stop> {
        let fact = Fact::PackageLists(ListsFact {
            age,
            refreshed: false,
            outdated: age == Some(7),
        });
        Bench::new::<Update>(parameters)
            .fact(FactKey::PackageLists, fact)
            .plan()
    }

    #[test]
    fn old_and_missing_lists_are_fetched_which_does_not_count_as_drift() {
        for (parameters, age, action) in [
            ("cache_time = '1h'", Some(3600), Action::Refresh),
            ("cache_time = '1h'", None, Action::Refresh),
            // apt's sources changed since.
            ("cache_time = '1h'", Some(7), Action::Refresh),
            ("", Some(1), Action::RunEachTime),
        ] {
            let change = change(outcome(parameters, age));
            assert_eq!(change.action, action);
            assert!(!change.action.is_pending());
        }
    }
}
