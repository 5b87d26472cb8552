//! Operations that run as the user that `become` and `become_user` name.

use super::context::PlanContext;
use super::operation::Operation;
use super::ownership::no_such_user;
use super::parameters::check_account_name;
use super::run_as::{BECOME, BECOME_USER, RunAs, RunAsSupport, Wish};
use crate::change::{Outcome, Stop};
use crate::facts::account::UserFact;
use crate::facts::overlay::FactScope;
use crate::facts::{FactKey, Identity};
use crate::value::ValueError;

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
            FactKey::Check(check) => FactKey::Check(check.run_by(&identity)),
            other => other,
        });
        own.chain(user).collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        self.operation.touches(context)
    }

    fn within(&self) -> Option<&dyn Operation> {
        Some(&*self.operation)
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
            Ok(UserFact::Present(_)) | Err(Stop::NotKnown { .. } | Stop::Withheld(_)) => Ok(()),
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

#[cfg(test)]
mod tests;
