//! What has to happen to each service of a compose project, and why: from what compose makes of its files and what the host has.

use std::collections::{BTreeMap, BTreeSet};

use super::build::BuildInputs;
use super::pins::Held;
use super::stack::{OnChange, Reaction, Reload};
use crate::facts::compose::{Config, Container, ContainerState, Project, Service};
use crate::facts::path::is_below;
use crate::operations::files::sync::Rules;

/// What happens to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) service: String,
    pub(super) what: What,
    /// What happens to its image before.
    pub(super) image: Obtain,
}

/// What happens to the containers of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Nothing,
    Create,
    Recreate(Cause),
    /// It gets another number of containers.
    Scale {
        from: usize,
        to: usize,
    },
    Restart(Cause),
    /// It reads these files again without an interruption.
    Reload {
        by: BTreeSet<Reload>,
        files: BTreeSet<String>,
    },
    /// They are started, since they do not run.
    Start,
    /// The project has no such service any more.
    Remove,
}

/// Why a container cannot stay as it is, or has to read its files again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Configuration,
    Image {
        from: String,
        to: Option<String>,
    },
    /// It is not connected to this network, or to an earlier one of the name.
    Network(String),
    /// Another volume is on this path.
    Volume(String),
    /// What it gets from `content` of secrets and configs is another text: a container has it from its creation.
    Inline,
    /// This path of the host is not mounted into it. compose hashes only the names of secrets and configs.
    Mount(String),
    /// It uses the network, processes or volumes of this service, which gets other containers.
    Shares(String),
    /// It uses the network or processes of this service, which was started since: those that it uses are gone.
    Outlived(String),
    /// It is restarted together with this service.
    DependsOn(String),
    /// These files are mounted into it.
    Files(BTreeSet<String>),
    /// Its image is built anew.
    Built,
    /// This volume is removed and created again.
    RenewedVolume(String),
}

/// How a service gets its image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Obtain {
    #[default]
    Nothing,
    Pull,
    Build,
}

/// What is decided about.
pub(super) struct Situation<'a> {
    pub(super) project: &'a str,
    /// The project's directory.
    pub(super) directory: &'a str,
    pub(super) config: &'a Config,
    /// What a change of files does, by their paths below the directory.
    pub(super) on_change: &'a Rules<OnChange>,
    pub(super) now: &'a Project,
    /// The images that are held to digests.
    pub(super) held: &'a Held,
    /// The names of volumes that are removed and created again.
    pub(super) renewed: &'a BTreeSet<&'a str>,
    /// The files of the project as the plan leaves them: SHA-256 by path.
    pub(super) files: &'a BTreeMap<String, String>,
    /// What images are built from, by service, as far as the stack says it.
    pub(super) builds: &'a BTreeMap<String, BuildInputs>,
    /// The files that the plan changes or removes.
    pub(super) changed: &'a BTreeSet<String>,
    pub(super) removes_orphans: bool,
}

impl What {
    /// Whether the service gets other containers.
    pub(super) fn renews(&self) -> bool {
        matches!(self, Self::Create | Self::Recreate(_))
    }

    /// Whether its containers are started, be they others or not.
    fn starts(&self) -> bool {
        self.renews() || matches!(self, Self::Restart(_) | Self::Start)
    }
}

/// What happens to each service, those of the project first, each by name.
pub(super) fn decide(situation: &Situation<'_>) -> Vec<Decision> {
    let Situation { config, .. } = situation;
    let mut decided: BTreeMap<&str, (What, Obtain)> = BTreeMap::new();
    for (name, service) in &config.services {
        decided.insert(name, situation.alone(name, service));
    }
    // What happens to one service may make something happen to another, and so on.
    loop {
        let mut news = Vec::new();
        for (name, service) in &config.services {
            let (what, _) = &decided[name.as_str()];
            if let Some(follows) = following(service, what, |other| decided.get(other).map(|(what, _)| what)) {
                news.push((name.as_str(), follows));
            }
        }
        if news.is_empty() {
            break;
        }
        for (name, what) in news {
            if let Some((own, _)) = decided.get_mut(name) {
                *own = what;
            }
        }
    }
    let mut decisions: Vec<Decision> = decided
        .into_iter()
        .map(|(service, (what, image))| Decision {
            service: service.to_owned(),
            what,
            image,
        })
        .collect();
    if situation.removes_orphans {
        decisions.extend(situation.orphans().into_iter().map(|service| Decision {
            service,
            what: What::Remove,
            image: Obtain::Nothing,
        }));
    }
    decisions
}

/// What follows for a service from what happens to others, if that is more than `what`.
fn following<'a>(service: &Service, what: &What, of: impl Fn(&str) -> Option<&'a What>) -> Option<What> {
    if what.renews() {
        return None;
    }
    let uses = |happens: fn(&What) -> bool, services: &BTreeSet<String>| {
        let mut of_services = services.iter();
        of_services.find(|other| of(other).is_some_and(happens)).cloned()
    };
    let renewed = uses(What::renews, &service.shares).or_else(|| uses(What::renews, &service.volumes_from));
    if let Some(other) = renewed {
        return Some(What::Recreate(Cause::Shares(other)));
    }
    // One that is started first would have the network of before.
    let is_restarted = |what: &What| matches!(what, What::Restart(_));
    if *what == What::Start
        && let Some(other) = uses(is_restarted, &service.shares)
    {
        return Some(What::Restart(Cause::Shares(other)));
    }
    if what.starts() {
        return None;
    }
    if let Some(other) = uses(What::starts, &service.shares) {
        return Some(What::Restart(Cause::Shares(other)));
    }
    let restarted_with = service.depends_on.iter().filter(|(_, restarts)| **restarts);
    let mut restarted_with = restarted_with.map(|(other, _)| other);
    let other = restarted_with
        .find(|other| of(other).is_some_and(|what| matches!(what, What::Recreate(_) | What::Restart(_))))?;
    Some(What::Restart(Cause::DependsOn(other.clone())))
}

impl Situation<'_> {
    /// What happens to a service if nothing happens to others.
    fn alone(&self, name: &str, service: &Service) -> (What, Obtain) {
        let containers: Vec<&Container> = self.now.containers.iter().filter(|one| one.service == name).collect();
        let image = service.image_on(self.project, name);
        let found = self.held.image(self.now, &image);
        let wanted = service.replicas.unwrap_or(1) as usize;
        let obtain = match found {
            _ if wanted == 0 => Obtain::Nothing,
            Some(id) if self.is_built_otherwise(name, id) => Obtain::Build,
            Some(_) => Obtain::Nothing,
            None if service.build.is_some() => Obtain::Build,
            None => Obtain::Pull,
        };
        if containers.is_empty() && wanted > 0 {
            return (What::Create, obtain);
        }
        let cause = containers
            .iter()
            .find_map(|one| self.outdated(name, service, one, found));
        let cause = cause.or_else(|| (obtain == Obtain::Build).then_some(Cause::Built));
        let mut reactions = self.reactions(name, service, &containers);
        let what = match cause {
            Some(cause) if wanted > 0 => What::Recreate(cause),
            _ if containers.len() != wanted => What::Scale {
                from: containers.len(),
                to: wanted,
            },
            _ => {
                if let Some(files) = reactions.remove(&Reaction::Recreate) {
                    What::Recreate(Cause::Files(files))
                } else if let Some(files) = reactions.remove(&Reaction::Restart) {
                    What::Restart(Cause::Files(files))
                } else if containers.iter().any(|one| is_to_start(service, one)) {
                    What::Start
                } else if let Some(other) = self.outlived(service, &containers) {
                    What::Restart(Cause::Outlived(other))
                } else {
                    reload(reactions, &containers)
                }
            }
        };
        (what, obtain)
    }

    /// What the changes of its files have a service do, with the files of each.
    fn reactions(
        &self,
        name: &str,
        service: &Service,
        containers: &[&Container],
    ) -> BTreeMap<Reaction, BTreeSet<String>> {
        let mut reactions: BTreeMap<Reaction, BTreeSet<String>> = BTreeMap::new();
        for path in self.changed_files(name, service, containers) {
            let reaction = match self.rule(&path) {
                Some(rule) if rule.is_about(name) => rule.reaction.clone(),
                _ => Reaction::Restart,
            };
            // A file that is mounted alone is the old one until the container is started again.
            let reaction = match reaction {
                Reaction::Reload(_) if service.mounted.contains(&path) => Reaction::Restart,
                reaction => reaction,
            };
            reactions.entry(reaction).or_default().insert(path);
        }
        reactions
    }

    /// What the stack says of a file.
    pub(super) fn rule(&self, path: &str) -> Option<&OnChange> {
        let name = path.strip_prefix(self.directory)?.strip_prefix('/')?;
        self.on_change.of(name)
    }

    /// Whether a service reads a file: it is mounted into it, or the stack says so.
    pub(super) fn is_of(&self, path: &str, name: &str, service: &Service) -> bool {
        service.mounted.iter().any(|top| is_below(path, top))
            || self.rule(path).is_some_and(|rule| rule.services.contains(name))
    }

    /// Whether an image was built from something else than what is there then. One that others have built is taken as it is.
    fn is_built_otherwise(&self, name: &str, image: &str) -> bool {
        let Some(inputs) = self.builds.get(name) else {
            return false;
        };
        let recorded = self
            .now
            .record
            .as_ref()
            .and_then(|record| record.services.get(name)?.build.as_ref());
        let is_other = recorded.is_some_and(|build| build.digest != inputs.digest || build.image != image);
        is_other || inputs.has_any_of(self.changed)
    }

    /// Why a container cannot stay.
    fn outdated(&self, name: &str, service: &Service, container: &Container, image: Option<&str>) -> Option<Cause> {
        if !self.is_configured_so(name, service, container) {
            return Some(Cause::Configuration);
        }
        if image != Some(container.image.as_str()) {
            return Some(Cause::Image {
                from: container.image.clone(),
                to: image.map(str::to_owned),
            });
        }
        let networks = service
            .networks
            .iter()
            .filter_map(|name| self.config.networks.get(name));
        let other_network = |name: &str| {
            let ids = self.now.networks.get(name);
            match container.networks.get(name) {
                Some(id) if id.is_empty() && container.state != ContainerState::Running => ids.is_none(),
                Some(id) => ids.is_none_or(|ids| !ids.contains(id)),
                None => true,
            }
        };
        if let Some(network) = networks.map(|network| &network.name).find(|name| other_network(name)) {
            return Some(Cause::Network(network.clone()));
        }
        let mut own = service.volumes.values().filter_map(|key| self.config.volumes.get(key));
        if let Some(volume) = own.find(|volume| self.renewed.contains(volume.name.as_str())) {
            return Some(Cause::RenewedVolume(volume.name.clone()));
        }
        let other_volume = |(path, volume): &(&String, &String)| {
            let name = self.config.volumes.get(*volume).map(|volume| &volume.name);
            name.is_some_and(|name| container.volumes.get(*path) != Some(name))
        };
        if let Some((path, _)) = service.volumes.iter().find(other_volume) {
            return Some(Cause::Volume(path.clone()));
        }
        let recorded = self.now.record.as_ref().and_then(|record| record.services.get(name));
        let recorded = recorded.filter(|of| of.containers.contains(&container.id));
        if recorded.is_some_and(|of| of.inline != service.inline) {
            return Some(Cause::Inline);
        }
        let path = service.mounted.iter().find(|path| !container.binds.contains(*path))?;
        Some(Cause::Mount(path.clone()))
    }

    /// The name of the image of a service of the project.
    pub(super) fn image_named(&self, name: &str) -> String {
        let service = self.config.services.get(name);
        service
            .map(|service| service.image_on(self.project, name))
            .unwrap_or_default()
    }

    /// Whether a container was created from the configuration as it is now.
    fn is_configured_so(&self, name: &str, service: &Service, container: &Container) -> bool {
        let recorded = self.now.record.as_ref().and_then(|record| record.services.get(name));
        let is_recorded = recorded.is_some_and(|of| of.containers.contains(&container.id) && of.hash == service.hash);
        container.hash == service.hash || is_recorded
    }

    /// The files that are mounted into a service and are other ones than its containers have read.
    fn changed_files(&self, name: &str, service: &Service, containers: &[&Container]) -> BTreeSet<String> {
        let is_mounted = |path: &&String| self.is_of(path, name, service);
        let mut changed: BTreeSet<String> = self.changed.iter().filter(is_mounted).cloned().collect();
        let recorded = self.now.record.as_ref().and_then(|record| record.services.get(name));
        // What was recorded of other containers says nothing: these were started since, by other means.
        let Some(recorded) = recorded.filter(|of| containers.iter().all(|one| of.containers.contains(&one.id))) else {
            return changed;
        };
        let mounted = self.files.iter().filter(|(path, _)| is_mounted(path));
        let differing = mounted.filter(|(path, digest)| recorded.mounted.get(*path) != Some(digest));
        changed.extend(differing.map(|(path, _)| path.clone()));
        let gone = recorded.mounted.keys().filter(is_mounted);
        changed.extend(gone.filter(|path| !self.files.contains_key(*path)).cloned());
        changed
    }

    /// A service whose network or processes are used by containers that run longer than its own.
    fn outlived(&self, service: &Service, containers: &[&Container]) -> Option<String> {
        let running = |one: &&&Container| one.state == ContainerState::Running;
        let started = containers.iter().filter(running).map(|one| &one.started).min()?;
        let is_later = |other: &&String| {
            let own = self.now.containers.iter().filter(|one| one.service == **other);
            own.filter(|one| one.state == ContainerState::Running)
                .any(|one| one.started > *started)
        };
        service.shares.iter().find(is_later).cloned()
    }

    /// Services that have containers and are no longer in the project.
    fn orphans(&self) -> BTreeSet<String> {
        let services = self.now.containers.iter().map(|one| &one.service);
        let gone = services
            .filter(|service| !self.config.services.contains_key(*service) && !self.config.disabled.contains(*service));
        gone.cloned().collect()
    }
}

/// A service that runs reads files again.
fn reload(reactions: BTreeMap<Reaction, BTreeSet<String>>, containers: &[&Container]) -> What {
    let (mut by, mut files) = (BTreeSet::new(), BTreeSet::new());
    if containers.iter().any(|one| one.state == ContainerState::Running) {
        for (reaction, paths) in reactions {
            if let Reaction::Reload(reload) = reaction {
                by.insert(reload);
                files.extend(paths);
            }
        }
    }
    if by.is_empty() {
        What::Nothing
    } else {
        What::Reload { by, files }
    }
}

/// Whether a container does not run although it should. One that has ended well on its own stays so.
fn is_to_start(service: &Service, container: &Container) -> bool {
    match container.state {
        ContainerState::Running | ContainerState::Restarting | ContainerState::Removing => false,
        ContainerState::Created | ContainerState::Paused => true,
        ContainerState::Exited | ContainerState::Dead => {
            let is_always = matches!(service.restart.as_deref(), Some("always" | "unless-stopped"));
            is_always || container.exit_code != 0
        }
    }
}

#[cfg(test)]
mod tests;
