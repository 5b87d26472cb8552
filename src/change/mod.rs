//! What an operation wants to do to a host, as values without choices left: resources, their attributes before and after,
//! and the steps that get them there.

mod kind;
mod step;
mod stored;

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::error::Diagnostic;
use crate::facts::FactKey;
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::secret::KeyedDigest;

pub use kind::ResourceKind;
pub use step::{
    Attributes, Claim, Command, DEFAULT_TIMEOUT, Expect, Link, MakeDirectory, Ownership, Remove, Script, ScriptOptions,
    SetAttributes, Step, WriteFile, guard,
};

/// What planning an operation came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There is nothing to do, and facts say so.
    Unchanged,
    /// Before and after are known.
    Change(Vec<ResourceChange>),
    /// After is known, before is not: it may be so already when its turn comes.
    Ensure {
        /// What is wanted.
        changes: Vec<ResourceChange>,
        /// The operations after which it will be known.
        since: Vec<OperationId>,
    },
    /// What is to do will be known when other operations are through.
    Deferred {
        /// Those operations.
        waits_for: Vec<OperationId>,
        /// Why, in words.
        why: String,
        /// All that it may change.
        touches: Vec<FactScope>,
        /// What it would do as things are.
        preview: Vec<ResourceChange>,
    },
    /// Nothing is changed: something is tried.
    Check {
        /// What, in words.
        what: String,
        /// What it came to.
        state: CheckState,
        /// How long it may take to hold after a change.
        within: Duration,
    },
}

impl Outcome {
    /// The bytes that its steps send, to be stored beside it and attached again. Secret ones are never stored.
    pub fn contents(&mut self) -> impl Iterator<Item = &mut Content> {
        let changes = match self {
            Self::Change(changes) | Self::Ensure { changes, .. } | Self::Deferred { preview: changes, .. } => {
                changes.as_mut_slice()
            }
            Self::Unchanged | Self::Check { .. } => &mut [],
        };
        changes
            .iter_mut()
            .flat_map(|change| &mut change.steps)
            .filter_map(Step::stored_content)
    }
}

/// What trying something came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It holds.
    Holds,
    /// It does not, for this reason.
    Fails(String),
    /// It is tried when what comes before is done.
    Later,
}

/// Why an operation could not be planned.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// A fact is not known.
    NotKnown {
        /// Which.
        key: FactKey,
        /// Why not.
        cause: NotKnown,
    },
    /// It cannot be done to this host, whatever else is known.
    Refused(Box<Diagnostic>),
}

impl Stop {
    /// The same with a next step, where it is a refusal.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Refused(mistake) => Self::Refused(Box::new(mistake.hint(hint))),
            other @ Self::NotKnown { .. } => other,
        }
    }
}

/// Why a fact is not known.
#[derive(Clone, Debug, PartialEq)]
pub enum NotKnown {
    /// It was not read yet: the next round asks for it.
    NotGathered,
    /// The host does not tell it to this user.
    Denied(String),
    /// An operation before makes it unknowable until then.
    Since(OperationId, String),
}

/// A resource of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceId {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name, unique among its kind on a host.
    pub name: String,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It comes to be.
    Create,
    /// It is altered.
    Update,
    /// It goes.
    Remove,
    /// Something that is done each time, and so is no drift.
    RunEachTime,
}

impl Action {
    /// Whether a change of this kind is one that waits to be made: what exit code 2 and "nothing to do" go by.
    pub fn is_pending(self) -> bool {
        self != Self::RunEachTime
    }
}

/// How much a change can hurt, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Not.
    #[default]
    None,
    /// Something running is interrupted.
    Restart,
    /// Something is lost.
    Removal,
    /// The operator may be cut off.
    LockOut,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Known, in the form people read.
    Known(String),
    /// Known, and described in a few words, since it cannot be shown: it is no text, or too large.
    Described(String),
    /// Known after apply, for the reason given.
    Unknown(String),
    /// Known, and nobody may see it.
    Secret(KeyedDigest),
}

impl Attribute {
    /// A known value.
    pub fn known(text: impl Into<String>) -> Self {
        Self::Known(text.into())
    }
}

/// A resource's attributes, in the order shown.
pub type Attributed = IndexMap<&'static str, Attribute>;

/// A resource before a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// It does not exist.
    Absent,
    /// It exists, with these attributes.
    Present(#[serde(with = "stored")] Attributed),
    /// Not known, for this reason.
    Unknown(String),
}

/// A change to one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceChange {
    /// Which resource.
    pub id: ResourceId,
    /// What happens to it.
    pub action: Action,
    /// How it is.
    pub before: Before,
    /// How it will be; `None` if it goes.
    #[serde(with = "stored::maybe")]
    pub after: Option<Attributed>,
    /// What must still be so on the host when the steps run.
    pub expect: Vec<Expect>,
    /// What will be known once the steps ran.
    pub effects: Vec<Effect>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// How much it can hurt.
    pub risk: Risk,
}

impl ResourceChange {
    /// Whether this change does no more than `reviewed` said: the same resource and action, and no attribute that ends
    /// otherwise. What the review showed as known after apply may end as anything.
    pub fn is_within(&self, reviewed: &Self) -> bool {
        if self.id != reviewed.id || !self.is_action_within(reviewed) {
            return false;
        }
        match (&self.after, &reviewed.after) {
            (None, None) => true,
            (Some(after), Some(promised)) => after.iter().all(|(name, value)| match promised.get(name) {
                Some(Attribute::Unknown(_)) => true,
                Some(expected) => expected == value,
                None => self.is_kept(name, value),
            }),
            _ => false,
        }
    }

    fn is_action_within(&self, reviewed: &Self) -> bool {
        // What was to come to be may have been brought in part by an operation before.
        self.action == reviewed.action
            || (matches!(reviewed.before, Before::Unknown(_))
                && self.action != Action::Remove
                && reviewed.action != Action::Remove)
    }

    fn is_kept(&self, name: &str, value: &Attribute) -> bool {
        matches!(&self.before, Before::Present(before) if before.get(name) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Before, after: &[(&'static str, Attribute)]) -> ResourceChange {
        ResourceChange {
            id: ResourceId {
                kind: ResourceKind::File,
                name: "/etc/x".to_owned(),
            },
            action: Action::Update,
            before,
            after: Some(after.iter().cloned().collect()),
            expect: Vec::new(),
            effects: Vec::new(),
            steps: Vec::new(),
            risk: Risk::None,
        }
    }

    #[test]
    fn applied_must_be_within_reviewed() {
        let mode = |mode: &str| ("mode", Attribute::known(mode));
        let reviewed = change(
            Before::Unknown("x".to_owned()),
            &[mode("0644"), ("content", Attribute::Unknown("y".to_owned()))],
        );
        let same = change(Before::Absent, &[mode("0644"), ("content", Attribute::known("text"))]);
        assert!(same.is_within(&reviewed));
        assert!(!change(Before::Absent, &[mode("0600")]).is_within(&reviewed));
        assert!(!change(Before::Absent, &[("owner", Attribute::known("root"))]).is_within(&reviewed));
        let kept: Attributed = [("owner", Attribute::known("root"))].into_iter().collect();
        assert!(change(Before::Present(kept), &[("owner", Attribute::known("root"))]).is_within(&reviewed));
        let mut removal = same.clone();
        removal.action = Action::Remove;
        assert!(!removal.is_within(&reviewed));
    }
}
