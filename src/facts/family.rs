//! What a kind of fact says about itself. Whatever differs from kind to kind is asked here, and answered in its own file.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Fact, FactKey, UnreadableAnswer};
use crate::template::{Attribute, NamedFact};
use crate::value::Known;

/// Facts that one command of the host reads together.
#[derive(Debug)]
pub struct Family {
    /// What it is about, in words.
    pub subject: &'static str,
    /// Shell text that reads facts and changes nothing.
    pub(super) probe: fn(&[FactKey]) -> String,
    /// How much longer than others its probe may say nothing.
    pub(super) allowance: fn(&[FactKey]) -> Duration,
    /// Reads the exit code and the output of the probe.
    pub(super) parse: Parser,
}

type Parser = fn(&[FactKey], i32, &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer>;

/// For a [`Family`] that answers as quickly as any.
pub(super) fn no_allowance(_: &[FactKey]) -> Duration {
    Duration::ZERO
}

/// What of a host a fact is about: scopes are made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// What is at a path.
    Path(&'a str),
    /// A systemd unit.
    Unit(&'a str),
    /// Packages, and what apt would do with them.
    Packages,
    /// Users and groups.
    Accounts,
    /// Something that only a scope of its own key names.
    Other,
}

/// Which changes, beside one to the fact itself, make what was read out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependsOn {
    /// None.
    Itself,
    /// A change to any package. A plan goes on with what was read: operations reckon with the packages before them.
    Packages,
    /// Any change: it is not known in a plan either, once something changes.
    Anything,
}

/// How a [`FactKey`] and its [`Fact`] are stored.
pub trait Stored<'a>: Copy {
    /// What can be known under the key.
    type Fact;

    /// The key as it is stored.
    fn stored(self) -> FactKey;

    /// A stored key of this kind.
    fn of(key: &'a FactKey) -> Option<Self>;

    /// A stored fact of this kind.
    fn fact(fact: Fact) -> Option<Self::Fact>;
}

/// The key of one kind of fact.
pub trait Key<'a>: Stored<'a> {
    /// How it is read.
    const FAMILY: &'static Family;

    /// How templates see it; `None` if they do not, or not by a name of its own.
    const IN_TEMPLATES: Option<&'static InTemplates>;

    /// What makes it out of date.
    const DEPENDS_ON: DependsOn;

    /// Its name, for people.
    fn describe(self) -> String;

    /// What it is about.
    fn subject(self) -> Subject<'a>;

    /// What is known of something that is not there; `None` for what is always there.
    fn absent() -> Option<Self::Fact>;

    /// Whether installing a package may create it where it is absent.
    fn may_come_with_packages(self) -> bool;

    /// The key that tells whether it is there, if that is another one.
    fn presence(self) -> Option<FactKey> {
        None
    }
}

/// A kind of fact that templates look up by name: `facts.FAMILY.NAME.ATTRIBUTE`.
#[derive(Debug)]
pub struct InTemplates {
    /// `users`, `packages` …
    pub family: &'static str,
    /// What can be asked of each.
    pub attributes: &'static [&'static str],
    /// The key of a name.
    pub key: fn(&str) -> FactKey,
    /// What of a fact templates see, if it is there.
    pub attributes_of: fn(&Fact) -> NamedFact,
}

impl InTemplates {
    /// All of them.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        FactKey::IN_TEMPLATES.iter().copied().flatten()
    }

    /// The one of that name.
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

/// An attribute that may be not known.
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
