//! The facts as the operations before would leave them: a log of effects over what was read. The latest match wins.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::{GroupFact, UserFact};
use super::package::PackageFact;
use super::path::PathFact;
use super::unit::UnitFact;
use super::{Fact, FactKey, Facts};

/// The name of an operation on a host: a path that does not depend on positions in files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId(pub String);

impl fmt::Display for OperationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl OperationId {
    /// The last part, which names the operation within its task.
    pub fn slug(&self) -> &str {
        self.0.rsplit(" / ").next().unwrap_or(&self.0)
    }
}

/// What a change does to what is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// From here on this is so.
    Set(FactKey, Fact),
    /// From here on this is not known, for the reason given in words.
    Forget(FactScope, String),
}

/// Where packages put their units (systemd.unit(5)).
const UNIT_FOLDERS: [&str; 3] = ["/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"];

/// A set of facts that may be unbounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactScope {
    /// One fact.
    Key(FactKey),
    /// Paths in and below a directory.
    Tree(String),
    /// Paths in and below a directory at which there is nothing now.
    AbsentTree(String),
    /// All packages, and what apt would do.
    Packages,
    /// What is at these paths, and the units among them.
    Owned(#[serde(with = "super::shared")] Arc<BTreeSet<String>>),
    /// Units that do not exist now.
    AbsentUnits,
    /// All units.
    Units,
    /// Users and groups that do not exist now.
    AbsentAccounts,
    /// All users and groups.
    Accounts,
    /// Everything.
    Everything,
}

impl FactScope {
    /// Whether `key` is of this scope, leaving aside whether it is absent now.
    pub fn covers(&self, key: &FactKey) -> bool {
        match self {
            Self::Key(own) => own == key || own.path().is_some_and(|path| key.path() == Some(path)),
            Self::Tree(top) | Self::AbsentTree(top) => key.path().is_some_and(|path| is_below(path, top)),
            Self::Packages => matches!(key, FactKey::Package(_) | FactKey::Installation(_)),
            Self::Owned(paths) => match key {
                FactKey::Unit(unit) => UNIT_FOLDERS
                    .iter()
                    .any(|folder| paths.contains(&format!("{folder}/{unit}"))),
                _ => key.path().is_some_and(|path| paths.contains(path)),
            },
            Self::AbsentUnits | Self::Units => matches!(key, FactKey::Unit(_)),
            Self::AbsentAccounts | Self::Accounts => matches!(
                key,
                FactKey::User(_) | FactKey::Group(_) | FactKey::UserNumber(_) | FactKey::GroupNumber(_)
            ),
            Self::Everything => true,
        }
    }

    fn only_absent(&self) -> bool {
        matches!(self, Self::AbsentTree(_) | Self::AbsentUnits | Self::AbsentAccounts)
    }
}

fn is_below(path: &str, top: &str) -> bool {
    path == top || top == "/" || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}

/// What is known under a key at some point of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// This.
    Known(Fact),
    /// It was not read yet.
    NotGathered,
    /// An operation before made it unknowable.
    Since(OperationId, String),
}

/// Facts and what the operations so far would make of them.
#[derive(Clone, Debug)]
pub struct Overlay<'a> {
    facts: &'a Facts,
    /// Shared by all who only look: each operation of a plan gets a copy.
    log: Arc<Vec<(OperationId, Effect)>>,
}

impl<'a> Overlay<'a> {
    /// The facts themselves, before any operation.
    pub fn new(facts: &'a Facts) -> Self {
        Self {
            facts,
            log: Arc::default(),
        }
    }

    /// Adds what an operation does.
    pub fn commit(&mut self, operation: &OperationId, effects: impl IntoIterator<Item = Effect>) {
        let mut effects = effects.into_iter().peekable();
        if effects.peek().is_some() {
            Arc::make_mut(&mut self.log).extend(effects.map(|effect| (operation.clone(), effect)));
        }
    }

    /// The keys under which anything was read.
    pub fn keys(&self) -> impl Iterator<Item = &FactKey> {
        self.facts.keys()
    }

    /// What was read under `key`, whatever operations did since.
    pub fn gathered(&self, key: &FactKey) -> Option<&Fact> {
        self.facts.get(key)
    }

    /// What is known under `key` after all operations so far.
    pub fn get(&self, key: &FactKey) -> Lookup {
        // A check tries the whole host: any change before may decide it.
        if matches!(key, FactKey::Check(_))
            && let Some((operation, _)) = self.log.last()
        {
            return Lookup::Since(operation.clone(), "it is tried after that".to_owned());
        }
        self.get_before(key, self.log.len())
    }

    /// What an operation so far would make of `key`, and which one; `None` where none says so.
    pub fn predicted(&self, key: &FactKey) -> Option<(&OperationId, &Fact)> {
        self.log.iter().rev().find_map(|(operation, effect)| match effect {
            Effect::Set(set, fact) if set == key => Some((operation, fact)),
            _ => None,
        })
    }

    /// Packages that operations so far remove and none brings back.
    pub fn removed_packages(&self) -> BTreeSet<String> {
        let mut removed = BTreeSet::new();
        for (_, effect) in self.log.iter() {
            if let Effect::Set(FactKey::Package(name), Fact::Package(fact)) = effect {
                match fact {
                    PackageFact::Absent => removed.insert(name.clone()),
                    _ => removed.remove(name),
                };
            }
        }
        removed
    }

    fn get_before(&self, key: &FactKey, end: usize) -> Lookup {
        for (index, (operation, effect)) in self.log[..end].iter().enumerate().rev() {
            match effect {
                Effect::Set(set, fact) if set == key => return Lookup::Known(fact.clone()),
                Effect::Forget(scope, why) if scope.covers(key) => {
                    if !scope.only_absent() {
                        return Lookup::Since(operation.clone(), why.clone());
                    }
                    match self.presence(key, index) {
                        Presence::Present => {}
                        Presence::Absent | Presence::Unknown => {
                            return Lookup::Since(operation.clone(), why.clone());
                        }
                        Presence::NotGathered => return Lookup::NotGathered,
                    }
                }
                _ => {}
            }
        }
        self.facts
            .get(key)
            .map_or(Lookup::NotGathered, |fact| Lookup::Known(fact.clone()))
    }

    fn presence(&self, key: &FactKey, end: usize) -> Presence {
        let asked = match key {
            FactKey::Content(path) => FactKey::Path(path.clone()),
            other => other.clone(),
        };
        match self.get_before(&asked, end) {
            Lookup::Known(
                Fact::Path(PathFact::Absent)
                | Fact::Unit(UnitFact::Absent)
                | Fact::User(UserFact::Absent)
                | Fact::Group(GroupFact::Absent)
                | Fact::UserNumber(None)
                | Fact::GroupNumber(None),
            ) => Presence::Absent,
            Lookup::Known(Fact::Denied(_)) | Lookup::Since(..) => Presence::Unknown,
            Lookup::Known(_) => Presence::Present,
            Lookup::NotGathered => Presence::NotGathered,
        }
    }
}

enum Presence {
    Present,
    Absent,
    Unknown,
    NotGathered,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::path::{Inode, InodeKind};

    fn path(path: &str) -> FactKey {
        FactKey::Path(path.to_owned())
    }

    fn directory() -> Fact {
        Fact::Path(PathFact::Present(Inode {
            kind: InodeKind::Directory,
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: 0o755,
        }))
    }

    fn id(name: &str) -> OperationId {
        OperationId(name.to_owned())
    }

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.insert(path("/etc/there"), directory());
        facts.insert(path("/etc/gone"), Fact::Path(PathFact::Absent));
        facts
    }

    #[test]
    fn the_latest_match_wins() {
        let facts = facts();
        let mut overlay = Overlay::new(&facts);
        overlay.commit(&id("a"), [Effect::Set(path("/etc/gone"), directory())]);
        assert_eq!(overlay.get(&path("/etc/gone")), Lookup::Known(directory()));
        overlay.commit(
            &id("b"),
            [Effect::Forget(FactScope::Tree("/etc".to_owned()), "why".to_owned())],
        );
        let since = Lookup::Since(id("b"), "why".to_owned());
        assert_eq!(overlay.get(&path("/etc/gone")), since);
        assert_eq!(overlay.get(&path("/etc/there")), since);
        assert_eq!(overlay.get(&path("/etcetera")), Lookup::NotGathered);
    }

    #[test]
    fn a_package_makes_unknown_only_what_is_absent_at_that_point() {
        let facts = facts();
        let mut overlay = Overlay::new(&facts);
        overlay.commit(&id("made before"), [Effect::Set(path("/etc/new"), directory())]);
        overlay.commit(
            &id("package"),
            [Effect::Forget(
                FactScope::AbsentTree("/etc".to_owned()),
                "may bring it".to_owned(),
            )],
        );
        assert_eq!(overlay.get(&path("/etc/there")), Lookup::Known(directory()));
        assert_eq!(overlay.get(&path("/etc/new")), Lookup::Known(directory()));
        let since = Lookup::Since(id("package"), "may bring it".to_owned());
        assert_eq!(overlay.get(&path("/etc/gone")), since);
        assert_eq!(overlay.get(&FactKey::Content("/etc/gone".to_owned())), since);
        overlay.commit(&id("written"), [Effect::Set(path("/etc/gone"), directory())]);
        assert_eq!(overlay.get(&path("/etc/gone")), Lookup::Known(directory()));
    }
}
