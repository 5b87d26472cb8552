//! The facts that templates see at one place in the plan, and a record of those that they need and that were not read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::facts::overlay::{Lookup, Overlay};
use crate::facts::{Fact, FactKey, Facts, InTemplates};
use crate::quote::quote;
use crate::template::{FactSource, NamedFact, without_comments};

/// The reason for a fact that the next round will read.
pub(super) const NOT_READ: &str = "not read from the host yet";

/// The same for a named host, which may be another one that cannot be reached.
fn not_read(host: &str) -> String {
    format!("host `{host}` was not read")
}

/// The facts that templates asked for, by host.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    keys: Arc<Mutex<BTreeSet<(String, FactKey)>>>,
    /// Texts of hosts that templates saw and that are more than a word to a shell.
    foreign: Arc<Mutex<BTreeSet<String>>>,
}

/// Shorter texts are found by chance in a command.
const SHORTEST: usize = 3;

impl Asked {
    pub(super) fn note(&self, host: &str, key: FactKey) {
        let mut asked = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert((host.to_owned(), key));
    }

    pub(super) fn note_text(&self, text: &str) {
        if text.len() >= SHORTEST && quote(text) != text {
            let mut foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
            foreign.insert(text.to_owned());
        }
    }

    /// A text of a host that stands in a command without its quotes, and that the project did not write there.
    ///
    /// `homelab check` finds unquoted facts by the names in the template. This finds the others by their text.
    pub(super) fn unquoted(&self, command: &str, written: &str) -> Option<String> {
        let command = &without_comments(command);
        let foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        let is_loose = |text: &&String| {
            command.contains(text.as_str())
                && !written.contains(text.as_str())
                && command.replace(&quote(text), "").contains(text.as_str())
        };
        foreign.iter().find(is_loose).cloned()
    }

    /// Everything that was asked for since the last call.
    pub(super) fn take(&self) -> BTreeSet<(String, FactKey)> {
        std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner))
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

    fn note_texts(&self, value: &minijinja::Value) {
        match value.as_str() {
            Some(text) => self.asked.note_text(text),
            None => value
                .try_iter()
                .into_iter()
                .flatten()
                .for_each(|item| self.note_texts(&item)),
        }
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
                self.asked.note_text(&facts.machine.os.name);
                let rendered = || minijinja::Value::from(minijinja::value::Serde(&facts.machine));
                Ok(self.system.get_or_init(rendered).clone())
            }
            other => Err(self.why_not(other)),
        }
    }

    fn unreadable(&self, path: &str) -> Option<String> {
        match self.overlay.get(&FactKey::System) {
            Lookup::Known(Fact::System(facts)) => facts.unreadable.get(path).cloned(),
            _ => None,
        }
    }

    fn host(&self) -> String {
        self.host.clone()
    }

    fn families(&self) -> Vec<&'static str> {
        InTemplates::all().map(|one| one.family).collect()
    }

    fn named(&self, family: &str, name: &str) -> NamedFact {
        let Some(family) = InTemplates::find(family) else {
            return NamedFact::Unknown(format!("unknown fact family `{family}`"));
        };
        match self.look_up((family.key)(name)) {
            Lookup::Known(fact) => {
                let described = family.described(&fact);
                if let NamedFact::Present(attributes) = &described {
                    for value in attributes.values().flatten() {
                        self.note_texts(value);
                    }
                }
                described
            }
            other => NamedFact::Unknown(self.why_not(other)),
        }
    }
}

/// All of `facts` that templates see, and the fact `named` by family and name.
pub fn visible_tree(facts: &Facts, named: Option<(&InTemplates, &str)>) -> serde_json::Value {
    let mut tree = match facts.get(&FactKey::System) {
        Some(Fact::System(system)) => {
            let mut tree = serde_json::to_value(&system.machine).unwrap_or_default();
            for name in system.unreadable.keys() {
                if let Some(value) = tree.pointer_mut(&format!("/{}", name.replace('.', "/"))) {
                    *value = serde_json::Value::Null;
                }
            }
            tree
        }
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
