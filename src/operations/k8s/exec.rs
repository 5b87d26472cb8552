//! `k8s.exec`: run a command in a pod when a condition requires it.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.exec"
//! target = "sts/db"
//! namespace = "shop"
//! command = ["createuser", "app"]
//! unless = ["sh", "-c", "psql -tc '\\du' | grep -qw app"]
//! ```
//!
//! `unless` and `only_if` run in a dry run too, so they must not change anything.

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::{check_name, check_namespace, shown};
use super::reach::api;
use super::wait::two_minutes;
use crate::change::{Attribute, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop};
use crate::facts::kubernetes::Api;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Check, Environment, FactKey, Identity, Shown};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::server::condition::{Condition, check_lists};
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::{quote, quote_all};
use crate::value::Text;

/// What to do about a condition that cannot run.
const TO_RUN: &str = "a condition is a program of the container, which has to run: correct it, or create the pod in an earlier operation";
/// What `kubectl` says at last if the command itself failed, and nothing before it.
const ENDED: &str = "command terminated with exit code";

/// Parameters of `k8s.exec`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Exec {
    /// Command, as a list of words that no shell reads.
    command: Vec<String>,
    /// Where it runs: the name of a pod, or `"deploy/NAME"`, `"sts/NAME"` or `"ds/NAME"` for one of the pods of these.
    target: String,
    /// Namespace of the target.
    namespace: String,
    /// Container of the pod; default: its first one.
    container: Option<String>,
    /// Command that changes nothing, as a list of words: the command runs only if it fails. It runs in a dry run too.
    unless: Option<Vec<String>>,
    /// The same: the command runs only if it succeeds.
    only_if: Option<Vec<String>>,
    /// `true` runs the command in every deploy. It does not count as a pending change.
    #[serde(default)]
    always: bool,
    /// Text that the command reads from its standard input.
    stdin: Option<Text>,
    /// How long the command may take. What it started in the container may go on after that.
    #[serde(default = "two_minutes")]
    within: Span,
    /// Paths of the host that the command may change.
    #[serde(default)]
    touches: Vec<String>,
    /// File of the host with the credentials for `kubectl`; default: those of k3s.
    kubeconfig: Option<String>,
}

impl Define for Exec {
    const NAME: &'static str = "k8s.exec";
    const SUMMARY: &'static str = "Run a command in a pod when a condition requires it";
    const MAIN_ARGUMENT: &'static str = "command";
    const TOLD_APART_BY: &'static [&'static str] = &["target", "namespace"];
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k8s.exec"
target = "sts/db"
namespace = "shop"
command = ["createuser", "app"]
unless = ["sh", "-c", "psql -tc '\\du' | grep -qw app"]
"#;
}

impl Operation for Exec {
    fn needs(&self) -> Vec<FactKey> {
        self.conditions().condition(false).needs()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let paths = self.touches.iter().cloned().map(FactScope::Tree);
        paths.chain([FactScope::Key(self.key())]).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let conditions = self.conditions();
        Ok(if conditions.condition(self.always).is_due(context)? {
            Outcome::Change(vec![self.change(context, &conditions)])
        } else {
            Outcome::Unchanged
        })
    }
}

/// The commands on the host that decide whether it runs.
struct Conditions {
    unless: Option<String>,
    only_if: Option<String>,
    /// These two as people know them.
    shown: [Option<String>; 2],
}

impl Conditions {
    fn condition(&self, always: bool) -> Condition<'_> {
        Condition {
            creates: None,
            removes: None,
            unless: self.unless.as_deref(),
            only_if: self.only_if.as_deref(),
            always,
            of: "command",
            what: "the command",
            without: "this would run each time",
            written: ["unless", "only_if"],
            shown: [self.shown[0].as_deref(), self.shown[1].as_deref()],
            to_run: Some(TO_RUN),
            has_env: false,
        }
    }
}

impl Exec {
    /// Refuses what needs no facts to be wrong.
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_lists(
            context,
            [Some(&self.command), self.unless.as_ref(), self.only_if.as_ref()],
            &self.touches,
        )?;
        api(context, self.kubeconfig.as_deref())?;
        check_namespace(context, Some(&self.namespace))?;
        match self.target.split_once('/') {
            None => check_name(context, "target", &self.target, "a pod")?,
            Some((kind, name)) => {
                let kinds = [
                    "pod",
                    "deploy",
                    "deployment",
                    "sts",
                    "statefulset",
                    "ds",
                    "daemonset",
                    "job",
                ];
                if !kinds.contains(&kind.to_ascii_lowercase().as_str()) {
                    let title = format!("`{}` has no pods to run a command in", self.target);
                    return Err(context
                        .refuse("target", title, "not a kind that has pods")
                        .hint("write the name of a pod, `deploy/NAME`, `sts/NAME` or `ds/NAME`"));
                }
                check_name(context, "target", name, "an object")?;
            }
        }
        self.container
            .as_deref()
            .map_or(Ok(()), |name| check_name(context, "container", name, "a container"))?;
        let conditions = self.conditions();
        conditions.condition(self.always).check(context)
    }

    /// What a later operation would ask again: nothing of the host is known to change.
    fn key(&self) -> FactKey {
        FactKey::Check(Check::Command {
            script: self.kubectl(false, &self.command).into(),
            by: Identity::Own,
            env: Environment::default(),
            shown: Shown(Some(self.shown(&self.command).into())),
        })
    }

    /// A command in the container as people type it.
    fn shown(&self, command: &[String]) -> String {
        let container = self.container.iter().map(|name| format!(" -c {}", quote(name)));
        format!(
            "kubectl exec -n {} {}{} -- {}",
            quote(&self.namespace),
            quote(&self.target),
            container.collect::<String>(),
            quote_all(command.iter().map(String::as_str)),
        )
    }

    /// Shell text that runs a command in the container.
    fn kubectl(&self, reads_input: bool, command: &[String]) -> String {
        let api = Api {
            kubeconfig: self.kubeconfig.clone(),
        };
        let input = if reads_input { " -i" } else { "" };
        let container = self.container.iter().map(|name| format!(" -c {}", quote(name)));
        format!(
            "{} -n {} exec{input} {}{} -- {}",
            api.kubectl(),
            quote(&self.namespace),
            quote(&self.target.to_ascii_lowercase()),
            container.collect::<String>(),
            quote_all(command.iter().map(String::as_str)),
        )
    }

    fn conditions(&self) -> Conditions {
        // Where no command ran, `kubectl` has the exit code that a failing command may have too.
        let run = |words: &Vec<String>| {
            format!(
                "PATH=$PATH:/usr/local/bin; said=$({} 2>&1 >/dev/null </dev/null) && exit\n\
                 case $said in *'executable file not found'*|*'OCI runtime exec failed'*) ;; *'{ENDED} '*) exit 1;; esac\n\
                 printf '%s\\n' \"${{said:-kubectl cannot run}}\" >&2; exit 126",
                self.kubectl(false, words)
            )
        };
        let shown = |words: Option<&Vec<String>>| words.map(|words| self.shown(words));
        Conditions {
            shown: [shown(self.unless.as_ref()), shown(self.only_if.as_ref())],
            unless: self.unless.as_ref().map(run),
            only_if: self.only_if.as_ref().map(run),
        }
    }

    fn change(&self, context: &PlanContext<'_>, conditions: &Conditions) -> ResourceChange {
        let words = quote_all(self.command.iter().map(String::as_str));
        let input = self.stdin.as_ref().map(|input| ("stdin", context.attribute_of(input)));
        let place = shown(&self.target, Some(&self.namespace));
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::Command, &words),
            conditions.condition(self.always).action(context),
            Before::Absent,
            Some([("in", Attribute::known(&place))].into_iter().chain(input).collect()),
        );
        let decides = conditions.condition(self.always).scopes(context);
        let scopes = self.touches(context).into_iter().chain(decides);
        change.effects = scopes
            .map(|scope| Effect::Forget(scope, "the command may change it".to_owned()))
            .collect();
        let script = self.kubectl(self.stdin.is_some(), &self.command);
        change.steps = vec![Step::Run(Command {
            timeout: self.within.0,
            input: self.stdin.as_ref().map(|input| context.input_of(input)),
            ..Command::new(self.shown(&self.command), format!("{}{script}", Api::path()))
        })];
        change
    }
}
