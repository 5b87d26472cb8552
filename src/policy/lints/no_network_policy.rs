//! `no-network-policy`: a namespace in which every pod reaches every other.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::container::pods;
use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "no-network-policy",
    level: Level::Note,
    title: "A namespace with pods and without a NetworkPolicy",
    why: "Every pod of the cluster reaches every port of those in it.",
    remedy: "Add a NetworkPolicy to the manifests that lets in what is needed.",
    check,
};

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut first: BTreeMap<(&str, &str), (usize, Place)> = BTreeMap::new();
    let mut guarded: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (number, planned) in scene.numbered() {
        for object in &planned.rendered.objects {
            let namespace = object.id.namespace.as_deref().unwrap_or("default");
            let own = (planned.inventory, namespace);
            if object.id.kind == "NetworkPolicy" {
                guarded.insert(own);
            } else if pods(object).is_some() {
                first
                    .entry(own)
                    .or_insert_with(|| (number, Place::at(&object.place(""))));
            }
        }
    }
    let open = first.into_iter().filter(|(own, _)| !guarded.contains(own));
    open.map(|((_, namespace), (number, place))| {
        let title = format!("namespace `{namespace}` has no NetworkPolicy");
        Finding::new(title, place, "every pod reaches it").of(Some(number))
    })
    .collect()
}
