//! How facts are read: the traits that each family implements.

use std::collections::BTreeSet;
use std::time::Duration;

use super::answer::UnreadableAnswer;
use super::grammar::Grammar;
use super::key::{Fact, FactKey, Stored};
use crate::template::{Attribute, NamedFact, NoValue};
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

/// A key whose fact is read from a host.
pub trait Readable<'a>: Stored<'a> {
    const FAMILY: &'static Family;

    /// How templates see it; `None` if templates cannot look it up by name.
    const IN_TEMPLATES: Option<&'static InTemplates>;
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
        Known::No(why) => Err(NoValue::Unknown(why.clone())),
    }
}

/// An attribute whose text is held to its grammar.
pub(super) fn held(grammar: Grammar, value: &Known<String>) -> Attribute {
    if let Known::Yes(text) = value {
        grammar.check(text).map_err(NoValue::Unreadable)?;
    }
    known(value)
}

/// Names of users or groups, as templates see them.
pub(super) fn listed(names: &BTreeSet<String>) -> Attribute {
    for name in names {
        Grammar::Account.check(name).map_err(NoValue::Unreadable)?;
    }
    Ok(names.iter().map(|name| minijinja::Value::from(name.as_str())).collect())
}
