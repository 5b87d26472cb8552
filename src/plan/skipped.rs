//! What `when` skips: counted in the review, and listed on request.

use serde::{Deserialize, Serialize};

use super::bind::bracketed;
use super::position::Position;
use crate::error::Origin;
use crate::project::{Selection, TaskUse, Wanted};

/// A task or an operation that a condition of the project skips on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// The tasks above it and its own name, with the item that was skipped.
    pub name: String,
    /// Where it is written.
    pub origin: Origin,
}

impl Skipped {
    /// An operation, by its name below the tasks above it.
    pub(super) fn operation(name: String, origin: &Origin) -> Self {
        Self {
            name,
            origin: origin.clone(),
        }
    }

    /// A task that is used in `above`, or one item of it.
    pub(super) fn task(above: &Position, name: &str, item: Option<&str>, origin: &Origin) -> Self {
        let name = format!("{name}{}", bracketed(item));
        Self::operation(above.inside(&name).path, origin)
    }
}

/// Whether `--only` selects an entry of the deploy, or an item of it.
pub(super) fn is_selected(selection: &Selection, task_use: &TaskUse, item: Option<&str>) -> bool {
    let selects = |only: &crate::project::Only| match (only.wants(task_use), item) {
        (Wanted::Whole, _) => true,
        (Wanted::Item, Some(item)) => only.wants_item(item),
        (Wanted::Item, None) | (Wanted::Not, _) => false,
    };
    selection.only.is_empty() || selection.only.iter().any(selects)
}
