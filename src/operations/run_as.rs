//! `become` and `become_user`: the user that an operation runs as.
//!
//! ```toml
//! [[operation]]
//! op = "server.shell"
//! become_user = "deploy"
//! commands = ["git -C app pull"]
//! unless = "git -C app diff --quiet origin"
//! ```
//!
//! A command runs as that user. Files are still written by root, but new ones belong to the user.

use serde::Deserialize;

use super::parameters::check_account_name;
use super::{Operation, PlanContext};
use crate::change::{NotKnown, Outcome, Ownership, Stop};
use crate::facts::account::UserFact;
use crate::facts::overlay::FactScope;
use crate::facts::{Check, FactKey, Identity};
use crate::value::{Entry, Kind, Known, Table, Value, ValueError, deserialize};

/// How an operation supports running as another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunAsSupport {
    /// Not at all: it needs root, or the user makes no difference.
    None,
    /// New files belong to the user.
    Owner,
    /// Commands run as the user.
    Commands,
}

/// The keys that say which user an operation runs as.
pub const BECOME_KEYS: &[&str] = &[BECOME, BECOME_USER];

const BECOME: &str = "become";
const BECOME_USER: &str = "become_user";

/// The keys as they were read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// Whether it runs as root or `become_user` instead of the login user.
    #[serde(rename = "become")]
    privileged: Option<bool>,
    become_user: Option<String>,
}

/// `become` and `become_user` of an operation, an include, a task or a deploy's entry.
#[derive(Clone, Debug)]
pub struct RunAs {
    written: Table,
    wish: Result<Wish, ValueError>,
}

impl Default for RunAs {
    fn default() -> Self {
        Self {
            written: Table::new(),
            wish: Ok(Wish::default()),
        }
    }
}

impl RunAs {
    /// Reads the keys, already rendered.
    ///
    /// The operations that use them report a wrong type.
    pub fn new(written: Table) -> Self {
        if written.is_empty() {
            return Self::default();
        }
        Self {
            wish: deserialize(&Value::new(Kind::Table(written.clone()))),
            written,
        }
    }

    /// Removes the keys from a table of parameters and reads them.
    pub fn take(parameters: &mut Table) -> Self {
        let keys = BECOME_KEYS.iter();
        let written = keys.filter_map(|key| parameters.shift_remove_entry(*key)).collect();
        Self::new(written)
    }

    /// Whether one of the keys is set.
    pub fn is_given(&self) -> bool {
        !self.written.is_empty()
    }

    pub(super) fn entry(&self, key: &str) -> Option<(&String, &Entry)> {
        self.written.get_key_value(key)
    }

    /// The user to run as; keys of a wrong type count as not given.
    pub(super) fn identity(&self) -> Identity {
        match &self.wish {
            Ok(wish) if self.is_given() => wish.identity(),
            _ => Identity::Own,
        }
    }
}

impl Wish {
    fn identity(&self) -> Identity {
        match (&self.become_user, self.privileged) {
            (Some(user), _) => Identity::User(user.clone()),
            (None, Some(false)) => Identity::LoginUser,
            (None, _) => Identity::Root,
        }
    }
}

/// An operation with `become` or `become_user`.
#[derive(Debug)]
struct Directed {
    operation: Box<dyn Operation>,
    support: RunAsSupport,
    name: &'static str,
    wish: Wish,
}

/// The operation that `read` returns, running as `run_as` says.
///
/// Errors: keys of the wrong type.
pub(super) fn direct(
    name: &'static str,
    support: RunAsSupport,
    run_as: &RunAs,
    read: impl FnOnce() -> Result<Box<dyn Operation>, ValueError>,
) -> Result<Box<dyn Operation>, ValueError> {
    if !run_as.is_given() {
        return read();
    }
    Ok(Box::new(Directed {
        wish: run_as.wish.clone()?,
        operation: read()?,
        support,
        name,
    }))
}

impl Operation for Directed {
    fn needs(&self) -> Vec<FactKey> {
        let identity = self.wish.identity();
        let user = match &identity {
            Identity::User(name) => Some(FactKey::User(name.clone())),
            _ => None,
        };
        let own = self.operation.needs().into_iter().map(|key| match key {
            FactKey::Check(Check::Command { script, .. }) => FactKey::Check(Check::Command {
                script,
                by: identity.clone(),
            }),
            other => other,
        });
        own.chain(user).collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        self.operation.touches(context)
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        // First, so that all missing facts are requested in one round.
        let planned = self.operation.plan(context);
        self.check_user(context)?;
        planned
    }
}

impl Directed {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        if let Some(user) = &self.wish.become_user {
            check_account_name(context, BECOME_USER, user)?;
            if self.wish.privileged == Some(false) {
                let mistake = context.mistake(
                    BECOME,
                    "`become = false` and `become_user` cannot be used together",
                    "runs as the login user",
                );
                return Err(Stop::Refused(Box::new(mistake.hint("remove one of them"))));
            }
        }
        let argument = match (&self.wish.become_user, self.wish.privileged) {
            (Some(_), _) => BECOME_USER,
            (None, Some(false)) => BECOME,
            (None, _) => return check_root(context),
        };
        if self.support == RunAsSupport::None {
            let title = format!("`{}` does not support `{argument}`", self.name);
            let mistake = context.mistake(argument, title, "this would have no effect");
            let hint = "remove it; it works with `server.shell`, and with `files.put`, `files.template`, `files.file`, \
                        `files.directory` and `files.link`, as the owner of new files";
            return Err(Stop::Refused(Box::new(mistake.hint(hint))));
        }
        Ok(())
    }

    /// Refuses a user that does not exist, unless an earlier operation creates it or may create it.
    fn check_user(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(user) = &self.wish.become_user else {
            return Ok(());
        };
        match context.user(user) {
            Ok(UserFact::Absent) => Err(no_such_user(context, user)),
            Err(refused @ Stop::Refused(_)) => Err(refused),
            Ok(UserFact::Present(_)) | Err(Stop::NotKnown { .. }) => Ok(()),
        }
    }
}

/// Refuses `become = true` on a host where homelab cannot become root.
fn check_root(context: &PlanContext<'_>) -> Result<(), Stop> {
    let session = context.session();
    let Some(unprivileged) = session.as_ref().and_then(|session| session.unprivileged.as_ref()) else {
        return Ok(());
    };
    let title = "cannot become `root` on this host";
    let label = format!("homelab runs as `{}`", unprivileged.account.user);
    let mistake = context.mistake(BECOME, title, label);
    let hint = "set `connection.become` to \"sudo\" or \"doas\" in the inventory, or log in as `root`";
    Err(Stop::Refused(Box::new(mistake.hint(hint))))
}

fn no_such_user(context: &PlanContext<'_>, user: &str) -> Stop {
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

#[cfg(test)]
mod tests;
