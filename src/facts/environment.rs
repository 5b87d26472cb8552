//! Environment variables for commands on a host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quote::quote;
use crate::secret::MASK;
use crate::value::Text;

/// Environment variables for the user's own commands, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Environment(Box<[Variable]>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
struct Variable {
    name: String,
    value: String,
    /// Whether any of the value came from a secret.
    is_secret: bool,
}

/// How a variable is stored: of a secret one only the name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Open(String, String),
    Secret(String),
}

impl From<Stored> for Variable {
    fn from(stored: Stored) -> Self {
        let (name, value) = match stored {
            Stored::Open(name, value) => (name, Some(value)),
            Stored::Secret(name) => (name, None),
        };
        Self {
            is_secret: value.is_none(),
            value: value.unwrap_or_default(),
            name,
        }
    }
}

impl From<Variable> for Stored {
    fn from(variable: Variable) -> Self {
        if variable.is_secret {
            Self::Secret(variable.name)
        } else {
            Self::Open(variable.name, variable.value)
        }
    }
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = if self.is_secret { MASK } else { &self.value };
        write!(formatter, "{}={value}", self.name)
    }
}

impl Environment {
    /// Variables with names that were checked before.
    pub fn new(variables: BTreeMap<String, Text>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| Variable {
            name,
            is_secret: value.is_secret(),
            value: value.expose().clone(),
        });
        Self(variables.collect())
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|variable| variable.name.as_str())
    }

    /// Shell text that sets them for what follows; empty if nothing is set.
    ///
    /// It belongs into text that a shell reads from standard input: other users of the host can see argument lists.
    pub fn exports(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let assigned = self.0.iter().map(|one| format!(" {}={}", one.name, quote(&one.value)));
        format!("export{}\n", assigned.collect::<String>())
    }
}
