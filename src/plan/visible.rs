//! The facts that templates see at one place in the plan, and a record of those that they need and that were not read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::facts::overlay::{Lookup, Overlay};
use crate::facts::{Fact, FactKey, Facts, InTemplates};
use crate::template::{FactSource, NamedFact};

/// The reason for a fact that the next round will read.
pub(super) const NOT_READ: &str = "not read from the host yet";

/// The same for a named host, which may be another one that cannot be reached.
fn not_read(host: &str) -> String {
    format!("host `{host}` was not read")
}

/// The facts that templates asked for, by host.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<BTreeSet<(String, FactKey)>>>);

impl Asked {
    fn note(&self, host: &str, key: FactKey) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert((host.to_owned(), key));
    }

    /// Everything that was asked for since the last call.
    pub(super) fn take(&self) -> BTreeSet<(String, FactKey)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The facts of a host as templates see them at one place in the plan, looked up on demand.
pub(super) struct VisibleFacts {
    host: String,
    overlay: Overlay,
    system: OnceLock<minijinja::Value>,
    asked: Asked,
}

impl VisibleFacts {
    pub(super) fn new(host: &str, overlay: &Overlay, asked: &Asked) -> Self {
        Self {
            host: host.to_owned(),
            overlay: overlay.clone(),
            system: OnceLock::new(),
            asked: asked.clone(),
        }
    }

    fn look_up(&self, key: FactKey) -> Lookup {
        let found = self.overlay.get(&key);
        self.asked.note(&self.host, key);
        found
    }

    fn why_not(&self, lookup: Lookup) -> String {
        match lookup {
            Lookup::Since(_, why) | Lookup::Known(Fact::Denied(why)) => why,
            Lookup::NotGathered | Lookup::Known(_) => not_read(&self.host),
        }
    }
}

impl FactSource for VisibleFacts {
    fn system(&self) -> Result<minijinja::Value, String> {
        match self.look_up(FactKey::System) {
            Lookup::Known(Fact::System(facts)) => {
                let rendered = || minijinja::Value::from(minijinja::value::Serde(&facts.machine));
                Ok(self.system.get_or_init(rendered).clone())
            }
            other => Err(self.why_not(other)),
        }
    }

    fn families(&self) -> Vec<&'static str> {
        InTemplates::all().map(|one| one.family).collect()
    }

    fn named(&self, family: &str, name: &str) -> NamedFact {
        let Some(family) = InTemplates::find(family) else {
            return NamedFact::Unknown(format!("unknown fact family `{family}`"));
        };
        match self.look_up((family.key)(name)) {
            Lookup::Known(fact) => family.described(&fact),
            other => NamedFact::Unknown(self.why_not(other)),
        }
    }
}

/// All of `facts` that templates see, and the fact `named` by family and name.
pub fn visible_tree(facts: &Facts, named: Option<(&InTemplates, &str)>) -> serde_json::Value {
    let mut tree = match facts.get(&FactKey::System) {
        Some(Fact::System(system)) => serde_json::to_value(&system.machine).unwrap_or_default(),
        _ => serde_json::Value::default(),
    };
    if let Some((family, name)) = named
        && let Some(fact) = facts.get(&(family.key)(name))
    {
        tree[family.family][name] = match family.described(fact) {
            NamedFact::Present(attributes) => attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), serde_json::to_value(value.ok()).unwrap_or_default()))
                .collect(),
            NamedFact::Absent | NamedFact::Unknown(_) => serde_json::Value::Null,
        };
    }
    tree
}
