//! A release that is uninstalled.

use super::objects::{removal, stays};
use super::parameters::{Release, no_program};
use super::script::uninstall;
use crate::change::{Action, Attribute, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop};
use crate::facts::helm::{
    AskedRelease, Beside, Release as Found, ReleaseBody, ReleaseFact, ReleaseKey, ReleaseQuestion,
};
use crate::facts::kubernetes::{Api, Cluster, ClusterKey, Object, ObjectFact, ObjectKey};
use crate::facts::overlay::Effect;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::k8s::documents::{is_namespaced, turn};
use crate::operations::k8s::questions::question;
use crate::operations::k8s::set::set_object;
use crate::operations::k8s::single::touches;
use crate::secret::Secret;

/// Plans that the release is not there.
///
/// Errors: something is not known.
pub(super) fn plan(release: &Release, context: &PlanContext<'_>, api: &Api) -> Result<Outcome, Stop> {
    let asked = ReleaseQuestion(Box::new(AskedRelease {
        api: api.clone(),
        namespace: release.namespace.clone(),
        release: release.release.clone(),
        chart: String::new(),
        values: String::new(),
        always: false,
        body: Beside(ReleaseBody {
            key: Some(Secret::new(context.digests().hex())),
            ..ReleaseBody::default()
        }),
    }));
    let cluster = context.get(ClusterKey(api));
    let found = context.get(ReleaseKey(&asked));
    match cluster? {
        Cluster::Absent => return Ok(Outcome::Unchanged),
        Cluster::Silent { why } => {
            return Ok(Outcome::Deferred {
                waits_for: Vec::new(),
                why: format!("the API server does not answer: {why}"),
                touches: touches(),
                preview: Vec::new(),
            });
        }
        Cluster::Answers(answers) if answers.is_predicted => return Ok(Outcome::Unchanged),
        Cluster::Answers(_) => {}
    }
    let ReleaseFact::Asked(found) = found? else {
        return Ok(Outcome::Unchanged);
    };
    let Some(last) = &found.last else {
        return Ok(Outcome::Unchanged);
    };
    if found.program.is_none() {
        return Err(no_program(context));
    }
    let name = format!("{} in {}", release.release, release.namespace);
    let before = [("chart", Attribute::known(&last.chart))].into_iter().collect();
    let mut change = ResourceChange::new(
        ResourceId::new(ResourceKind::HelmRelease, &name),
        Action::Remove,
        Before::Present(before),
        None,
    );
    change.risk = Risk::Removal;
    change.steps = vec![uninstall(
        api,
        (&release.release, &release.namespace),
        &format!("{} {}", last.number, last.status),
        release.within.0,
    )];
    let gone = Found {
        program: found.program.clone(),
        ..Found::default()
    };
    change.effects = vec![Effect::Set(
        FactKey::HelmRelease(asked.clone()),
        Fact::HelmRelease(ReleaseFact::Asked(Box::new(gone))),
    )];
    let mut ids: Vec<_> = last.objects.iter().flatten().map(|object| object.id.clone()).collect();
    for id in &mut ids {
        if is_namespaced(&id.group, &id.kind) == Some(false) {
            id.namespace = None;
        } else if id.namespace.is_none() {
            id.namespace = Some(release.namespace.clone());
        }
    }
    ids.sort_by_key(|id| std::cmp::Reverse(turn(id)));
    let questions: Vec<_> = ids.iter().map(|id| question(context, api, id, None, &[])).collect();
    let facts: Vec<_> = questions
        .iter()
        .map(|question| context.get(ObjectKey(question)))
        .collect();
    let mut changes = vec![change];
    for ((id, question), fact) in ids.iter().zip(&questions).zip(facts) {
        if let ObjectFact::Asked(object) = fact?
            && let Some(live) = &object.live
            && !stays(live)
        {
            let mut change = removal(context, id, live);
            change.effects = vec![set_object(question, Object::default())];
            changes.push(change);
        }
    }
    Ok(Outcome::Change(changes))
}
