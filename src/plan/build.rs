//! From a run and facts to a plan: stage by stage, and in each stage host by host.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::host::HostBuilder;
use super::visible::{Asked, VisibleFacts};
use super::{Build, HostPlan, Snapshot};
use crate::facts::overlay::Overlay;
use crate::facts::{Fact, FactKey, Facts};
use crate::project::Selection;
use crate::secret::DigestKey;
use crate::template::FactSource;

/// The facts of other hosts, as templates see them.
pub(super) type Peers = Arc<BTreeMap<String, Arc<dyn FactSource>>>;

/// Plans `run` from what is known.
///
/// With no facts at all it still finds every mistake that needs none, and says which facts it wants first.
pub fn build(run: &Selection, known: &Snapshot, digests: &DigestKey) -> Build {
    let mut build = Build::default();
    let nothing = Facts::default();
    let asked = Asked::default();
    let mut builders: Vec<HostBuilder<'_>> = run
        .hosts
        .iter()
        .map(|host| {
            let facts = known.facts.get(&host.name).unwrap_or(&nothing);
            HostBuilder::new(run, host, facts, known, digests, &asked)
        })
        .collect();
    for builder in &mut builders {
        builder.begin(&mut build);
    }
    for stage in 0..run.stages.len() {
        // As the hosts are when the stage begins.
        let peers = peers(run, known, &builders, &asked);
        for builder in &mut builders {
            builder.plan_stage(stage, &peers, &mut build);
        }
    }
    for builder in builders {
        let name = builder.name().to_owned();
        let facts = known.facts.get(&name).unwrap_or(&nothing);
        let operations = builder.end(&mut build);
        let (notices, has_leftovers) = match facts.get(&FactKey::System) {
            Some(Fact::System(system)) => (system.notices(), !system.jobs.is_empty()),
            _ => (Vec::new(), false),
        };
        build.plan.hosts.push(HostPlan {
            host: name,
            operations,
            notices,
            has_leftovers,
        });
    }
    build
}

/// Every host of the run, be it planned here or not.
fn peers(run: &Selection, known: &Snapshot, builders: &[HostBuilder<'_>], asked: &Asked) -> Peers {
    let mut peers: BTreeMap<String, Arc<dyn FactSource>> = BTreeMap::new();
    let nothing = Facts::default();
    for name in run.stages.iter().flat_map(|stage| &stage.hosts) {
        if peers.contains_key(name) {
            continue;
        }
        let visible = if let Some(builder) = builders.iter().find(|builder| builder.name() == name) {
            VisibleFacts::new(name, builder.overlay(), asked)
        } else {
            let facts = known.facts.get(name).unwrap_or(&nothing);
            VisibleFacts::new(name, &Overlay::new(facts), asked)
        };
        peers.insert(name.clone(), Arc::new(visible));
    }
    Arc::new(peers)
}
