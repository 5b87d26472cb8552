//! Owner and group of new files, which follow the user that an operation runs as.

use super::context::PlanContext;
use super::run_as::BECOME_USER;
use crate::change::{Attributes, NotKnown, Ownership, Stop};
use crate::facts::account::{GroupFact, UserFact};
use crate::facts::{FactKey, Identity};
use crate::value::Known;

/// Owner and group of a new file, given or by default.
///
/// Errors: they do not exist; the primary group of the user is not known yet.
pub(super) fn ownership(
    context: &PlanContext<'_>,
    owner: Option<&str>,
    group: Option<&str>,
) -> Result<Ownership, Stop> {
    owner.map_or(Ok(()), |owner| check_user(context, "user", owner))?;
    group.map_or(Ok(()), |group| check_group(context, "group", group))?;
    let default = match (owner, group) {
        (Some(owner), Some(group)) => {
            return Ok(Ownership {
                owner: owner.to_owned(),
                group: group.to_owned(),
            });
        }
        _ => default_ownership(context)?,
    };
    Ok(Ownership {
        owner: owner.map_or(default.owner, str::to_owned),
        group: group.map_or(default.group, str::to_owned),
    })
}

/// Refuses a new owner or group that does not exist. The current ones are not looked up.
pub(super) fn check_new_owners(context: &PlanContext<'_>, old: &Attributes, new: &Attributes) -> Result<(), Stop> {
    if new.owner != old.owner {
        check_user(context, "user", &new.owner)?;
    }
    if new.group != old.group {
        check_group(context, "group", &new.group)?;
    }
    Ok(())
}

/// Refuses a user who does not exist; `argument` names it.
pub(super) fn check_user(context: &PlanContext<'_>, argument: &str, user: &str) -> Result<(), Stop> {
    if always_exists(user) {
        return Ok(());
    }
    match context.user(user) {
        Ok(UserFact::Absent) => Err(unknown(context, argument, "user", user)),
        Ok(UserFact::Present(_)) => Ok(()),
        Err(stop) => unless_it_may_come(stop),
    }
}

/// Refuses a group that does not exist; `argument` names it.
pub(super) fn check_group(context: &PlanContext<'_>, argument: &str, group: &str) -> Result<(), Stop> {
    if always_exists(group) {
        return Ok(());
    }
    match context.group(group) {
        Ok(GroupFact::Absent) => Err(unknown(context, argument, "group", group)),
        Ok(GroupFact::Present(_)) => Ok(()),
        Err(stop) => unless_it_may_come(stop),
    }
}

/// A number stands for itself.
fn always_exists(name: &str) -> bool {
    name == "root" || name.chars().all(|character| character.is_ascii_digit())
}

/// An earlier operation, such as one that installs a package, may create it.
fn unless_it_may_come(stop: Stop) -> Result<(), Stop> {
    match stop {
        Stop::NotKnown {
            cause: NotKnown::Since(..) | NotKnown::Denied(_),
            ..
        } => Ok(()),
        other => Err(other),
    }
}

/// Owner and group of a new file by default.
pub(super) fn default_ownership(context: &PlanContext<'_>) -> Result<Ownership, Stop> {
    let session = context.session();
    let account = match context.identity() {
        Identity::User(user) => return of_user(context, user),
        Identity::Root => None,
        Identity::Own => session.and_then(|session| Some(session.unprivileged?.account)),
        Identity::LoginUser if session.as_ref().is_some_and(|session| session.reader.is_some()) => {
            let why = "the review was not read as the user who deploys".to_owned();
            return Err(Stop::NotKnown {
                key: FactKey::System,
                cause: NotKnown::Denied(why),
            });
        }
        Identity::LoginUser => Some(session.ok_or(Stop::NotKnown {
            key: FactKey::System,
            cause: NotKnown::NotGathered,
        })?)
        .map(|session| session.login),
    };
    let root = || Ownership {
        owner: "root".to_owned(),
        group: "root".to_owned(),
    };
    Ok(account.map_or_else(root, |account| Ownership {
        owner: account.user,
        group: account.group,
    }))
}

fn of_user(context: &PlanContext<'_>, user: String) -> Result<Ownership, Stop> {
    let UserFact::Present(found) = context.user(&user)? else {
        return Err(no_such_user(context, &user));
    };
    match found.group {
        Known::Yes(group) => Ok(Ownership { owner: user, group }),
        Known::No(why) => {
            let key = FactKey::User(user);
            let cause = match context.predicted_by(&key) {
                Some(operation) => NotKnown::Since(operation, why),
                None => NotKnown::Denied(why),
            };
            Err(Stop::NotKnown { key, cause })
        }
    }
}

pub(super) fn no_such_user(context: &PlanContext<'_>, user: &str) -> Stop {
    unknown(context, BECOME_USER, "user", user)
}

/// Refuses a user or group that does not exist.
pub(super) fn unknown(context: &PlanContext<'_>, argument: &str, kind: &str, name: &str) -> Stop {
    let title = format!("unknown {kind} `{name}`");
    let mistake = context.mistake(argument, title, "not on the host, and no earlier operation creates it");
    let hint = format!("create it first: `op = \"server.{kind}\"`, `{kind} = \"{name}\"`");
    Stop::Refused(Box::new(mistake.hint(hint)))
}
