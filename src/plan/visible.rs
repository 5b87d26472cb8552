//! The facts that templates see at one place of the plan, and a record of those that they asked for and that are not read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::facts::account::{GroupFact, UserFact};
use crate::facts::overlay::{Lookup, Overlay};
use crate::facts::package::PackageFact;
use crate::facts::{Fact, FactKey, Facts};
use crate::template::{FactSource, NamedFact};
use crate::value::Known;

/// Why something stays open that the next round of reading would settle.
pub(super) const NOT_READ: &str = "it was not read from the host yet";

/// The same of a host by its name: it may be another one, and one that cannot be reached.
fn not_read(host: &str) -> String {
    format!("host `{host}` was not read")
}

/// What templates asked for: of which host, and what.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<BTreeSet<(String, FactKey)>>>);

impl Asked {
    fn note(&self, host: &str, key: FactKey) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert((host.to_owned(), key));
    }

    /// All that was asked for since the last look.
    pub(super) fn take(&self) -> BTreeSet<(String, FactKey)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The facts of a host as templates see them at one place of the plan.
pub(super) struct VisibleFacts {
    host: String,
    system: Lookup,
    rendered: OnceLock<minijinja::Value>,
    named: BTreeMap<FactKey, Lookup>,
    asked: Asked,
}

impl VisibleFacts {
    pub(super) fn new(host: &str, overlay: &Overlay<'_>, asked: &Asked) -> Self {
        let is_named = |key: &&FactKey| matches!(key, FactKey::User(_) | FactKey::Group(_) | FactKey::Package(_));
        Self {
            host: host.to_owned(),
            system: overlay.get(&FactKey::System),
            rendered: OnceLock::new(),
            named: overlay
                .keys()
                .filter(is_named)
                .map(|key| (key.clone(), overlay.get(key)))
                .collect(),
            asked: asked.clone(),
        }
    }

    fn why_not(&self, lookup: &Lookup) -> String {
        match lookup {
            Lookup::Since(_, why) => why.clone(),
            _ => not_read(&self.host),
        }
    }
}

impl FactSource for VisibleFacts {
    fn system(&self) -> Result<minijinja::Value, String> {
        self.asked.note(&self.host, FactKey::System);
        match &self.system {
            Lookup::Known(Fact::System(facts)) => Ok(self
                .rendered
                .get_or_init(|| minijinja::Value::from(minijinja::value::Serde(&facts.machine)))
                .clone()),
            other => Err(self.why_not(other)),
        }
    }

    fn named(&self, family: &str, name: &str) -> NamedFact {
        let key = named_key(family, name);
        self.asked.note(&self.host, key.clone());
        match self.named.get(&key).unwrap_or(&Lookup::NotGathered) {
            Lookup::Known(fact) => described(fact),
            other => NamedFact::Unknown(self.why_not(other)),
        }
    }
}

fn described(fact: &Fact) -> NamedFact {
    let attributes = match fact {
        Fact::User(UserFact::Present(user)) => vec![
            ("uid", known(&user.uid)),
            ("group", known(&user.group)),
            ("home", known(&user.home)),
            ("shell", known(&user.shell)),
            ("comment", known(&user.comment)),
            ("groups", Ok(list(&user.groups))),
        ],
        Fact::Group(GroupFact::Present(group)) => {
            vec![("gid", known(&group.gid)), ("members", Ok(list(&group.members)))]
        }
        Fact::Package(PackageFact::Installed { version }) => vec![("version", known(version))],
        Fact::Package(PackageFact::Broken { status }) => return NamedFact::Unknown(format!("the package is {status}")),
        Fact::Denied(why) => return NamedFact::Unknown(why.clone()),
        _ => return NamedFact::Absent,
    };
    NamedFact::Present(attributes.into_iter().collect())
}

/// The key of what `facts.FAMILY.NAME` reads.
pub fn named_key(family: &str, name: &str) -> FactKey {
    match family {
        "users" => FactKey::User(name.to_owned()),
        "groups" => FactKey::Group(name.to_owned()),
        _ => FactKey::Package(name.to_owned()),
    }
}

/// All of `facts` that templates see, with what was read under `named`, a family and a name.
pub fn visible_tree(facts: &Facts, named: Option<(&str, &str)>) -> serde_json::Value {
    let mut tree = match facts.get(&FactKey::System) {
        Some(Fact::System(system)) => serde_json::to_value(&system.machine).unwrap_or_default(),
        _ => serde_json::Value::default(),
    };
    if let Some((family, name)) = named
        && let Some(fact) = facts.get(&named_key(family, name))
    {
        tree[family][name] = match described(fact) {
            NamedFact::Present(attributes) => attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), serde_json::to_value(value.ok()).unwrap_or_default()))
                .collect(),
            NamedFact::Absent | NamedFact::Unknown(_) => serde_json::Value::Null,
        };
    }
    tree
}

fn known<T: Clone + Into<minijinja::Value>>(value: &Known<T>) -> Result<minijinja::Value, String> {
    match value {
        Known::Yes(value) => Ok(value.clone().into()),
        Known::No(why) => Err(why.clone()),
    }
}

fn list(names: &BTreeSet<String>) -> minijinja::Value {
    names.iter().map(|name| minijinja::Value::from(name.as_str())).collect()
}
