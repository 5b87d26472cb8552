//! The variables of `env('NAME')`.

use std::collections::BTreeMap;

/// The environment of this process and the project's `.env`, for `env('NAME')`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    own: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
}

impl Variables {
    /// The environment's variables come before those of the file.
    pub fn new(own: BTreeMap<String, String>, file: BTreeMap<String, String>) -> Self {
        Self { own, file }
    }

    /// The value of the variable `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.own.get(name).or_else(|| self.file.get(name)).map(String::as_str)
    }
}

/// Their values are secret.
impl std::fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.own.keys().chain(self.file.keys());
        formatter.debug_set().entries(names).finish()
    }
}
