//! What a registry has under the name of an image, asked through the engine of a host: its logins, mirrors and certificates count.

use serde::{Deserialize, Serialize};

use super::is_about_engine;
use crate::facts::kind::{DependsOn, Key, Subject};

/// The image of this name, as [`super::Reference::found_as`] writes it.
#[derive(Clone, Copy)]
pub struct RegistryKey<'a>(pub &'a str);

/// What the registry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryAnswer {
    /// The digest of the index that the tag means, or of the image if there is none: `sha256:…`
    Digest(String),
    /// It has no such image or does not answer, in the words of the engine.
    Refused(String),
    /// Why the host could not ask.
    NotAsked(String),
}

impl<'a> Key<'a> for RegistryKey<'a> {
    type Fact = RegistryAnswer;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("image `{}` of its registry", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<RegistryAnswer> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &RegistryAnswer, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}
