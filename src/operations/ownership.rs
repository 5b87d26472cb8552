//! Owner and group of new files, which follow the user that an operation runs as.

use super::context::PlanContext;
use super::run_as::BECOME_USER;
use crate::change::{NotKnown, Ownership, Stop};
use crate::facts::account::UserFact;
use crate::facts::{FactKey, Identity};
use crate::value::Known;

/// Owner and group of a new file, given or by default.
///
/// Errors: the primary group of the user is not known yet.
pub(super) fn ownership(
    context: &PlanContext<'_>,
    owner: Option<&str>,
    group: Option<&str>,
) -> Result<Ownership, Stop> {
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

/// Owner and group of a new file by default.
pub(super) fn default_ownership(context: &PlanContext<'_>) -> Result<Ownership, Stop> {
    let session = context.session();
    let account = match context.identity() {
        Identity::User(user) => return of_user(context, user),
        Identity::Root => None,
        Identity::Own => session.and_then(|session| Some(session.unprivileged?.account)),
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
    let title = format!("unknown user `{user}`");
    let mistake = context.mistake(
        BECOME_USER,
        title,
        "not on the host, and no earlier operation creates it",
    );
    Stop::Refused(Box::new(
        mistake.hint(format!("create it first: `op = \"server.user\"`, `user = \"{user}\"`")),
    ))
}
