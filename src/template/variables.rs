//! The variables of `env('NAME')`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::content::Undecrypted;
use crate::secret::{LAB_KEY_VARIABLE, Secret};

/// Gives the key of the lab; `None` if there is none.
type LabKey = dyn Fn() -> Result<Option<Secret>, Undecrypted> + Send + Sync;

/// The environment of this process and the project's `.env`, for `env('NAME')`.
#[derive(Clone, Default)]
pub struct Variables {
    own: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    lab_key: Option<Arc<LabKey>>,
}

impl Variables {
    /// The environment's variables come before those of the file.
    pub fn new(own: BTreeMap<String, String>, file: BTreeMap<String, String>) -> Self {
        Self {
            own,
            file,
            lab_key: None,
        }
    }

    /// The same with the key of the lab, unless a variable has one.
    #[must_use]
    pub fn with_lab_key(mut self, key: Arc<LabKey>) -> Self {
        self.lab_key = Some(key);
        self
    }

    /// The key of the lab: the variable's, or else the project's. `None` if there is none.
    ///
    /// Errors: the project's was not decrypted.
    pub fn lab_key(&self) -> Result<Option<Secret>, Undecrypted> {
        match (self.get(LAB_KEY_VARIABLE), &self.lab_key) {
            (Some(key), _) => Ok(Some(Secret::new(key))),
            (None, Some(key)) => key(),
            (None, None) => Ok(None),
        }
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
