//! The input for planning one host, and the record of missing facts and mistakes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::expand::Assume;
use super::visible::Asked;
use super::{Build, Mistake, PeerKeys, Snapshot};
use crate::error::Diagnostic;
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::facts::system::SystemFacts;
use crate::facts::{Fact, FactKey, Facts};
use crate::project::{Named, SelectedHost, Selection};
use crate::secret::DigestKey;

/// The input for planning one host.
#[derive(Clone)]
pub(super) struct Given<'a> {
    pub(super) selection: &'a Selection,
    pub(super) host: &'a SelectedHost,
    pub(super) facts: &'a Facts,
    pub(super) snapshot: &'a Snapshot,
    pub(super) digests: &'a DigestKey,
    pub(super) asked: Asked,
    /// The conditions that count as true. Unless it is none, nothing is planned: only facts are asked for.
    pub(super) assume: Assume,
    /// Whether the run after this one is planned, to which nothing is owed.
    pub(super) is_next_run: bool,
    /// Whether an operation that has just run is planned again.
    pub(super) is_read_back: bool,
    /// What the operations so far name of what the Docker engine has, whether they change it or not.
    pub(super) named: Arc<BTreeSet<FactKey>>,
}

/// The facts that templates used.
#[derive(Default)]
pub(super) struct AskedKeys {
    /// Of the host itself.
    pub(super) own: BTreeSet<FactKey>,
    pub(super) peers: PeerKeys,
}

impl Given<'_> {
    pub(super) fn host_name(&self) -> &str {
        &self.host.name
    }

    /// The facts that templates used since the last call; those that were not read are noted as missing.
    pub(super) fn take_asked(&self, build: &mut Build) -> AskedKeys {
        let mut asked = AskedKeys::default();
        for (host, key) in self.asked.take() {
            if host == self.host.name {
                self.want(key.clone(), build);
                asked.own.insert(key);
                continue;
            }
            let facts = self.snapshot.facts.get(&host);
            let is_read = facts.is_some_and(|facts| facts.get(&key).is_some());
            if !is_read {
                build.missing.entry(host.clone()).or_default().insert(key.clone());
            }
            asked.peers.entry(host).or_default().insert(key);
        }
        asked
    }

    /// Notes a fact as missing unless it was read.
    pub(super) fn want(&self, key: FactKey, build: &mut Build) {
        if self.facts.get(&key).is_none() {
            build.missing.entry(self.host.name.clone()).or_default().insert(key);
        }
    }

    pub(super) fn note_mistake(&self, diagnostic: Diagnostic, build: &mut Build) {
        build.mistakes.push(Mistake {
            host: self.host.name.clone(),
            diagnostic,
        });
    }

    /// Whether the operation already ran.
    pub(super) fn is_done(&self, id: &OperationId) -> bool {
        let done = self.snapshot.done.get(&self.host.name);
        done.is_some_and(|done| done.contains(id))
    }

    /// Whether nothing was read from the host so far, although it will be.
    pub(super) fn is_unread(&self) -> bool {
        !self.snapshot.is_offline && self.facts.get(&FactKey::System).is_none()
    }

    /// Whether all that is wanted to know is what operations are about, whatever their conditions say.
    pub(super) fn is_survey(&self) -> bool {
        self.assume == Assume::All
    }

    /// The operations that already changed something.
    pub(super) fn changed(&self) -> Option<&BTreeSet<OperationId>> {
        self.snapshot.changed.get(&self.host.name)
    }

    /// Whether this run has changed something on the host.
    pub(super) fn is_amid_changes(&self) -> bool {
        self.is_read_back || self.changed().is_some_and(|changed| !changed.is_empty())
    }

    /// The handlers that an earlier run owed the host, of this project and of others.
    pub(super) fn owed(&self) -> &[Owed] {
        match self.system() {
            Some(system) if !self.is_next_run => &system.owed,
            _ => &[],
        }
    }

    /// Whether a run was changing the host when it was read: what it has recorded, it may still come to.
    pub(super) fn is_beside_another_run(&self) -> bool {
        self.system().is_some_and(|system| system.locked_by.is_some())
    }

    fn system(&self) -> Option<&SystemFacts> {
        match self.facts.get(&FactKey::System) {
            Some(Fact::System(system)) => Some(system),
            _ => None,
        }
    }

    /// The path of the record of a handler on the host.
    pub(super) fn record_of(&self, handler: &Owed) -> String {
        let own = self.system().and_then(|system| system.session.unprivileged.as_ref());
        handler.path(own.map(|own| own.state_folder.as_str()))
    }

    /// What is said of an owed handler that this plan does not run. `is_other` if the plan has one of this name, which is another one.
    pub(super) fn owed_notice(&self, owed: &Owed, is_other: bool) -> String {
        let path = self.record_of(owed);
        let what = match &owed.unit {
            _ if !owed.is_readable() => "a handler whose record cannot be read".to_owned(),
            Some(unit) => format!("handler `{}` of `{unit}`", owed.handler),
            None => format!("handler `{}`", owed.handler),
        };
        let project = owed.project.as_deref().filter(|own| *own != self.selection.project);
        let own = self
            .selection
            .stages
            .iter()
            .enumerate()
            .map(|(stage, _)| self.place_of(stage));
        let place = owed
            .place
            .as_ref()
            .filter(|place| !own.into_iter().any(|own| own == **place));
        let which = match (project, place) {
            (Some(project), _) => format!("of project `{project}`"),
            (None, Some(place)) => format!("of deploy `{place}`"),
            (None, None) if is_other => "which is another one by now".to_owned(),
            (None, None) => "which is not part of this one".to_owned(),
        };
        let way = match project {
            Some(_) => "deploy it from there, ",
            None if owed.parameters.is_some() && !self.selection.runs_owed => "`--owed` runs it, ",
            None if is_other => "",
            None => "deploy its task to run it, ",
        };
        format!("owed since an earlier run: {what}, {which}; {way}`rm {path}` on the host forgets it")
    }

    /// How a handler's record calls a stage of the deploy.
    pub(super) fn place_of(&self, stage: usize) -> String {
        let deploy = &self.selection.deploy;
        let name = self.selection.stages.get(stage).and_then(|stage| stage.name.as_ref());
        name.map_or_else(|| deploy.clone(), |name| format!("{deploy} / {name}"))
    }

    /// Whether `--tags` selects these tags, including those of the tasks above.
    pub(super) fn has_tag<'t>(&self, above: &[String], own: impl IntoIterator<Item = &'t Named>) -> bool {
        let wanted = &self.selection.tags;
        wanted.is_empty()
            || above.iter().any(|tag| wanted.contains(tag))
            || own.into_iter().any(|tag| wanted.contains(&tag.name))
    }
}
