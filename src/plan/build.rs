//! From a selection and facts to a plan: stage by stage, and in each stage host by host.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::captured::Captures;
use super::expand::Assume;
use super::given::Given;
use super::host::HostPlanner;
use super::visible::{Asked, VisibleFacts};
use super::walk::Peers;
use super::{Build, HostPlan, PlannedOperation, Snapshot, Survey};
use crate::facts::mark::Mark;
use crate::facts::overlay::Overlay;
use crate::facts::{Fact, FactKey, Facts};
use crate::project::Selection;
use crate::secret::DigestKey;
use crate::template::Peer;

/// Plans `selection` from the facts that were read.
///
/// Without any facts it still finds every mistake that needs none, and asks for the first facts.
pub fn build(selection: &Selection, snapshot: &Snapshot, digests: &DigestKey) -> Build {
    let mut build = Build::default();
    let nothing = Facts::default();
    let planners = plan_stages(selection, (snapshot, &nothing), digests, Assume::Nothing, &mut build);
    let mark = Mark::new(&selection.inventory, &selection.deploy, &selection.filters);
    for planner in planners {
        let name = planner.name().to_owned();
        let facts = snapshot.facts.get(&name).unwrap_or(&nothing);
        let owed = planner.owed_elsewhere();
        let said = planner.notices();
        let skipped = planner.skipped().to_vec();
        let items_left_out = planner.items_left_out().clone();
        let operations = planner.end(&mut build);
        let (mut notices, mut has_leftovers) = match facts.get(&FactKey::System) {
            Some(Fact::System(system)) => {
                let leftover = system.jobs.iter().any(|job| job.unfinished_user().is_none());
                (system.notices(), leftover || system.is_open(&mark))
            }
            _ => (Vec::new(), false),
        };
        notices.extend(owed);
        notices.extend(said);
        notices.extend(selection.notices.iter().cloned());
        let is_settled = |operation: &PlannedOperation| operation.handler.is_some() && operation.changes().is_empty();
        has_leftovers |= operations.iter().any(is_settled);
        build.plan.hosts.push(HostPlan {
            host: name,
            operations,
            notices,
            skipped,
            items_left_out,
            has_leftovers,
        });
    }
    build
}

/// Plans every stage, host by host. A host that was not read has the facts `nothing`.
fn plan_stages<'a>(
    selection: &'a Selection,
    (snapshot, nothing): (&'a Snapshot, &'a Facts),
    digests: &'a DigestKey,
    assume: Assume,
    build: &mut Build,
) -> Vec<HostPlanner<'a>> {
    let asked = Asked::default();
    let mut planners: Vec<HostPlanner<'_>> = selection
        .hosts
        .iter()
        .map(|host| {
            let facts = snapshot.facts.get(&host.name).unwrap_or(nothing);
            HostPlanner::new(Given {
                selection,
                host,
                facts,
                snapshot,
                digests,
                asked: asked.clone(),
                assume,
                is_next_run: false,
                is_read_back: false,
                named: Arc::default(),
            })
        })
        .collect();
    for planner in &planners {
        planner.begin(build);
    }
    for stage in 0..selection.stages.len() {
        // The hosts as they are when the stage begins.
        let peers = peers(selection, snapshot, &planners, &asked);
        for planner in &mut planners {
            planner.plan_stage(stage, &peers, build);
        }
    }
    planners
}

/// What the operations of `selection` are about on its only host, whatever their conditions and handlers say.
pub fn survey(selection: &Selection, snapshot: &Snapshot, digests: &DigestKey) -> Survey {
    let (mut build, nothing) = (Build::default(), Facts::default());
    // What an entry is about of which the items have a mistake, unless its condition is false.
    plan_stages(selection, (snapshot, &nothing), digests, Assume::NotKnown, &mut build);
    let unbound = build.survey.unknown.take();
    plan_stages(selection, (snapshot, &nothing), digests, Assume::All, &mut build);
    let Build {
        mut survey, missing, ..
    } = build;
    survey.unknown = survey.unknown.or(unbound);
    let host = selection.hosts.first();
    survey.missing = host
        .and_then(|host| missing.get(&host.name))
        .cloned()
        .unwrap_or_default();
    survey
}

/// The operations that the next run would plan, by host, if each host became as the plan says.
pub fn plan_next_run(selection: &Selection, snapshot: &Snapshot, digests: &DigestKey) -> Vec<Vec<PlannedOperation>> {
    let (mut aside, nothing) = (Build::default(), Facts::default());
    let planners = plan_stages(selection, (snapshot, &nothing), digests, Assume::Nothing, &mut aside);
    planners.iter().map(|planner| planner.again().operations).collect()
}

/// Plans one operation of the only host of `selection` again, over the facts of `snapshot` alone. No plan comes with it;
/// without the operation, the stage has none of this name any more, or facts are missing.
pub fn plan_alone(
    selection: &Selection,
    snapshot: &Snapshot,
    digests: &DigestKey,
    operation: &PlannedOperation,
) -> (Build, Option<PlannedOperation>) {
    let mut build = Build::default();
    let Some(host) = selection.hosts.first() else {
        return (build, None);
    };
    let nothing = Facts::default();
    let asked = Asked::default();
    let planner = HostPlanner::new(Given {
        selection,
        host,
        facts: snapshot.facts.get(&host.name).unwrap_or(&nothing),
        snapshot,
        digests,
        asked: asked.clone(),
        assume: Assume::Nothing,
        is_next_run: false,
        is_read_back: true,
        named: Arc::default(),
    });
    planner.begin(&mut build);
    let mut planners = [planner];
    let peers = peers(selection, snapshot, &planners, &asked);
    let now = planners[0].plan_alone(operation.stage, &operation.id, &peers, &mut build);
    (build, now)
}

/// What templates see of every selected host, whether it is planned here or not.
fn peers(selection: &Selection, snapshot: &Snapshot, planners: &[HostPlanner<'_>], asked: &Asked) -> Peers {
    let mut peers: BTreeMap<String, Peer> = BTreeMap::new();
    let nothing = Facts::default();
    for name in selection.stages.iter().flat_map(|stage| &stage.hosts) {
        if peers.contains_key(name) {
            continue;
        }
        let of = |overlay: &Overlay, captures: &Captures| Peer {
            facts: Arc::new(VisibleFacts::new(name, overlay, asked)),
            captured: captures.visible_elsewhere(name, overlay, asked),
        };
        let peer = if let Some(planner) = planners.iter().find(|planner| planner.name() == name) {
            of(planner.overlay(), planner.captures())
        } else {
            let facts = snapshot.facts.get(name).unwrap_or(&nothing);
            of(
                &Overlay::new(facts),
                &Captures::of(selection, selection.hosts.iter().find(|host| host.name == *name)),
            )
        };
        peers.insert(name.clone(), peer);
    }
    Arc::new(peers)
}
