//! Sets of facts, what a change does to them, and what that makes out of date.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::apt::files;
use super::collection::Facts;
use super::key::{Fact, FactKey};
use super::kind::{DependsOn, Subject};
use super::path::is_below;
use super::unit::files::{FileChange, are_unit_files_below, is_unit_file};

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
#[expect(clippy::large_enum_variant, reason = "most effects set a fact")]
pub enum Effect {
    /// From here on this is so.
    Set(FactKey, Fact),
    /// From here on this is not known, for the reason given in words.
    Forget(FactScope, String),
}

/// Where packages put their units (systemd.unit(5)).
const UNIT_FOLDERS: [&str; 3] = ["/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"];

/// Where nearly all files of packages are.
const PACKAGE_FOLDERS: [&str; 4] = ["/etc", "/usr", "/var/lib", "/boot"];

/// A set of facts that may be unbounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactScope {
    /// One fact; for a path also what is in it.
    Key(FactKey),
    /// Paths in and below a directory.
    Tree(String),
    /// All packages, and what apt would do.
    Packages,
    /// What is absent now and may come with a package.
    MayComeWithPackages,
    /// Parameters that the kernel does not have now and that may come with a module.
    NewKernelParameters,
    /// Files of packages, whichever those are: wherever packages have files, be it named here or not.
    FilesOfPackages,
    /// What is at these paths, and the units among them: files of packages that are known.
    Owned(#[serde(with = "super::shared")] Arc<BTreeSet<String>>),
    /// All units.
    Units,
    /// All users and groups.
    Accounts,
    /// Which containers there are and run, whatever files change. Reviews show them as they are now, and refuse nothing for it.
    Containers,
    /// All that the Docker engine has.
    Docker,
    /// All that clusters of Kubernetes have.
    Kubernetes,
    /// Everything.
    Everything,
}

impl FactScope {
    /// Whether `key` is of this scope, leaving aside whether it is absent now.
    pub fn covers(&self, key: &FactKey) -> bool {
        match self {
            Self::Key(own) => {
                // What it is about counts: headers and planned texts may be known only later, and are not stored.
                own == key
                    || own.path().is_some_and(|path| key.path() == Some(path))
                    || own.url().is_some_and(|url| key.url() == Some(url))
                    || own
                        .compose_project()
                        .is_some_and(|name| key.compose_project() == Some(name))
            }
            Self::Tree(top) => key.path().is_some_and(|path| is_below(path, top)),
            Self::Packages => key.subject() == Subject::Packages,
            Self::MayComeWithPackages => key.may_come_with_packages(),
            Self::NewKernelParameters => matches!(key, FactKey::KernelParameter(_)),
            Self::FilesOfPackages => key
                .path()
                .is_some_and(|path| PACKAGE_FOLDERS.iter().any(|top| is_below(path, top))),
            Self::Owned(paths) => match key.subject() {
                Subject::Unit(unit) => UNIT_FOLDERS
                    .iter()
                    .any(|folder| paths.contains(&format!("{folder}/{unit}"))),
                Subject::Path(path) => paths.contains(path),
                _ => false,
            },
            Self::Units => matches!(key.subject(), Subject::Unit(_)),
            Self::Accounts => key.subject() == Subject::Accounts,
            Self::Containers => false,
            Self::Docker => key.is_about_containers(),
            Self::Kubernetes => matches!(
                key,
                FactKey::KubernetesCluster(_) | FactKey::KubernetesObject(_) | FactKey::HelmRelease(_)
            ),
            Self::Everything => true,
        }
    }

    /// Whether it holds only what is absent when it is forgotten.
    pub(super) fn only_absent(&self) -> bool {
        matches!(self, Self::MayComeWithPackages | Self::NewKernelParameters)
    }

    /// Whether it holds what packages bring or change.
    pub(super) fn is_of_packages(&self) -> bool {
        self.only_absent() || matches!(self, Self::FilesOfPackages | Self::Owned(_))
    }

    /// Whether all of `other` is of this scope.
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) | (Self::FilesOfPackages, Self::Owned(_)) => true,
            (_, Self::Key(key)) => !self.only_absent() && self.covers(key),
            (Self::Tree(top), Self::Tree(below)) => is_below(below, top),
            (Self::Tree(top), Self::Owned(paths)) => paths.iter().all(|path| is_below(path, top)),
            _ => self == other,
        }
    }
}

impl Effect {
    /// Whether all that it changes or forgets is of one of `scopes`.
    pub fn is_within(&self, scopes: &[FactScope]) -> bool {
        // What starts containers may create what they are made of and use.
        let may_start_containers = scopes.contains(&FactScope::Containers);
        let covers = |key: &FactKey| {
            may_start_containers && key.is_about_containers()
                || scopes.iter().any(|scope| !scope.only_absent() && scope.covers(key))
        };
        let includes = |other: &FactScope| scopes.iter().any(|scope| scope.includes(other));
        match self {
            // What is tried depends on anything, so trying it again is beyond nothing.
            Self::Forget(FactScope::Key(key), _) if key.depends_on() == DependsOn::Anything => true,
            Self::Set(key, _) | Self::Forget(FactScope::Key(key), _) => covers(key),
            Self::Forget(owned @ FactScope::Owned(paths), _) => {
                let are_covered = || paths.iter().all(|path| covers(&FactKey::Path(path.clone())));
                (includes(owned) || are_covered()) && units(paths).all(|unit| covers(&FactKey::Unit(unit.to_owned())))
            }
            Self::Forget(scope, _) => includes(scope),
        }
    }

    /// The one fact that it is about.
    pub(super) fn key(&self) -> Option<&FactKey> {
        match self {
            Self::Set(key, _) | Self::Forget(FactScope::Key(key), _) => Some(key),
            Self::Forget(..) => None,
        }
    }

    /// The change that it makes to a file of `unit`.
    pub(super) fn file_change(&self, unit: &str) -> Option<FileChange<'_>> {
        match self {
            Self::Set(FactKey::Path(path), Fact::Path(fact)) => FileChange::at(unit, path, fact),
            Self::Forget(FactScope::Key(FactKey::Path(path)), _) => FileChange::unknown(unit, path),
            Self::Forget(FactScope::Tree(top), _) => FileChange::unknown_below(unit, top),
            _ => None,
        }
    }

    /// Whether it may change a file of some unit.
    pub(super) fn may_change_unit_files(&self) -> bool {
        match self {
            Self::Set(FactKey::Path(path), _) | Self::Forget(FactScope::Key(FactKey::Path(path)), _) => {
                is_unit_file(path)
            }
            Self::Forget(FactScope::Tree(top), _) => are_unit_files_below(top),
            _ => false,
        }
    }

    /// The one path that it is about.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Set(key, _) | Self::Forget(FactScope::Key(key), _) => key.path(),
            Self::Forget(..) => None,
        }
    }

    /// Whether it is about a path below a directory.
    pub(super) fn is_below(&self, top: &str) -> bool {
        let path = match self {
            Self::Forget(FactScope::Tree(path), _) => Some(path.as_str()),
            _ => self.path(),
        };
        path.is_some_and(|path| is_below(path, top) && path.trim_end_matches('/') != top)
    }

    /// Whether it is about this path, or all below a folder that it is in.
    pub(super) fn is_at(&self, path: &str) -> bool {
        match self {
            Self::Forget(FactScope::Tree(top), _) => is_below(path, top),
            _ => self.path() == Some(path),
        }
    }

    /// Whether it may change a file that apt chooses packages by.
    fn may_change_sources(&self) -> bool {
        match self {
            Self::Set(FactKey::Path(path), _) | Self::Forget(FactScope::Key(FactKey::Path(path)), _) => {
                files::part(path).is_some()
            }
            Self::Forget(FactScope::Tree(top), _) => files::are_below(top),
            _ => false,
        }
    }

    /// Whether containers may come, go, start or stop with it.
    pub(super) fn may_change_containers(&self) -> bool {
        match self {
            Self::Set(key, _) => matches!(key.subject(), Subject::Unit(_)),
            Self::Forget(scope, _) => match scope {
                FactScope::Containers | FactScope::Units | FactScope::Everything => true,
                FactScope::Key(key) => matches!(key.subject(), Subject::Unit(_)),
                _ => false,
            },
        }
    }

    /// Whether it sets `key`.
    pub(super) fn sets(&self, key: &FactKey) -> bool {
        matches!(self, Self::Set(set, _) if set == key)
    }

    /// Whether what the Docker engine has may change with it.
    pub(super) fn may_change_docker(&self) -> bool {
        let is_own = match self {
            Self::Set(key, _) | Self::Forget(FactScope::Key(key), _) => key.is_about_containers(),
            Self::Forget(scope, _) => *scope == FactScope::Docker,
        };
        is_own || self.may_change_containers()
    }

    /// Whether a cluster, or the namespaces and kinds that it has, may change with it.
    fn may_change_cluster(&self) -> bool {
        matches!(
            self,
            Self::Set(FactKey::KubernetesCluster(_), _)
                | Self::Forget(
                    FactScope::Key(FactKey::KubernetesCluster(_)) | FactScope::Kubernetes | FactScope::Everything,
                    _
                )
        )
    }

    /// Whether it makes what was read under `key` out of date.
    fn affects(&self, key: &FactKey, facts: &Facts) -> bool {
        match (key.depends_on(), self) {
            (DependsOn::Anything | DependsOn::Others, _) => true,
            _ if self.may_change_containers() && key.is_about_containers() => true,
            _ if self.may_change_docker() && key.is_about_all_of_docker() => true,
            // An object that its cluster could not be asked about.
            _ if self.may_change_cluster()
                && matches!(key, FactKey::KubernetesObject(_) | FactKey::HelmRelease(_))
                && !facts.is_present(key) =>
            {
                true
            }
            (DependsOn::Packages, Self::Set(set, _)) if set.subject() == Subject::Packages => true,
            (_, Self::Set(set, _))
                if facts
                    .get(key)
                    .is_some_and(|known| key.is_outdated_by(known, set.subject())) =>
            {
                true
            }
            _ if matches!(key.subject(), Subject::Unit(unit) if self.file_change(unit).is_some()) => true,
            _ if matches!(key, FactKey::Installation(_) | FactKey::PackageLists) && self.may_change_sources() => true,
            _ if key.folder().is_some_and(|top| self.is_below(top)) => true,
            (_, Self::Set(set, _)) => FactScope::Key(set.clone()).covers(key),
            (_, Self::Forget(scope, _)) if scope.only_absent() => {
                // A package may add members to groups that are there, and all accounts are read together anyway.
                scope.covers(key) && (key.subject() == Subject::Accounts || !facts.is_present(key))
            }
            (_, Self::Forget(scope, _)) => scope.covers(key),
        }
    }
}

/// The names of the units among `paths`.
fn units(paths: &BTreeSet<String>) -> impl Iterator<Item = &str> {
    paths.iter().filter_map(|path| {
        let (folder, name) = path.rsplit_once('/')?;
        UNIT_FOLDERS.contains(&folder).then_some(name)
    })
}

impl Facts {
    /// Forgets what `effects` may have changed, so that it is read again when it is asked for again.
    pub fn forget_affected(&mut self, effects: &[&Effect]) {
        // Thousands of files do not make it take long: most effects are about a path, and affect only what is at that path.
        let (at_paths, others): (Vec<&Effect>, Vec<&Effect>) =
            effects.iter().partition(|effect| effect.path().is_some());
        let paths: HashSet<&str> = at_paths.iter().filter_map(|effect| effect.path()).collect();
        let is_affected = |key: &&FactKey| match key.path() {
            Some(path) if key.depends_on() == DependsOn::Itself && key.folder().is_none() => {
                paths.contains(path) || others.iter().any(|effect| effect.affects(key, self))
            }
            // What is at a path does not say on which disk that is.
            None if matches!(key, FactKey::DiskLocation(_)) => others.iter().any(|effect| effect.affects(key, self)),
            _ => effects.iter().any(|effect| effect.affects(key, self)),
        };
        let affected: Vec<FactKey> = self.keys().filter(is_affected).cloned().collect();
        for key in &affected {
            self.remove(key);
        }
    }

    /// Whether it is known that something is there.
    fn is_present(&self, key: &FactKey) -> bool {
        let asked = key.presence();
        let asked = asked.as_ref().unwrap_or(key);
        match self.get(asked) {
            None | Some(Fact::Denied(_)) => false,
            Some(fact) => !asked.is_absent(fact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::{Answer, Headers, Question, Request};
    use super::super::package::PackageFact;
    use super::*;
    use crate::secret::Secret;

    fn path(path: &str) -> FactKey {
        FactKey::Path(path.to_owned())
    }

    fn tree(top: &str) -> FactScope {
        FactScope::Tree(top.to_owned())
    }

    fn set(key: FactKey) -> Effect {
        let absent = key.absent().expect("may be absent");
        Effect::Set(key, absent)
    }

    fn forget(scope: FactScope) -> Effect {
        Effect::Forget(scope, "why".to_owned())
    }

    #[test]
    fn a_resource_of_a_web_api_is_the_same_with_other_headers() {
        let key = |url: &str, token: &str| {
            let headers = Headers::new([("Authorization".to_owned(), Secret::new(token))]);
            FactKey::Answer(Question(Box::new(Request {
                headers,
                ..Request::get(url)
            })))
        };
        let may_change = [FactScope::Key(key("http://a/", "known later"))];
        let set = |url: &str| Effect::Set(key(url, "t-1"), Fact::Answer(Answer::None(String::new())));
        assert!(set("http://a/").is_within(&may_change));
        assert!(!set("http://a/b").is_within(&may_change));
    }

    fn owned(paths: &[&str]) -> FactScope {
        FactScope::Owned(Arc::new(paths.iter().map(|path| (*path).to_owned()).collect()))
    }

    #[test]
    fn what_is_set_lies_within_the_key_or_the_tree() {
        let content = || FactKey::Content("/etc/x".to_owned());
        assert!(set(content()).is_within(&[FactScope::Key(path("/etc/x"))]));
        assert!(set(content()).is_within(&[tree("/srv"), tree("/etc/")]));
        assert!(set(path("/etc/x")).is_within(&[tree("/")]));
        assert!(!set(path("/etcetera")).is_within(&[tree("/etc")]));
        assert!(!set(path("/etc/x")).is_within(&[FactScope::Key(path("/etc"))]));
        assert!(!set(path("/etc/x")).is_within(&[]));
        assert!(!set(FactKey::User("anna".to_owned())).is_within(&[FactScope::Units, FactScope::Packages]));
        assert!(set(FactKey::UserNumber(7)).is_within(&[FactScope::Accounts]));
        // What a package may create is absent before, and what it is like then is unknown.
        assert!(!set(path("/etc/x")).is_within(&[FactScope::MayComeWithPackages]));
    }

    #[test]
    fn what_is_forgotten_lies_within_scopes_too() {
        for scope in [
            FactScope::Everything,
            FactScope::MayComeWithPackages,
            FactScope::Units,
            tree("/etc"),
            owned(&["/etc/x"]),
        ] {
            assert!(forget(scope.clone()).is_within(&[FactScope::Everything]));
            assert!(forget(scope.clone()).is_within(std::slice::from_ref(&scope)));
            assert!(!forget(scope).is_within(&[FactScope::Key(path("/etc"))]));
        }
        assert!(forget(tree("/etc/x")).is_within(&[tree("/etc")]));
        assert!(!forget(tree("/etc")).is_within(&[tree("/etc/x"), FactScope::Key(path("/etc"))]));
        assert!(!forget(FactScope::Everything).is_within(&[tree("/")]));
        assert!(forget(FactScope::Key(path("/etc/x"))).is_within(&[tree("/etc")]));
    }

    #[test]
    fn files_of_packages_bring_their_units_along() {
        let paths = || owned(&["/srv/x", "/usr/lib/systemd/system/x.service"]);
        let files = FactScope::FilesOfPackages;
        assert!(!forget(paths()).is_within(std::slice::from_ref(&files)));
        assert!(forget(paths()).is_within(&[files, FactScope::Units]));
        assert!(forget(paths()).is_within(&[tree("/srv"), tree("/usr"), FactScope::Units]));
        assert!(!forget(paths()).is_within(&[tree("/usr"), FactScope::Units]));
        let unit = FactScope::Key(FactKey::Unit("x.service".to_owned()));
        assert!(forget(paths()).is_within(&[tree("/"), unit]));
    }

    #[test]
    fn a_file_of_a_unit_makes_the_unit_out_of_date() {
        let unit = || FactKey::Unit("x.service".to_owned());
        let mut facts = Facts::default();
        facts.insert(unit(), unit().absent().expect("may be absent"));
        let is_left = |effect: Effect| {
            let mut facts = facts.clone();
            facts.forget_affected(&[&effect]);
            facts.get(&unit()).is_some()
        };
        assert!(!is_left(set(path("/etc/systemd/system/x.service"))));
        assert!(!is_left(forget(FactScope::Key(path(
            "/etc/systemd/system/x.service.d/a.conf"
        )))));
        assert!(!is_left(forget(tree("/etc"))));
        assert!(is_left(set(path("/etc/systemd/system/y.service"))));
        assert!(is_left(forget(tree("/srv"))));
    }

    #[test]
    fn a_changed_package_makes_out_of_date_what_it_may_provide() {
        let package = |name: &str| FactKey::Package(name.to_owned());
        let mut facts = Facts::default();
        facts.insert(package("absent"), Fact::Package(PackageFact::Absent));
        let by = [("exim4".to_owned(), true)].into();
        facts.insert(package("mail-agent"), Fact::Package(PackageFact::Provided { by }));
        let listed = PackageFact::installed(crate::value::Known::Yes("1".to_owned()));
        facts.insert(package("jq"), Fact::Package(listed));
        facts.forget_affected(&[&set(package("exim4"))]);
        let left: Vec<&FactKey> = facts.keys().collect();
        assert_eq!(left, [&package("jq")]);
    }

    #[test]
    fn a_change_makes_out_of_date_what_depends_on_it() {
        let mut facts = Facts::default();
        let check = FactKey::Check(super::super::Check::Tcp {
            host: "db".to_owned(),
            port: 1,
        });
        let unit = || FactKey::Unit("x.service".to_owned());
        let keys = [check, unit(), path("/etc/x"), FactKey::Content("/etc/x".to_owned())];
        for key in keys {
            let fact = key.absent().unwrap_or(Fact::Denied("why".to_owned()));
            facts.insert(key, fact);
        }
        let after = |effect: Effect| {
            let mut facts = facts.clone();
            facts.forget_affected(&[&effect]);
            facts.keys().map(ToString::to_string).collect::<Vec<_>>()
        };
        let left = ["path `/etc/x`", "the content of `/etc/x`"];
        assert_eq!(after(set(unit())), left);
        assert_eq!(after(set(path("/etc/x"))), ["unit `x.service`"]);
        assert!(after(forget(FactScope::MayComeWithPackages)).is_empty());
        assert_eq!(after(forget(FactScope::Accounts)).len(), 3);
    }
}
