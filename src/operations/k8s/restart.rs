//! `k8s.restart`: a handler that restarts the pods of workloads.
//!
//! ```toml
//! [[handler]]
//! name = "restart web"
//! op = "k8s.restart"
//! objects = ["Deployment/web"]
//! namespace = "shop"
//! ```

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::named_objects;
use crate::change::{
    Action, Attribute, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Step, Stop,
};
use crate::facts::FactKey;
use crate::facts::kubernetes::{Api, ObjectName, Objects};
use crate::facts::overlay::{Effect, FactScope};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::{Define, Operation, PlanContext, Role};
use crate::quote::quote;

/// Where `kubectl rollout restart` writes its time.
const RESTARTED_AT: &str = r"{.spec.template.metadata.annotations.kubectl\.kubernetes\.io/restartedAt}";
/// What has rollouts.
const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// Parameters of `k8s.restart`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Restart {
    /// Deployments, StatefulSets and DaemonSets by kind and name, such as `"Deployment/web"`. Their pods are replaced as their
    /// strategies say.
    objects: Vec<String>,
    /// Namespace of the objects.
    namespace: String,
    /// How long to wait for the new pods.
    #[serde(default = "five_minutes")]
    within: Span,
    /// File of the host with the credentials for `kubectl`; default: those of k3s.
    kubeconfig: Option<String>,
}

pub(super) fn five_minutes() -> Span {
    Span(Duration::from_secs(300))
}

impl Define for Restart {
    const NAME: &'static str = "k8s.restart";
    const SUMMARY: &'static str = "Restart the pods of workloads of a Kubernetes cluster, as a handler";
    const MAIN_ARGUMENT: &'static str = "objects";
    const TOLD_APART_BY: &'static [&'static str] = &["namespace"];
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[handler]]
name = "restart web"
op = "k8s.restart"
objects = ["Deployment/web"]
namespace = "shop"
"#;
}

impl Operation for Restart {
    fn needs(&self) -> Vec<FactKey> {
        Vec::new()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Containers]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let namespace = Some(self.namespace.as_str());
        let objects = named_objects(context, &self.objects, namespace, self.kubeconfig.as_deref())?;
        let has_none = |text: &&String| !KINDS.iter().any(|kind| text.starts_with(&format!("{kind}/")));
        if let Some(text) = self.objects.iter().find(has_none) {
            let title = format!("`{text}` cannot be restarted");
            return Err(context
                .refuse_item("objects", text, title, "has no rollout")
                .hint("write Deployments, StatefulSets and DaemonSets"));
        }
        match context.role() {
            Role::Operation => Err(context
                .refuse("objects", "only a handler can restart pods", "this would happen on every run")
                .hint("write this as a `[[handler]]`, and `notify` it from the operations after which pods have to be restarted")),
            Role::HandlerThatRan => Ok(Outcome::Unchanged),
            Role::Handler => Ok(Outcome::Change(vec![self.change(&objects)])),
        }
    }

    fn restarted_workloads(&self) -> Option<Objects> {
        let names = self.objects.iter().map(|text| ObjectName::parse(text));
        Some(Objects {
            api: Api {
                kubeconfig: self.kubeconfig.clone(),
            },
            namespace: Some(self.namespace.clone()),
            names: names.collect::<Result<_, _>>().ok()?,
        })
    }
}

impl Restart {
    fn change(&self, objects: &Objects) -> ResourceChange {
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::Workload, &objects.to_string()),
            Action::Update,
            Before::Present([("pods", Attribute::known("running"))].into_iter().collect()),
            Some([("pods", Attribute::known("restarted"))].into_iter().collect()),
        );
        change.risk = Risk::Restart;
        change.effects = vec![Effect::Forget(
            FactScope::Containers,
            "its pods are replaced".to_owned(),
        )];
        let words = objects.words();
        let kubectl = objects.kubectl();
        // Each gets what is left of the time.
        let script = format!(
            "{path}{kubectl} rollout restart {words} >/dev/null || exit\n\
             end=$(($(date +%s) + {within}))\n\
             for object in {words}; do\n\
             left=$((end - $(date +%s))); [ $left -gt 0 ] || left=1\n\
             {kubectl} rollout status --timeout=\"${{left}}s\" \"$object\" >/dev/null || {{\n\
             {explanation}exit 1\n}}\ndone",
            path = Api::path(),
            within = self.within.0.as_secs().max(1),
            explanation = objects.explanation(),
        );
        change.steps = vec![Step::Run(Command {
            timeout: self.within.0 + Duration::from_secs(60),
            already: Some(is_settled(objects)),
            ..Command::new(
                format!("kubectl rollout restart -n {} {words}", quote(&self.namespace)),
                script,
            )
        })];
        change
    }
}

/// Shell text that succeeds if all were restarted after the change that notified the handler, of which `$record` is the file.
fn is_settled(objects: &Objects) -> String {
    format!(
        "{path}since=$(stat -c %Y -- \"$record\") || exit 1\n\
         for object in {words}; do\n\
         at=$({kubectl} get \"$object\" -o jsonpath='{RESTARTED_AT}') && [ -n \"$at\" ] && at=$(date -d \"$at\" +%s) && \
         [ \"$at\" -gt \"$since\" ] || exit 1\ndone",
        path = Api::path(),
        words = objects.words(),
        kubectl = objects.kubectl(),
    )
}
