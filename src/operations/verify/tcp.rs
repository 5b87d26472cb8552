//! `verify.tcp`: check that a TCP port accepts connections, as seen from the host.
//!
//! ```toml
//! [[operation]]
//! op = "verify.tcp"
//! port = 9100
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
use crate::quote::check_address;

/// Parameters of `verify.tcp`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Tcp {
    /// Name or address to connect to from the host.
    #[serde(default = "loopback")]
    host: String,
    /// Port to connect to.
    port: u16,
    /// How long to keep trying after a change.
    #[serde(default = "default_within")]
    within: Span,
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}

impl Define for Tcp {
    const NAME: &'static str = "verify.tcp";
    const SUMMARY: &'static str = "Check that a TCP port accepts connections, as seen from the host";
    const MAIN_ARGUMENT: &'static str = "port";
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "verify.tcp"
port = 22
within = "10s"
"#;
}

impl Operation for Tcp {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::Check(self.check())]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        Vec::new()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_address(&self.host).map_err(|wrong| {
            context.refuse(
                "host",
                format!("`{}` is not a valid host", self.host),
                wrong.to_string(),
            )
        })?;
        plan_check(context, &self.check(), self.within)
    }
}

impl Tcp {
    fn check(&self) -> Check {
        Check::Tcp {
            host: self.host.clone(),
            port: self.port,
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

    fn bench(fact: CheckFact) -> Bench {
        let check = Check::Tcp {
            host: loopback(),
            port: 9100,
        };
        Bench::new::<Tcp>("port = 9100\nwithin = '5s'").fact(FactKey::Check(check), Fact::Check(fact))
    }

    fn state(outcome: Result<Outcome, Stop>) -> CheckState {
        match outcome {
            Ok(Outcome::Check { state, what, within }) => {
                assert_eq!(what, "tcp 127.0.0.1:9100");
                assert_eq!(within.as_secs(), 5);
                state
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_check_holds_fails_or_comes_later() {
        assert_eq!(state(bench(CheckFact::Holds).plan()), CheckState::Holds);
        let why = "no connection".to_owned();
        assert_eq!(
            state(bench(CheckFact::Fails(why.clone())).plan()),
            CheckState::Fails(why)
        );
        assert_eq!(
            state(bench(CheckFact::Holds).package_may_create().plan()),
            CheckState::Later
        );
    }
}
