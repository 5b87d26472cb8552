//! What is not as it should be after an operation, in words.

use std::collections::BTreeSet;

use crate::change::{Action, Attribute, Attributed, Before, ResourceChange, ResourceKind};
use crate::error::Diagnostic;
use crate::facts::check::CheckFact;
use crate::facts::overlay::Effect;
use crate::facts::path::{InodeKind, PathFact};
use crate::facts::{Fact, FactKey, Facts};
use crate::plan::PlannedOperation;

/// A line for each difference that the operation would still remove with the changes of `now`.
pub(super) fn differences(operation: &PlannedOperation, now: &[ResourceChange], facts: &Facts) -> Vec<String> {
    now.iter()
        .flat_map(|change| {
            if change.id.kind == ResourceKind::Command {
                return vec![of_command(&operation.asked, facts)];
            }
            let reviewed = operation.changes().iter().find(|reviewed| reviewed.id == change.id);
            of_resource(change, reviewed)
        })
        .collect()
}

/// The paths that an operation predicts.
pub(super) fn predicted_paths(operation: &PlannedOperation) -> BTreeSet<FactKey> {
    predictions(operation)
        .map(|(path, _)| FactKey::Path(path.to_owned()))
        .collect()
}

/// A line for each path that is not as the operation predicted.
///
/// What an operation gives to something new it may later leave as it is, so planning it again does not show this.
pub(super) fn unlike_predicted(operation: &PlannedOperation, facts: &Facts) -> Vec<String> {
    let found = |path: &str| match facts.get(&FactKey::Path(path.to_owned())) {
        Some(Fact::Path(found)) => Some(found),
        _ => None,
    };
    predictions(operation)
        .filter_map(|(path, expected)| Some(of_path(path, found(path)?, expected)))
        .flatten()
        .collect()
}

fn predictions(operation: &PlannedOperation) -> impl Iterator<Item = (&str, &PathFact)> {
    let effects = operation.changes().iter().flat_map(|change| &change.effects);
    effects.filter_map(|effect| match effect {
        Effect::Set(FactKey::Path(path), Fact::Path(fact)) => Some((path.as_str(), fact)),
        _ => None,
    })
}

fn of_path(path: &str, found: &PathFact, expected: &PathFact) -> Vec<String> {
    let (found, expected) = match (found, expected) {
        (PathFact::Present(found), PathFact::Present(expected)) => (found, expected),
        (PathFact::Present(_), PathFact::Absent) => return vec![format!("`{path}` exists (expected to be removed)")],
        (PathFact::Absent, PathFact::Present(_)) => return vec![format!("`{path}` does not exist")],
        (PathFact::Absent, PathFact::Absent) => return Vec::new(),
    };
    let attribute = |name: &str, found: &str, expected: &str| {
        (found != expected).then(|| format!("`{path}`: {name} is `{found}` (expected `{expected}`)"))
    };
    let kind = match (&found.kind, &expected.kind) {
        (InodeKind::Link { target: found }, InodeKind::Link { target: expected }) => {
            attribute("target", found, expected)
        }
        (InodeKind::File { digest: found }, InodeKind::File { digest: expected }) => {
            (found != expected).then(|| format!("`{path}`: content is not what was written"))
        }
        (found, expected) if found == expected => None,
        _ => Some(format!(
            "`{path}` is {} (expected {})",
            found.describe(),
            expected.describe()
        )),
    };
    let mode = |mode: u32| format!("{mode:04o}");
    // A link has no mode of its own.
    let is_link = matches!(expected.kind, InodeKind::Link { .. });
    let mode = attribute("mode", &mode(found.mode), &mode(expected.mode)).filter(|_| !is_link);
    let owner = attribute("owner", &found.owner, found.owner_as(&expected.owner));
    let group = attribute("group", &found.group, found.group_as(&expected.group));
    [kind, mode, owner, group].into_iter().flatten().collect()
}

/// Why the operation would be refused now that it was applied.
pub(super) fn refused(mistake: &Diagnostic) -> Vec<String> {
    let label = mistake.labels.first().map(|label| format!(": {}", label.text));
    let title = format!("afterwards, {}{}", mistake.title, label.unwrap_or_default());
    [title].into_iter().chain(mistake.causes.iter().cloned()).collect()
}

fn of_command(asked: &BTreeSet<FactKey>, facts: &Facts) -> String {
    let of_key = |key: &FactKey| match (key, facts.get(key)?) {
        (FactKey::Path(path), Fact::Path(PathFact::Absent)) => Some(format!("`{path}` does not exist")),
        (FactKey::Path(path), Fact::Path(PathFact::Present(_))) => Some(format!("`{path}` exists")),
        (FactKey::Check(check), Fact::Check(CheckFact::Holds)) => Some(format!("{check} still succeeds")),
        (FactKey::Check(check), Fact::Check(CheckFact::Fails(_))) => Some(format!("{check} still fails")),
        _ => None,
    };
    let told: Vec<String> = asked.iter().filter_map(of_key).collect();
    format!("the commands succeeded but are still due: {}", told.join(", "))
}

fn of_resource(now: &ResourceChange, reviewed: Option<&ResourceChange>) -> Vec<String> {
    let resource = format!("{} {}", now.id.kind, now.id.name);
    let (after, found) = match (&now.after, &now.before) {
        (Some(after), Before::Present(found)) => (after, found),
        (None, _) => return vec![format!("{resource} still exists (expected to be removed)")],
        (Some(_), _) => {
            let still = if now.action == Action::Create {
                "still does"
            } else {
                "does"
            };
            return vec![format!("{resource} {still} not exist")];
        }
    };
    let before = match reviewed.map(|reviewed| &reviewed.before) {
        Some(Before::Present(before)) => Some(before),
        _ => None,
    };
    let lines = of_attributes(before, found, after);
    if lines.is_empty() {
        return vec![format!("{resource} still differs")];
    }
    lines.iter().map(|line| format!("{resource}: {line}")).collect()
}

/// The attributes that are not as in `after`: `found` on the host now, and `before` the operation.
fn of_attributes(before: Option<&Attributed>, found: &Attributed, after: &Attributed) -> Vec<String> {
    let differing = after.iter().filter_map(|(name, expected)| {
        let found = found.get(name).filter(|found| *found != expected)?;
        let is = match before.and_then(|before| before.get(name)) {
            Some(before) if before == found => "is still",
            _ => "is",
        };
        Some(match (short(found), short(expected)) {
            (Some(found), Some(expected)) => format!("{name} {is} {found} (expected {expected})"),
            _ => format!("{name} {is} not as planned"),
        })
    });
    differing.collect()
}

/// A value that fits into a sentence.
fn short(attribute: &Attribute) -> Option<String> {
    const LONGEST: usize = 80;
    match attribute {
        Attribute::Known(text) if text.is_empty() => Some("empty".to_owned()),
        Attribute::Known(text) if text.len() <= LONGEST && !text.contains('\n') => Some(format!("`{text}`")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{ResourceId, Risk};
    use crate::facts::path::Inode;

    fn attributed(text: &str) -> Attributed {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        let known = pairs.map(|(name, value)| (if name == "mode" { "mode" } else { "owner" }, Attribute::known(value)));
        known.collect()
    }

    fn change(action: Action, before: Before, after: Option<&str>) -> ResourceChange {
        ResourceChange {
            id: ResourceId::new(ResourceKind::Directory, "/srv/x"),
            action,
            before,
            after: after.map(attributed),
            expect: Vec::new(),
            effects: Vec::new(),
            steps: Vec::new(),
            risk: Risk::None,
            is_asked_as_before: false,
        }
    }

    #[test]
    fn what_is_left_is_named_with_what_it_is_and_what_it_should_be() {
        let present = |text: &str| Before::Present(attributed(text));
        let wanted = Some("mode=0755 owner=root");
        for (reviewed, now, told) in [
            (Before::Absent, Before::Absent, "directory /srv/x still does not exist"),
            (
                Before::Absent,
                present("mode=2755 owner=root"),
                "directory /srv/x: mode is `2755` (expected `0755`)",
            ),
            (
                present("mode=2755 owner=root"),
                present("mode=2755 owner=root"),
                "directory /srv/x: mode is still `2755` (expected `0755`)",
            ),
            (
                present("mode=2775 owner=root"),
                present("mode=2755 owner=anna"),
                "directory /srv/x: mode is `2755` (expected `0755`)\n\
                 directory /srv/x: owner is `anna` (expected `root`)",
            ),
        ] {
            let action = if now == Before::Absent {
                Action::Create
            } else {
                Action::Update
            };
            let reviewed = change(Action::Update, reviewed, wanted);
            let now = change(action, now, wanted);
            assert_eq!(of_resource(&now, Some(&reviewed)).join("\n"), told);
        }
        let inode = |mode: u32, owner: &str| {
            PathFact::Present(Inode {
                owner_id: None,
                group_id: None,
                kind: InodeKind::Directory,
                owner: owner.to_owned(),
                group: "root".to_owned(),
                mode,
            })
        };
        for (found, expected, told) in [
            (inode(0o755, "root"), inode(0o755, "root"), ""),
            (PathFact::Absent, PathFact::Absent, ""),
            (PathFact::Absent, inode(0o755, "root"), "`/x` does not exist"),
            (
                inode(0o755, "root"),
                PathFact::Absent,
                "`/x` exists (expected to be removed)",
            ),
            (
                inode(0o700, "anna"),
                inode(0o755, "root"),
                "`/x`: mode is `0700` (expected `0755`)\n`/x`: owner is `anna` (expected `root`)",
            ),
        ] {
            assert_eq!(of_path("/x", &found, &expected).join("\n"), told);
        }
        let removal = change(Action::Remove, present("mode=0755"), None);
        assert_eq!(
            of_resource(&removal, Some(&removal)),
            ["directory /srv/x still exists (expected to be removed)"]
        );
    }
}
