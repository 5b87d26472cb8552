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

/// What names begin with in a shell that hands variables on and does not have them itself.
pub const APART: &str = "homelab_env_";

/// The longest value in a line, in bytes. `docker` reads lines of up to 64 KiB.
const LONGEST_LINE: usize = 60_000;

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

    /// The names, sorted, each with whether its value fits into a line of a file with variables as `docker` reads one.
    pub fn lines(&self) -> impl Iterator<Item = (&str, bool)> {
        let fits = |value: &str| value.len() < LONGEST_LINE && !value.contains(['\n', '\r']);
        self.0
            .iter()
            .map(move |variable| (variable.name.as_str(), fits(&variable.value)))
    }

    /// Shell text that gives the shell alone each value, under [`APART`] and its name; empty if nothing is set.
    ///
    /// It belongs into text that a shell reads from standard input, like that of [`exports`](Self::exports).
    pub fn apart(&self) -> String {
        let assigned = self
            .0
            .iter()
            .map(|one| format!("{APART}{}={}\n", one.name, quote(&one.value)));
        assigned.collect()
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
