//! The Docker engine after operations: packages bring and remove one, its unit starts and stops it. A new engine that finds nothing
//! of an earlier one has nothing but what every engine has, so all that is created in it is known before.

use super::{Lookup, View};
use crate::facts::docker::{
    DATA_ROOT, Engine, SETTINGS, brings_command, data_root, is_command_package, is_package, is_unit, state_file,
};
use crate::facts::package::PackageFact;
use crate::facts::path::{ContentFact, PathFact};
use crate::facts::scope::{Effect, FactScope, OperationId};
use crate::facts::unit::UnitFact;
use crate::facts::{Fact, FactKey};
use crate::value::Known;

/// The engine at some point of a plan.
struct Course<'a> {
    engine: Engine,
    /// The latest operation that makes it unknown, and why.
    doubt: Option<(&'a OperationId, String)>,
    /// Whether that is only whether a package brings one.
    is_about_packages: bool,
    /// Whether operations install the engine.
    is_new: bool,
    /// The operation that installed the engine where an earlier one left something.
    found_state: Option<(&'a OperationId, String)>,
}

impl View<'_> {
    pub(super) fn engine(&self) -> Lookup {
        let Some(gathered) = self.facts.get(&FactKey::DockerEngine) else {
            return Lookup::NotGathered;
        };
        let Fact::DockerEngine(engine) = gathered else {
            return Lookup::Known(gathered.clone());
        };
        let course = self.course(engine.clone());
        match course.doubt {
            Some((operation, why)) => Lookup::Since(operation.clone(), why),
            None => Lookup::Known(Fact::DockerEngine(course.engine)),
        }
    }

    /// Something that an engine has, `known` without what an earlier engine may have left to one that operations install.
    pub(super) fn after_earlier_engine(&self, key: &FactKey, known: Lookup) -> Lookup {
        let set = self.own.set(key, usize::MAX).or_else(|| self.log.set(key, self.seen));
        let Some(Fact::DockerEngine(engine)) = self.facts.get(&FactKey::DockerEngine) else {
            return known;
        };
        match self.course(engine.clone()).found_state {
            Some((operation, why)) if set.is_none() => Lookup::Since(operation.clone(), why),
            _ => known,
        }
    }

    fn course(&self, engine: Engine) -> Course<'_> {
        let mut course = Course {
            engine,
            doubt: None,
            is_about_packages: false,
            is_new: false,
            found_state: None,
        };
        let entries = self.log.entries(self.seen).iter().chain(self.own.entries(usize::MAX));
        for entry in entries {
            match &entry.effect {
                Effect::Set(FactKey::Package(name), Fact::Package(fact)) if is_package(name) => {
                    self.with_package(&mut course, &entry.operation, name, fact);
                }
                Effect::Set(FactKey::Package(name), Fact::Package(fact)) if is_command_package(name) => {
                    with_command(&mut course, &entry.operation, fact);
                }
                Effect::Set(FactKey::Package(_), Fact::Package(fact)) => {
                    with_other_package(&mut course, &entry.operation, fact);
                }
                Effect::Set(FactKey::Unit(unit), Fact::Unit(fact)) if is_unit(unit) => {
                    with_unit(&mut course, &entry.operation, unit, fact);
                }
                Effect::Forget(scope, _) if !self.as_now => with_scope(&mut course, &entry.operation, scope),
                _ => {}
            }
        }
        course
    }

    fn with_package<'a>(&self, course: &mut Course<'a>, operation: &'a OperationId, name: &str, package: &PackageFact) {
        if course.doubt.is_some() && !course.is_about_packages {
            return;
        }
        course.doubt = None;
        match (&course.engine, package.is_installed()) {
            (
                Engine::Absent {
                    data_root,
                    has_state,
                    has_command,
                },
                true,
            ) => {
                let has_command = *has_command || !lists_what_comes_along(package) || self.brings_command(name);
                let root = self.predicted_root().unwrap_or_else(|| data_root.clone());
                if self.has_state(&root, data_root, *has_state) {
                    let why = format!("an earlier Docker engine left what it had in `{root}`");
                    course.found_state = Some((operation, why));
                }
                course.is_new = true;
                course.engine = if has_command {
                    Engine::Running
                } else {
                    Engine::WithoutCommand
                };
            }
            (Engine::Stopped(_), true) => course.doubt = Some((operation, "its package may start it".to_owned())),
            (Engine::WithoutCommand | Engine::Running, true) | (Engine::Absent { .. }, false) => {}
            (engine, false) => {
                course.engine = Engine::Absent {
                    data_root: DATA_ROOT.to_owned(),
                    has_state: true,
                    has_command: !matches!(engine, Engine::WithoutCommand) && !self.brings_command(name),
                };
            }
        }
    }

    /// Whether a package that brings an engine also brings its command, on this system.
    fn brings_command(&self, name: &str) -> bool {
        match self.facts.get(&FactKey::System) {
            Some(Fact::System(system)) => brings_command(name, &system.machine.os),
            _ => true,
        }
    }

    /// The data root that settings of the plan name, be they written before the package comes or after it: the engine restarts
    /// with them.
    fn predicted_root(&self) -> Option<String> {
        let key = FactKey::Content(SETTINGS.to_owned());
        self.log
            .set(&key, self.seen)
            .or_else(|| self.own.set(&key, usize::MAX))?;
        match self.get_before(&key, self.end()) {
            Lookup::Known(Fact::Content(ContentFact::Bytes(bytes))) => data_root(&bytes),
            _ => None,
        }
    }

    /// Whether there is anything of an earlier engine in `root`. What was not read counts as if there were.
    fn has_state(&self, root: &str, read: &str, has_state: bool) -> bool {
        if root == read {
            return has_state;
        }
        let file = self.facts.get(&FactKey::Path(state_file(root)));
        file != Some(&Fact::Path(PathFact::Absent))
    }
}

/// Whether the plan knows which packages are installed along with this one.
fn lists_what_comes_along(package: &PackageFact) -> bool {
    matches!(
        package,
        PackageFact::Listed {
            version: Known::Yes(_),
            ..
        }
    )
}

/// The command comes to an engine that has none. Whether that engine runs is known only if operations install it.
fn with_command<'a>(course: &mut Course<'a>, operation: &'a OperationId, package: &PackageFact) {
    let is_installed = package.is_installed();
    match &mut course.engine {
        Engine::Absent { has_command, .. } => *has_command = is_installed,
        Engine::WithoutCommand if is_installed && course.is_new => course.engine = Engine::Running,
        Engine::WithoutCommand if is_installed => {
            course.doubt = Some((operation, "its command is installed".to_owned()));
            course.is_about_packages = false;
        }
        Engine::Running if !is_installed => course.engine = Engine::WithoutCommand,
        _ => {}
    }
}

/// Where the version of a package is known, all packages that come along are known too, by name.
fn with_other_package<'a>(course: &mut Course<'a>, operation: &'a OperationId, fact: &PackageFact) {
    let PackageFact::Listed { version, .. } = fact else {
        return;
    };
    let is_own = matches!(course.doubt, Some((of, _)) if of == operation);
    match version {
        Known::Yes(_) if is_own && course.is_about_packages => course.doubt = None,
        Known::No(_) => with_scope(course, operation, &FactScope::MayComeWithPackages),
        Known::Yes(_) => {}
    }
}

fn with_unit<'a>(course: &mut Course<'a>, operation: &'a OperationId, unit: &str, fact: &UnitFact) {
    let is_active = matches!(fact, UnitFact::Present(state) if state.active == "active");
    match &course.engine {
        Engine::Stopped(_) if is_active => {
            course.doubt = Some((operation, "it is started".to_owned()));
            course.is_about_packages = false;
        }
        Engine::Running if !is_active && unit == "docker.service" => {
            course.engine = Engine::Stopped(format!("`{unit}` is stopped"));
        }
        _ => {}
    }
}

fn with_scope<'a>(course: &mut Course<'a>, operation: &'a OperationId, scope: &FactScope) {
    let may_bring = matches!(course.engine, Engine::Absent { .. });
    let may_change = match scope {
        FactScope::Everything | FactScope::Key(FactKey::DockerEngine) => true,
        FactScope::Units => !may_bring,
        FactScope::Key(FactKey::Unit(unit)) => is_unit(unit) && !may_bring,
        FactScope::MayComeWithPackages | FactScope::Packages => may_bring,
        _ => false,
    };
    if may_change && (course.doubt.is_none() || course.is_about_packages) {
        course.is_about_packages = matches!(scope, FactScope::MayComeWithPackages | FactScope::Packages);
        let why = if course.is_about_packages {
            "a package may bring one"
        } else {
            "it may be changed"
        };
        course.doubt = Some((operation, why.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::docker::{Engine, SETTINGS};
    use crate::facts::overlay::{Effect, FactScope, Lookup, OperationId, Overlay};
    use crate::facts::package::PackageFact;
    use crate::facts::path::{ContentFact, Inode, InodeKind, PathFact};
    use crate::facts::system::SystemFacts;
    use crate::facts::unit::{UnitFact, UnitState};
    use crate::facts::{Fact, FactKey, Facts};
    use crate::secret::sha256_hex;
    use crate::value::Known;

    fn package(name: &str, version: Known<String>) -> Effect {
        let fact = PackageFact::installed(version);
        Effect::Set(FactKey::Package(name.to_owned()), Fact::Package(fact))
    }

    fn removed(name: &str) -> Effect {
        Effect::Set(FactKey::Package(name.to_owned()), Fact::Package(PackageFact::Absent))
    }

    fn forgets(scope: FactScope) -> Effect {
        Effect::Forget(scope, "why".to_owned())
    }

    /// As apt does it.
    fn installed(name: &str) -> Vec<Effect> {
        let version = Known::Yes("1".to_owned());
        vec![forgets(FactScope::MayComeWithPackages), package(name, version)]
    }

    /// As apt does it where the lists do not say yet which packages come along.
    fn installed_later(name: &str) -> Vec<Effect> {
        let version = Known::No("the lists are old".to_owned());
        vec![forgets(FactScope::MayComeWithPackages), package(name, version)]
    }

    fn unit(active: &str) -> Vec<Effect> {
        let state = UnitState {
            active: active.to_owned(),
            ..UnitState::default()
        };
        let key = FactKey::Unit("docker.service".to_owned());
        vec![Effect::Set(key, Fact::Unit(UnitFact::Present(state)))]
    }

    fn settings(text: &str) -> Vec<Effect> {
        let content = ContentFact::Bytes(text.as_bytes().to_vec());
        let inode = Inode {
            owner_id: None,
            group_id: None,
            kind: InodeKind::File {
                digest: Known::Yes(sha256_hex(text.as_bytes())),
            },
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: 0o644,
        };
        let path = FactKey::Path(SETTINGS.to_owned());
        vec![
            Effect::Set(path, Fact::Path(PathFact::Present(inode))),
            Effect::Set(FactKey::Content(SETTINGS.to_owned()), Fact::Content(content)),
        ]
    }

    fn absent(has_state: bool) -> Engine {
        Engine::Absent {
            data_root: "/var/lib/docker".to_owned(),
            has_state,
            has_command: false,
        }
    }

    /// What is known of the engine and of a network that none has, after operations.
    fn after(engine: &Engine, operations: &[Vec<Effect>]) -> (&'static str, &'static str) {
        after_on("12", engine, operations)
    }

    /// The same on a release of Debian.
    fn after_on(release: &str, engine: &Engine, operations: &[Vec<Effect>]) -> (&'static str, &'static str) {
        let mut system = SystemFacts::default();
        system.machine.os.id = "debian".to_owned();
        system.machine.os.version = release.to_owned();
        let network = FactKey::DockerNetwork("lan".to_owned());
        let mut facts = Facts::default();
        facts.insert(FactKey::System, Fact::System(Box::new(system)));
        facts.insert(FactKey::DockerEngine, Fact::DockerEngine(engine.clone()));
        facts.insert(network.clone(), Fact::DockerNetwork(Vec::new()));
        let state = "/new/network/files/local-kv.db".to_owned();
        facts.insert(FactKey::Path(state), Fact::Path(PathFact::Absent));
        let mut overlay = Overlay::new(&facts);
        for (number, effects) in operations.iter().enumerate() {
            overlay.commit(&OperationId(number.to_string()), effects.clone());
        }
        let engine = match overlay.get(&FactKey::DockerEngine) {
            Lookup::Known(Fact::DockerEngine(Engine::Running)) => "running",
            Lookup::Known(Fact::DockerEngine(Engine::Stopped(_))) => "stopped",
            Lookup::Known(Fact::DockerEngine(Engine::Absent { .. })) => "absent",
            Lookup::Known(Fact::DockerEngine(Engine::WithoutCommand)) => "without its command",
            Lookup::Known(_) => "other",
            Lookup::Since(..) => "later",
            Lookup::NotGathered => "unread",
        };
        let network = match overlay.get(&network) {
            Lookup::Known(Fact::DockerNetwork(networks)) if networks.is_empty() => "absent",
            Lookup::Known(_) => "present",
            Lookup::Since(..) => "later",
            Lookup::NotGathered => "unread",
        };
        (engine, network)
    }

    #[test]
    fn a_package_brings_an_engine_that_has_nothing_unless_an_earlier_one_left_it() {
        let new = r#"{ "data-root": "/new" }"#;
        let old = r#"{ "data-root": "/old" }"#;
        for (engine, operations, expected) in [
            (absent(false), vec![], ("absent", "absent")),
            (absent(false), vec![installed("docker.io")], ("running", "absent")),
            (absent(false), vec![installed("docker-ce")], ("running", "absent")),
            (absent(true), vec![installed("docker.io")], ("running", "later")),
            (absent(false), vec![installed("jq")], ("absent", "absent")),
            // It may bring an engine that its name does not tell of.
            (absent(false), vec![installed_later("jq")], ("later", "absent")),
            (absent(false), vec![installed_later("docker.io")], ("running", "absent")),
            (
                absent(false),
                vec![installed_later("jq"), installed("docker.io")],
                ("running", "absent"),
            ),
            (
                absent(false),
                vec![vec![forgets(FactScope::Packages)], installed("docker.io")],
                ("running", "absent"),
            ),
            (
                absent(false),
                vec![vec![forgets(FactScope::Everything)], installed("docker.io")],
                ("later", "later"),
            ),
            (
                absent(true),
                vec![settings(new), installed("docker.io")],
                ("running", "absent"),
            ),
            (
                absent(false),
                vec![installed("docker.io"), settings(old)],
                ("running", "later"),
            ),
            (
                absent(false),
                vec![settings(old), installed("docker.io")],
                ("running", "later"),
            ),
            (
                absent(false),
                vec![settings("{}"), installed("docker.io")],
                ("running", "absent"),
            ),
            (Engine::Running, vec![vec![removed("docker.io")]], ("absent", "absent")),
            (
                Engine::Running,
                vec![vec![removed("docker.io")], installed("docker.io")],
                ("running", "later"),
            ),
        ] {
            assert_eq!(after(&engine, &operations), expected, "{engine:?} {operations:?}");
        }
    }

    #[test]
    fn the_command_may_be_a_package_of_its_own() {
        let both = || [installed("docker.io"), installed("docker-cli")].concat();
        let there = Engine::Absent {
            data_root: "/var/lib/docker".to_owned(),
            has_state: false,
            has_command: true,
        };
        for (release, engine, operations, expected) in [
            ("13", absent(false), vec![installed("docker.io")], "without its command"),
            ("12", absent(false), vec![installed("docker.io")], "running"),
            ("13", absent(false), vec![installed("docker-ce")], "running"),
            ("13", there, vec![installed("docker.io")], "running"),
            ("13", absent(false), vec![both()], "running"),
            (
                "13",
                absent(false),
                vec![installed("docker-cli"), installed("docker.io")],
                "running",
            ),
            // What comes along is not known yet.
            ("13", absent(false), vec![installed_later("docker.io")], "running"),
            ("13", Engine::WithoutCommand, vec![installed("docker-cli")], "later"),
            (
                "13",
                Engine::Running,
                vec![vec![removed("docker-cli")]],
                "without its command",
            ),
            (
                "13",
                Engine::Running,
                vec![vec![removed("docker.io")], installed("docker.io")],
                "running",
            ),
        ] {
            assert_eq!(
                after_on(release, &engine, &operations).0,
                expected,
                "{release} {engine:?} {operations:?}"
            );
        }
    }

    #[test]
    fn its_unit_starts_and_stops_it() {
        let stopped = Engine::Stopped("why".to_owned());
        let unit_key = FactScope::Key(FactKey::Unit("docker.service".to_owned()));
        for (engine, operations, expected) in [
            (stopped.clone(), vec![], "stopped"),
            (stopped.clone(), vec![unit("active")], "later"),
            (stopped.clone(), vec![installed("jq")], "stopped"),
            (stopped.clone(), vec![installed("docker.io")], "later"),
            (stopped, vec![vec![forgets(unit_key)]], "later"),
            (Engine::Running, vec![unit("active")], "running"),
            (Engine::Running, vec![unit("inactive")], "stopped"),
            (Engine::Running, vec![installed("docker.io")], "running"),
            (absent(false), vec![installed("docker.io"), unit("active")], "running"),
        ] {
            assert_eq!(after(&engine, &operations).0, expected, "{engine:?} {operations:?}");
        }
    }
}
