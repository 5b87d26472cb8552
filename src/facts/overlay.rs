//! The facts as earlier operations of the plan would leave them: a log of effects on top of the facts that were read. The latest
//! match wins.

mod docker;
mod log;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use self::log::{Entry, Log};
use super::apt::AptVerb;
use super::collection::Facts;
use super::key::{Fact, FactKey};
use super::kind::DependsOn;
use super::package::PackageFact;
use super::path::{ContentFact, PathFact};

pub use super::scope::{Effect, FactScope, OperationId};

/// The value of a fact at some point of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    Known(Fact),
    /// It has not been read yet.
    NotGathered,
    /// An earlier operation makes it unknown, for this reason.
    Since(OperationId, String),
}

/// Files that operations write, with what is in them, or remove (`None`), by path.
pub type WrittenFiles = BTreeMap<String, Option<Vec<u8>>>;

/// Facts, with the effects of the operations so far.
///
/// A clone sees the effects committed until then. Effects committed to a clone are visible only in that clone.
#[derive(Debug)]
pub struct Overlay {
    facts: Facts,
    log: Arc<RwLock<Log>>,
    /// How much of the log a clone sees; all of it for the original.
    seen: Option<usize>,
    /// What was committed to a clone, after what it sees of the log.
    own: Log,
    /// Whether it leaves out what operations may change.
    as_now: bool,
}

impl Clone for Overlay {
    fn clone(&self) -> Self {
        Self {
            facts: self.facts.clone(),
            log: Arc::clone(&self.log),
            seen: Some(self.view().seen),
            own: self.own.clone(),
            as_now: self.as_now,
        }
    }
}

impl Overlay {
    /// The facts before any operation.
    pub fn new(facts: &Facts) -> Self {
        Self {
            facts: facts.clone(),
            log: Arc::default(),
            seen: None,
            own: Log::default(),
            as_now: false,
        }
    }

    /// The same as if operations changed only what is certain: what they may change is as it is now.
    #[must_use]
    pub fn as_now(&self) -> Self {
        Self {
            as_now: true,
            ..self.clone()
        }
    }

    /// Adds the effects of an operation.
    pub fn commit(&mut self, operation: &OperationId, effects: impl IntoIterator<Item = Effect>) {
        let entries = effects.into_iter().map(|effect| Entry {
            operation: operation.clone(),
            effect,
        });
        if self.seen.is_some() {
            self.own.extend(entries);
        } else {
            self.log.write().unwrap_or_else(PoisonError::into_inner).extend(entries);
        }
    }

    /// The fact that was read, regardless of operations since.
    pub fn gathered(&self, key: &FactKey) -> Option<&Fact> {
        self.facts.get(key)
    }

    /// The value of `key` after all operations so far.
    pub fn get(&self, key: &FactKey) -> Lookup {
        let view = self.view();
        let since = match key.depends_on() {
            DependsOn::Anything => view.last().map(|entry| (entry, "it is tried after that")),
            DependsOn::Others if !self.as_now => {
                view.last_but(key).map(|entry| (entry, "it is asked again after that"))
            }
            _ => None,
        };
        if let Some((entry, why)) = since {
            return Lookup::Since(entry.operation.clone(), why.to_owned());
        }
        let known = view.get_before(key, view.end());
        match key {
            FactKey::Installation(wish) if wish.verb != AptVerb::Remove => view.after_sources(known),
            FactKey::PackageLists => view.lists_after_sources(known),
            FactKey::DockerEngine => view.engine(),
            key if key.is_about_containers() => view.after_earlier_engine(key, known),
            key => match key.folder() {
                Some(top) => view.after_entries_change(top, known),
                None => known,
            },
        }
    }

    /// The latest operation that changes anything, if there is one.
    pub fn last_change(&self) -> Option<OperationId> {
        self.view().last().map(|entry| entry.operation.clone())
    }

    /// The latest operation that may start or remove containers, if there is one.
    pub fn containers_change(&self) -> Option<OperationId> {
        if self.as_now {
            return None;
        }
        let view = self.view();
        let may_change = |entry: &&Entry| entry.effect.may_change_containers();
        let own = view.own.entries(usize::MAX).iter().rfind(may_change);
        let entry = own.or_else(|| view.log.entries(view.seen).iter().rfind(may_change))?;
        Some(entry.operation.clone())
    }

    /// The latest operation that may change what the Docker engine has, since the fact `key` was set or read.
    pub fn docker_change(&self, key: &FactKey) -> Option<OperationId> {
        if self.as_now {
            return None;
        }
        let view = self.view();
        let mut entries = view
            .log
            .entries(view.seen)
            .iter()
            .chain(view.own.entries(usize::MAX))
            .rev();
        let counts = |entry: &&Entry| entry.effect.sets(key) || entry.effect.may_change_docker();
        let entry = entries.find(counts).filter(|entry| !entry.effect.sets(key))?;
        Some(entry.operation.clone())
    }

    /// Whether an operation may start, stop or remove this container, or one of its project.
    pub fn may_change_container(&self, project: Option<&str>, name: &str) -> bool {
        self.entries(|entry, all| match entry.effect.key() {
            Some(FactKey::ComposeProject(changed)) => Some(changed.as_str()) == project,
            Some(FactKey::DockerContainer(changed)) => changed == name,
            Some(_) => false,
            // What is pruned is not named.
            None if matches!(entry.effect, Effect::Forget(FactScope::Docker, _)) => true,
            None => entry.effect.may_change_containers() && !names_containers(entry, all),
        })
    }

    /// Whether an operation may stop a program that is no container.
    pub fn may_change_programs(&self) -> bool {
        self.entries(|entry, all| match &entry.effect {
            Effect::Set(key, _) | Effect::Forget(FactScope::Key(key), _) => {
                matches!(key, FactKey::Unit(_) | FactKey::Package(_) | FactKey::System)
            }
            Effect::Forget(FactScope::Packages | FactScope::Units | FactScope::Everything, _) => true,
            Effect::Forget(FactScope::Containers, _) => !names_containers(entry, all),
            Effect::Forget(..) => false,
        })
    }

    /// Whether any entry is so, among all of them.
    fn entries(&self, is_so: impl Fn(&Entry, &[&Entry]) -> bool) -> bool {
        if self.as_now {
            return false;
        }
        let view = self.view();
        let all: Vec<&Entry> = view
            .log
            .entries(view.seen)
            .iter()
            .chain(view.own.entries(usize::MAX))
            .collect();
        all.iter().any(|entry| is_so(entry, &all))
    }

    /// The value that an earlier operation gives `key`, and which operation; `None` if none does.
    pub fn predicted(&self, key: &FactKey) -> Option<(OperationId, Fact)> {
        let view = self.view();
        let entry = view.own.set(key, usize::MAX).or_else(|| view.log.set(key, view.seen))?;
        match &entry.effect {
            Effect::Set(_, fact) => Some((entry.operation.clone(), fact.clone())),
            Effect::Forget(..) => None,
        }
    }

    /// Whether the thing under `key` was absent before what makes it unknown, and nothing of that is known to create such
    /// things, as packages are.
    pub fn was_absent(&self, key: &FactKey) -> bool {
        let view = self.view();
        let mut end = view.end();
        while let Some((at, entry)) = view.newest(key, end) {
            let is_from_a_file = matches!(key, FactKey::Unit(unit)
                if view.newest_file_change(unit, end).is_some_and(|(file, _)| file > at));
            match &entry.effect {
                _ if is_from_a_file => return false,
                Effect::Set(_, fact) => return key.is_absent(fact),
                Effect::Forget(scope, _) if scope.only_absent() => return false,
                Effect::Forget(..) => end = at,
            }
        }
        let has_file = matches!(key, FactKey::Unit(unit) if view.newest_file_change(unit, end).is_some());
        !has_file && view.facts.get(key).is_some_and(|fact| key.is_absent(fact))
    }

    /// Whether an operation says nothing about what it may change.
    pub fn is_unbounded(&self, operation: &OperationId) -> bool {
        let view = self.view();
        let mut entries = view.log.entries(view.seen).iter().chain(view.own.entries(usize::MAX));
        entries.any(|entry| {
            entry.operation == *operation && matches!(entry.effect, Effect::Forget(FactScope::Everything, _))
        })
    }

    /// Whether an operation that says nothing about what it may change is the last one that may change this.
    pub fn is_open(&self, key: &FactKey) -> bool {
        matches!(self.get(key), Lookup::Since(operation, _) if self.is_unbounded(&operation))
    }

    /// Whether an operation changes a file of `unit` after what else happens to the unit.
    pub fn changes_files_last(&self, unit: &str) -> bool {
        let view = self.view();
        let direct = view.newest(&FactKey::Unit(unit.to_owned()), view.end());
        let file = view.newest_file_change(unit, view.end());
        file.is_some_and(|(at, _)| direct.is_none_or(|(direct, _)| direct < at))
    }

    /// Whether the thing under `key` is absent, unless one of the packages that operations so far install brings it.
    pub fn is_absent_but_for_packages(&self, key: &FactKey) -> bool {
        let view = self.view();
        let mut end = view.end();
        while let Some((at, entry)) = view.newest(key, end) {
            match &entry.effect {
                Effect::Set(_, fact) => return key.is_absent(fact),
                Effect::Forget(scope, _) if scope.is_of_packages() => end = at,
                Effect::Forget(..) => return false,
            }
        }
        view.facts.get(key).is_some_and(|fact| key.is_absent(fact))
    }

    /// Whether there is, or may be, something at a path. Packages that operations so far install are not counted.
    pub fn may_be_there(&self, path: &str) -> bool {
        let key = FactKey::Path(path.to_owned());
        let view = self.view();
        let mut end = view.end();
        while let Some((at, entry)) = view.newest(&key, end) {
            match &entry.effect {
                Effect::Set(_, fact) => return !key.is_absent(fact),
                Effect::Forget(scope, _) if scope.is_of_packages() => end = at,
                Effect::Forget(..) => return true,
            }
        }
        view.facts.get(&key).is_some_and(|fact| !key.is_absent(fact))
    }

    /// The files below a directory that operations so far write (with what is in them, unless that is large) or remove, by path.
    ///
    /// Errors: one of them makes something there unknown, for this reason.
    pub fn files_below(&self, top: &str) -> Result<WrittenFiles, (OperationId, String)> {
        self.written(|effect| effect.is_below(top))
    }

    /// The same for one file.
    ///
    /// Errors: one of the operations makes it unknown, for this reason.
    pub fn file_at(&self, path: &str) -> Result<WrittenFiles, (OperationId, String)> {
        self.written(|effect| effect.is_at(path))
    }

    fn written(&self, is_meant: impl Fn(&Effect) -> bool) -> Result<WrittenFiles, (OperationId, String)> {
        let view = self.view();
        let mut files = BTreeMap::new();
        let entries = view.log.entries(view.seen).iter().chain(view.own.entries(usize::MAX));
        for entry in entries.filter(|entry| is_meant(&entry.effect)) {
            match &entry.effect {
                Effect::Set(FactKey::Content(path), Fact::Content(ContentFact::Bytes(bytes))) => {
                    files.insert(path.clone(), Some(bytes.clone()));
                }
                Effect::Set(FactKey::Path(path), Fact::Path(PathFact::Absent)) => {
                    files.insert(path.clone(), None);
                }
                Effect::Set(..) => {}
                Effect::Forget(..) if self.as_now => {}
                Effect::Forget(_, why) => return Err((entry.operation.clone(), why.clone())),
            }
        }
        Ok(files)
    }

    /// Whether operations so far change apt's sources, and none fetches the package lists since.
    pub fn awaits_lists(&self) -> bool {
        self.view().awaits_lists()
    }

    /// Packages that operations so far remove and do not install again.
    pub fn removed_packages(&self) -> BTreeSet<String> {
        let view = self.view();
        let mut removed = BTreeSet::new();
        for entry in view.log.entries(view.seen).iter().chain(view.own.entries(usize::MAX)) {
            if let Effect::Set(FactKey::Package(name), Fact::Package(fact)) = &entry.effect {
                match fact {
                    PackageFact::Absent => removed.insert(name.clone()),
                    _ => removed.remove(name),
                };
            }
        }
        removed
    }

    /// Packages that were installed automatically, and that operations so far mark as wanted; without architectures.
    pub fn marked_packages(&self) -> BTreeSet<String> {
        let view = self.view();
        let mut marked = BTreeSet::new();
        for entry in view.log.entries(view.seen).iter().chain(view.own.entries(usize::MAX)) {
            let Effect::Set(key @ FactKey::Package(name), Fact::Package(fact)) = &entry.effect else {
                continue;
            };
            let name = name.split(':').next().unwrap_or(name);
            let was_automatic = matches!(
                self.facts.get(key),
                Some(Fact::Package(PackageFact::Listed { automatic: true, .. }))
            );
            if was_automatic && matches!(fact, PackageFact::Listed { automatic: false, .. }) {
                marked.insert(name.to_owned());
            } else {
                marked.remove(name);
            }
        }
        marked
    }

    fn view(&self) -> View<'_> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        View {
            facts: &self.facts,
            seen: self.seen.unwrap_or(log.len()),
            log,
            own: &self.own,
            as_now: self.as_now,
        }
    }
}

/// Whether the operation of an entry says which containers it changes.
fn names_containers(entry: &Entry, all: &[&Entry]) -> bool {
    let mut of_operation = all.iter().filter(|other| other.operation == entry.operation);
    of_operation.any(|other| other.effect.key().is_some_and(FactKey::is_about_containers))
}

/// The part of the log that an overlay sees.
struct View<'a> {
    facts: &'a Facts,
    log: RwLockReadGuard<'a, Log>,
    seen: usize,
    own: &'a Log,
    as_now: bool,
}

impl View<'_> {
    fn end(&self) -> usize {
        self.seen + self.own.len()
    }

    /// The latest entry, after which conditions are tried again.
    fn last(&self) -> Option<&Entry> {
        if self.as_now {
            return None;
        }
        // Commands that change no file leave conditions as they are.
        let counts = |entry: &&Entry| !matches!(entry.effect, Effect::Forget(FactScope::Containers, _));
        let own = self.own.entries(usize::MAX).iter().rfind(counts);
        own.or_else(|| self.log.entries(self.seen).iter().rfind(counts))
    }

    /// The latest entry, unless that sets `key`. What is done to an answer is named only if nothing else is done.
    fn last_but(&self, key: &FactKey) -> Option<&Entry> {
        let last = self.last()?;
        if matches!(&last.effect, Effect::Set(set, _) if set == key) {
            return None;
        }
        let is_else = |entry: &&Entry| {
            !matches!(
                entry.effect,
                Effect::Set(FactKey::Answer(_), _)
                    | Effect::Forget(FactScope::Key(FactKey::Answer(_)) | FactScope::Containers, _)
            )
        };
        let own = self.own.entries(usize::MAX).iter().rfind(is_else);
        own.or_else(|| self.log.entries(self.seen).iter().rfind(is_else))
            .or(Some(last))
    }

    /// What is in a directory, `known` without operations that change something below it.
    fn after_entries_change(&self, top: &str, known: Lookup) -> Lookup {
        let entries = self.log.entries(self.seen).iter().chain(self.own.entries(usize::MAX));
        let counts = |entry: &&Entry| !(self.as_now && matches!(entry.effect, Effect::Forget(..)));
        match entries.rev().filter(counts).find(|entry| entry.effect.is_below(top)) {
            Some(entry) => Lookup::Since(entry.operation.clone(), "it changes what is in it".to_owned()),
            None => known,
        }
    }

    /// The latest entry before the position `end` that affects `key`, with its position.
    fn newest(&self, key: &FactKey, end: usize) -> Option<(usize, &Entry)> {
        let own = self.own.newest(key, end.saturating_sub(self.seen), self.as_now);
        own.map(|(at, entry)| (at + self.seen, entry))
            .or_else(|| self.log.newest(key, end.min(self.seen), self.as_now))
    }

    /// The latest entry before the position `end` that changes a file of `unit`, with its position.
    fn newest_file_change(&self, unit: &str, end: usize) -> Option<(usize, &Entry)> {
        let own = self
            .own
            .newest_file_change(unit, end.saturating_sub(self.seen), self.as_now);
        own.map(|(at, entry)| (at + self.seen, entry))
            .or_else(|| self.log.newest_file_change(unit, end.min(self.seen), self.as_now))
    }

    fn get_before(&self, key: &FactKey, mut end: usize) -> Lookup {
        if let FactKey::Unit(unit) = key
            && let Some((at, entry)) = self.newest_file_change(unit, end)
            && self.newest(key, end).is_none_or(|(direct, _)| direct < at)
        {
            return self.with_file_change(key, unit, (at, entry), end);
        }
        while let Some((at, entry)) = self.newest(key, end) {
            let (scope, why) = match &entry.effect {
                Effect::Set(_, fact) => return Lookup::Known(fact.clone()),
                Effect::Forget(scope, why) => (scope, why),
            };
            let since = || Lookup::Since(entry.operation.clone(), why.clone());
            if !scope.only_absent() {
                return since();
            }
            let presence = key.presence();
            let asked = presence.as_ref().unwrap_or(key);
            match self.get_before(asked, at) {
                Lookup::NotGathered => return Lookup::NotGathered,
                Lookup::Since(..) | Lookup::Known(Fact::Denied(_)) => return since(),
                Lookup::Known(fact) if asked.is_absent(&fact) => return since(),
                known @ Lookup::Known(_) if presence.is_none() => return known,
                Lookup::Known(_) => end = at,
            }
        }
        self.facts
            .get(key)
            .map_or(Lookup::NotGathered, |fact| Lookup::Known(fact.clone()))
    }
}

impl View<'_> {
    /// A unit as it is known after an operation has changed one of its files.
    fn with_file_change(&self, key: &FactKey, unit: &str, (at, entry): (usize, &Entry), end: usize) -> Lookup {
        let before = match self.get_before(key, at) {
            Lookup::Known(Fact::Unit(before)) => before,
            other => return other,
        };
        let since = |why: &str| Lookup::Since(entry.operation.clone(), why.to_owned());
        if let Effect::Forget(_, why) = &entry.effect {
            return since(why);
        }
        let Some(change) = entry.effect.file_change(unit) else {
            return Lookup::Known(Fact::Unit(before));
        };
        let content = change
            .path()
            .map(|path| self.get_before(&FactKey::Content(path.to_owned()), end));
        let text = match &content {
            Some(Lookup::Known(Fact::Content(ContentFact::Bytes(bytes)))) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        match change.applied(unit, before, text) {
            Some(after) => Lookup::Known(Fact::Unit(after)),
            None => since("its unit file changes"),
        }
    }
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::http::{Answer, Question, Request};
    use crate::facts::path::{Inode, InodeKind, PathFact};

    fn path(path: &str) -> FactKey {
        FactKey::Path(path.to_owned())
    }

    fn directory() -> Fact {
        Fact::Path(PathFact::Present(Inode {
            owner_id: None,
            group_id: None,
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
    fn an_answer_is_unknown_after_any_change_but_its_own() {
        let question = |url: &str| FactKey::Answer(Question(Box::new(Request::get(url))));
        let (anna, otto) = (question("http://db/anna"), question("http://db/otto"));
        let answer = |status| {
            Fact::Answer(Answer::Came {
                status,
                body: Vec::new(),
            })
        };
        let mut facts = facts();
        facts.insert(anna.clone(), answer(404));
        facts.insert(otto.clone(), answer(404));
        let mut overlay = Overlay::new(&facts);
        assert_eq!(overlay.get(&anna), Lookup::Known(answer(404)));
        assert_eq!(overlay.as_now().get(&anna), Lookup::Known(answer(404)));
        overlay.commit(&id("file"), [Effect::Set(path("/etc/gone"), directory())]);
        let since = |name| Lookup::Since(id(name), "it is asked again after that".to_owned());
        assert_eq!(overlay.get(&anna), since("file"));
        let now = overlay.as_now();
        assert_eq!(now.get(&anna), Lookup::Known(answer(404)));
        assert_eq!(now.get(&path("/etc/gone")), Lookup::Known(directory()));
        overlay.commit(&id("anna"), [Effect::Set(anna.clone(), answer(200))]);
        assert_eq!(overlay.get(&anna), Lookup::Known(answer(200)));
        assert_eq!(overlay.get(&otto), since("file"));
        assert_eq!(overlay.as_now().get(&anna), Lookup::Known(answer(200)));
        facts.forget_affected(&[&Effect::Set(anna.clone(), answer(200))]);
        assert!(facts.get(&anna).is_none() && facts.get(&otto).is_none());
    }

    #[test]
    fn what_was_absent_is_told_from_what_a_package_or_a_file_creates() {
        let unit = || FactKey::Unit("a.service".to_owned());
        let everything = || Effect::Forget(FactScope::Everything, "why".to_owned());
        let package = || Effect::Forget(FactScope::MayComeWithPackages, "why".to_owned());
        let file = || Effect::Forget(FactScope::Key(path("/etc/systemd/system/a.service")), "why".to_owned());
        for (effects, was_absent) in [
            (vec![everything()], true),
            (vec![everything(), everything()], true),
            (vec![package()], false),
            (vec![package(), everything()], false),
            (vec![file(), everything()], false),
            (vec![everything(), file()], false),
        ] {
            let mut facts = Facts::default();
            facts.insert(unit(), unit().absent().expect("may be absent"));
            let mut overlay = Overlay::new(&facts);
            overlay.commit(&id("a"), effects.clone());
            assert_eq!(overlay.was_absent(&unit()), was_absent, "{effects:?}");
        }
        assert!(!Overlay::new(&Facts::default()).was_absent(&unit()));
    }

    #[test]
    fn a_package_makes_unknown_only_what_is_absent_at_that_point() {
        let facts = facts();
        let mut overlay = Overlay::new(&facts);
        overlay.commit(&id("made before"), [Effect::Set(path("/etc/new"), directory())]);
        overlay.commit(
            &id("package"),
            [Effect::Forget(
                FactScope::MayComeWithPackages,
                "may create it".to_owned(),
            )],
        );
        assert_eq!(overlay.get(&path("/etc/there")), Lookup::Known(directory()));
        assert_eq!(overlay.get(&path("/etc/new")), Lookup::Known(directory()));
        let since = Lookup::Since(id("package"), "may create it".to_owned());
        assert_eq!(overlay.get(&path("/etc/gone")), since);
        assert_eq!(overlay.get(&FactKey::Content("/etc/gone".to_owned())), since);
        overlay.commit(&id("written"), [Effect::Set(path("/etc/gone"), directory())]);
        assert_eq!(overlay.get(&path("/etc/gone")), Lookup::Known(directory()));
    }
}
