//! A bench for unit tests of operations: takes facts, returns a plan.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Define, Definition, Operation, PlanContext, RunAs};
use crate::change::{NotKnown, Outcome, ResourceChange, Step, Stop};
use crate::content::Assets;
use crate::error::{Diagnostic, Origin, SourceFile};
use crate::facts::account::{AccountDefaults, Group, GroupFact, SkeletonEntry, SkeletonKind, User, UserFact};
use crate::facts::overlay::{Effect, FactScope, OperationId, Overlay};
use crate::facts::package::PackageFact;
use crate::facts::path::{ContentFact, Inode, InodeKind, PathFact};
use crate::facts::unit::{UnitFact, UnitState};
use crate::facts::{Fact, FactKey, Facts};
use crate::secret::{DigestKey, sha256_hex};
use crate::template;
use crate::value::{Entry, Kind, Known, Table, Value, parse_toml};

pub(super) struct Bench {
    operation: Box<dyn Operation>,
    arguments: Table,
    run_as: RunAs,
    place: Origin,
    facts: Facts,
    assets: Arc<Assets>,
    data: Table,
    before: Vec<Effect>,
}

impl Bench {
    pub(super) fn new<T: Define>(parameters: &str) -> Self {
        Self::of(&Definition::of::<T>(), parameters)
    }

    /// An operation on the file `/f`, which has this text.
    pub(super) fn on_file<T: Define>(parameters: &str, text: &str) -> Self {
        Self::new::<T>(&format!("path = '/f'\n{parameters}"))
            .directory("/")
            .file_with_content("/f", text)
    }

    /// An operation with further parameters that no file has.
    pub(super) fn with<T: Define>(parameters: &str, more: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let more = more.into_iter();
        let more = more.map(|(key, value)| (key.to_owned(), Entry { key: None, value }));
        Self::with_all(&Definition::of::<T>(), parameters, more.collect())
    }

    /// An operation by its name, as tasks have it.
    pub(super) fn named(op: &str, parameters: &str) -> Self {
        Self::of(super::find(op).expect("an operation"), parameters)
    }

    fn of(definition: &Definition, parameters: &str) -> Self {
        Self::with_all(definition, parameters, Table::new())
    }

    fn with_all(definition: &Definition, parameters: &str, more: Table) -> Self {
        let file = SourceFile::new("t.toml", parameters);
        let mut arguments = parse_toml(&file).expect("valid TOML");
        arguments.extend(more);
        let run_as = RunAs::take(&mut arguments);
        let value = Value::new(Kind::Table(arguments.clone()));
        Self {
            operation: definition.parse(&value, &run_as).expect("parameters that fit"),
            arguments,
            run_as,
            place: Origin::new(&file, 0..1),
            facts: Facts::default(),
            assets: Arc::default(),
            data: Table::new(),
            before: Vec::new(),
        }
    }

    pub(super) fn fact(mut self, key: FactKey, fact: Fact) -> Self {
        self.facts.insert(key, fact);
        self
    }

    fn inode(self, path: &str, kind: InodeKind, mode: u32) -> Self {
        self.fact(FactKey::Path(path.to_owned()), inode(kind, "root", mode))
    }

    pub(super) fn directory(self, path: &str) -> Self {
        self.inode(path, InodeKind::Directory, 0o755)
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        let target = target.to_owned();
        self.inode(path, InodeKind::Link { target }, 0o777)
    }

    pub(super) fn file(self, path: &str, content: &str, mode: u32) -> Self {
        let digest = Known::Yes(sha256_hex(content.as_bytes()));
        self.inode(path, InodeKind::File { digest }, mode)
    }

    /// A file that only root may read.
    pub(super) fn private(self, path: &str, content: &str) -> Self {
        let bytes = ContentFact::Bytes(content.as_bytes().to_vec());
        self.file(path, content, 0o600)
            .fact(FactKey::Content(path.to_owned()), Fact::Content(bytes))
    }

    pub(super) fn file_with_content(self, path: &str, content: &str) -> Self {
        let bytes = ContentFact::Bytes(content.as_bytes().to_vec());
        self.file(path, content, 0o644)
            .fact(FactKey::Content(path.to_owned()), Fact::Content(bytes))
    }

    pub(super) fn absent(self, path: &str) -> Self {
        self.fact(FactKey::Path(path.to_owned()), Fact::Path(PathFact::Absent))
            .fact(FactKey::Content(path.to_owned()), Fact::Content(ContentFact::Absent))
    }

    pub(super) fn package(self, name: &str, version: &str) -> Self {
        let version = Known::Yes(version.to_owned());
        self.fact(
            FactKey::Package(name.to_owned()),
            Fact::Package(PackageFact::installed(version)),
        )
    }

    pub(super) fn no_package(self, name: &str) -> Self {
        self.fact(FactKey::Misspelling(name.to_owned()), Fact::Misspelling(Vec::new()))
            .fact(FactKey::Package(name.to_owned()), Fact::Package(PackageFact::Absent))
    }

    pub(super) fn unit(self, name: &str, active: &str, enabled: &str, load: &str) -> Self {
        let state = UnitState {
            id: name.to_owned(),
            active: active.to_owned(),
            enabled: enabled.to_owned(),
            load: load.to_owned(),
            can_start: true,
            can_stop: true,
            ..UnitState::default()
        };
        self.fact(FactKey::Unit(name.to_owned()), Fact::Unit(UnitFact::Present(state)))
    }

    pub(super) fn no_unit(self, name: &str) -> Self {
        self.fact(FactKey::Unit(name.to_owned()), Fact::Unit(UnitFact::Absent))
    }

    /// The facts that the operation asks for in advance.
    pub(super) fn conduct(&self) -> crate::change::Conduct {
        self.operation.conduct()
    }

    pub(super) fn needs(&self) -> Vec<FactKey> {
        self.operation.needs()
    }

    /// A user, with its primary group, as a fact.
    pub(super) fn user_fact(name: &str, group: &str) -> (FactKey, Fact) {
        let user = User {
            uid: Known::No("chosen by the host".to_owned()),
            group: Known::Yes(group.to_owned()),
            home: Known::Yes(format!("/home/{name}")),
            shell: Known::Yes("/bin/sh".to_owned()),
            comment: Known::Yes(String::new()),
            groups: BTreeSet::new(),
            elsewhere: None,
        };
        (FactKey::User(name.to_owned()), Fact::User(UserFact::Present(user)))
    }

    /// A user with the shell `/bin/sh` and a home directory below `/home`.
    pub(super) fn user(self, name: &str, uid: u32, group: &str, groups: &[&str]) -> Self {
        let user = User {
            uid: Known::Yes(uid),
            group: Known::Yes(group.to_owned()),
            home: Known::Yes(format!("/home/{name}")),
            shell: Known::Yes("/bin/sh".to_owned()),
            comment: Known::Yes(String::new()),
            groups: names(groups),
            elsewhere: None,
        };
        self.fact(FactKey::User(name.to_owned()), Fact::User(UserFact::Present(user)))
            .fact(FactKey::UserNumber(uid), Fact::UserNumber(Some(name.to_owned())))
    }

    pub(super) fn no_user(self, name: &str) -> Self {
        self.fact(FactKey::User(name.to_owned()), Fact::User(UserFact::Absent))
    }

    pub(super) fn free_uid(self, uid: u32) -> Self {
        self.fact(FactKey::UserNumber(uid), Fact::UserNumber(None))
    }

    pub(super) fn group(self, name: &str, gid: u32, members: &[&str], primary_of: &[&str]) -> Self {
        let group = Group {
            gid: Known::Yes(gid),
            members: names(members),
            primary_of: names(primary_of),
            elsewhere: None,
        };
        self.fact(FactKey::Group(name.to_owned()), Fact::Group(GroupFact::Present(group)))
            .gid(gid, name)
    }

    pub(super) fn no_group(self, name: &str) -> Self {
        self.fact(FactKey::Group(name.to_owned()), Fact::Group(GroupFact::Absent))
    }

    pub(super) fn gid(self, gid: u32, holder: &str) -> Self {
        self.fact(FactKey::GroupNumber(gid), Fact::GroupNumber(Some(holder.to_owned())))
    }

    pub(super) fn free_gid(self, gid: u32) -> Self {
        self.fact(FactKey::GroupNumber(gid), Fact::GroupNumber(None))
    }

    /// Debian's defaults, with one file in the skeleton.
    pub(super) fn account_defaults(self, private_groups: bool) -> Self {
        let defaults = AccountDefaults {
            home_base: "/home".to_owned(),
            shell: "/bin/sh".to_owned(),
            private_groups,
            group: "users".to_owned(),
            home_mode: 0o700,
            skeleton: vec![SkeletonEntry {
                path: ".profile".to_owned(),
                mode: 0o644,
                kind: SkeletonKind::File(Known::Yes(b"umask 022\n".to_vec())),
            }],
        };
        self.fact(FactKey::AccountDefaults, Fact::AccountDefaults(Box::new(defaults)))
    }

    pub(super) fn asset(mut self, path: &str, content: &[u8]) -> Self {
        Arc::make_mut(&mut self.assets).insert(path, content);
        self
    }

    /// Data of the host, for templates.
    pub(super) fn data(mut self, text: &str) -> Self {
        self.data = parse_toml(&SourceFile::new("group_data/all.toml", text)).expect("valid TOML");
        self
    }

    /// An earlier operation installs a package that may create what does not exist.
    pub(super) fn package_may_create(self) -> Self {
        let why = "a package may create it".to_owned();
        self.after(Effect::Forget(FactScope::MayComeWithPackages, why))
    }

    pub(super) fn after(mut self, effect: Effect) -> Self {
        self.before.push(effect);
        self
    }

    pub(super) fn plan(&self) -> Result<Outcome, Stop> {
        self.planned(false).0
    }

    /// As the planner does, with what each change relies on besides its own path.
    pub(super) fn plan_with_resolved_paths(&self) -> Result<Outcome, Stop> {
        self.planned(true).0
    }

    /// What the review says beside the changes.
    pub(super) fn notices(&self) -> Vec<String> {
        self.planned(false).1
    }

    fn planned(&self, with_resolved_paths: bool) -> (Result<Outcome, Stop>, Vec<String>) {
        self.ask(|operation, context| planned(operation, context, with_resolved_paths))
    }

    /// What the operation says where it stands.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&dyn Operation, &PlanContext<'_>) -> T) -> T {
        let mut overlay = Overlay::new(&self.facts);
        overlay.commit(&OperationId("before".to_owned()), self.before.clone());
        let key = DigestKey::random();
        let scope = template::Bindings::new(template::TemplateData::new(
            self.data.clone(),
            Err("not read".to_owned()),
        ));
        let context = PlanContext::new(
            overlay,
            &self.arguments,
            &self.place,
            &self.assets,
            &key,
            &scope,
            &self.run_as,
        );
        ask(&*self.operation, &context)
    }

    /// The facts that planning still needs.
    pub(super) fn missing(&self) -> Vec<FactKey> {
        match self.plan() {
            Err(Stop::NotKnown {
                key,
                cause: NotKnown::NotGathered,
            }) => BTreeSet::from([key]).into_iter().collect(),
            other => panic!("{other:?}"),
        }
    }
}

/// A plan, which keeps to what the operation says of itself and can be stored, and what the review says beside it.
fn planned(
    operation: &dyn Operation,
    context: &PlanContext<'_>,
    with_resolved_paths: bool,
) -> (Result<Outcome, Stop>, Vec<String>) {
    let planned = operation.plan(context);
    let touches = context.with_links_followed(operation.touches(context));
    let planned = if with_resolved_paths {
        context.with_resolved_paths(planned)
    } else {
        planned
    };
    if let Ok(Outcome::Change(changes) | Outcome::Ensure { changes, .. }) = &planned {
        for effect in changes.iter().flat_map(|change| &change.effects) {
            assert!(effect.is_within(&touches), "{effect:?} is outside {touches:?}");
        }
    }
    if let Ok(outcome) = &planned {
        let stored = serde_json::to_string(outcome).expect("a plan can be stored");
        assert_eq!(serde_json::from_str::<Outcome>(&stored).expect("and read"), *outcome);
    }
    (planned, context.notices())
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A file of this owner, and of the group with the same name.
pub(super) fn inode(kind: InodeKind, owner: &str, mode: u32) -> Fact {
    Fact::Path(PathFact::Present(Inode {
        owner_id: None,
        group_id: None,
        kind,
        owner: owner.to_owned(),
        group: owner.to_owned(),
        mode,
    }))
}

/// The script of a change that runs one command.
pub(super) fn script(change: &ResourceChange) -> &str {
    match change.steps.as_slice() {
        [Step::Run(run)] => &run.script,
        other => panic!("one command expected: {other:?}"),
    }
}

/// The one change of an outcome.
pub(super) fn change(outcome: Result<Outcome, Stop>) -> ResourceChange {
    match outcome {
        Ok(Outcome::Change(mut changes)) if changes.len() == 1 => changes.remove(0),
        other => panic!("one change expected: {other:?}"),
    }
}

/// The refusal that planning ended in.
pub(super) fn refusal(outcome: Result<Outcome, Stop>) -> Diagnostic {
    match outcome {
        Err(Stop::Refused(mistake)) => *mistake,
        other => panic!("a refusal expected: {other:?}"),
    }
}

/// The text that a plan writes to its one file; `None` if there is nothing to do.
pub(super) fn written(outcome: Result<Outcome, Stop>) -> Option<String> {
    if outcome == Ok(Outcome::Unchanged) {
        return None;
    }
    let change = change(outcome);
    let Step::WriteFile(file) = &change.steps[0] else {
        panic!("{change:?}")
    };
    Some(String::from_utf8(file.content.bytes().expect("in memory").to_vec()).expect("text"))
}
