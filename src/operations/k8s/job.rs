//! `k8s.job`: run a CronJob of a cluster once, to see that it works.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.job"
//! from = "CronJob/backup"
//! namespace = "shop"
//! ```
//!
//! It runs in a deploy that changed something before it, and again after it failed. It never runs in a dry run.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::{check_name, check_namespace, shown};
use super::reach::api;
use super::restart::five_minutes;
use crate::change::{
    Action, Attribute, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop,
};
use crate::facts::check::{CheckFact, CheckKey};
use crate::facts::kubernetes::{Api, ObjectName, Objects, ObjectsCheck, Until};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Check, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::server::names::since;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;

/// How long the cluster keeps a Job that failed, in seconds.
const KEPT: u32 = 24 * 60 * 60;
/// How often in a row, about once a second, a pod without its image or its settings is seen until the Job is given up.
const HOPELESS: u32 = 30;
/// Why the containers of pods do not run.
const WAITING: &str = "{range .items[*].status.initContainerStatuses[*]}{.state.waiting.reason} {end}\
    {range .items[*].status.containerStatuses[*]}{.state.waiting.reason} {end}";
/// The longest name of a CronJob: the cluster adds to it.
const LONGEST: usize = 52;

/// Parameters of `k8s.job`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Job {
    /// The CronJob, such as `"CronJob/backup"`.
    from: String,
    /// Namespace of the CronJob.
    namespace: String,
    /// How long the Job may take.
    #[serde(default = "five_minutes")]
    within: Span,
    /// File of the host with the credentials for `kubectl`; default: those of k3s.
    kubeconfig: Option<String>,
}

impl Define for Job {
    const NAME: &'static str = "k8s.job";
    const SUMMARY: &'static str = "Run a CronJob of a Kubernetes cluster once after changes, to see that it works";
    const MAIN_ARGUMENT: &'static str = "from";
    const TOLD_APART_BY: &'static [&'static str] = &["namespace"];
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k8s.job"
from = "CronJob/backup"
namespace = "shop"
"#;
}

impl Operation for Job {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::Check(self.left())]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Check(self.left()))]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        api(context, self.kubeconfig.as_deref())?;
        check_namespace(context, Some(&self.namespace))?;
        let name = self.from.strip_prefix("CronJob/").ok_or_else(|| {
            let title = format!("`{}` is not a CronJob", self.from);
            let hint = format!("write `CronJob/{}`", self.from.rsplit('/').next().unwrap_or("NAME"));
            context.refuse("from", title, "must start with `CronJob/`").hint(hint)
        })?;
        check_name(context, "from", name, "a CronJob")?;
        if name.len() > LONGEST {
            let title = format!("`{name}` is not a valid name for a CronJob");
            return Err(context
                .refuse("from", title, format!("at most {LONGEST} characters"))
                .hint("correct the name"));
        }
        let action = match since(context.get(CheckKey(&self.left())))? {
            // It runs whatever is there, so the review says the same as what is planned when the changes are made.
            Ok(_) if context.is_amid_changes() => Action::RunEachTime,
            // An earlier run made it and failed, or was killed.
            Ok(CheckFact::Holds) => Action::Create,
            Ok(_) => return Ok(Outcome::Unchanged),
            Err(_) => Action::RunEachTime,
        };
        Ok(Outcome::Change(vec![self.change(name, action)]))
    }
}

impl Job {
    /// The name of the Job of a CronJob: always the same, so that the next run finds what this one leaves.
    fn own_name(&self) -> String {
        format!("homelab-{}", self.from.trim_start_matches("CronJob/"))
    }

    /// Whether a Job of an earlier run is there.
    fn left(&self) -> Check {
        Check::Objects(Box::new(ObjectsCheck {
            objects: self.objects(),
            until: Until::Exists,
        }))
    }

    /// The Job that it makes.
    fn objects(&self) -> Objects {
        Objects {
            api: Api {
                kubeconfig: self.kubeconfig.clone(),
            },
            namespace: Some(self.namespace.clone()),
            names: vec![ObjectName {
                kind: "Job".to_owned(),
                name: self.own_name(),
            }],
        }
    }

    fn change(&self, name: &str, action: Action) -> ResourceChange {
        let own = self.own_name();
        let within = self.within.0.as_secs().max(1);
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::Job, &shown(&own, Some(&self.namespace))),
            action,
            Before::Absent,
            Some([("from", Attribute::known(&self.from))].into_iter().collect()),
        );
        let left = FactScope::Key(FactKey::Check(self.left()));
        change.effects = vec![Effect::Forget(left, "the Job runs".to_owned())];
        // The cluster itself ends it, and removes it later, whatever becomes of this shell: a minute after the question why it did not
        // end, since its pods go with it. It is not the CronJob's, which would remove it for another one that fails.
        let deadline = within + 60;
        let script = format!(
            "{path}run() {{ {kubectl} \"$@\"; }}\n\
             run delete job {own} --ignore-not-found --wait --timeout=60s >/dev/null || exit\n\
             run create job {own} --from={from} >/dev/null || exit\n\
             trap 'run delete job {own} --wait=false >/dev/null; exit 1' HUP INT TERM\n\
             run patch job {own} -p '{{\"metadata\":{{\"ownerReferences\":null}},\"spec\":{{\"activeDeadlineSeconds\":{deadline},\"ttlSecondsAfterFinished\":{KEPT}}}}}' >/dev/null || exit\n\
             end=$(($(date +%s) + {within})) stuck=0\n\
             while :; do\n\
             ends=$(run get job {own} -o jsonpath='{{range .status.conditions[?(@.status==\"True\")]}}{{.type}} {{end}}')\n\
             case \" $ends\" in\n\
             *' Complete '*) run delete job {own} --ignore-not-found >/dev/null; exit;;\n\
             *' Failed '*) break;;\n\
             esac\n\
             case $(run get pods -l job-name={own} -o jsonpath='{WAITING}') in\n\
             *ErrImage*|*ImagePullBackOff*|*InvalidImageName*|*CreateContainerConfigError*) stuck=$((stuck + 1));;\n\
             *) stuck=0;;\n\
             esac\n\
             [ $stuck -lt {HOPELESS} ] || {{ echo 'its pod does not start'; break; }}\n\
             [ \"$(date +%s)\" -lt $end ] || {{ echo 'it did not end in time'; break; }}\n\
             sleep 1 & wait $!\n\
             done\n\
             {explanation}exit 1",
            path = Api::path(),
            kubectl = self.objects().kubectl(),
            own = quote(&own),
            from = quote(&format!("cronjob/{name}")),
            explanation = self.objects().explanation(),
        );
        let summary = format!(
            "kubectl create job -n {} {} --from={}",
            quote(&self.namespace),
            quote(&own),
            quote(&format!("cronjob/{name}"))
        );
        change.steps = vec![Step::Run(Command {
            timeout: self.within.0 + Duration::from_secs(120),
            ..Command::new(summary, script)
        })];
        change
    }
}
