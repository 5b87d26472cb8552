//! `verify.http`: check that a URL answers as expected, as seen from the host.
//!
//! ```toml
//! [[operation]]
//! op = "verify.http"
//! url = "http://127.0.0.1:9100/metrics"
//! contains = "node_load1"
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{check_contains, default_within, plan_check};
use crate::change::{Outcome, Stop};
use crate::facts::check::HttpCheck;
use crate::facts::http::{Headers, Request};
use crate::facts::overlay::FactScope;
use crate::facts::{Check, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::request::{JsonValue, check_ca, check_url, headers, unchecked};
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Text;

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
    /// Value that must be in the answer, which has to be JSON. Of a table, only the keys given here are compared; a list
    /// must have the same length.
    json: Option<JsonValue>,
    /// Method of the request. It is also made in a dry run.
    #[serde(default)]
    method: Method,
    /// Headers of the request, such as `{ Authorization = "Bearer …" }`. Their values are never shown. With `https` they
    /// need curl on the host.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// File of the host with the certificates that the server's must be signed by; default: those of the system.
    ca: Option<String>,
    /// How long to keep trying after a change.
    #[serde(default = "default_within")]
    within: Span,
}

/// A method that changes nothing.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, serde::Serialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
enum Method {
    #[default]
    Get,
    Head,
    Options,
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
        vec![FactKey::Check(self.check(unchecked(&self.headers)))]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        Vec::new()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_url(context, "url", &self.url)?;
        if !(100..=599).contains(&self.status) {
            return Err(context.refuse(
                "status",
                format!("`{}` is not a valid status code", self.status),
                "must be from 100 to 599",
            ));
        }
        check_contains(context, self.contains.as_deref())?;
        check_ca(context, &self.url, self.ca.as_deref())?;
        if self.method == Method::Head && self.json.is_some() {
            return Err(context
                .refuse(
                    "json",
                    "`json` needs the method `GET`",
                    "the answer to `HEAD` has no body",
                )
                .hint("remove `method`"));
        }
        plan_check(context, &self.check(headers(context, &self.headers)?), self.within)
    }
}

impl Http {
    fn check(&self, headers: Headers) -> Check {
        Check::Http(Box::new(HttpCheck {
            request: Request {
                method: <&str>::from(self.method).to_owned(),
                headers,
                ca: self.ca.clone(),
                ..Request::get(&self.url)
            },
            status: self.status,
            contains: self.contains.clone(),
            json: self.json.as_ref().map(|json| json.0.to_string()),
        }))
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
        let check = Check::Http(Box::new(HttpCheck {
            request: Request::get("http://127.0.0.1/x"),
            status: 204,
            contains: None,
            json: Some("{\"a\":[1]}".to_owned()),
        }));
        let bench = Bench::new::<Http>("url = 'http://127.0.0.1/x'\nstatus = 204\njson = { a = [1] }");
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
