//! `k8s.wait`: check that objects of a cluster are rolled out, or in another state.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.wait"
//! objects = ["Deployment/web"]
//! namespace = "shop"
//! ```
//!
//! It changes nothing. In a deploy it is tried until it passes or its time is up.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::named_objects;
use crate::change::{Outcome, Stop};
use crate::facts::kubernetes::{Api, ObjectName, Objects, ObjectsCheck, Until};
use crate::facts::overlay::FactScope;
use crate::facts::{Check, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::{NumberOrText, Span};
use crate::operations::verify::plan_check;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `k8s.wait`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Wait {
    /// Objects by kind and name, such as `"Deployment/web"`. Deployments, StatefulSets and DaemonSets have to be rolled out, pods
    /// ready, Jobs complete, claims bound; other objects need the condition `Ready` or `Available`, if they have one.
    objects: Vec<String>,
    /// Namespace of the objects; default: the one that `kubectl` uses.
    namespace: Option<String>,
    /// Condition that the objects must have instead, such as `"Ready"` or `"Ready=False"`.
    condition: Option<String>,
    /// Value that is compared instead, as `kubectl` writes paths: `"{.status.phase}"`. Needs `equals`.
    jsonpath: Option<String>,
    /// Text that the value at `jsonpath` must be.
    equals: Option<NumberOrText>,
    /// How long to keep trying after a change.
    #[serde(default = "two_minutes")]
    within: Span,
    /// File of the host with the credentials for `kubectl`; default: those of k3s.
    kubeconfig: Option<String>,
}

pub(super) fn two_minutes() -> Span {
    Span(Duration::from_secs(120))
}

impl Define for Wait {
    const NAME: &'static str = "k8s.wait";
    const SUMMARY: &'static str = "Check that objects of a Kubernetes cluster are rolled out, or in another state";
    const MAIN_ARGUMENT: &'static str = "objects";
    const TOLD_APART_BY: &'static [&'static str] = &["namespace"];
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k8s.wait"
objects = ["Deployment/web"]
namespace = "shop"
within = "5m"
"#;
}

impl Operation for Wait {
    fn needs(&self) -> Vec<FactKey> {
        let names: Option<Vec<ObjectName>> = self.objects.iter().map(|text| ObjectName::parse(text).ok()).collect();
        let objects = names.filter(|names| !names.is_empty()).map(|names| Objects {
            api: Api {
                kubeconfig: self.kubeconfig.clone(),
            },
            namespace: self.namespace.clone(),
            names,
        });
        objects
            .map(|objects| FactKey::Check(self.check(objects)))
            .into_iter()
            .collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        Vec::new()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let objects = named_objects(
            context,
            &self.objects,
            self.namespace.as_deref(),
            self.kubeconfig.as_deref(),
        )?;
        self.check_until(context)?;
        plan_check(context, &self.check(objects), self.within)
    }
}

impl Wait {
    fn check_until(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let refuse = |key: &str, title: &str, label: &str| context.refuse_key(key, title, label);
        match (&self.condition, &self.jsonpath, &self.equals) {
            (Some(_), Some(_), _) => {
                let title = "`condition` and `jsonpath` cannot be used together";
                Err(refuse("jsonpath", title, "used together with `condition`").hint("write an operation for each"))
            }
            (_, Some(_), None) => Err(refuse("jsonpath", "missing `equals`", "compared with nothing")
                .hint("write `equals` with the value that is waited for")),
            (_, None, Some(_)) => Err(refuse("equals", "missing `jsonpath`", "nothing is compared with this")
                .hint("write `jsonpath` with the path of the value, such as `\"{.status.phase}\"`")),
            (Some(condition), ..) if condition.split('=').any(|part| part.trim().is_empty()) => {
                let title = format!("`{condition}` is not a condition");
                Err(context
                    .refuse("condition", title, "a condition has a name")
                    .hint("write `\"Ready\"`, or `\"Ready=False\"`"))
            }
            (_, Some(path), _) if !(path.starts_with('{') && path.ends_with('}')) || path.contains('\n') => {
                let title = format!("`{path}` is not a path of `kubectl`");
                Err(context
                    .refuse("jsonpath", title, "must be in braces")
                    .hint(format!("write `\"{{.{}}}\"`", path.trim_matches(['{', '}', '.']))))
            }
            _ => Ok(()),
        }
    }

    fn check(&self, objects: Objects) -> Check {
        let until = match (&self.condition, &self.jsonpath, &self.equals) {
            (Some(condition), ..) => {
                let (name, status) = condition.split_once('=').unwrap_or((condition, "True"));
                Until::Condition {
                    name: name.to_owned(),
                    status: status.to_owned(),
                }
            }
            (None, Some(path), Some(equals)) => Until::Value {
                path: path.clone(),
                equals: equals.0.clone(),
            },
            _ => Until::Done,
        };
        Check::Objects(Box::new(ObjectsCheck { objects, until }))
    }
}
