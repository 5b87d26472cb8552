//! `k8s.node`: labels and taints of a node of a cluster.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.node"
//! node = "k3s-2"
//! labels = { "home.example/disk" = "ssd" }
//! taints = ["gpu=yes:NoSchedule"]
//! ```
//!
//! k3s itself reads `node-label` and `node-taint` only when a node joins for the first time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::check_name;
use super::reach::api;
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Step,
    Stop,
};
use crate::error::suggestion;
use crate::facts::kubernetes::{Answers, Api, Cluster, ClusterKey, Node as Found, Taint};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::operation::Demand;
use crate::operations::parameters::NumberOrText;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;

/// Parameters of `k8s.node`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Node {
    /// Name of the node.
    node: String,
    /// Labels that it gets, such as `{ "home.example/disk" = "ssd" }`. Others stay.
    #[serde(default)]
    labels: BTreeMap<String, NumberOrText>,
    /// Taints that it gets, such as `"gpu=yes:NoSchedule"` or `"gpu:NoSchedule"`. Others stay.
    #[serde(default)]
    taints: Vec<String>,
    /// File of the host with the credentials for `kubectl`; default: those of k3s.
    kubeconfig: Option<String>,
}

impl Define for Node {
    const NAME: &'static str = "k8s.node";
    const SUMMARY: &'static str = "Set labels and taints of a node of a Kubernetes cluster";
    const MAIN_ARGUMENT: &'static str = "node";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k8s.node"
node = "k3s-2"
labels = { "home.example/disk" = "ssd" }
"#;
}

impl Operation for Node {
    fn needs(&self) -> Vec<FactKey> {
        vec![self.key()]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(self.key())]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let labels = self.labels.iter().map(|(name, value)| {
            let id = format!("{}/{name}", self.node);
            Demand::new(ResourceKind::NodeLabel, &id, "value", &value.0)
        });
        labels.collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let api = api(context, self.kubeconfig.as_deref())?;
        check_name(context, "node", &self.node, "a node")?;
        self.check_labels(context)?;
        let taints = self.read_taints(context)?;
        if self.labels.is_empty() && taints.is_empty() {
            return Err(context
                .refuse("node", "missing `labels` or `taints`", "nothing to set")
                .hint("write at least one of them"));
        }
        let denied = |why: String| Stop::NotKnown {
            key: self.key(),
            cause: NotKnown::Denied(why),
        };
        let answers = match context.get(ClusterKey(&api))? {
            Cluster::Answers(answers) => answers,
            Cluster::Silent { why } => return Err(denied(format!("it does not answer: {why}"))),
            Cluster::Absent => {
                return Err(context
                    .refuse("node", "there is no cluster on the host", "needs one")
                    .hint("install k3s first, with `k3s.server`"));
            }
        };
        let Some(found) = answers.nodes.get(&self.node) else {
            return self.unknown(context, &answers);
        };
        let changes = self.changes(&answers, found, &taints);
        Ok(if changes.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Change(changes)
        })
    }
}

impl Node {
    fn key(&self) -> FactKey {
        FactKey::KubernetesCluster(Api {
            kubeconfig: self.kubeconfig.clone(),
        })
    }

    fn check_labels(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        for (name, value) in &self.labels {
            if !is_qualified(name) {
                let title = format!("`{name}` is not a valid name of a label");
                return Err(context
                    .refuse_entry("labels", name, title, "a name, or a domain, `/` and a name")
                    .hint("write it like `home.example/disk`"));
            }
            if !(value.0.is_empty() || is_name(&value.0)) {
                let title = format!("`{}` is not a valid value of a label", value.0);
                let label = "at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";
                return Err(context
                    .refuse_entry("labels", name, title, label)
                    .hint("correct the value"));
            }
        }
        Ok(())
    }

    fn read_taints(&self, context: &PlanContext<'_>) -> Result<Vec<Taint>, Stop> {
        let read = |text: &String| {
            read_taint(text).ok_or_else(|| {
                let title = format!("`{text}` is not a taint");
                let label = "must be `KEY=VALUE:EFFECT` or `KEY:EFFECT`";
                context
                    .refuse_item("taints", text, title, label)
                    .hint("the effects are `NoSchedule`, `PreferNoSchedule` and `NoExecute`")
            })
        };
        self.taints.iter().map(read).collect()
    }

    /// A node that the cluster does not have. Other hosts of the run may join it.
    fn unknown(&self, context: &PlanContext<'_>, answers: &Answers) -> Result<Outcome, Stop> {
        if answers.is_predicted || !context.is_amid_changes() {
            return Ok(Outcome::Deferred {
                waits_for: Vec::new(),
                why: format!("node `{}` is not in the cluster yet", self.node),
                touches: self.touches(context),
                preview: Vec::new(),
            });
        }
        let title = format!("unknown node `{}`", self.node);
        let refusal = context.refuse("node", title, "not in the cluster");
        let near = suggestion(&self.node, answers.nodes.keys().map(String::as_str));
        Err(refusal.hint(near.unwrap_or_else(|| "`kubectl get nodes` lists them".to_owned())))
    }

    /// A change for each label and taint that differs.
    fn changes(&self, answers: &Answers, found: &Found, taints: &[Taint]) -> Vec<ResourceChange> {
        let mut after = answers.clone();
        let mut changes = Vec::new();
        for (name, value) in &self.labels {
            let old = found.labels.get(name);
            if old == Some(&value.0) {
                continue;
            }
            self.node_of(&mut after).labels.insert(name.clone(), value.0.clone());
            let words = format!(
                "label node {} {}",
                quote(&self.node),
                quote(&format!("{name}={}", value.0))
            );
            let before = old.map(|old| attributed("value", old));
            let shown = attributed("value", &value.0);
            changes.push(self.change(ResourceKind::NodeLabel, name, (before, shown), &words, &after));
        }
        for taint in taints {
            let is_same = |one: &&Taint| one.key == taint.key && one.effect == taint.effect;
            let old = found.taints.iter().find(is_same);
            if old == Some(taint) {
                continue;
            }
            let node = self.node_of(&mut after);
            node.taints.retain(|one| !is_same(&one));
            node.taints.push(taint.clone());
            let name = format!("{}:{}", taint.key, taint.effect);
            let value = match taint.value.as_str() {
                "" => String::new(),
                value => format!("={value}"),
            };
            let text = format!("{}{value}:{}", taint.key, taint.effect);
            let words = format!("taint node {} {}", quote(&self.node), quote(&text));
            let before = old.map(|old| attributed("value", &old.value));
            let shown = attributed("value", &taint.value);
            changes.push(self.change(ResourceKind::NodeTaint, &name, (before, shown), &words, &after));
        }
        changes
    }

    fn node_of<'a>(&self, answers: &'a mut Answers) -> &'a mut Found {
        answers.nodes.entry(self.node.clone()).or_default()
    }

    fn change(
        &self,
        kind: ResourceKind,
        name: &str,
        (before, shown): (Option<Attributed>, Attributed),
        words: &str,
        after: &Answers,
    ) -> ResourceChange {
        let id = ResourceId::new(kind, &format!("{}/{name}", self.node));
        let (action, before) = match before {
            Some(before) => (Action::Update, Before::Present(before)),
            None => (Action::Create, Before::Absent),
        };
        let mut change = ResourceChange::new(id, action, before, Some(shown));
        let cluster = Fact::KubernetesCluster(Cluster::Answers(Box::new(after.clone())));
        change.effects = vec![Effect::Set(self.key(), cluster)];
        let api = Api {
            kubeconfig: self.kubeconfig.clone(),
        };
        let script = format!("{}{} {words} --overwrite >/dev/null", Api::path(), api.kubectl());
        change.steps = vec![Step::Run(Command::new(format!("kubectl {words}"), script))];
        change
    }
}

fn attributed(name: &'static str, value: &str) -> Attributed {
    [(name, Attribute::known(value))].into_iter().collect()
}

/// Reads `KEY=VALUE:EFFECT` or `KEY:EFFECT`.
fn read_taint(text: &str) -> Option<Taint> {
    let (rest, effect) = text.rsplit_once(':')?;
    let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
    (is_qualified(key) && (value.is_empty() || is_name(value))).then_some(())?;
    Some(Taint {
        key: key.to_owned(),
        value: value.to_owned(),
        effect: effect.parse().ok()?,
    })
}

/// A name with or without a domain before it.
fn is_qualified(name: &str) -> bool {
    match name.split_once('/') {
        None => is_name(name),
        Some((domain, name)) => is_name(name) && domain.len() <= 253 && domain.split('.').all(is_name),
    }
}

fn is_name(name: &str) -> bool {
    let is_end = |character: char| character.is_ascii_alphanumeric();
    let is_inner = |character: char| is_end(character) || "-_.".contains(character);
    name.len() <= 63 && name.starts_with(is_end) && name.ends_with(is_end) && name.chars().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taint_has_a_key_and_an_effect() {
        for (text, is_one) in [
            ("gpu=yes:NoSchedule", true),
            ("gpu:NoExecute", true),
            ("node-role.kubernetes.io/control-plane:PreferNoSchedule", true),
            ("gpu", false),
            ("gpu=yes", false),
            ("gpu:Never", false),
            (":NoSchedule", false),
            ("a b:NoSchedule", false),
            ("-x=1:NoSchedule", false),
        ] {
            assert_eq!(read_taint(text).is_some(), is_one, "{text}");
        }
    }
}
