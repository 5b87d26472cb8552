//! Environment variables for commands on a host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quote::quote;

/// Environment variables for the user's own commands, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Environment(Box<[(String, String)]>);

impl Environment {
    /// Variables with names that were checked before.
    pub fn new(variables: BTreeMap<String, String>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Shell text that sets them for what follows; empty if nothing is set.
    ///
    /// It belongs into text that a shell reads from standard input: other users of the host can see argument lists.
    pub fn exports(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let assigned = self.0.iter().map(|(name, value)| format!(" {name}={}", quote(value)));
        format!("export{}\n", assigned.collect::<String>())
    }
}
