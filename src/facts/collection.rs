//! The facts that were read from a host.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key::{Fact, FactKey};

/// The facts that were read from a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<StoredFact>", into = "Vec<StoredFact>")]
pub struct Facts {
    /// Shared by plans, and by templates at each position of a plan.
    known: Arc<BTreeMap<FactKey, Fact>>,
}

impl Facts {
    /// The name of the host's system if homelab cannot change it yet. It is read before all else.
    pub fn unsupported_system(&self) -> Option<&'static str> {
        match self.get(&FactKey::System)? {
            Fact::System(system) => system.machine.os.unsupported(),
            _ => None,
        }
    }

    /// Plans are made for root, whoever read the host.
    pub fn plan_as_root(&mut self) {
        if let Some(Fact::System(system)) = Arc::make_mut(&mut self.known).get_mut(&FactKey::System) {
            system.session.planned_as_root();
        }
    }

    /// The fact, if it was read.
    pub fn get(&self, key: &FactKey) -> Option<&Fact> {
        self.known.get(key)
    }

    /// Adds a fact, and replaces an older one.
    pub fn insert(&mut self, key: FactKey, fact: Fact) {
        Arc::make_mut(&mut self.known).insert(key, fact);
    }

    /// Removes a fact, so that it is read again.
    pub fn remove(&mut self, key: &FactKey) {
        Arc::make_mut(&mut self.known).remove(key);
    }

    /// Whether another run was changing the host when it was read.
    pub fn is_changed_by_another_run(&self) -> bool {
        match self.get(&FactKey::System) {
            Some(Fact::System(system)) => system.is_changed_by_another_run(),
            _ => false,
        }
    }

    /// The keys of the facts that were read.
    pub fn keys(&self) -> impl Iterator<Item = &FactKey> {
        self.known.keys()
    }
}

/// A fact with its key, as [`Facts`] are stored.
#[derive(Serialize, Deserialize)]
struct StoredFact {
    key: FactKey,
    fact: Fact,
}

impl From<Vec<StoredFact>> for Facts {
    fn from(stored: Vec<StoredFact>) -> Self {
        Self {
            known: Arc::new(stored.into_iter().map(|stored| (stored.key, stored.fact)).collect()),
        }
    }
}

impl From<Facts> for Vec<StoredFact> {
    fn from(facts: Facts) -> Self {
        let known = Arc::unwrap_or_clone(facts.known).into_iter();
        let stored = known.map(|(key, fact)| StoredFact { key, fact });
        stored.collect()
    }
}
