//! Names of users and groups, and how facts about them are shown.

use crate::change::{Attribute, NotKnown, Stop};
use crate::facts::overlay::OperationId;
use crate::operations::PlanContext;
use crate::value::Known;

/// The limit of `useradd` and `groupadd`.
const LONGEST_NAME: usize = 32;

/// Refuses a new name that Debian's tools would refuse.
pub(super) fn check_new_name(context: &PlanContext<'_>, argument: &str, name: &str) -> Result<(), Stop> {
    let body = name.strip_suffix('$').unwrap_or(name);
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let title = format!("`{name}` is not a valid name for a new user or group");
    if !body
        .chars()
        .all(|character| plain(character) || "_-".contains(character))
    {
        return Err(context
            .refuse(argument, title, "use lowercase letters, digits, `_` and `-`")
            .hint("choose another name"));
    }
    if name.len() > LONGEST_NAME {
        return Err(context
            .refuse(argument, title, format!("must have at most {LONGEST_NAME} characters"))
            .hint("choose a shorter name"));
    }
    Ok(())
}

/// Separates a fact that is known only after another operation from other stops.
pub(super) fn since<T>(result: Result<T, Stop>) -> Result<Result<T, (OperationId, String)>, Stop> {
    match result {
        Ok(known) => Ok(Ok(known)),
        Err(Stop::NotKnown {
            cause: NotKnown::Since(operation, why),
            ..
        }) => Ok(Err((operation, why))),
        Err(stop) => Err(stop),
    }
}

/// A value as an attribute, known or not.
pub(super) fn attribute(value: &Known<impl ToString>) -> Attribute {
    match value {
        Known::Yes(value) => Attribute::known(value.to_string()),
        Known::No(why) => Attribute::Unknown(why.clone()),
    }
}

/// A user or group id that is given, or chosen by the host.
pub(super) fn number(given: Option<u32>) -> Known<u32> {
    given.map_or_else(|| Known::No("chosen by the host".to_owned()), Known::Yes)
}
