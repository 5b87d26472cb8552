//! One host speaks for a cluster of Kubernetes: two that change its objects would undo what the other one did.

use std::collections::BTreeMap;

use super::reading::HostReading;
use crate::error::{Diagnostic, Origin};
use crate::facts::kubernetes::Cluster;
use crate::facts::{Fact, FactKey, Facts};
use crate::plan::{Mistake, PlannedOperation};

/// Adds a mistake to each host with operations about objects of a cluster that an earlier host speaks for.
pub(super) fn refuse_two_speakers(readings: &mut [HostReading]) {
    let mut clusters: BTreeMap<String, (String, Origin)> = BTreeMap::new();
    for reading in readings {
        let Ok(host) = &mut reading.result else { continue };
        let facts = host.snapshot.facts.get(&reading.host);
        let operations = host.build.plan.hosts.iter().flat_map(|plan| &plan.operations);
        let found: Vec<(String, Origin)> = operations
            .filter_map(|operation| Some((cluster_of(operation, facts?)?, operation.origin.clone())))
            .collect();
        let mistake = found
            .into_iter()
            .find_map(|(uid, origin)| second(&mut clusters, uid, &reading.host, origin));
        host.build.mistakes.extend(mistake.map(|diagnostic| Mistake {
            host: reading.host.clone(),
            diagnostic,
        }));
    }
}

/// The uid of the cluster whose objects an operation is about.
fn cluster_of(operation: &PlannedOperation, facts: &Facts) -> Option<String> {
    let api = operation.asked.iter().find_map(|key| match key {
        FactKey::KubernetesObject(question) => Some(question.0.api.clone()),
        _ => None,
    })?;
    match facts.get(&FactKey::KubernetesCluster(api))? {
        Fact::KubernetesCluster(Cluster::Answers(answers)) => answers.uid.clone(),
        _ => None,
    }
}

/// Remembers that a host speaks for a cluster; the mistake if another host does.
fn second(
    clusters: &mut BTreeMap<String, (String, Origin)>,
    uid: String,
    host: &str,
    origin: Origin,
) -> Option<Diagnostic> {
    let (first, theirs) = match clusters.get(&uid) {
        None => {
            clusters.insert(uid, (host.to_owned(), origin));
            return None;
        }
        Some((first, _)) if first == host => return None,
        Some(first) => first,
    };
    let title = format!("hosts `{first}` and `{host}` change objects of one cluster");
    let mistake = Diagnostic::new(title)
        .at(&origin, format!("on `{host}`"))
        .at(theirs, format!("on `{first}`"));
    Some(mistake.hint(format!(
        "run these operations on one of them, such as with `hosts = [\"{first}\"]` in the deploy"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceFile;

    #[test]
    fn one_host_speaks_for_a_cluster() {
        let origin = || Origin::new(&SourceFile::new("t.toml", "op"), 0..2);
        let mut clusters = BTreeMap::new();
        for (uid, host, expected) in [
            ("one", "a", None),
            ("one", "a", None),
            ("two", "b", None),
            ("one", "b", Some("hosts `a` and `b` change objects of one cluster")),
        ] {
            let mistake = second(&mut clusters, uid.to_owned(), host, origin());
            assert_eq!(mistake.as_ref().map(|mistake| mistake.title.as_str()), expected);
        }
    }
}
