//! `verify.http`: check that a URL answers as expected, as seen from the host.
//!
//! ```toml
//! [[operation]]
//! op = "verify.http"
//! url = "http://127.0.0.1:9100/metrics"
//! contains = "node_load1"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::{default_within, plan_check};
use crate::change::{Outcome, Stop};
use crate::facts::overlay::FactScope;
use crate::facts::{Check, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `verify.http`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Http {
    /// URL to request. `https` needs curl or wget on the host.
    url: String,
    /// Expected status code.
    #[serde(default = "ok")]
    #[schemars(range(min = 100, max = 599))]
    status: u16,
    /// Text that the answer must contain.
    contains: Option<String>,
    /// How long to keep trying after a change.
    #[serde(default = "default_within")]
    within: Span,
}

fn ok() -> u16 {
    200
}

impl Define for Http {
    const NAME: &'static str = "verify.http";
    const SUMMARY: &'static str = "Check that a URL answers as expected, as seen from the host";
    const MAIN_ARGUMENT: &'static str = "url";
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "verify.http"
url = "http://127.0.0.1:9100/metrics"
contains = "node_load1"
within = "30s"
"#;
}

impl Operation for Http {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::Check(self.check())]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        Vec::new()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let is_plain = |character: char| !character.is_whitespace() && !character.is_control();
        if !["http://", "https://"]
            .iter()
            .any(|scheme| self.url.starts_with(scheme))
            || !self.url.chars().all(is_plain)
        {
            let title = format!("`{}` is not a valid URL", self.url);
            return Err(context.refuse(
                "url",
                title,
                "must start with `http://` or `https://` and contain no spaces",
            ));
        }
        if !(100..=599).contains(&self.status) {
            return Err(context.refuse(
                "status",
                format!("`{}` is not a valid status code", self.status),
                "must be from 100 to 599",
            ));
        }
        if self.contains.as_ref().is_some_and(|text| text.contains('\n')) {
            return Err(context.refuse("contains", "`contains` must be one line", "contains a line break"));
        }
        plan_check(context, &self.check(), self.within)
    }
}

impl Http {
    fn check(&self) -> Check {
        Check::Http {
            url: self.url.clone(),
            status: self.status,
            contains: self.contains.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::CheckState;
    use crate::facts::Fact;
    use crate::facts::check::CheckFact;
    use crate::operations::testing::Bench;

    #[test]
    fn a_page_is_checked() {
        let check = Check::Http {
            url: "http://127.0.0.1/x".to_owned(),
            status: 204,
            contains: None,
        };
        let bench = Bench::new::<Http>("url = 'http://127.0.0.1/x'\nstatus = 204");
        let outcome = bench.fact(FactKey::Check(check), Fact::Check(CheckFact::Holds)).plan();
        assert!(
            matches!(
                outcome,
                Ok(Outcome::Check {
                    state: CheckState::Holds,
                    ..
                })
            ),
            "{outcome:?}"
        );
    }
}
