//! What is deleted and made again is tried under another name first: a refusal must not come when the old one is gone.

use super::questions::question as asked;
use super::refusal::plain;
use super::wish::Wish;
use crate::change::Stop;
use crate::facts::kubernetes::{Answer, Api, ObjectFact, ObjectId, ObjectKey, Question};
use crate::operations::PlanContext;

/// What follows the name. Nothing of that name is ever made: the server is asked to try it.
const SUFFIX: &str = "-homelab-trial";

/// The longest name that all kinds take.
const LONGEST: usize = 63;

/// Kinds whose names follow from what they define, so there is no other.
const BOUND: [&str; 2] = ["CustomResourceDefinition", "APIService"];

/// The question whether the server takes it as a new object; `None` if it cannot be asked.
pub(super) fn question(context: &PlanContext<'_>, api: &Api, wish: &Wish) -> Option<Question> {
    if BOUND.contains(&wish.id.kind.as_str()) {
        return None;
    }
    let id = ObjectId {
        name: other_name(&wish.id.name),
        ..wish.id.clone()
    };
    let mut manifest = wish.manifest.clone();
    for object in [&mut manifest.object, &mut manifest.masked] {
        object["metadata"]["name"] = id.name.as_str().into();
    }
    Some(asked(context, api, &id, Some(&manifest), &[]))
}

/// Why the server refuses a new object like this, if it does.
///
/// Errors: that is not known yet.
pub(super) fn refusal(context: &PlanContext<'_>, api: &Api, wish: &Wish) -> Result<Option<String>, Stop> {
    let Some(question) = question(context, api, wish) else {
        return Ok(None);
    };
    let ObjectFact::Asked(object) = context.get(ObjectKey(&question))? else {
        return Ok(None);
    };
    Ok(match object.answer {
        Some(Answer::Refused(why)) => Some(plain(&why).replace(&question.0.id.name, &wish.id.name)),
        _ => None,
    })
}

/// A valid name that is another.
fn other_name(name: &str) -> String {
    let kept: String = name.chars().take(LONGEST - SUFFIX.len()).collect();
    format!("{}{SUFFIX}", kept.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_is_valid_too() {
        for (name, expected) in [
            ("web", "web-homelab-trial"),
            ("system:web", "system:web-homelab-trial"),
            (&"a".repeat(253), &format!("{}-homelab-trial", "a".repeat(49))),
            (
                &format!("{}-b", "a".repeat(48)),
                &format!("{}-homelab-trial", "a".repeat(48)),
            ),
        ] {
            assert_eq!(other_name(name), expected);
        }
    }
}
