//! What a run creates on a host, so that the host remembers it: what leaves the configuration later is found by that.

use std::collections::{BTreeMap, BTreeSet};

use super::events::{OperationResult, ResourceEnd};
use crate::change::{Action, Attribute, Before, ResourceChange, ResourceId, ResourceKind, Step};
use crate::facts::journal::CONTENT;
use crate::facts::made::{Creation, Kind, Subject, digest};
use crate::facts::overlay::OperationId;
use crate::facts::remembered::{Remembering, Returning, Update};
use crate::facts::{Fact, FactKey, Facts};
use crate::plan::{PlannedOperation, Survey, is_claimed};
use crate::secret::{DigestKey, sha256_hex};

/// What is remembered on one host.
pub(super) struct Creations {
    state_folder: String,
    /// The run's name.
    run: String,
    /// The run that this one takes back.
    rollback_of: Option<String>,
    /// The file of the deploy, unless what it creates is no part of a configuration.
    file: Option<String>,
    /// The digests of what the deploy, or another one of the project's inventory, created so far.
    own: BTreeSet<String>,
    /// The same for all deploys.
    all: BTreeSet<String>,
    /// What is not there any more.
    absent: BTreeSet<String>,
    /// The compose projects that an operation of the segment before removes. They are forgotten once that was read back: what is left of
    /// one that could not be stopped is to be found again.
    leaving: BTreeSet<String>,
    /// What this run is to create, and what was not there before.
    begun: BTreeMap<(OperationId, ResourceId), String>,
    /// What this run says that it makes or writes anew.
    said: BTreeMap<(OperationId, ResourceId), String>,
}

/// The folder of the tables of cron.
const CRON_TABLES: &str = "/var/spool/cron/crontabs/";

/// What is remembered of a change.
enum Remembered {
    Made(Creation),
    /// It is new only if nothing was there.
    Perhaps(Creation),
    /// It is known already, and written anew.
    Renewed(Creation),
    Gone(String),
}

impl Remembered {
    fn creation(&self) -> Option<&Creation> {
        match self {
            Self::Made(creation) | Self::Perhaps(creation) | Self::Renewed(creation) => Some(creation),
            Self::Gone(_) => None,
        }
    }
}

impl Creations {
    /// What the host remembers, by its facts. `of_run` are the names of the run and of the one that it takes back. `of_deploy` is the file
    /// of the deploy, and what is known to be gone.
    pub(super) fn new(
        state_folder: &str,
        (run, rollback_of): (&str, Option<&str>),
        of_deploy: Option<(String, &BTreeSet<String>)>,
        facts: Option<&Facts>,
    ) -> Self {
        let made = match facts.and_then(|facts| facts.get(&FactKey::System)) {
            Some(Fact::System(system)) => system.made.as_slice(),
            _ => &[],
        };
        let (file, absent) = of_deploy.unzip();
        let of_project = |file: &str| file.rsplit_once('-').map(|(project, _)| project.to_owned());
        let project = file.as_deref().and_then(of_project);
        let own = made
            .iter()
            .filter(|made| project.is_some() && of_project(&made.file) == project);
        Self {
            state_folder: state_folder.to_owned(),
            run: run.to_owned(),
            rollback_of: rollback_of.map(str::to_owned),
            own: own.flat_map(|made| made.digests.clone()).collect(),
            all: made.iter().flat_map(|made| made.digests.clone()).collect(),
            absent: absent.cloned().unwrap_or_default(),
            leaving: BTreeSet::new(),
            begun: BTreeMap::new(),
            said: BTreeMap::new(),
            file,
        }
    }

    /// Shell text that remembers what the operations create, and forgets what they remove; `None` if that is nothing.
    pub(super) fn of(&mut self, operations: &[PlannedOperation], key: &DigestKey) -> Option<String> {
        let mut gone = std::mem::take(&mut self.absent);
        gone.append(&mut self.left());
        let mut update = Update {
            gone,
            returning: self.rollback_of.as_ref().map(|run| Returning {
                run: run.clone(),
                ..Returning::default()
            }),
            ..Update::default()
        };
        for operation in operations {
            self.leaving.extend(removed_projects(operation));
            let own = [Survey::of(std::slice::from_ref(operation))];
            for change in operation.changes() {
                if let (Some(returning), Some(user)) = (&mut update.returning, cron_user(change)) {
                    returning.cron_users.insert(user.to_owned());
                }
                for remembered in remembered(operation, change, key) {
                    // What comes along with something else is nothing that an operation could lose.
                    if remembered.creation().is_none_or(|creation| is_claimed(creation, &own)) {
                        self.add(remembered, (operation, change), &mut update);
                    }
                }
            }
        }
        let made = update.made.iter().chain(&update.perhaps);
        let made: BTreeSet<String> = made.map(|one| digest(&one.subject())).collect();
        update.gone.retain(|gone| !made.contains(gone));
        self.script(&update, key)
    }

    /// The digests of the projects that are gone now, if the host remembers them.
    fn left(&mut self) -> BTreeSet<String> {
        let left = std::mem::take(&mut self.leaving);
        let known: BTreeSet<String> = left.into_iter().filter(|digest| self.all.remove(digest)).collect();
        self.own.retain(|digest| !known.contains(digest));
        known
    }

    /// Shell text that forgets what was not reached: if it is made later, then not by this run. Of what was put back, only what was
    /// there before is remembered. If all was done, what the last segment removed is forgotten too. `None` if that is nothing.
    pub(super) fn undone(&self, results: &[OperationResult], is_done: bool, key: &DigestKey) -> Option<String> {
        let (mut update, mut stays) = (Update::default(), BTreeSet::new());
        if is_done {
            update.gone = self.leaving.intersection(&self.all).cloned().collect();
        }
        for result in results {
            for line in &result.lines {
                let end = (result.operation.clone(), line.resource.clone());
                let is_put_back = line.end == ResourceEnd::PutBack;
                if !is_put_back && line.end != ResourceEnd::NotReached {
                    stays.extend(self.said.get(&end).cloned());
                    continue;
                }
                update.undone.extend(self.said.get(&end).cloned());
                update
                    .gone
                    .extend(self.begun.get(&end).filter(|_| !is_put_back).cloned());
            }
        }
        update
            .undone
            .retain(|digest| !stays.contains(digest) && !update.gone.contains(digest));
        self.script(&update, key)
    }

    fn script(&self, update: &Update, key: &DigestKey) -> Option<String> {
        let at = Remembering {
            state_folder: &self.state_folder,
            file: self.file.as_deref().unwrap_or_default(),
            run: &self.run,
            key,
        };
        (!update.is_empty()).then(|| update.script(&at))
    }

    fn add(
        &mut self,
        remembered: Remembered,
        (operation, change): (&PlannedOperation, &ResourceChange),
        update: &mut Update,
    ) {
        let is_own = self.is_own(operation);
        match remembered {
            Remembered::Gone(digest) => {
                self.own.remove(&digest);
                if self.all.remove(&digest) {
                    update.gone.insert(digest);
                }
            }
            Remembered::Renewed(creation) => {
                let digest = digest(&creation.subject());
                if is_own && self.own.contains(&digest) {
                    self.said.insert((operation.id.clone(), change.id.clone()), digest);
                    update.made.push(creation);
                }
            }
            Remembered::Made(creation) | Remembered::Perhaps(creation) if !is_own => {
                if let Some(returning) = &mut update.returning {
                    returning.digests.insert(digest(&creation.subject()));
                    self.know(&creation, operation, change);
                }
            }
            Remembered::Made(creation) => {
                self.know(&creation, operation, change);
                // Each service of a project tells of it.
                if !update.made.contains(&creation) {
                    update.made.push(creation);
                }
            }
            Remembered::Perhaps(creation) => {
                self.know(&creation, operation, change);
                update.perhaps.push(creation);
            }
        }
    }

    /// Whether what an operation creates is a part of the configuration. A handler runs only after changes: that it is not planned does not
    /// mean that it left the configuration.
    fn is_own(&self, operation: &PlannedOperation) -> bool {
        self.file.is_some() && operation.handler.is_none()
    }

    fn know(&mut self, creation: &Creation, operation: &PlannedOperation, change: &ResourceChange) {
        let digest = digest(&creation.subject());
        let of_change = || (operation.id.clone(), change.id.clone());
        self.own.insert(digest.clone());
        self.said.insert(of_change(), digest.clone());
        if self.all.insert(digest.clone()) {
            self.begun.insert(of_change(), digest);
        }
    }
}

/// The user whose table of cron a change writes.
fn cron_user(change: &ResourceChange) -> Option<&str> {
    let is_written = change.id.kind == ResourceKind::File && change.action != Action::Remove;
    change.id.name.strip_prefix(CRON_TABLES).filter(|_| is_written)
}

/// What a change creates, renews or removes.
fn remembered(operation: &PlannedOperation, change: &ResourceChange, key: &DigestKey) -> Vec<Remembered> {
    let name = change.id.name.as_str();
    let keyed = |text: &str| Some(key.digest(&sha256_hex(text.as_bytes())).0);
    if change.id.kind == ResourceKind::ComposeService {
        return of_service(change).into_iter().collect();
    }
    let (kind, written) = match change.id.kind {
        ResourceKind::File => (Kind::File, content(change, key)),
        ResourceKind::Link => (Kind::Link, shown(change, "target").and_then(keyed)),
        ResourceKind::Directory => (Kind::Directory, None),
        ResourceKind::Package => (Kind::Package, None),
        ResourceKind::User => (Kind::User, None),
        ResourceKind::Group => (Kind::Group, None),
        _ => return Vec::new(),
    };
    let creation = |kind, name: &str, written| Creation::new(kind, name, written);
    let mut all = Vec::new();
    if let Some(entry) = &operation.holds.cron_entry
        && kind == Kind::File
    {
        if change.after.is_some() && shown(change, "line").is_none() {
            return all;
        }
        let named = creation(
            Kind::Cron,
            &format!("{} {}", entry.user, entry.name),
            shown(change, "line").and_then(keyed),
        );
        let has_line = shown(change, "line").is_some_and(|line| !line.is_empty());
        let had_line = match &change.before {
            Before::Present(before) => !matches!(before.get("line"), Some(Attribute::Known(line)) if line.is_empty()),
            _ => false,
        };
        let subject = Subject::CronEntry(entry.user.clone(), entry.name.clone());
        match (had_line, has_line) {
            (false, true) => all.extend(named.map(Remembered::Made)),
            (true, true) => all.extend(named.map(Remembered::Renewed)),
            (_, false) => all.push(Remembered::Gone(digest(&subject))),
        }
        // The table itself is everybody's.
        return all;
    }
    let subject_of = |creation: &Creation| digest(&creation.subject());
    let Some(creation) = creation(kind, name, written) else {
        return all;
    };
    let content = change.after.as_ref().and_then(|after| after.get(CONTENT));
    let creation = Creation {
        is_secret: matches!(content, Some(Attribute::Masked { .. } | Attribute::Secret(_))),
        ..creation
    };
    match change.action {
        Action::Remove => all.push(Remembered::Gone(subject_of(&creation))),
        Action::Create | Action::Update if is_made_here(change) => all.push(match &change.before {
            Before::Absent => Remembered::Made(creation),
            Before::Unknown(_) if creation.path().is_some() => Remembered::Perhaps(creation),
            Before::Unknown(_) | Before::Present(_) => Remembered::Renewed(creation),
        }),
        _ => {}
    }
    all
}

/// The project of a service that is created. One that is only changed may be another project's.
fn of_service(change: &ResourceChange) -> Option<Remembered> {
    let (project, _) = change.id.name.split_once('/')?;
    let creation = Creation::new(Kind::Project, project, None)?;
    match (change.action, &change.before) {
        (Action::Create, Before::Absent | Before::Unknown(_)) => Some(Remembered::Made(creation)),
        _ => None,
    }
}

/// The digests of the compose projects that an operation removes. One that asks what compose makes of the files keeps its project, and
/// removes at most a service of it.
fn removed_projects(operation: &PlannedOperation) -> BTreeSet<String> {
    if operation
        .asked
        .iter()
        .any(|key| matches!(key, FactKey::ComposeConfig(_)))
    {
        return BTreeSet::new();
    }
    let services = operation
        .changes()
        .iter()
        .filter(|change| change.id.kind == ResourceKind::ComposeService && change.action == Action::Remove);
    let projects = services.filter_map(|change| change.id.name.split_once('/'));
    projects
        .map(|(project, _)| digest(&Subject::Project(project.to_owned())))
        .collect()
}

/// Whether what is there then comes from the project, and not from elsewhere on the host. A group that a user brings has no step of its
/// own.
fn is_made_here(change: &ResourceChange) -> bool {
    let makes = |step: &Step| matches!(step, Step::WriteFile(_) | Step::Link(_) | Step::MakeDirectory(_));
    match change.id.kind {
        ResourceKind::File | ResourceKind::Link | ResourceKind::Directory => change.steps.iter().any(makes),
        ResourceKind::Group => !change.steps.is_empty(),
        _ => true,
    }
}

fn content(change: &ResourceChange, key: &DigestKey) -> Option<String> {
    change.steps.iter().find_map(|step| match step {
        Step::WriteFile(file) => Some(key.digest(file.content.sha256()).0),
        _ => None,
    })
}

/// An attribute afterwards, as it is shown.
fn shown<'c>(change: &'c ResourceChange, name: &str) -> Option<&'c str> {
    change.after.as_ref()?.get(name)?.shown()
}

#[cfg(test)]
mod tests;
