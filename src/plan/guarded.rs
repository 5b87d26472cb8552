//! Which operations could lock the user out, and so are guarded on the host.

use std::collections::BTreeSet;

use crate::change::{Access, Action, Attribute, Before, Outcome, ResourceChange, ResourceKind, Risk, Step};
use crate::facts::account::{UserFact, usual_home};
use crate::facts::overlay::{Effect, FactScope, Lookup, Overlay};
use crate::facts::path::parent;
use crate::facts::session::Session;
use crate::facts::{Fact, FactKey};
use crate::value::Known;

/// Groups that give rights to become root, or to log in.
const GROUPS: &[&str] = &["admin", "root", "ssh", "sshusers", "sudo", "wheel"];

/// How homelab comes into the host, as far as it is known.
pub(super) struct Entrance {
    session: Option<Session>,
    home: String,
    is_local: bool,
}

impl Entrance {
    pub(super) fn new(overlay: &Overlay, is_local: bool) -> Self {
        let session = match overlay.gathered(&FactKey::System) {
            Some(Fact::System(system)) => Some(system.session.clone()),
            _ => None,
        };
        let user = session.as_ref().map_or("root", |session| session.login.user.as_str());
        Self {
            home: home(overlay, user),
            session,
            is_local,
        }
    }

    /// Marks the changes that could lock the user out, and returns the ways in that are guarded: all of those, unless the project says
    /// otherwise.
    pub(super) fn guard(&self, outcome: &mut Outcome, marked: Option<bool>) -> BTreeSet<Access> {
        let mut accesses = BTreeSet::new();
        let (changes, touches): (&mut [ResourceChange], &[FactScope]) = match outcome {
            Outcome::Unchanged | Outcome::Check { .. } => return accesses,
            Outcome::Change(changes) | Outcome::Ensure { changes, .. } => (changes, &[]),
            Outcome::Deferred { preview, touches, .. } => (preview, touches),
        };
        for change in changes.iter_mut() {
            let found = self.of_change(change);
            if !found.is_empty() {
                change.risk = Risk::LockOut;
            }
            accesses.extend(found);
        }
        if changes.is_empty() {
            let spares = self.spares_login(touches);
            let found = touches.iter().filter_map(|scope| self.of_scope(scope));
            accesses.extend(found.filter(|access| *access != Access::Account || !spares));
        }
        match marked {
            Some(false) => accesses.clear(),
            Some(true) => drop(accesses.insert(Access::Marked)),
            None => {}
        }
        accesses
    }

    fn of_change(&self, change: &ResourceChange) -> BTreeSet<Access> {
        let found: Vec<Option<Access>> = match change.id.kind {
            ResourceKind::FirewallRules => vec![Some(Access::Firewall)],
            ResourceKind::Unit => vec![Access::of_unit(&change.id.name)],
            ResourceKind::User => vec![self.is_login(&change.id.name).then_some(Access::Account)],
            ResourceKind::Group => {
                let is_known = GROUPS.contains(&change.id.name.as_str()) && change.action != Action::Create;
                vec![is_known.then_some(Access::Account)]
            }
            ResourceKind::File | ResourceKind::Directory | ResourceKind::Link => {
                let paths = change.steps.iter().filter_map(Step::path).chain(written(change));
                paths.map(|path| self.of_path(path)).collect()
            }
            ResourceKind::KernelParameter => {
                let parameters = change.effects.iter().filter_map(|effect| match effect {
                    Effect::Set(FactKey::KernelParameter(path), _) => Some(path),
                    _ => None,
                });
                parameters.map(|path| Access::of_path(path)).collect()
            }
            ResourceKind::Command => {
                let scopes = change.effects.iter().filter_map(|effect| match effect {
                    Effect::Forget(scope, _) => Some(scope),
                    Effect::Set(..) => None,
                });
                scopes.map(|scope| self.of_scope(scope)).collect()
            }
            _ => Vec::new(),
        };
        found
            .into_iter()
            .flatten()
            .filter(|access| self.comes_by(*access))
            .collect()
    }

    /// Whether of all users and groups only some are touched, with which no user logs in, although the files
    /// of all of them are written.
    fn spares_login(&self, touches: &[FactScope]) -> bool {
        let is_other = |scope: &FactScope| match scope {
            FactScope::Accounts | FactScope::Everything => false,
            FactScope::Key(FactKey::User(user)) => self.session.is_some() && !self.is_login(user),
            FactScope::Key(FactKey::Group(group)) => !GROUPS.contains(&group.as_str()),
            _ => true,
        };
        let names_user = |scope: &FactScope| matches!(scope, FactScope::Key(FactKey::User(_)));
        touches.iter().any(names_user) && touches.iter().all(is_other)
    }

    fn of_scope(&self, scope: &FactScope) -> Option<Access> {
        let access = match scope {
            FactScope::Key(FactKey::Path(path)) | FactScope::Tree(path) => self.of_path(path),
            FactScope::Key(FactKey::Unit(unit)) => Access::of_unit(unit),
            FactScope::Key(FactKey::KernelParameter(path)) => Access::of_path(path),
            _ => None,
        };
        access.filter(|access| self.comes_by(*access))
    }

    fn of_path(&self, path: &str) -> Option<Access> {
        let keys = format!("{}/.ssh", self.home.trim_end_matches('/'));
        // The servers that the user knows let no user in.
        let is_known_hosts = path == format!("{keys}/known_hosts");
        let is_key = path == self.home || path == keys || (parent(path) == keys && !is_known_hosts);
        Access::of_path(path).or(is_key.then_some(Access::Ssh))
    }

    /// Whether a new connection would find out that this way in is closed.
    fn comes_by(&self, access: Access) -> bool {
        // Root needs no `sudo`. This machine is not reached by SSH: only what leads to root can be tried there.
        let becomes = self
            .session
            .as_ref()
            .is_none_or(|session| session.login.user != "root" && session.unprivileged.is_none());
        match access {
            Access::Privilege => becomes,
            Access::Account => becomes || !self.is_local,
            _ => !self.is_local,
        }
    }

    fn is_login(&self, user: &str) -> bool {
        self.session.as_ref().is_some_and(|session| session.login.user == user)
    }
}

/// The path of the project, if links lead from it to what is changed: who reads it follows them as well.
fn written(change: &ResourceChange) -> Option<&str> {
    let attributes = match (&change.after, &change.before) {
        (Some(after), _) => after,
        (None, Before::Present(before)) => before,
        _ => return None,
    };
    match attributes.get("through")? {
        Attribute::Known(path) => Some(path),
        _ => None,
    }
}

/// The home directory of a user: as it was read, or the usual one.
fn home(overlay: &Overlay, user: &str) -> String {
    match overlay.get(&FactKey::User(user.to_owned())) {
        Lookup::Known(Fact::User(UserFact::Present(user))) => match user.home {
            Known::Yes(home) => Some(home),
            Known::No(_) => None,
        },
        _ => None,
    }
    .unwrap_or_else(|| usual_home(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::session::Account;

    #[test]
    fn of_an_operation_that_is_not_compared_the_users_count_that_it_is_about() {
        let entrance = Entrance {
            session: Some(Session {
                login: Account {
                    user: "admin".to_owned(),
                    group: "admin".to_owned(),
                },
                unprivileged: None,
                reader: None,
            }),
            home: "/home/admin".to_owned(),
            is_local: false,
        };
        let passwd = || FactScope::Key(FactKey::Path("/etc/passwd".to_owned()));
        let user = |name: &str| FactScope::Key(FactKey::User(name.to_owned()));
        let group = |name: &str| FactScope::Key(FactKey::Group(name.to_owned()));
        for (touches, is_guarded) in [
            (vec![passwd(), user("ann"), group("ann")], false),
            (vec![passwd(), user("admin")], true),
            (vec![passwd(), user("ann"), group("sudo")], true),
            (vec![passwd(), user("ann"), FactScope::Accounts], true),
            (vec![passwd()], true),
        ] {
            let mut outcome = Outcome::Deferred {
                waits_for: Vec::new(),
                why: "not compared".to_owned(),
                touches: touches.clone(),
                preview: Vec::new(),
            };
            assert_eq!(
                !entrance.guard(&mut outcome, None).is_empty(),
                is_guarded,
                "{touches:?}"
            );
        }
    }
}
