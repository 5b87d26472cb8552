//! The traits of a kind of fact. Whatever differs between kinds is declared here and implemented in the kind's own file.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Fact, FactKey, UnreadableAnswer};
use crate::template::{Attribute, NamedFact};
use crate::value::Known;

/// Facts that one command on the host reads together.
#[derive(Debug)]
pub struct Family {
    /// For messages.
    pub subject: &'static str,
    /// Shell text that reads facts and changes nothing.
    pub(super) probe: fn(&[FactKey]) -> String,
    /// How much longer than others its probe may be silent.
    pub(super) allowance: fn(&[FactKey]) -> Duration,
    /// Parses the exit code and the output of the probe.
    pub(super) parse: Parser,
}

type Parser = fn(&[FactKey], i32, &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer>;

/// For a [`Family`] that needs no extra time.
pub(super) fn no_allowance(_: &[FactKey]) -> Duration {
    Duration::ZERO
}

/// The part of a host that a fact is about: scopes are built from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Path(&'a str),
    Unit(&'a str),
    /// Packages, and the simulations of apt.
    Packages,
    Accounts,
    /// Only covered by a scope with this very key.
    Other,
}

/// The changes that make a fact out of date, other than one to the fact itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependsOn {
    Itself,
    /// A change to any package. Within a plan the fact stays valid: operations take the packages before them into account.
    Packages,
    /// Any change. Within a plan the fact is unknown too, once something changes.
    Anything,
}

/// How a [`FactKey`] and its [`Fact`] are stored.
pub trait Stored<'a>: Copy {
    type Fact;

    fn stored(self) -> FactKey;

    /// The stored key as one of this kind.
    fn of(key: &'a FactKey) -> Option<Self>;

    /// The stored fact as one of this kind.
    fn fact(fact: Fact) -> Option<Self::Fact>;
}

/// The key of one kind of fact.
pub trait Key<'a>: Stored<'a> {
    const FAMILY: &'static Family;

    /// How templates see it; `None` if templates cannot look it up by name.
    const IN_TEMPLATES: Option<&'static InTemplates>;

    const DEPENDS_ON: DependsOn;

    /// Its name, for messages.
    fn describe(self) -> String;

    fn subject(self) -> Subject<'a>;

    /// The fact for something absent; `None` if it always exists.
    fn absent() -> Option<Self::Fact>;

    /// Whether installing a package may create it.
    fn may_come_with_packages(self) -> bool;

    /// The key of the fact that shows whether it exists, if that is another one.
    fn presence(self) -> Option<FactKey> {
        None
    }
}

/// A kind of fact that templates look up by name: `facts.FAMILY.NAME.ATTRIBUTE`.
#[derive(Debug)]
pub struct InTemplates {
    /// `users`, `packages` …
    pub family: &'static str,
    pub attributes: &'static [&'static str],
    pub key: fn(&str) -> FactKey,
    /// The attributes that templates see, if it exists.
    pub attributes_of: fn(&Fact) -> NamedFact,
}

impl InTemplates {
    /// Every kind that templates look up by name.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        FactKey::IN_TEMPLATES.iter().copied().flatten()
    }

    /// The kind with this family name.
    pub fn find(family: &str) -> Option<&'static Self> {
        Self::all().find(|one| one.family == family)
    }

    /// What templates see of a fact.
    pub fn described(&self, fact: &Fact) -> NamedFact {
        match fact {
            Fact::Denied(why) => NamedFact::Unknown(why.clone()),
            fact => (self.attributes_of)(fact),
        }
    }
}

/// An attribute that may be unknown.
pub(super) fn known<T: Clone + Into<minijinja::Value>>(value: &Known<T>) -> Attribute {
    match value {
        Known::Yes(value) => Ok(value.clone().into()),
        Known::No(why) => Err(why.clone()),
    }
}

/// Names as templates see them.
pub(super) fn listed(names: &BTreeSet<String>) -> minijinja::Value {
    names.iter().map(|name| minijinja::Value::from(name.as_str())).collect()
}
