//! Attributes as journals on hosts have them.

use std::collections::BTreeMap;

use crate::change::{Attribute, Attributed};
use crate::facts::journal::{CONTENT, SECRET};

/// Longer words are cut, in characters.
const LONGEST: usize = 200;
/// What stands for a text of several lines.
pub(super) const TEXT: &str = "[text]";
/// What stands for what was not known.
pub(super) const LATER: &str = "(known after apply)";

/// Attributes as a review shows them, without the text of files.
pub fn recorded(attributes: &Attributed) -> BTreeMap<String, String> {
    let all = attributes.iter().map(|(name, attribute)| {
        let text = match attribute {
            // A rollback does not show it either.
            Attribute::Masked { .. } if *name == CONTENT => SECRET.to_owned(),
            Attribute::Known(text)
            | Attribute::Noted { value: text, .. }
            | Attribute::Masked { text, .. }
            | Attribute::Outline(text)
                if text.contains('\n') || *name == CONTENT =>
            {
                TEXT.to_owned()
            }
            Attribute::Known(text)
            | Attribute::Described(text)
            | Attribute::Masked { text, .. }
            | Attribute::Outline(text)
            | Attribute::Noted { value: text, .. } => shortened(text),
            Attribute::Unknown(_) => LATER.to_owned(),
            Attribute::Secret(_) => SECRET.to_owned(),
        };
        ((*name).to_owned(), text)
    });
    all.collect()
}

/// As much of a word as a journal has.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
