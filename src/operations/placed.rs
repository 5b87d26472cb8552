//! What operations put on hosts and into clusters, as far as the project alone says it.

use std::fmt;

use serde_json::Value;

use super::cluster_objects::{ClusterObjects, Part, Places};
use super::context::PlanContext;
use super::written::{WrittenLines, WrittenText};
use crate::error::Origin;
use crate::facts::kubernetes::ObjectId;
use crate::value::Text;

/// A text that an operation puts on the host.
#[derive(Clone, Debug)]
pub struct PlacedText {
    /// On the host.
    pub path: String,
    /// As reviews show it: without secrets.
    pub text: String,
    /// Whether a secret is in it, also one that cannot be decrypted here.
    pub has_secret: bool,
    /// The permissions that the project gives the file, if it gives any.
    pub mode: Option<u32>,
    /// The parameter that names it.
    pub used: Origin,
    written: Option<WrittenText>,
}

impl PlacedText {
    /// Where line `number` of the text is written, counted from 1; `None` if that is not clear.
    pub fn line(&self, number: usize) -> Option<Origin> {
        self.lines()?.line(number)
    }

    /// Where its lines are written, for many of them; `None` if that is not clear.
    pub fn lines(&self) -> Option<WrittenLines<'_>> {
        self.written.as_ref()?.lines(&self.text)
    }

    /// The same, with its permissions.
    #[must_use]
    pub(super) fn with_mode(mut self, mode: Option<u32>) -> Self {
        self.mode = mode;
        self
    }
}

/// An object of a cluster that an operation is about.
#[derive(Clone)]
pub struct PlacedObject {
    pub id: ObjectId,
    /// As reviews show it: without secrets.
    pub object: Value,
    places: Places,
}

impl PlacedObject {
    /// Where what a JSON pointer names is written, or what is above it.
    pub fn place(&self, pointer: &str) -> Origin {
        (self.places)(pointer, Part::Value)
    }
}

impl fmt::Debug for PlacedObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.id)
    }
}

impl ClusterObjects {
    /// The objects; none if they are not known.
    pub fn placed(self) -> Vec<PlacedObject> {
        let objects = self.objects.unwrap_or_default().into_iter();
        let placed = objects.map(|object| PlacedObject {
            id: object.id,
            object: object.masked,
            places: object.places,
        });
        placed.collect()
    }
}

impl PlanContext<'_> {
    /// A text that a parameter gives.
    pub(super) fn placed_text(&self, argument: &str, text: &Text, path: &str) -> PlacedText {
        PlacedText {
            text: text.masked().into_owned(),
            has_secret: text.is_secret(),
            mode: None,
            used: self.origin_of(argument).clone(),
            written: self.written_text(path),
            path: path.to_owned(),
        }
    }

    /// A file of the project, below `templates/`. One that is no text, or too large, is none.
    pub(super) fn placed_file(
        &self,
        argument: &str,
        asset: &str,
        is_rendered: bool,
        path: String,
    ) -> Option<PlacedText> {
        let used = self.origin_of(argument);
        let (text, has_secret) = if self.is_encrypted_asset(asset) {
            (String::new(), true)
        } else if is_rendered {
            self.outlined(asset)?
        } else {
            (self.asset_text(asset)?.to_owned(), false)
        };
        Some(PlacedText {
            text,
            has_secret,
            mode: None,
            used: used.clone(),
            written: WrittenText::of_file(self.assets, asset, Some(used)),
            path,
        })
    }

    /// A template without secrets, and whether it has any; with words in place of what is not known yet. Its scope is one of its own: what
    /// is noted in this one while something is rendered is of the plan.
    fn outlined(&self, asset: &str) -> Option<(String, bool)> {
        let text = self.scope.standing_in().render_file(self.assets, asset).ok()?.ok()?;
        Some((text.masked().into_owned(), text.is_secret()))
    }
}
