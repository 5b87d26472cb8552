//! What to ask a host for a set of keys. This is the one place that knows the family of every kind.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::answer::UnreadableAnswer;
use super::family::{Family, InTemplates, Readable};
use super::key::{Fact, FactKey, every_kind};
use super::probe::Probe;

/// For each kind, its family and how templates see it.
macro_rules! families {
    ($(
        $(#[$doc:meta])*
        $variant:ident $(($name:ident: $of:ty))? => super::$module:ident::$key:ident $(<$life:lifetime>)?, $(#[$stored:meta])* $fact:ty;
    )*) => {
        /// The family that reads a key.
        pub(super) fn family_of(key: &FactKey) -> &'static Family {
            match key {
                $(FactKey::$variant { .. } => super::$module::$key::FAMILY,)*
            }
        }

        /// How templates see each kind.
        static IN_TEMPLATES: &[Option<&InTemplates>] = &[$(super::$module::$key::IN_TEMPLATES),*];
    };
}

every_kind!(families);

impl InTemplates {
    /// Every kind that templates look up by name.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        IN_TEMPLATES.iter().copied().flatten()
    }

    /// The kind with this family name.
    pub fn find(family: &str) -> Option<&'static Self> {
        Self::all().find(|one| one.family == family)
    }
}

/// A probe and the keys of the facts that it reads.
#[derive(Clone, Debug)]
pub struct Question {
    family: &'static Family,
    keys: Vec<FactKey>,
    probe: Probe,
}

impl Question {
    /// What is read, for messages: "paths", "units".
    pub fn subject(&self) -> &'static str {
        self.family.subject
    }

    /// The shell text to send.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Parses the answer.
    ///
    /// Errors: the output is not what the probe prints.
    pub fn parse(&self, status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
        let facts = (self.family.parse)(&self.keys, status, answer)?;
        let answered: BTreeSet<&FactKey> = facts.iter().map(|(key, _)| key).collect();
        if let Some(key) = self.keys.iter().find(|key| !answered.contains(key)) {
            return Err(UnreadableAnswer::new(format!("no answer for {key}")));
        }
        Ok(facts)
    }
}

/// One probe per family of `keys`.
pub fn questions(keys: &BTreeSet<FactKey>) -> Vec<Question> {
    // Two families may have the same subject.
    let mut families: IndexMap<*const Family, (&'static Family, Vec<FactKey>)> = IndexMap::new();
    for key in keys {
        let family = family_of(key);
        let (_, of_family) = families.entry(family).or_insert((family, Vec::new()));
        of_family.push(key.clone());
    }
    let questions = families.into_values().map(|(family, keys)| {
        let probe = Probe::new(family.subject, (family.probe)(&keys)).with_allowance((family.allowance)(&keys));
        Question { family, keys, probe }
    });
    questions.collect()
}
