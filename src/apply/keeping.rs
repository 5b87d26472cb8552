//! What this run keeps of what it replaces on a host, and the guard that may put it back.
//!
//! Before operations that notify a handler, and before guarded ones, it is kept so that the host can put it back by itself. Before
//! others, a file or link gets a second name, for a rollback: that makes no deploy slower.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use indexmap::IndexMap;

use super::options::ApplyOptions;
use super::perform::Around;
use crate::change::{Access, Before, Kept, LockoutGuard, Previous, ResolvedPath, ResourceChange, ResourceKind, Step};
use crate::facts::journal::note_absent;
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::owed::Owed;
use crate::facts::unit::is_file_of;
use crate::facts::{Fact, FactKey, Facts};
use crate::plan::{PlannedOperation, Trigger};
use crate::quote::quote;

/// Where homelab keeps its state as root.
const STATE_FOLDER: &str = "/var/lib/homelab";
/// Why a handler that is owed does not run.
const UNKNOWN: &str = "an earlier run owes this handler, and what changed then is not known: running it could lock you out, so nothing was done\n\
check the service's configuration, and restart it yourself while you are logged in; or set `guard = false` on the handler";
/// How long a step without a time limit of its own puts off the guard.
const USUAL_STEP: Duration = Duration::from_secs(60);

/// What a run keeps on one host.
pub(super) struct Keeping {
    state_folder: Option<String>,
    previous: Previous,
    entries: IndexMap<OperationId, Vec<Kept>>,
    next: usize,
    /// The second names of what was replaced, by path.
    places: BTreeMap<String, String>,
    /// The number of the next change in the journal.
    number: u32,
    within: Duration,
    guarding: Option<Guarding>,
}

/// A guard that is armed, or about to be.
#[derive(Clone)]
pub(super) struct Guarding {
    pub(super) guard: LockoutGuard,
    /// The task at whose end it is confirmed.
    pub(super) task: String,
    pub(super) operations: Vec<OperationId>,
}

impl Keeping {
    /// Nothing so far, on a host with these facts. `run` names the run.
    pub(super) fn new(facts: Option<&Facts>, run: &str, options: &ApplyOptions) -> Self {
        let state_folder = match facts.and_then(|facts| facts.get(&FactKey::System)) {
            Some(Fact::System(system)) => system
                .session
                .unprivileged
                .as_ref()
                .map(|user| user.state_folder.clone()),
            _ => None,
        };
        Self {
            previous: Previous::new(state_folder.as_deref().unwrap_or(STATE_FOLDER), run),
            state_folder,
            entries: IndexMap::new(),
            next: 0,
            places: BTreeMap::new(),
            number: 0,
            within: options.guard_within,
            guarding: None,
        }
    }

    /// Shell text to run around a step of `operation`: it arms the guard and keeps what the step is about to change. `is_kept` says
    /// whether it may be needed without a guard.
    pub(super) fn around(
        &mut self,
        operation: &PlannedOperation,
        change: &ResourceChange,
        (step, resolved): (&Step, Option<&ResolvedPath>),
        is_kept: bool,
    ) -> Option<Around> {
        let is_guarded = !operation.guards.is_empty();
        let number = self.number;
        let mut text = new_directory(change, step, number);
        let mut after = String::new();
        if is_guarded {
            text.push_str(&self.known_or_refused(operation));
            let guarding = self.guarding_for(operation);
            text.push_str(&guarding.guard.arm(&operation.guards));
            text.push_str(&guarding.guard.put_off(Duration::ZERO));
            text.push_str(&guarding.guard.note(number));
        } else if let Some(guarding) = &self.guarding {
            let length = step.command().map_or(USUAL_STEP, |command| command.timeout);
            text.push_str(&guarding.guard.put_off(length));
            after = guarding.guard.put_off(Duration::ZERO);
        }
        if let Some(guarding) = &self.guarding
            && change.id.kind == ResourceKind::Unit
        {
            text.push_str(&guarding.guard.record(&[&change.id.name]));
        }
        let is_bare = text.is_empty();
        let mut is_kept_whole = is_guarded;
        if is_guarded || is_kept {
            for kept in self.kept(operation, change, (step, resolved), is_guarded) {
                let _ = writeln!(text, "(\n{}\n) || exit", kept.script());
                is_kept_whole = true;
                text.push_str(&self.added(&kept, is_guarded));
                self.entries.entry(operation.id.clone()).or_default().push(kept);
            }
        }
        if is_guarded {
            text.push_str(&self.consequences(operation, change, step));
        }
        if !is_kept_whole
            && change.before != Before::Absent
            && let Some(light) = self.lightly(operation, change, (step, resolved))
        {
            return Some(Around {
                before: format!("{text}{}", light.before),
                after,
                is_light: is_bare && light.is_light,
            });
        }
        (!text.is_empty()).then_some(Around {
            before: text,
            after,
            is_light: false,
        })
    }

    /// Keeps what a step replaces or removes for a later rollback.
    fn lightly(
        &mut self,
        operation: &PlannedOperation,
        change: &ResourceChange,
        (step, resolved): (&Step, Option<&ResolvedPath>),
    ) -> Option<Around> {
        let is_open = resolved.is_some_and(|resolved| resolved.is_open);
        let before = if is_open && matches!(step, Step::WriteFile(_) | Step::Link(_) | Step::Remove(_)) {
            let kept = self.previous.before(step, resolved, self.next)?;
            self.next += 1;
            let text = format!("(\n{}\n) || exit\n", kept.script());
            self.entries.entry(operation.id.clone()).or_default().push(kept);
            text
        } else {
            let is_unknown = matches!(change.before, Before::Unknown(_));
            let absent = is_unknown.then(|| note_absent(self.number));
            let text = self.previous.keep(step, resolved, absent.as_deref())?;
            let path = step.path()?;
            self.places.insert(path.to_owned(), self.previous.place(path));
            text
        };
        Some(Around {
            before,
            after: String::new(),
            is_light: !is_open,
        })
    }

    /// Says which number the journal gives to the change that comes next.
    pub(super) fn number(&mut self, number: u32) {
        self.number = number;
    }

    /// Where this run keeps what it replaces.
    pub(super) fn previous(&self) -> &Previous {
        &self.previous
    }

    /// Shell text that puts off an armed guard while homelab reads the host.
    pub(super) fn put_off(&self, length: Duration) -> Option<String> {
        Some(self.guarding.as_ref()?.guard.put_off(length))
    }

    /// The guard that is armed, or may be.
    pub(super) fn guarding(&self) -> Option<&Guarding> {
        self.guarding.as_ref()
    }

    /// The guard was confirmed or went back.
    pub(super) fn end_guard(&mut self) {
        self.guarding = None;
    }

    /// What was kept for `operations`, in the order in which it is put back.
    fn of<'a>(&'a self, operations: &'a [OperationId]) -> impl Iterator<Item = &'a Kept> {
        let entries = self.entries.iter().rev();
        entries
            .filter(|(operation, _)| operations.contains(operation))
            .flat_map(|(_, kept)| kept.iter().rev())
    }

    /// The folders of what was kept for an operation.
    pub(super) fn folders(&self, operation: &OperationId) -> Vec<String> {
        let kept = self.entries.get(operation).into_iter().flatten();
        kept.map(|kept| kept.folder.clone()).collect()
    }

    /// The operations before which a file of `unit` was kept.
    pub(super) fn writers_of(&self, unit: &str) -> BTreeSet<OperationId> {
        let of_unit = |kept: &Kept| is_file_of(unit, &kept.path);
        let writers = self.entries.iter().filter(|(_, kept)| kept.iter().any(of_unit));
        writers.map(|(operation, _)| operation.clone()).collect()
    }

    /// Where the previous version of what a change is about is kept.
    pub(super) fn place_of(&self, operation: &OperationId, change: &ResourceChange) -> Option<String> {
        let path = change.steps.iter().find_map(Step::path)?;
        let mut entries = self.entries.get(operation).into_iter().flatten();
        let kept = entries.find(|kept| kept.path == path && kept.is_whole());
        kept.map(|kept| format!("{}/old", kept.folder))
            .or_else(|| self.places.get(path).cloned())
    }

    /// Where homelab keeps its state on the host.
    pub(super) fn state_folder(&self) -> &str {
        self.state_folder.as_deref().unwrap_or(STATE_FOLDER)
    }

    /// Whether a folder of something kept is one of this run.
    pub(super) fn is_own(&self, folder: &str) -> bool {
        folder.split('/').any(|name| name == self.previous.run())
    }

    fn guarding_for(&mut self, operation: &PlannedOperation) -> &Guarding {
        let guarding = self.guarding.get_or_insert_with(|| Guarding {
            guard: LockoutGuard::new(rand::random(), self.within, self.state_folder.as_deref()),
            task: operation.task.clone(),
            operations: Vec::new(),
        });
        if !guarding.operations.contains(&operation.id) {
            guarding.operations.push(operation.id.clone());
        }
        guarding
    }

    fn added(&self, kept: &Kept, is_guarded: bool) -> String {
        let guarding = self.guarding.as_ref().filter(|_| is_guarded);
        guarding.map_or_else(String::new, |guarding| guarding.guard.add(kept))
    }

    /// What is kept before a step: its path, and what else its change says that its commands write.
    fn kept(
        &mut self,
        operation: &PlannedOperation,
        change: &ResourceChange,
        (step, resolved): (&Step, Option<&ResolvedPath>),
        is_guarded: bool,
    ) -> Vec<Kept> {
        let or_fail = |kept: Kept| if is_guarded { kept.or_fail() } else { kept };
        let mut all: Vec<Kept> = self
            .previous
            .before(step, resolved, self.next)
            .map(or_fail)
            .into_iter()
            .collect();
        let is_first = change.steps.first() == Some(step);
        if step.command().is_some() && is_guarded && is_first {
            let known = self.entries.get(&operation.id);
            let is_known = |path: &str| known.is_some_and(|known| known.iter().any(|kept| kept.path == path));
            let mut paths = written(change);
            paths.extend(
                change
                    .steps
                    .iter()
                    .filter_map(Step::command)
                    .flat_map(|command| Access::written_by(&command.summary)),
            );
            for path in paths.into_iter().filter(|path| !is_known(path)) {
                let kept = self.previous.of_file(path, self.next + all.len());
                // A command names whole folders, which may be large.
                let is_named = change.id.kind != ResourceKind::Command || Access::of_path(path).is_some();
                all.push(if is_named { kept.or_fail() } else { kept });
            }
        }
        if is_guarded && is_first {
            for path in parameters(change) {
                all.push(self.previous.of_parameter(path, self.next + all.len()).or_fail());
            }
        }
        self.next += all.len();
        all
    }

    /// The path of a handler's record.
    pub(super) fn record(&self, handler: &Owed) -> String {
        handler.path(self.state_folder.as_deref())
    }

    /// Shell text that fails before a guarded handler which an earlier run owes, unless its record says what was kept of what
    /// changed then: a guard without that would restart a service on the change, and lock the user out.
    fn known_or_refused(&self, operation: &PlannedOperation) -> String {
        let (Some(handler), Trigger::Owed) = (&operation.handler, &operation.trigger) else {
            return String::new();
        };
        format!(
            "{}known=1\n\
             for k in $kept; do [ -f \"$k/back\" ] || known=; done\n\
             [ -n \"$kept\" ] && [ -n \"$known\" ] || {{ printf '%s\\n' {}; exit 1; }}\n",
            self.read_kept(&handler.record),
            quote(UNKNOWN)
        )
    }

    /// Shell text that sets `$kept` to what was kept before the changes that a handler is recorded for.
    fn read_kept(&self, handler: &Owed) -> String {
        format!(
            "kept=$(sed -n 's/^kept //p' {} 2>/dev/null)\n",
            quote(&self.record(handler))
        )
    }

    /// What the guard has to do besides: what notified a handler goes back with it, and a command of the project runs again.
    fn consequences(&self, operation: &PlannedOperation, change: &ResourceChange, step: &Step) -> String {
        let Some(guarding) = &self.guarding else {
            return String::new();
        };
        let mut text = String::new();
        if let Some(handler) = &operation.handler {
            text.push_str(&self.read_kept(&handler.record));
            text.push_str(&guarding.guard.add_listed("$kept"));
        }
        if let Trigger::NotifiedBy(notifiers) = &operation.trigger {
            for kept in self.of(notifiers) {
                text.push_str(&guarding.guard.add(kept));
            }
        }
        if let (Some(command), ResourceKind::Command) = (step.command(), change.id.kind)
            && operation.guards.contains(&Access::Marked)
            && command.input.is_none()
        {
            let body = step.script(&crate::change::ScriptOptions {
                live: false,
                random: 0,
                resolved: None,
            });
            text.push_str(&guarding.guard.repeat(&command.summary, &body.body));
        }
        text
    }
}

/// Shell text that notes that a directory is new, where only the host knows what is there.
fn new_directory(change: &ResourceChange, step: &Step, number: u32) -> String {
    let (Step::MakeDirectory(directory), Before::Unknown(_)) = (step, &change.before) else {
        return String::new();
    };
    let path = quote(&directory.path);
    format!("[ -e {path} ] || [ -L {path} ] || {{ {}; }}\n", note_absent(number))
}

/// The kernel parameters that a change sets, by their files.
fn parameters(change: &ResourceChange) -> impl Iterator<Item = &str> {
    change.effects.iter().filter_map(|effect| match effect {
        Effect::Set(FactKey::KernelParameter(path), _) => Some(path.as_str()),
        _ => None,
    })
}

/// The paths that a change says its commands write.
fn written(change: &ResourceChange) -> BTreeSet<&str> {
    let effects = change.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Forget(FactScope::Key(FactKey::Path(path)) | FactScope::Tree(path), _)
            | Effect::Set(FactKey::Path(path), _) => Some(path.as_str()),
            _ => None,
        })
        .filter(|path| Access::of_path(path).is_some() || change.id.kind == ResourceKind::Command)
        .collect()
}
