//! The variables of `env('NAME')`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::filters::password::LAB_KEY;
use crate::content::Undecrypted;
use crate::error::Diagnostic;
use crate::secret::{LAB_KEY_VARIABLE, Secret};

/// Gives the key of the lab; `None` if there is none.
type LabKey = dyn Fn() -> Result<Option<Secret>, Undecrypted> + Send + Sync;

/// The environment of this process and the project's `.env`, for `env('NAME')`.
#[derive(Clone, Default)]
pub struct Variables {
    own: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    lab_key: Option<Arc<LabKey>>,
    /// The names that templates asked for in vain, if that is no mistake.
    unset: Option<Arc<Mutex<BTreeSet<String>>>>,
    is_for_connections: bool,
    /// The names of those that were asked for and are set.
    used: Arc<Mutex<BTreeSet<String>>>,
}

/// A variable that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// What depends on it is not known.
    Withheld,
    /// A mistake, and a review without secrets can do without it.
    Secret,
    /// A mistake: no host is reached without it.
    Connection,
}

impl Variables {
    /// The environment's variables come before those of the file.
    pub fn new(own: BTreeMap<String, String>, file: BTreeMap<String, String>) -> Self {
        Self {
            own,
            file,
            lab_key: None,
            unset: None,
            is_for_connections: false,
            used: Arc::default(),
        }
    }

    /// The same with the key of the lab, unless a variable has one.
    #[must_use]
    pub fn with_lab_key(mut self, key: Arc<LabKey>) -> Self {
        self.lab_key = Some(key);
        self
    }

    /// The same, for a command that does not need all secrets: what depends on a variable that is not set is not known.
    #[must_use]
    pub fn withheld(mut self) -> Self {
        self.unset = Some(Arc::default());
        self
    }

    /// The same, for what a connection needs.
    #[must_use]
    pub fn for_connections(mut self) -> Self {
        self.is_for_connections = true;
        self
    }

    /// The variables that templates asked for, and that are not set though that is no mistake.
    pub fn unset(&self) -> BTreeSet<String> {
        let names = self.unset.as_ref();
        names.map_or_else(BTreeSet::new, |names| {
            names.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }

    /// The value of the variable `name`, for a template.
    ///
    /// Errors: it is not set.
    pub fn ask(&self, name: &str) -> Result<&str, Unset> {
        match (self.get(name), &self.unset) {
            (Some(text), _) => Ok(text),
            (None, Some(unset)) => {
                let mut unset = unset.lock().unwrap_or_else(PoisonError::into_inner);
                unset.insert(name.to_owned());
                Err(Unset::Withheld)
            }
            (None, None) if self.is_for_connections => Err(Unset::Connection),
            (None, None) => Err(Unset::Secret),
        }
    }

    /// The key of the lab: the variable's, or else the project's. `None` if there is none.
    ///
    /// Errors: the project's was not decrypted.
    pub fn lab_key(&self) -> Result<Option<Secret>, Undecrypted> {
        match (self.get(LAB_KEY_VARIABLE), &self.lab_key) {
            (Some(key), _) if is_weak(key) => Err(Undecrypted::Mistake(Box::new(weak_key()))),
            (Some(key), _) => Ok(Some(Secret::new(key))),
            (None, Some(key)) => key(),
            (None, None) => Ok(None),
        }
    }

    /// Whether only a variable can have the key of the lab, which is not set, and that is no mistake.
    pub fn withholds_lab_key(&self) -> bool {
        self.lab_key.is_none() && self.ask(LAB_KEY_VARIABLE) == Err(Unset::Withheld)
    }

    /// The value of the variable `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.own.get(name).or_else(|| self.file.get(name))?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(name.to_owned());
        Some(found)
    }

    /// The variables that were asked for and are set, with their values.
    pub fn used(&self) -> BTreeMap<String, String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let value = |name: &String| self.own.get(name).or_else(|| self.file.get(name)).cloned();
        let used = used.into_iter().map(|name| (value(&name), name));
        used.filter_map(|(value, name)| Some((name, value?))).collect()
    }
}

/// The fewest characters of a key, and the fewest different ones: all passwords come from it, and the hashes on hosts allow guessing.
const SHORTEST_KEY: usize = 20;
const FEWEST_CHARACTERS: usize = 8;

fn is_weak(key: &str) -> bool {
    let different: BTreeSet<char> = key.chars().collect();
    key.chars().count() < SHORTEST_KEY || different.len() < FEWEST_CHARACTERS
}

/// The mistake that there is no key, at any place that needs one.
pub(super) fn no_lab_key() -> Diagnostic {
    Diagnostic::new(format!(
        "there is no key of the lab: no `.lab-key.age`, and no `{LAB_KEY_VARIABLE}`"
    ))
    .lacking(LAB_KEY)
    .hint("run `homelab secrets init`, which makes one for everyone who can decrypt; commit `.lab-key.age`")
}

fn weak_key() -> Diagnostic {
    Diagnostic::new(format!("`{LAB_KEY_VARIABLE}` can be guessed"))
        .lacking(LAB_KEY)
        .because(format!(
            "it needs at least {SHORTEST_KEY} characters, and {FEWEST_CHARACTERS} different ones"
        ))
        .hint("make one with `head -c 32 /dev/urandom | base64`")
}

/// Their values are secret.
impl std::fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.own.keys().chain(self.file.keys());
        formatter.debug_set().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_can_be_guessed_is_refused() {
        for (key, is_taken) in [
            ("", false),
            ("secret", false),
            ("correct horse", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("abcabcabcabcabcabcabcabc", false),
            ("0123456789abcdef012", false),
            ("0123456789abcdef0123", true),
            ("8WwDk2P0PzvQm3ZxkJmYc1nq3rS4tU5vW6xY7zA8bC9=", true),
        ] {
            let own = BTreeMap::from([(LAB_KEY_VARIABLE.to_owned(), key.to_owned())]);
            let asked = Variables::new(own, BTreeMap::new()).lab_key();
            assert_eq!(asked.is_ok(), is_taken, "{key}");
        }
    }
}
