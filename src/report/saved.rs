//! What a review says of the saved plan that it is about.

use super::phrases::{Phrase, Piece};
use super::review::SavedAs;
use super::sanitize::one_line;

/// What the heading calls it.
pub(super) const SAVED_PLAN: &str = "saved plan";

/// The digest that `apply` takes, and why the plan cannot be applied.
pub(super) fn named(saved: &SavedAs) -> Phrase {
    let mut pieces = vec![
        Piece::Word("saved plan, digest ".into()),
        Piece::Name(one_line(&saved.digest)),
    ];
    if let Some(why) = &saved.not_applicable {
        pieces.push(Piece::Word("; it can be shown but not applied: ".into()));
        pieces.push(Piece::Value(one_line(why)));
    }
    Phrase(pieces)
}
