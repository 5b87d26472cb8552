//! What the working user may do on a host: changes that need root are deferred without it.

use crate::change::{Claim, Outcome, ResourceChange, Step};
use crate::facts::overlay::{FactScope, Lookup, OperationId, Overlay};
use crate::facts::path::{PathFact, parent};
use crate::facts::session::{Session, Unprivileged};
use crate::facts::{Fact, FactKey, Identity};

/// `outcome` unchanged, or deferred with the reason if it needs root and homelab is not root.
pub(super) fn limited(outcome: Outcome, touches: Vec<FactScope>, overlay: &Overlay) -> Outcome {
    let Some(Fact::System(system)) = overlay.gathered(&FactKey::System) else {
        return outcome;
    };
    let session = &system.session;
    let (Some(unprivileged), Some(why)) = (&session.unprivileged, session.needs_root()) else {
        return outcome;
    };
    let (Outcome::Change(changes) | Outcome::Ensure { changes, .. }) = &outcome else {
        return outcome;
    };
    let mut reach = Reach {
        session,
        unprivileged,
        overlay: overlay.clone(),
    };
    if changes.iter().all(|change| reach.covers(change)) {
        return outcome;
    }
    Outcome::Deferred {
        waits_for: Vec::new(),
        why,
        touches,
        preview: changes.clone(),
    }
}

struct Reach<'a> {
    session: &'a Session,
    unprivileged: &'a Unprivileged,
    /// The host as the changes so far would leave it.
    overlay: Overlay,
}

impl Reach<'_> {
    fn covers(&mut self, change: &ResourceChange) -> bool {
        let mut claims = change.steps.iter().flat_map(Step::claims);
        let is_within = claims.all(|claim| self.allows(&claim));
        // The owner does not matter: only changes of the same operation see these facts.
        self.overlay
            .commit(&OperationId(String::new()), change.effects.iter().cloned());
        is_within
    }

    fn allows(&self, claim: &Claim<'_>) -> bool {
        match *claim {
            Claim::Place { path, owner, group, .. } => self.may_place(path) && self.unprivileged.may_give(owner, group),
            Claim::Attributes { path, owner } => {
                let may_give = owner.is_none_or(|(owner, group)| self.unprivileged.may_give(owner, group));
                may_give && self.is_own(path)
            }
            Claim::Remove { path } => self.may_place(path),
            Claim::Run { by, .. } => self.may_run(by),
        }
    }

    fn may_run(&self, by: &Identity) -> bool {
        let own = &self.unprivileged.account.user;
        match by {
            Identity::Root => false,
            Identity::Own => true,
            Identity::LoginUser => self.session.login.user == *own,
            Identity::User(user) => user == own,
        }
    }

    /// Whether what is at a path belongs to this user, as far as known.
    fn is_own(&self, path: &str) -> bool {
        match self.at(path) {
            Some(PathFact::Present(inode)) => self.unprivileged.owns(&inode),
            Some(PathFact::Absent) | None => true,
        }
    }

    /// Whether something may be created or removed at a path.
    fn may_place(&self, path: &str) -> bool {
        let directory = match self.at(parent(path)) {
            Some(PathFact::Present(directory)) => directory,
            Some(PathFact::Absent) | None => return true,
        };
        let may_replace = match self.at(path) {
            Some(PathFact::Present(inode)) => self.unprivileged.may_replace(&inode, &directory),
            Some(PathFact::Absent) | None => true,
        };
        may_replace && self.unprivileged.may_write(&directory)
    }

    /// What is at a path, or was before an operation that may change it; `None` if only trying can show it.
    fn at(&self, path: &str) -> Option<PathFact> {
        let key = FactKey::Path(path.to_owned());
        let fact = match self.overlay.get(&key) {
            Lookup::Known(fact) => Some(fact),
            Lookup::Since(..) => self.overlay.gathered(&key).cloned(),
            Lookup::NotGathered => None,
        };
        match fact? {
            Fact::Path(fact) => Some(fact),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
