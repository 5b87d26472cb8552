//! Volumes that are removed: those that differ from the compose file and may be created again, and those of a project that is removed.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Action, Attribute, Attributed, Before, ResourceChange, ResourceId, ResourceKind, Risk, Stop};
use crate::facts::FactKey;
use crate::facts::compose::{Config, Project, ProjectVolume, Service};
use crate::facts::docker::{ProjectVolumesKey, Volume};
use crate::operations::PlanContext;
use crate::operations::docker::resource::{named, unless_they_change};
use crate::operations::docker::volume::{data, is_elsewhere};
use crate::quote::quote_all;

/// A volume that is removed, so that compose creates it as its files say.
#[derive(Clone, Debug)]
pub(super) struct Renewed {
    /// On the host.
    pub(super) name: String,
    /// The services that have containers with it.
    pub(super) services: BTreeSet<String>,
    found: Volume,
    /// What differs, in words.
    differences: String,
}

impl Renewed {
    /// The volume `key` of the project, which differs from `found`.
    ///
    /// Errors: a container uses it that does not get another one here.
    pub(super) fn new(
        context: &PlanContext<'_>,
        (config, project): (&Config, &Project),
        (key, volume): (&str, &ProjectVolume),
        found: Volume,
        differences: String,
    ) -> Result<Self, Stop> {
        let has = |service: &Service| service.volumes.values().any(|name| name == key);
        let uses = |name: &String| {
            let Some(service) = config.services.get(name) else {
                return false;
            };
            let mut others = service
                .volumes_from
                .iter()
                .filter_map(|other| config.services.get(other));
            has(service) || others.any(has)
        };
        let own = project.containers.iter().filter(|one| uses(&one.service));
        let services: BTreeSet<String> = own.clone().map(|one| one.service.clone()).collect();
        let names: BTreeSet<&String> = own.map(|one| &one.name).collect();
        let others: Vec<String> = found
            .containers
            .iter()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect();
        if !others.is_empty() {
            let title = format!("Docker volume `{}` is in use", volume.name);
            let label = format!("containers: {}", named(&others));
            let refusal = context
                .refuse_item("recreate_volumes", key, title, label)
                .hint("remove these containers first");
            return Err(unless_they_change(
                context,
                FactKey::DockerVolume(volume.name.clone()),
                refusal,
            ));
        }
        Ok(Self {
            name: volume.name.clone(),
            services,
            found,
            differences,
        })
    }

    /// Whether what is in it is lost.
    pub(super) fn loses_data(&self) -> bool {
        !is_elsewhere(&self.found)
    }

    pub(super) fn change(&self) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::DockerVolume, &self.name);
        let shown = |of: &str| -> Attributed { [("volume", Attribute::known(of))].into_iter().collect() };
        let mut after = shown(&format!("created again: {}", self.differences));
        after.insert("data", Attribute::known(data(&self.found)));
        let before = Before::Present(shown("there"));
        let mut change = ResourceChange::new(id, Action::Update, before, Some(after));
        change.risk = if self.loses_data() { Risk::Removal } else { Risk::None };
        change
    }
}

/// Refuses names in `recreate_volumes` that are none of the project's own volumes.
pub(super) fn check_names(context: &PlanContext<'_>, names: &[String], config: &Config) -> Result<(), Stop> {
    let is_own = |name: &&String| config.volumes.get(*name).is_some_and(|volume| !volume.is_external);
    let Some(name) = names.iter().find(|name| !is_own(name)) else {
        return Ok(());
    };
    let own: Vec<String> = config.volumes.keys().filter(|name| is_own(name)).cloned().collect();
    let title = format!("`{name}` is not a volume of the project");
    let refused = context.refuse_item(
        "recreate_volumes",
        name,
        title,
        "the compose file has no own volume of this name",
    );
    Err(if own.is_empty() {
        refused.hint("remove it")
    } else {
        refused.hint(format!("write one of {}", named(&own)))
    })
}

/// The volumes of a project that is removed together with them.
///
/// Errors: a container of something else uses one.
pub(super) fn removed(
    context: &PlanContext<'_>,
    project: &str,
    containers: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Volume>, Stop> {
    let volumes = context.get(ProjectVolumesKey(project))?;
    for (name, volume) in &volumes {
        let others: Vec<String> = volume
            .containers
            .iter()
            .filter(|one| !containers.contains(one.as_str()))
            .cloned()
            .collect();
        if !others.is_empty() {
            let title = format!("Docker volume `{name}` is in use");
            let label = format!("containers: {}", named(&others));
            let refusal = context
                .refuse("remove_volumes", title, label)
                .hint("remove these containers first, or remove `remove_volumes`");
            return Err(unless_they_change(
                context,
                FactKey::ProjectVolumes(project.to_owned()),
                refusal,
            ));
        }
    }
    Ok(volumes)
}

/// The changes that show volumes that are removed.
pub(super) fn removals(volumes: &BTreeMap<String, Volume>) -> Vec<ResourceChange> {
    let changes = volumes.iter().map(|(name, volume)| {
        let id = ResourceId::new(ResourceKind::DockerVolume, name);
        let mut before = Attributed::new();
        before.insert("driver", Attribute::known(&volume.driver));
        before.insert("data", Attribute::known(data(volume)));
        let mut change = ResourceChange::new(id, Action::Remove, Before::Present(before), None);
        change.risk = Risk::Removal;
        change
    });
    changes.collect()
}

/// Shell text that removes them.
pub(super) fn removal_script(volumes: &BTreeMap<String, Volume>) -> String {
    if volumes.is_empty() {
        return String::new();
    }
    format!(
        "hl_clean docker volume rm {} >/dev/null",
        quote_all(volumes.keys().map(String::as_str))
    )
}
