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

    /// Plans are made for root, even if another user read the host. What the reader may not write to says nothing of root,
    /// and the reader may see
    /// all file systems read-only.
    pub fn plan_as_root(&mut self) {
        for fact in Arc::make_mut(&mut self.known).values_mut() {
            match fact {
                Fact::System(system) => system.session.planned_as_root(),
                Fact::Metadata(metadata) => metadata.read_only = None,
                Fact::DiskLocation(Some(location)) => location.is_closed = false,
                _ => {}
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::path::Metadata;
    use crate::facts::session::{Account, Session, Unprivileged};
    use crate::facts::system::SystemFacts;

    #[test]
    fn what_a_reader_may_not_write_to_is_not_closed_to_root() {
        let account = Account {
            user: "eyes".to_owned(),
            group: "eyes".to_owned(),
        };
        let system = SystemFacts {
            session: Session {
                login: account.clone(),
                unprivileged: Some(Unprivileged {
                    account,
                    groups: std::collections::BTreeSet::new(),
                    state_folder: "/.local/state/homelab".to_owned(),
                    jobs_are_hidden: true,
                }),
                reader: None,
            },
            ..SystemFacts::default()
        };
        let metadata = Metadata {
            read_only: Some("/".to_owned()),
            ..Metadata::default()
        };
        let mut facts = Facts::default();
        facts.insert(FactKey::System, Fact::System(Box::new(system)));
        facts.insert(FactKey::Metadata("/etc/x".to_owned()), Fact::Metadata(metadata));
        facts.plan_as_root();
        let Some(Fact::System(system)) = facts.get(&FactKey::System) else {
            panic!("it was read");
        };
        assert_eq!(system.session.needs_root(), None);
        let notice = system.session.notice().expect("a review says who read it");
        assert!(notice.starts_with("read as `eyes`, planned for root"), "{notice}");
        let found = facts.get(&FactKey::Metadata("/etc/x".to_owned()));
        assert_eq!(found, Some(&Fact::Metadata(Metadata::default())));
    }
}
