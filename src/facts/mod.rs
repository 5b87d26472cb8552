//! Facts about a host, and how they are read: one file per family, with its probe (shell text that only reads) and the parser
//! of the probe's output. This module does no input or output: `gather` sends the probes.
//!
//! A new kind of fact is a file with its [`Key`], the `mod` line here, two lines in `key.rs` and an example in `examples.rs`.

pub mod account;
pub mod apt;
pub mod check;
mod family;
mod identity;
mod key;
pub mod overlay;
pub mod package;
pub mod path;
pub mod place;
mod presence;
mod probe;
mod scope;
pub mod session;
mod shared;
mod sight;
pub mod system;
pub mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use apt::{AptVerb, Installation};
pub use check::Check;
pub use family::{DependsOn, Family, InTemplates, Key, Stored, Subject};
pub use identity::Identity;
pub use key::{Fact, FactKey};
pub use probe::Probe;

/// The facts that were read from a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<StoredFact>", into = "Vec<StoredFact>")]
pub struct Facts {
    /// Shared by plans, and by templates at each position of a plan.
    known: Arc<BTreeMap<FactKey, Fact>>,
}

impl Facts {
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

/// A probe and the keys of the facts that it reads.
#[derive(Clone, Debug)]
pub struct Question {
    family: &'static Family,
    keys: Vec<FactKey>,
    probe: Probe,
}

/// Unexpected output of a probe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct UnreadableAnswer {
    pub what: String,
}

impl UnreadableAnswer {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
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
        if let Some(key) = self
            .keys
            .iter()
            .find(|key| !facts.iter().any(|(known, _)| known == *key))
        {
            return Err(UnreadableAnswer::new(format!("no answer for {key}")));
        }
        Ok(facts)
    }
}

/// One probe per family of `keys`.
pub fn questions(keys: &BTreeSet<FactKey>) -> Vec<Question> {
    let mut families: IndexMap<&str, Vec<FactKey>> = IndexMap::new();
    for key in keys {
        families.entry(key.family().subject).or_default().push(key.clone());
    }
    let questions = families.into_values().map(|keys| {
        let family = keys[0].family();
        let probe = Probe::new(family.subject, (family.probe)(&keys)).with_allowance((family.allowance)(&keys));
        Question { family, keys, probe }
    });
    questions.collect()
}

/// The lines of an answer; invalid UTF-8 is replaced.
fn lines(answer: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(answer).lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod examples;
