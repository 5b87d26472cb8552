//! Names of users and groups, and how a host's facts about them are shown.

use crate::change::{Attribute, NotKnown, Stop};
use crate::facts::overlay::OperationId;
use crate::operations::PlanContext;
use crate::value::Known;

/// `useradd` and `groupadd` refuse longer ones.
const LONGEST_NAME: usize = 32;

/// Refuses to make what Debian would not.
pub(super) fn check_new_name(context: &PlanContext<'_>, argument: &str, name: &str) -> Result<(), Stop> {
    let body = name.strip_suffix('$').unwrap_or(name);
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let title = format!("`{name}` is not a valid name for a new user or group");
    if !body
        .chars()
        .all(|character| plain(character) || "_-".contains(character))
    {
        return Err(context
            .refuse(
                argument,
                title,
                "lower-case letters, digits, `_` and `-` make a new name",
            )
            .hint("choose another name"));
    }
    if name.len() > LONGEST_NAME {
        return Err(context
            .refuse(argument, title, format!("{LONGEST_NAME} characters at most"))
            .hint("choose a shorter name"));
    }
    Ok(())
}

/// The operation after which a fact will be known, where that is all that is wrong.
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

/// A value that may be not known, as an attribute.
pub(super) fn attribute(value: &Known<impl ToString>) -> Attribute {
    match value {
        Known::Yes(value) => Attribute::known(value.to_string()),
        Known::No(why) => Attribute::Unknown(why.clone()),
    }
}

/// A number that is given, or chosen by the host.
pub(super) fn number(given: Option<u32>) -> Known<u32> {
    given.map_or_else(|| Known::No("the host chooses it".to_owned()), Known::Yes)
}
