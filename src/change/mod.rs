//! Planned changes as data: resources, their attributes before and after, and the steps that change them.
//!
//! All decisions are made by now, so a plan can be shown, stored and applied as it is.

mod access;
mod activity;
mod conduct;
mod kind;
mod lockout;
mod step;
mod stored;

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::error::Diagnostic;
use crate::facts::FactKey;
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::path::is_below;
use crate::secret::KeyedDigest;
use crate::value::Withheld;

pub use access::Access;
pub use activity::has_stopped;
pub use conduct::{Conduct, OnError};
pub use kind::ResourceKind;
pub use lockout::{LockoutGuard, NOT_ARMED, UNARMED, boot_files};
pub use step::{
    Above, Attributes, Claim, Command, DEFAULT_TIMEOUT, End, Expect, Fetch, FileNumber, Joint, Kept, Link,
    MakeDirectory, MovePath, NOT_BEGUN, NOT_NOTED, NOT_REVIEWED, OneOfMany, Ownership, PUT_BACK, PUT_BACK_PARTLY,
    Previous, Reboot, Remove, RemoveDirectory, ResolvedPath, Script, ScriptOptions, SetAttributes, StagedPart, Step,
    UnitValidator, ValidatorAnswer, ValidatorName, Verdict, WriteFile, WriteRecord, groups, guard, reviewed_file,
    staged, staged_limit, verdicts, write_together,
};

/// The result of planning an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The facts show that there is nothing to do.
    Unchanged,
    /// The states before and after are known.
    Change(Vec<ResourceChange>),
    /// The state after is known, the state before is not: an earlier operation may already create it.
    Ensure {
        changes: Vec<ResourceChange>,
        /// The operations after which the state before is known.
        since: Vec<OperationId>,
    },
    /// What to do is known only after other operations.
    Deferred {
        waits_for: Vec<OperationId>,
        why: String,
        /// Everything that it may change.
        touches: Vec<FactScope>,
        /// What it would do to the host as it is now.
        preview: Vec<ResourceChange>,
    },
    /// A check, which changes nothing.
    Check {
        /// A description for people.
        what: String,
        state: CheckState,
        /// How long to retry after a change.
        within: Duration,
    },
}

impl Outcome {
    /// Its changes, also those that are only a preview.
    pub fn changes_mut(&mut self) -> &mut [ResourceChange] {
        match self {
            Self::Change(changes) | Self::Ensure { changes, .. } | Self::Deferred { preview: changes, .. } => changes,
            Self::Unchanged | Self::Check { .. } => &mut [],
        }
    }

    /// What a review shows of its changes, without what it does.
    pub fn into_preview(self) -> Vec<ResourceChange> {
        match self {
            Self::Change(changes) | Self::Ensure { changes, .. } | Self::Deferred { preview: changes, .. } => {
                changes.iter().map(ResourceChange::as_shown).collect()
            }
            Self::Unchanged | Self::Check { .. } => Vec::new(),
        }
    }

    /// Leaves a validator that names no file to the last file: it looks at all of them.
    pub fn validate_once(&mut self) {
        let mut seen: Vec<Vec<String>> = Vec::new();
        let steps = self
            .changes_mut()
            .iter_mut()
            .rev()
            .flat_map(|change| change.steps.iter_mut().rev());
        for step in steps {
            let names_path = step.validator_name().is_none_or(|name| name.names_path);
            let Step::WriteFile(file) = step else { continue };
            if names_path {
                continue;
            }
            let command = file.validate.clone().unwrap_or_default();
            if seen.contains(&command) {
                file.validate = None;
            } else {
                seen.push(command);
            }
        }
    }

    /// The bytes that its steps send, which are stored separately and attached again. Secret ones are never stored.
    pub fn contents(&mut self) -> impl Iterator<Item = &mut Content> {
        self.changes_mut()
            .iter_mut()
            .flat_map(|change| &mut change.steps)
            .filter_map(Step::stored_content)
    }
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    Holds,
    /// It fails, for this reason.
    Fails(String),
    /// It runs after the changes that it depends on.
    Later,
}

/// Why an operation cannot be planned.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    NotKnown {
        key: FactKey,
        cause: NotKnown,
    },
    /// The operation is not possible on this host, or is not valid.
    Refused(Box<Diagnostic>),
    /// It needs a secret that is not there.
    Withheld(Withheld),
}

impl Stop {
    /// One refusal for all of `checked` that are refused, each at its place.
    ///
    /// Errors: if any is; otherwise the first that is not known.
    pub fn unless_all(checked: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let mut mistakes: Vec<Diagnostic> = Vec::new();
        let mut stopped = Ok(());
        for one in checked {
            match one {
                Ok(()) => {}
                Err(Self::Refused(mistake)) => mistakes.push(*mistake),
                Err(stop) => stopped = stopped.and(Err(stop)),
            }
        }
        if mistakes.len() < 2 {
            return mistakes
                .pop()
                .map_or(stopped, |only| Err(Self::Refused(Box::new(only))));
        }
        let title = format!("{} values of this operation are not valid", mistakes.len());
        let mut all = Diagnostic::new(title);
        let mut hints: Vec<String> = Vec::new();
        for mistake in mistakes {
            for (index, label) in mistake.labels.iter().enumerate() {
                let text = match index {
                    0 => format!("{}: {}", mistake.title, label.text),
                    _ => label.text.clone(),
                };
                all = all.at(&label.origin, text);
            }
            hints.extend(mistake.hint.filter(|hint| !hints.contains(hint)));
        }
        Err(Self::Refused(Box::new(all.hint(hints.join("; ")))))
    }

    /// Adds a hint to a refusal.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Refused(mistake) => Self::Refused(Box::new(mistake.hint(hint))),
            other @ (Self::NotKnown { .. } | Self::Withheld(_)) => other,
        }
    }

    /// Adds a cause to a refusal.
    #[must_use]
    pub fn because(self, cause: impl Into<String>) -> Self {
        match self {
            Self::Refused(mistake) => Self::Refused(Box::new(mistake.because(cause))),
            other @ (Self::NotKnown { .. } | Self::Withheld(_)) => other,
        }
    }
}

/// Why a fact is not known.
#[derive(Clone, Debug, PartialEq)]
pub enum NotKnown {
    /// It was not read yet; the next round reads it.
    NotGathered,
    /// The user that homelab runs as has no permission to read it.
    Denied(String),
    /// An earlier operation may change it, for this reason.
    Since(OperationId, String),
}

/// A resource of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceId {
    pub kind: ResourceKind,
    /// Unique among its kind on a host.
    pub name: String,
}

impl ResourceId {
    /// The resource of this kind that is called `name`, as a path or a unit.
    pub fn new(kind: ResourceKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
        }
    }
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Create,
    Update,
    Remove,
    /// It runs on every deploy, so it does not count as drift.
    RunEachTime,
    /// It only fetches anew what is old, so it does not count as drift.
    Refresh,
}

impl Action {
    /// Whether it counts as a pending change, for exit code 2 and "nothing to do".
    pub fn is_pending(self) -> bool {
        !matches!(self, Self::RunEachTime | Self::Refresh)
    }
}

/// How much damage a change can do, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    #[default]
    None,
    /// A running service is interrupted.
    Restart,
    /// The host restarts.
    Reboot,
    /// Data or a resource is lost.
    Removal,
    /// Data is lost that is nowhere else, such as a volume of a cluster.
    DataLoss,
    /// The user may lose access to the host.
    LockOut,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Known, as it is shown.
    Known(String),
    /// Known, and described in a few words, since it cannot be shown: it is no text, or too large.
    Described(String),
    /// Known, with what is already on the host. That is no part of the change: a review that did not know it yet is as true.
    Noted { value: String, note: String },
    /// Known after apply, for the reason given.
    Unknown(String),
    /// A text of which a part is known after apply: words stand in its place, and no step has it.
    Outline(String),
    /// Known but hidden; only a keyed digest is kept, to compare it.
    Secret(KeyedDigest),
    /// Known, with words in place of what is not shown. The keyed digest is that of all of it.
    Masked { text: String, digest: KeyedDigest },
}

impl Attribute {
    /// The text that is shown, if there is one.
    pub fn shown(&self) -> Option<&str> {
        match self {
            Self::Known(text) | Self::Masked { text, .. } | Self::Outline(text) => Some(text),
            Self::Described(_) | Self::Noted { .. } | Self::Unknown(_) | Self::Secret(_) => None,
        }
    }

    /// A value that is known and can be shown.
    pub fn known(text: impl Into<String>) -> Self {
        Self::Known(text.into())
    }

    /// Whether a change to this value is one to `other`.
    fn is_same_change(&self, other: &Self) -> bool {
        let value = |attribute: &'_ Self| match attribute {
            Self::Known(value) | Self::Noted { value, .. } => Some(value.clone()),
            _ => None,
        };
        self == other || value(self).is_some_and(|own| value(other) == Some(own))
    }
}

/// Under which the file of a drop-in says that its unit is not there.
pub const UNIT: &str = "unit";

/// What stands behind the name of an image that is pulled.
pub const PULLED: &str = " (pulled)";

/// A resource's attributes, in the order shown.
pub type Attributed = IndexMap<&'static str, Attribute>;

/// A resource before a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    Absent,
    Present(#[serde(with = "stored")] Attributed),
    /// Not known, for this reason.
    Unknown(String),
}

/// A change of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceChange {
    pub id: ResourceId,
    pub action: Action,
    pub before: Before,
    /// `None` if it is removed.
    #[serde(with = "stored::maybe")]
    pub after: Option<Attributed>,
    /// Conditions that must still be true on the host right before the first step.
    pub expect: Vec<Expect>,
    /// What is known about the host after the steps.
    pub effects: Vec<Effect>,
    pub steps: Vec<Step>,
    pub risk: Risk,
    /// Whether the configuration asks for the same as when it was last applied, where that is known: what differs was changed on the host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_asked_as_before: bool,
}

impl ResourceChange {
    /// A change without conditions, effects, steps and risk, to be completed.
    pub fn new(id: ResourceId, action: Action, before: Before, after: Option<Attributed>) -> Self {
        Self {
            id,
            action,
            before,
            after,
            expect: Vec::new(),
            effects: Vec::new(),
            steps: Vec::new(),
            risk: Risk::None,
            is_asked_as_before: false,
        }
    }

    /// Only what a review shows of it.
    #[must_use]
    pub fn as_shown(&self) -> Self {
        let (before, after) = (self.before.clone(), self.after.clone());
        Self {
            risk: self.risk,
            ..Self::new(self.id.clone(), self.action, before, after)
        }
    }

    /// Whether this is a unit that stays as it is: a handler does not start one that does not run.
    pub fn leaves_unit(&self) -> bool {
        let Before::Present(before) = &self.before else {
            return false;
        };
        self.id.kind == ResourceKind::Unit && self.after.as_ref() == Some(before)
    }

    /// Whether this is a directory that earlier operations may bring: then only its turn shows whether it is created.
    pub fn may_be_there(&self) -> bool {
        self.id.kind == ResourceKind::Directory
            && self.action == Action::Create
            && matches!(self.before, Before::Unknown(_))
    }

    /// Which of the later changes of its operation, `rest`, it is a part of: a directory that is made only for what comes into it,
    /// unless it is there by then.
    pub fn part_of(&self, rest: &[Self]) -> Option<usize> {
        let directory = match &self.steps[..] {
            [Step::MakeDirectory(directory)] if directory.keeps => &directory.path,
            _ => return None,
        };
        let is_in_it = |change: &Self| change.id.name != *directory && is_below(&change.id.name, directory);
        let first = rest.iter().position(is_in_it)?;
        let further = rest[first].part_of(&rest[first + 1..]);
        Some(further.map_or(first, |further| first + 1 + further))
    }

    /// Whether it is planned for something absent that earlier operations may bring: then it is planned again for what is there.
    pub fn is_open(&self) -> bool {
        let is_absent = |expect: &Expect| match expect {
            Expect::Absent { .. } => true,
            Expect::ResolvedPath(resolved) => matches!(resolved.end, End::Absent),
            _ => false,
        };
        matches!(self.before, Before::Unknown(_)) && self.expect.iter().any(is_absent)
    }

    /// Whether a part of what it writes is known only in its turn: then it is planned again, and is written.
    pub fn is_outline(&self) -> bool {
        let mut after = self.after.iter().flat_map(Attributed::values);
        after.any(|value| matches!(value, Attribute::Outline(_)))
    }

    /// Whether this change does no more than the `reviewed` one: the same resource, action and attributes. An attribute that
    /// the review showed as known after apply may have any value. One that [is open](Self::is_open) may become any change of
    /// the same resource.
    pub fn is_within(&self, reviewed: &Self) -> bool {
        self.is_as_reviewed(reviewed) || (reviewed.is_open() && self.is_of_same(reviewed))
    }

    fn is_of_same(&self, reviewed: &Self) -> bool {
        let keys = reviewed.effects.iter().filter_map(|effect| match effect {
            Effect::Set(key, _) => Some(FactScope::Key(key.clone())),
            Effect::Forget(..) => None,
        });
        let scopes: Vec<FactScope> = keys.collect();
        self.id == reviewed.id
            && self.action != Action::Remove
            && self.effects.iter().all(|effect| effect.is_within(&scopes))
    }

    /// The same without the exception for what is open.
    pub fn is_as_reviewed(&self, reviewed: &Self) -> bool {
        if self.id != reviewed.id || !self.is_action_within(reviewed) {
            return false;
        }
        match (&self.after, &reviewed.after) {
            (None, None) => true,
            (Some(after), Some(promised)) => after.iter().all(|(name, value)| match promised.get(name) {
                Some(Attribute::Unknown(_) | Attribute::Outline(_)) => true,
                Some(expected) => {
                    expected.is_same_change(value) || self.is_kept(name, value) || self.is_part_of(expected, value)
                }
                None => {
                    self.is_kept(name, value)
                        || self.only_loads(name, reviewed)
                        || self.is_not_decided(value)
                        || self.is_remark(name)
                }
            }),
            _ => false,
        }
    }

    fn is_action_within(&self, reviewed: &Self) -> bool {
        // An earlier operation may have created a part of it: a unit exists as soon as its file does.
        self.action == reviewed.action
            || (self.id.kind == ResourceKind::Unit
                && (reviewed.action, self.action) == (Action::Create, Action::Update))
            // The request is the same, and what it would have changed may be gone.
            || (self.id.kind == ResourceKind::HttpResource
                && (reviewed.action, self.action) == (Action::Update, Action::Create))
            || (matches!(reviewed.before, Before::Unknown(_))
                && self.action != Action::Remove
                && reviewed.action != Action::Remove)
    }

    /// Whether this attribute is nothing that the file gets: that the unit of a drop-in is not there was not known before.
    fn is_remark(&self, name: &str) -> bool {
        self.id.kind == ResourceKind::File && name == UNIT
    }

    /// Whether this attribute says that systemd reads the files of a unit that the review did not know, or what a new unit has
    /// by its files: the unit can only become as wanted with them.
    fn only_loads(&self, name: &str, reviewed: &Self) -> bool {
        self.id.kind == ResourceKind::Unit
            && (name == "unit file" || self.before == Before::Absent)
            && matches!(reviewed.before, Before::Unknown(_))
    }

    /// Whether the value is known only in the turn of this change, in which it is compared again.
    fn is_not_decided(&self, value: &Attribute) -> bool {
        matches!((&self.before, value), (Before::Unknown(_), Attribute::Unknown(_)))
    }

    /// Whether less is done than the review said, since an earlier operation did the rest: fewer packages come along where it brought
    /// what recommends the others, and it has pulled the image.
    fn is_part_of(&self, expected: &Attribute, value: &Attribute) -> bool {
        let (Attribute::Known(expected), Attribute::Known(value)) = (expected, value) else {
            return false;
        };
        match self.id.kind {
            ResourceKind::PackagesAlong => value.lines().all(|line| expected.lines().any(|one| one == line)),
            ResourceKind::ComposeService => expected.strip_suffix(PULLED).is_some_and(|image| {
                image == value || image.strip_prefix(value).is_some_and(|rest| rest.starts_with('@'))
            }),
            _ => false,
        }
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
            id: ResourceId::new(ResourceKind::File, "/etc/x"),
            action: Action::Update,
            before,
            after: Some(after.iter().cloned().collect()),
            expect: Vec::new(),
            effects: Vec::new(),
            steps: Vec::new(),
            risk: Risk::None,
            is_asked_as_before: false,
        }
    }

    fn kept_as(active: &str) -> Before {
        Before::Present([("active", Attribute::known(active))].into_iter().collect())
    }

    #[test]
    fn fewer_packages_may_come_along_than_reviewed_and_no_others() {
        let along = |installs: &str| ResourceChange {
            id: ResourceId::new(ResourceKind::PackagesAlong, "curl"),
            ..change(Before::Absent, &[("installs", Attribute::known(installs))])
        };
        for (now, is_within) in [
            ("libcurl4 8\nkrb5-locales 1", true),
            ("libcurl4 8", true),
            ("libcurl4 9", false),
            ("libcurl4 8\nexim4 4", false),
        ] {
            let reviewed = along("libcurl4 8\nkrb5-locales 1");
            assert_eq!(along(now).is_within(&reviewed), is_within, "{now}");
        }
    }

    #[test]
    fn a_drop_in_may_turn_out_to_be_of_a_unit_that_is_not_there() {
        let content = ("content", Attribute::known("[Service]"));
        let remark = (UNIT, Attribute::known("x.service is not on the host yet"));
        let reviewed = change(
            Before::Unknown("a package may create it".to_owned()),
            std::slice::from_ref(&content),
        );
        assert!(change(Before::Absent, &[content.clone(), remark.clone()]).is_within(&reviewed));
        let other = ("mode", Attribute::known("0600"));
        assert!(!change(Before::Absent, &[content, remark, other]).is_within(&reviewed));
    }

    #[test]
    fn an_image_that_is_there_by_now_need_not_be_pulled() {
        let service = |image: &str| ResourceChange {
            id: ResourceId::new(ResourceKind::ComposeService, "web/app"),
            ..change(Before::Absent, &[("image", Attribute::known(image))])
        };
        for (reviewed, now, is_within) in [
            ("caddy:2 (pulled)", "caddy:2", true),
            ("caddy:2@0123456789ab (pulled)", "caddy:2", true),
            ("caddy:2", "caddy:2 (pulled)", false),
            ("caddy:2 (pulled)", "caddy:1", false),
            ("caddy:20 (pulled)", "caddy:2", false),
            ("caddy:2 (built)", "caddy:2", false),
        ] {
            assert_eq!(
                service(now).is_within(&service(reviewed)),
                is_within,
                "{reviewed} {now}"
            );
        }
    }

    #[test]
    fn a_unit_that_was_not_known_is_restarted_only_if_the_review_says_so() {
        let active = || ("active", Attribute::known("active"));
        let of_unit = |before: Before, after: &[(&'static str, Attribute)]| ResourceChange {
            id: ResourceId::new(ResourceKind::Unit, "x.service"),
            ..change(before, after)
        };
        let unknown = || Before::Unknown("a package may create it".to_owned());
        let may_restart = [("process", Attribute::Unknown("if it runs".to_owned())), active()];
        let loaded = ("unit file", Attribute::known("loaded"));
        let restarted = ("process", Attribute::known("restarted"));
        for (reviewed, now, is_within) in [
            (of_unit(unknown(), &[active()]), vec![active()], true),
            (of_unit(unknown(), &[active()]), vec![loaded.clone(), active()], true),
            (
                of_unit(unknown(), &[active()]),
                vec![restarted.clone(), active()],
                false,
            ),
            (
                of_unit(unknown(), &may_restart),
                vec![loaded.clone(), restarted, active()],
                true,
            ),
            (of_unit(unknown(), &may_restart), vec![active()], true),
            (of_unit(kept_as("inactive"), &[active()]), vec![loaded, active()], false),
        ] {
            let now = of_unit(kept_as("active"), &now);
            assert_eq!(now.is_within(&reviewed), is_within, "{now:?} {reviewed:?}");
        }
    }

    #[test]
    fn a_directory_that_may_be_there_is_a_part_of_what_comes_into_it() {
        let make = |path: &str, keeps: bool| ResourceChange {
            id: ResourceId::new(ResourceKind::Directory, path),
            steps: vec![Step::MakeDirectory(MakeDirectory {
                path: path.to_owned(),
                attributes: Attributes {
                    owner: "root".to_owned(),
                    group: "root".to_owned(),
                    mode: 0o755,
                },
                keeps,
            })],
            ..change(Before::Absent, &[])
        };
        let file = |path: &str| ResourceChange {
            id: ResourceId::new(ResourceKind::File, path),
            ..change(Before::Absent, &[])
        };
        for (changes, parts) in [
            (vec![make("/a", true), make("/a/b", true)], vec![Some(0), None]),
            (vec![make("/a", false), make("/a/b", true)], vec![None, None]),
            (vec![make("/a", true), make("/ab", true)], vec![None, None]),
            (vec![make("/a", true), make("/a", true)], vec![None, None]),
            (
                vec![make("/a", true), make("/a/b", true), file("/a/b/c"), file("/a/d")],
                vec![Some(1), Some(0), None, None],
            ),
            (
                vec![make("/a", true), file("/x"), make("/a/b", true), file("/a/c")],
                vec![Some(1), None, None, None],
            ),
        ] {
            let found: Vec<Option<usize>> = changes
                .iter()
                .enumerate()
                .map(|(place, change)| change.part_of(&changes[place + 1..]))
                .collect();
            assert_eq!(found, parts, "{changes:?}");
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
        let noted = |value: &str| Attribute::Noted {
            value: value.to_owned(),
            note: "exists".to_owned(),
        };
        assert!(change(Before::Absent, &[("mode", noted("0644"))]).is_within(&reviewed));
        assert!(!change(Before::Absent, &[("mode", noted("0600"))]).is_within(&reviewed));
        assert!(!change(Before::Absent, &[mode("0600")]).is_within(&reviewed));
        assert!(!change(Before::Absent, &[("owner", Attribute::known("root"))]).is_within(&reviewed));
        let kept: Attributed = [("owner", Attribute::known("root"))].into_iter().collect();
        assert!(change(Before::Present(kept), &[("owner", Attribute::known("root"))]).is_within(&reviewed));
        let mut unit = change(Before::Absent, &[("active", Attribute::known("active"))]);
        unit.id.kind = ResourceKind::Unit;
        let mut created = unit.clone();
        created.action = Action::Create;
        assert!(unit.is_within(&created));
        assert!(!created.is_within(&unit));
        let mut removal = same.clone();
        removal.action = Action::Remove;
        assert!(!removal.is_within(&reviewed));
        let mut unknown = unit.clone();
        unknown.before = Before::Unknown("a package may create it".to_owned());
        let mut new = change(
            Before::Absent,
            &[
                ("active", Attribute::known("active")),
                ("enabled", Attribute::known("static")),
            ],
        );
        new.id.kind = ResourceKind::Unit;
        assert!(new.is_within(&unknown) && !new.is_within(&unit));
        let restarted = change(kept_as("active"), &[("active", Attribute::known("restarted"))]);
        let stopped = change(kept_as("inactive"), &[("active", Attribute::known("inactive"))]);
        assert!(stopped.is_within(&restarted) && !restarted.is_within(&stopped));
    }

    #[test]
    fn what_is_open_may_become_any_change_of_the_same_file() {
        let content = |text: &str| ("content", Attribute::known(text));
        let set = |path: &str| {
            let key = FactKey::Path(path.to_owned());
            let absent = key.absent().expect("may be absent");
            Effect::Set(key, absent)
        };
        let reviewed = ResourceChange {
            expect: vec![Expect::Absent {
                path: "/etc/x".to_owned(),
            }],
            effects: vec![set("/etc/x")],
            ..change(Before::Unknown("a package may create it".to_owned()), &[content("a\n")])
        };
        let other = ResourceChange {
            effects: vec![set("/etc/x")],
            ..change(kept_as("x"), &[content("b\na\n")])
        };
        assert!(other.is_within(&reviewed) && !other.is_as_reviewed(&reviewed));
        let elsewhere = ResourceChange {
            effects: vec![set("/etc/y")],
            ..other.clone()
        };
        assert!(!elsewhere.is_within(&reviewed));
        let removal = ResourceChange {
            action: Action::Remove,
            ..other
        };
        assert!(!removal.is_within(&reviewed));
    }
}
