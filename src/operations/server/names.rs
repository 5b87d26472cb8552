//! Names of users and groups, where they come from, and how facts about them are shown.

use crate::change::{Attribute, NotKnown, Stop};
use crate::facts::overlay::OperationId;
use crate::operations::PlanContext;
use crate::value::Known;

/// The limit of `groupadd`, and of Debian 12's `useradd`.
const LONGEST_NAME: usize = 32;

/// Refuses a new name that Debian's tools would refuse. Which characters they take was checked before: they take all that a
/// name may have here, also dots and capital letters.
pub(super) fn check_new_name(context: &PlanContext<'_>, argument: &str, name: &str) -> Result<(), Stop> {
    if name.len() > LONGEST_NAME {
        let title = format!("`{name}` is not a valid name for a new user or group");
        return Err(context
            .refuse(argument, title, format!("must have at most {LONGEST_NAME} characters"))
            .hint("choose a shorter name"));
    }
    Ok(())
}

/// Refuses to change a user or group that is not in the host's own file: Debian's tools change nothing else.
pub(super) fn check_is_local(
    context: &PlanContext<'_>,
    argument: &'static str,
    name: &str,
    elsewhere: Option<&str>,
) -> Result<(), Stop> {
    let Some(source) = elsewhere else { return Ok(()) };
    let (kind, file) = if argument == "user" {
        ("user", "/etc/passwd")
    } else {
        ("group", "/etc/group")
    };
    let title = format!("cannot change {kind} `{name}` on this host");
    let label = format!("comes from `{source}`, not from `{file}`");
    let hint = format!("change it in `{source}`, or remove the operation");
    let at_item = argument == "groups";
    let stop = if at_item {
        context.refuse_item(argument, name, title, label)
    } else {
        context.refuse(argument, title, label)
    };
    Err(stop.hint(hint))
}

/// Separates a fact that is known only after another operation from other stops.
pub(in crate::operations) fn since<T>(result: Result<T, Stop>) -> Result<Result<T, (OperationId, String)>, Stop> {
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
