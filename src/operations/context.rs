//! What an operation can use while it is planned: the facts at its position in the plan, the project's files and the places
//! of its arguments.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use super::run_as::RunAs;
use crate::change::{Attribute, NotKnown, Stop};
use crate::content::{Assets, Input};
use crate::error::{Diagnostic, Origin};
use crate::facts::account::{GroupFact, GroupKey, UserFact, UserKey};
use crate::facts::apt::ListsFact;
use crate::facts::docker::Pins;
use crate::facts::overlay::{Effect, FactScope, Lookup, OperationId, Overlay, WrittenFiles};
use crate::facts::package::{PackageFact, Want};
use crate::facts::path::{InodeKind, PathFact, PathKey, Place, follow};
use crate::facts::session::Session;
use crate::facts::{Environment, Fact, FactKey, Identity, Stored};
use crate::secret::{DigestKey, sha256_hex};
use crate::template::Bindings;
use crate::value::{Entry, Kind, Table, Text, Value};

/// What an operation is planned as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It runs in its turn.
    #[default]
    Operation,
    /// It runs because it was notified.
    Handler,
    /// It has just run because it was notified: planned again to see whether anything is left to do.
    HandlerThatRan,
}

/// What an earlier run recorded of a handler that it owes.
#[derive(Clone, Debug)]
pub struct OwedRecord {
    /// The handler, with its task.
    pub handler: String,
    /// The file of the record on the host.
    pub path: String,
}

/// What something stands in for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StandIns {
    None,
    /// Values that are known only later.
    Values,
    /// Secrets that are not there.
    Secrets,
}

/// The facts, files and arguments for planning one operation.
pub struct PlanContext<'a> {
    pub(super) overlay: RefCell<Overlay>,
    pub(super) arguments: &'a Table,
    place: &'a Origin,
    pub(super) assets: &'a Arc<Assets>,
    digests: &'a DigestKey,
    pub(super) scope: &'a Bindings,
    asked: RefCell<BTreeSet<FactKey>>,
    run_as: &'a RunAs,
    environment: RefCell<Environment>,
    sensitive: Cell<Option<bool>>,
    role: Role,
    owes_start: bool,
    owed: Option<OwedRecord>,
    notices: RefCell<Vec<String>>,
    awaited: RefCell<Vec<OperationId>>,
    is_amid_changes: bool,
    stand_ins: StandIns,
    named: Arc<BTreeSet<FactKey>>,
    pins: Arc<Pins>,
    run: RunOf<'a>,
}

/// The run that a plan is for.
#[derive(Clone, Copy, Default)]
struct RunOf<'a> {
    project: &'a str,
    /// Whether it removes what left the configuration.
    prunes: bool,
    /// Whether the host is a throw-away host of the lab.
    is_on_lab: bool,
}

impl<'a> PlanContext<'a> {
    /// A context for the operation with `arguments` at `place`, whose templates see `scope`.
    pub fn new(
        overlay: Overlay,
        arguments: &'a Table,
        place: &'a Origin,
        assets: &'a Arc<Assets>,
        digests: &'a DigestKey,
        scope: &'a Bindings,
        run_as: &'a RunAs,
    ) -> Self {
        Self {
            overlay: RefCell::new(overlay),
            arguments,
            place,
            assets,
            digests,
            scope,
            asked: RefCell::default(),
            run_as,
            environment: RefCell::default(),
            sensitive: Cell::default(),
            role: Role::default(),
            owes_start: false,
            owed: None,
            notices: RefCell::default(),
            awaited: RefCell::default(),
            is_amid_changes: false,
            stand_ins: StandIns::None,
            named: Arc::default(),
            pins: Arc::default(),
            run: RunOf::default(),
        }
    }

    /// The same in a run of this project, which removes what left the configuration if it `prunes`.
    #[must_use]
    pub fn of_project(mut self, project: &'a str, prunes: bool) -> Self {
        self.run.project = project;
        self.run.prunes = prunes;
        self
    }

    /// The name by which hosts know the project.
    pub(super) fn project(&self) -> &str {
        self.run.project
    }

    /// Whether the run removes what left the configuration.
    pub(super) fn prunes(&self) -> bool {
        self.run.prunes
    }

    /// The same for an operation in which something stands in for values that are known only later.
    #[must_use]
    pub fn with_stand_ins(mut self) -> Self {
        self.stand_ins = StandIns::Values;
        self
    }

    /// The same, with something in place of secrets that are not there: what the operation looks at is asked, and the outcome means
    /// nothing.
    #[must_use]
    pub fn past_secrets(mut self) -> Self {
        self.stand_ins = StandIns::Secrets;
        self
    }

    /// The same for a throw-away host of the lab, if it is one.
    #[must_use]
    pub fn on_lab(mut self, is_on_lab: bool) -> Self {
        self.run.is_on_lab = is_on_lab;
        self
    }

    /// Whether the host is a throw-away host of the lab.
    pub(super) fn is_on_lab(&self) -> bool {
        self.run.is_on_lab
    }

    /// The same where operations so far name this of what the Docker engine has.
    #[must_use]
    pub fn naming(mut self, named: Arc<BTreeSet<FactKey>>) -> Self {
        self.named = named;
        self
    }

    /// The same where images are held to digests.
    #[must_use]
    pub fn holding(mut self, pins: Arc<Pins>) -> Self {
        self.pins = pins;
        self
    }

    /// What images are held to.
    pub(super) fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Whether an operation so far names this of what the Docker engine has, whether it changes it or not.
    pub(super) fn is_named(&self, key: &FactKey) -> bool {
        self.named.contains(key)
    }

    /// Whether something stands in for values that are known only later, so that no text is what it will be.
    pub(super) fn has_stand_ins(&self) -> bool {
        self.stand_ins != StandIns::None
    }

    /// Whether something stands in for secrets that are not there.
    pub(super) fn is_past_secrets(&self) -> bool {
        self.stand_ins == StandIns::Secrets
    }

    /// The same for an operation that is planned as a handler.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The same for a handler whose unit an earlier run may have stopped.
    #[must_use]
    pub fn owing_start(mut self, owes_start: bool) -> Self {
        self.owes_start = owes_start;
        self
    }

    /// The same for a handler that runs only because an earlier run owes it.
    #[must_use]
    pub fn owed(mut self, owed: Option<OwedRecord>) -> Self {
        self.owed = owed;
        self
    }

    /// What an earlier run recorded of this handler, if it runs only because of that.
    pub fn owed_record(&self) -> Option<&OwedRecord> {
        self.owed.as_ref()
    }

    /// Whether an earlier run may have stopped the unit of this handler, so that it has to be started.
    pub fn owes_start(&self) -> bool {
        self.owes_start
    }

    /// The same in a run that has changed something on the host.
    #[must_use]
    pub fn amid_changes(mut self, is_amid_changes: bool) -> Self {
        self.is_amid_changes = is_amid_changes;
        self
    }

    /// Whether this run has changed something on the host, so that a service may be about to start.
    pub fn is_amid_changes(&self) -> bool {
        self.is_amid_changes
    }

    /// What the operation is planned as.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The facts that were used so far.
    pub fn asked(&self) -> BTreeSet<FactKey> {
        self.asked.borrow().clone()
    }

    /// What the review says beside the changes.
    pub fn notices(&self) -> Vec<String> {
        self.notices.borrow().clone()
    }

    /// The operations that make values which templates of this operation use.
    pub fn awaited(&self) -> Vec<OperationId> {
        self.awaited.borrow().clone()
    }

    pub(super) fn await_operation(&self, operation: OperationId) {
        let mut awaited = self.awaited.borrow_mut();
        if !awaited.contains(&operation) {
            awaited.push(operation);
        }
    }

    /// Adds a notice to the review, about an item of a list.
    pub fn notice(&self, argument: &str, item: &str, text: &str) {
        let place = self
            .item_place(argument, item)
            .unwrap_or_else(|| self.origin_of(argument));
        self.notices.borrow_mut().push(format!("{text} ({place})"));
    }

    /// Adds a notice to the review, about a parameter.
    pub fn notice_of(&self, argument: &str, text: &str) {
        let place = self.origin_of(argument);
        self.notices.borrow_mut().push(format!("{text} ({place})"));
    }

    /// Adds a notice to the review.
    pub(super) fn tell(&self, text: String) {
        let mut notices = self.notices.borrow_mut();
        if !notices.contains(&text) {
            notices.push(text);
        }
    }

    /// The user that the operation runs as.
    pub fn identity(&self) -> Identity {
        self.run_as.identity()
    }

    /// The variables of the operation's commands and conditions.
    pub fn environment(&self) -> Environment {
        self.environment.borrow().clone()
    }

    pub(super) fn set_environment(&self, environment: Environment) {
        *self.environment.borrow_mut() = environment;
    }

    /// Whether the user says that the texts of the operation are to be hidden, or are not.
    pub fn sensitive(&self) -> Option<bool> {
        self.sensitive.get()
    }

    pub(super) fn set_sensitive(&self, sensitive: Option<bool>) {
        self.sensitive.set(sensitive);
    }

    /// The users that homelab logs in and runs as, if already read. No operation changes them.
    pub fn session(&self) -> Option<Session> {
        match self.overlay.borrow().gathered(&FactKey::System) {
            Some(Fact::System(system)) => Some(system.session.clone()),
            _ => None,
        }
    }

    /// The system without the record that `user` was not created completely, if there is one.
    pub fn without_record_of(&self, user: &str) -> Option<Fact> {
        match self.overlay.borrow().get(&FactKey::System) {
            Lookup::Known(Fact::System(system)) => Some(Fact::System(Box::new(system.without_record_of(user)?))),
            _ => None,
        }
    }

    /// The earlier operation that sets the fact under `key`, if there is one.
    pub fn predicted_by(&self, key: &FactKey) -> Option<OperationId> {
        self.overlay.borrow().predicted(key).map(|(operation, _)| operation)
    }

    /// The earlier operation that brings something at a path, or may bring it, if there is one.
    pub(super) fn brought_by(&self, path: &str) -> Option<OperationId> {
        let key = FactKey::Path(path.to_owned());
        let overlay = self.overlay.borrow();
        if let Lookup::Since(operation, _) = overlay.get(&key) {
            return Some(operation);
        }
        let (operation, fact) = overlay.predicted(&key)?;
        (!key.is_absent(&fact)).then_some(operation)
    }

    /// The fact under `key` at this position of the plan, if it is known. Requests no new facts.
    pub fn known_fact(&self, key: &FactKey) -> Option<Fact> {
        match self.overlay.borrow().get(key) {
            Lookup::Known(fact) => Some(fact),
            Lookup::NotGathered | Lookup::Since(..) => None,
        }
    }

    /// Whether the thing under `key` was absent before the operations that make it unknown, and none of them is known to
    /// create such things, as packages are.
    pub fn was_absent(&self, key: &FactKey) -> bool {
        self.overlay.borrow().was_absent(key)
    }

    /// Whether an earlier operation changes a file of `unit` after what else happens to the unit.
    pub fn changes_files_last(&self, unit: &str) -> bool {
        self.overlay.borrow().changes_files_last(unit)
    }

    /// Whether the thing under `key` is absent, unless a package that an earlier operation installs brings it.
    pub fn is_absent_but_for_packages(&self, key: &FactKey) -> bool {
        self.overlay.borrow().is_absent_but_for_packages(key)
    }

    /// A fact as it was read, whatever earlier operations change.
    pub fn gathered(&self, key: &FactKey) -> Option<Fact> {
        self.overlay.borrow().gathered(key).cloned()
    }

    /// The same, and asks for it if it was not read.
    pub(super) fn ask(&self, key: FactKey) -> Option<Fact> {
        let found = self.gathered(&key);
        self.asked.borrow_mut().insert(key);
        found
    }

    /// The key for digests of sensitive content.
    pub fn digests(&self) -> &DigestKey {
        self.digests
    }

    /// A text as reviews show it.
    pub(super) fn attribute_of(&self, text: &Text) -> Attribute {
        if !text.is_covered() {
            return Attribute::known(text.expose());
        }
        Attribute::Masked {
            text: text.masked().into_owned(),
            digest: self.digests.digest(&sha256_hex(text.expose().as_bytes())),
        }
    }

    /// A text as what a command reads.
    pub(super) fn input_of(&self, text: &Text) -> Input {
        let bytes = text.expose().as_bytes();
        if text.is_secret() {
            Input::secret(bytes, self.digests)
        } else {
            Input::open(bytes)
        }
    }

    /// A refusal that points at an argument.
    pub fn refuse(&self, argument: &str, title: impl Into<String>, label: impl Into<String>) -> Stop {
        Stop::Refused(Box::new(self.mistake(argument, title, label)))
    }

    /// A refusal that points at one item of a list.
    pub fn refuse_item(&self, argument: &str, item: &str, title: impl Into<String>, label: impl Into<String>) -> Stop {
        let mut mistake = self.mistake(argument, title, label);
        if let Some(origin) = self.item_place(argument, item) {
            mistake = mistake.placed(origin);
        }
        Stop::Refused(Box::new(mistake))
    }

    /// Where one item of a list is written.
    fn item_place(&self, argument: &str, item: &str) -> Option<&Origin> {
        match &self.arguments.get(argument)?.value.kind {
            Kind::List(items) => items.iter().find(|one| one.as_str() == Some(item))?.origin.as_ref(),
            _ => None,
        }
    }

    /// A refusal that points at the name of an argument.
    pub fn refuse_key(&self, argument: &str, title: impl Into<String>, label: impl Into<String>) -> Stop {
        let key = self.arguments.get(argument).and_then(|entry| entry.key.as_ref());
        Stop::Refused(Box::new(Diagnostic::new(title).at(key.unwrap_or(self.place), label)))
    }

    /// A refusal that points at the name of an entry of a table.
    pub fn refuse_entry(&self, argument: &str, name: &str, title: impl Into<String>, label: impl Into<String>) -> Stop {
        let key = self.entry_of(argument, name).and_then(|entry| entry.key.as_ref());
        let place = key.unwrap_or_else(|| self.origin_of(argument));
        Stop::Refused(Box::new(Diagnostic::new(title).at(place, label)))
    }

    /// A mistake that points at an argument, so that a hint can be added.
    pub fn mistake(&self, argument: &str, title: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        let written = self.origin_of(argument);
        let mistake = Diagnostic::new(title).at(written, label);
        let entry = self.entry(argument);
        mistake.at_maybe(entry.and_then(Entry::key_apart), "used here")
    }

    /// An entry of a table.
    pub(super) fn entry_of(&self, argument: &str, name: &str) -> Option<&Entry> {
        self.arguments.get(argument)?.value.as_table()?.get(name)
    }

    fn entry(&self, argument: &str) -> Option<&Entry> {
        let own = self.arguments.get(argument);
        own.or_else(|| self.run_as.entry(argument).map(|(_, entry)| entry))
    }

    /// Where an argument is written, or the operation's place if it is not given.
    pub(super) fn origin_of(&self, argument: &str) -> &Origin {
        let entry = self.entry(argument);
        entry
            .and_then(|entry| entry.value.origin.as_ref())
            .unwrap_or(self.place)
    }

    /// What `then` finds if it may assume effects that do not count after it.
    pub fn on_scratch<T>(&self, then: impl FnOnce(&Self) -> T) -> T {
        let scratch = Self {
            overlay: RefCell::new(self.overlay.borrow().clone()),
            asked: RefCell::default(),
            environment: self.environment.clone(),
            sensitive: self.sensitive.clone(),
            notices: RefCell::default(),
            awaited: self.awaited.clone(),
            owed: self.owed.clone(),
            named: Arc::clone(&self.named),
            pins: Arc::clone(&self.pins),
            ..*self
        };
        let found = then(&scratch);
        self.asked.borrow_mut().extend(scratch.asked.into_inner());
        self.notices.borrow_mut().extend(scratch.notices.into_inner());
        found
    }

    /// Applies effects of the operation to its own later lookups.
    pub fn assume(&self, effects: impl IntoIterator<Item = Effect>) {
        self.overlay.borrow_mut().commit(&OperationId(String::new()), effects);
    }

    /// The fact under `key` at this position of the plan.
    ///
    /// Errors: it is not known, with the reason.
    pub fn get<'k, K: Stored<'k>>(&self, key: K) -> Result<K::Fact, Stop> {
        let key = key.stored();
        let found = self.overlay.borrow().get(&key);
        // What takes long to ask is asked in the operation's turn only.
        if !matches!(
            (&key, &found),
            (
                FactKey::Installation(_) | FactKey::Entries(_) | FactKey::Listing(_),
                Lookup::Since(..)
            )
        ) {
            self.asked.borrow_mut().insert(key.clone());
        }
        let cause = match found {
            Lookup::Known(Fact::Denied(why)) => NotKnown::Denied(why),
            Lookup::Known(fact) => {
                return K::fact(fact).ok_or_else(|| {
                    let title = format!("internal error: the fact of {key} has another type");
                    Stop::Refused(Box::new(Diagnostic::new(title)))
                });
            }
            Lookup::NotGathered => NotKnown::NotGathered,
            Lookup::Since(operation, why) => NotKnown::Since(operation, why),
        };
        Err(Stop::NotKnown { key, cause })
    }

    /// What is at a path, links not followed.
    pub fn path(&self, path: &str) -> Result<PathFact, Stop> {
        self.get(PathKey(path))
    }

    /// The fact about a user.
    pub fn user(&self, name: &str) -> Result<UserFact, Stop> {
        self.get(UserKey(name))
    }

    /// The fact about a group.
    pub fn group(&self, name: &str) -> Result<GroupFact, Stop> {
        self.get(GroupKey(name))
    }

    /// Whether an earlier operation installs a package.
    pub fn is_installed_before(&self, name: &str) -> bool {
        let key = FactKey::Package(name.to_owned());
        let predicted = self.overlay.borrow().predicted(&key);
        matches!(predicted, Some((_, Fact::Package(fact))) if fact.is_installed())
    }

    /// Whether an earlier operation lets apt change a package that is held on the host now.
    pub fn is_released_before(&self, name: &str) -> bool {
        let key = FactKey::Package(name.to_owned());
        let predicted = self.overlay.borrow().predicted(&key);
        matches!(predicted, Some((_, Fact::Package(PackageFact::Listed { status, .. }))) if status.want != Want::Hold)
    }

    /// The fact under `key` as it was read, whatever earlier operations change.
    pub fn now<'k, K: Stored<'k>>(&self, key: K) -> Option<K::Fact> {
        K::fact(self.overlay.borrow().gathered(&key.stored())?.clone())
    }

    /// The files below a directory that earlier operations write or remove, by path.
    ///
    /// Errors: one of them makes something there unknown.
    pub(super) fn files_below(&self, top: &str) -> Result<WrittenFiles, Stop> {
        let written = self.overlay.borrow().files_below(top);
        written.map_err(|since| not_known_since(top, since))
    }

    /// Whether there is something at a path, or an earlier operation may put something there.
    pub(super) fn may_be_there(&self, path: &str) -> bool {
        self.overlay.borrow().may_be_there(path)
    }

    /// The same for one file.
    pub(super) fn file_at(&self, path: &str) -> Result<WrittenFiles, Stop> {
        let written = self.overlay.borrow().file_at(path);
        written.map_err(|since| not_known_since(path, since))
    }

    /// A text of the host's data, if there is one of this name.
    pub(super) fn text_of_data(&self, name: &str) -> Option<String> {
        let value = self.scope.evaluate(name, None).ok()?;
        value.as_str().map(str::to_owned)
    }

    /// The sites of a stack with the host's data, as far as they are known.
    pub(super) fn sites_of(&self, stack: &str) -> Option<Vec<Table>> {
        let value = self.scope.evaluate(&format!("catalogue['{stack}'].sites"), None).ok()?;
        tables_of(value)
    }

    /// The sites in the data `other_sites`, as far as they are known.
    pub(super) fn other_sites(&self) -> Option<Vec<Table>> {
        tables_of(self.scope.evaluate("other_sites", None).ok()?)
    }

    /// The latest earlier operation that changes anything, if there is one.
    pub fn last_change(&self) -> Option<OperationId> {
        self.overlay.borrow().last_change()
    }

    /// The latest earlier operation that may start or remove containers, if there is one.
    pub fn containers_change(&self) -> Option<OperationId> {
        self.overlay.borrow().containers_change()
    }

    /// The latest earlier operation that may change what the Docker engine has, since `key` was read or set.
    pub fn docker_change(&self, key: &FactKey) -> Option<OperationId> {
        self.overlay.borrow().docker_change(key)
    }

    /// Whether an earlier operation may start, stop or remove this container, or one of its project.
    pub fn may_change_container(&self, project: Option<&str>, name: &str) -> bool {
        self.overlay.borrow().may_change_container(project, name)
    }

    /// Whether an earlier operation may stop a program of the host.
    pub fn may_change_programs(&self) -> bool {
        self.overlay.borrow().may_change_programs()
    }

    /// The earlier operation that fetches the package lists, if there is one.
    pub fn lists_refresh(&self) -> Option<OperationId> {
        match self.overlay.borrow().predicted(&FactKey::PackageLists) {
            Some((operation, Fact::PackageLists(ListsFact { refreshed: true, .. }))) => Some(operation),
            _ => None,
        }
    }

    /// Whether an earlier operation changes apt's sources, and none fetches the package lists since.
    pub fn awaits_lists(&self) -> bool {
        self.overlay.borrow().awaits_lists()
    }

    /// Packages that earlier operations remove, sorted.
    pub fn removed_packages(&self) -> Box<[String]> {
        self.overlay.borrow().removed_packages().into_iter().collect()
    }

    /// Installed packages that earlier operations mark as wanted, sorted.
    pub fn marked_packages(&self) -> Box<[String]> {
        self.overlay.borrow().marked_packages().into_iter().collect()
    }

    /// `scopes`, and the paths that their links lead to, as far as they are known. Requests no new facts.
    pub fn with_links_followed(&self, scopes: Vec<FactScope>) -> Vec<FactScope> {
        let mut further: Vec<FactScope> = Vec::new();
        for scope in &scopes {
            let (path, again): (_, fn(String) -> FactScope) = match scope {
                FactScope::Key(FactKey::Path(path)) => (path, |path| FactScope::Key(FactKey::Path(path))),
                FactScope::Tree(path) => (path, FactScope::Tree),
                _ => continue,
            };
            for led in self.leads_to(path) {
                let scope = again(led);
                if !scopes.contains(&scope) && !further.contains(&scope) {
                    further.push(scope);
                }
            }
        }
        scopes.into_iter().chain(further).collect()
    }

    /// The paths that `path` leads to, one per link in it, including a link at its end.
    pub fn leads_to(&self, path: &str) -> Vec<String> {
        let overlay = self.overlay.borrow();
        let look = |at: &str, _| {
            let at = match overlay.get(&FactKey::Path(at.to_owned())) {
                Lookup::Known(Fact::Path(PathFact::Present(inode))) => match inode.kind {
                    InodeKind::Link { target } => Place::Link(target),
                    _ => Place::Other,
                },
                _ => Place::Nothing,
            };
            Ok::<_, Infallible>(at)
        };
        follow(path, look).map(|led| led.via).unwrap_or_default()
    }
}

/// The tables in a list.
fn tables_of(value: Value) -> Option<Vec<Table>> {
    let Kind::List(items) = value.kind else { return None };
    let tables = items.into_iter().filter_map(|item| match item.kind {
        Kind::Table(table) => Some(table),
        _ => None,
    });
    Some(tables.collect())
}

/// That an operation makes a path unknown, for this reason.
fn not_known_since(path: &str, (operation, why): (OperationId, String)) -> Stop {
    Stop::NotKnown {
        key: FactKey::Path(path.to_owned()),
        cause: NotKnown::Since(operation, why),
    }
}
