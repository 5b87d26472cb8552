//! What a review shows of services, and the steps that do it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::asked::{Asked, asked};
use super::back::ChangedPaths;
use super::decision::{Cause, Decision, Obtain, Situation, What};
use super::pins::{Astray, Held};
use super::script::{BuildOrder, Kept, Orders, Removed, Stopped};
use super::stack::Reload;
use super::volumes::{Renewed, removal_script, removals};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, PULLED, ResourceChange, ResourceId, ResourceKind, Risk, Step,
};
use crate::facts::compose::{CLEAN, Container, ContainerState, Project, RECORDS, Service};
use crate::facts::docker::{Network, Reference, Volume};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::is_below;
use crate::facts::{Fact, FactKey};
use crate::quote::{quote, quote_all};
use crate::value::Known;

/// How long an image may take to come, or to be built.
const LONGEST_PULL: Duration = Duration::from_secs(3600);

/// How long compose may take beside what it waits for.
const LONGEST_UP: Duration = Duration::from_secs(600);

/// How many files are named as a reason.
const NAMED: usize = 3;

/// Everything that the changes of services are made of.
pub(super) struct Services<'a> {
    pub(super) directory: &'a str,
    pub(super) situation: &'a Situation<'a>,
    /// The options of compose that say which files it reads.
    pub(super) options: Vec<String>,
    /// The files and directories that the plan changes.
    pub(super) changed: ChangedPaths,
    /// What compose reads and looks for, with those that are not in the stack, if homelab knows all of it.
    pub(super) reads: Option<(BTreeSet<String>, BTreeSet<String>)>,
    /// Volumes that are removed and created again.
    pub(super) renewed: &'a [Renewed],
    /// Whether registries are asked about the images that are there.
    pub(super) asks: bool,
    /// Whether the images that others are built from are asked for.
    pub(super) build_pull: bool,
    /// Images that steps before the files are written pull.
    pub(super) pulled_first: &'a BTreeSet<String>,
    pub(super) within: Duration,
    pub(super) settle: Duration,
}

impl Services<'_> {
    /// The changes, of which the first does all of it: compose is called once.
    pub(super) fn changes(&self, decisions: &[Decision]) -> Vec<ResourceChange> {
        let pending: Vec<&Decision> = decisions.iter().filter(|one| one.what != What::Nothing).collect();
        let asked = if self.asks {
            asked(self.situation, decisions)
        } else {
            Vec::new()
        };
        let astray = self.situation.held.astray(self.situation.config, self.situation.now);
        let images = asked.iter().map(|one| self.refreshed_image(one));
        let mut changes: Vec<ResourceChange> = images.chain(astray.iter().map(retagged)).collect();
        changes.extend(self.renewed.iter().map(Renewed::change));
        changes.extend(pending.iter().map(|decision| self.change(decision)));
        let names: BTreeSet<&String> = asked
            .iter()
            .flat_map(|one| one.recreated.iter().chain(&one.restarted))
            .collect();
        let names = names
            .into_iter()
            .filter(|name| pending.iter().all(|one| one.service != **name));
        changes.extend(names.map(|name| self.refreshed_service(name)));
        if let Some(first) = changes.first_mut() {
            first.steps = self.steps(&pending, &asked, &astray);
        }
        changes
    }

    /// Records what compose says and which files services have read, where nothing happens to them.
    pub(super) fn record(&self) -> Step {
        Step::Run(Command {
            timeout: LONGEST_UP,
            ..Command::new("record the project", self.orders(&[], &[], &[]).text())
        })
    }

    /// A registry is asked whether it has another image.
    fn refreshed_image(&self, asked: &Asked) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::DockerImage, &asked.name);
        let now = self.situation.now.image(&asked.name).map(short).unwrap_or_default();
        let attributed = |attribute| [("image", attribute)].into_iter().collect();
        let before = Before::Present(attributed(Attribute::known(now)));
        let after = attributed(Attribute::Unknown("the registry says it".to_owned()));
        ResourceChange::new(id, Action::Refresh, before, Some(after))
    }

    /// A service that may get another image.
    fn refreshed_service(&self, name: &str) -> ResourceChange {
        let before = before(&self.containers(name));
        let mut after = before.clone();
        after.insert(
            "container",
            Attribute::Unknown("it stays unless the registry has another image".to_owned()),
        );
        let id = service_id(self.situation.project, name);
        ResourceChange::new(id, Action::Refresh, Before::Present(before), Some(after))
    }

    fn containers(&self, service: &str) -> Vec<&Container> {
        let all = self.situation.now.containers.iter();
        all.filter(|one| one.service == service).collect()
    }

    fn change(&self, decision: &Decision) -> ResourceChange {
        let id = service_id(self.situation.project, &decision.service);
        let containers = self.containers(&decision.service);
        let service = self.situation.config.services.get(&decision.service);
        let (action, risk) = match &decision.what {
            What::Create => (Action::Create, Risk::None),
            What::Remove => (Action::Remove, Risk::Removal),
            What::Recreate(_) | What::Restart(_)
                if containers.iter().any(|one| one.state == ContainerState::Running) =>
            {
                (Action::Update, Risk::Restart)
            }
            _ => (Action::Update, Risk::None),
        };
        let before = if containers.is_empty() {
            Before::Absent
        } else {
            Before::Present(self.before(&decision.service, &containers))
        };
        let after = service.map(|service| self.after(decision, service, &before));
        let mut change = ResourceChange::new(id, action, before, after);
        change.risk = risk;
        change
    }

    /// A service as it is. An image that is held to a digest is told by that of now.
    fn before(&self, service: &str, containers: &[&Container]) -> Attributed {
        let Situation { held, now, .. } = self.situation;
        let name = self.situation.image_named(service);
        let mut before = before(containers);
        if held.get(&name).is_some() {
            let digests = containers.iter().map(|one| {
                let digest = held.digest_of(now, &name, &one.image);
                short(digest.unwrap_or(&one.image))
            });
            let digests: BTreeSet<&str> = digests.collect();
            let digests: Vec<&str> = digests.into_iter().collect();
            before.insert("image", Attribute::known(digests.join(", ")));
        }
        before
    }

    /// The name of an image, with the beginning of the digest that it is held to.
    fn held_name(&self, name: &str) -> String {
        let held = self.situation.held.get(name).and_then(|held| held.digest.as_deref());
        held.map_or_else(|| name.to_owned(), |digest| format!("{name}@{}", short(digest)))
    }

    fn after(&self, decision: &Decision, service: &Service, before: &Before) -> Attributed {
        let name = service.image_on(self.situation.project, &decision.service);
        let mut after = match before {
            Before::Present(before) => before.clone(),
            Before::Absent | Before::Unknown(_) => Attributed::new(),
        };
        let image = match (&decision.what, decision.image) {
            (_, Obtain::Pull) => Some(format!("{}{PULLED}", self.held_name(&name))),
            (_, Obtain::Build) => Some(format!("{name} (built)")),
            (What::Create, Obtain::Nothing) => Some(name),
            (What::Recreate(Cause::Image { to: Some(to), .. }), _) => Some(match self.situation.held.get(&name) {
                Some(held) => short(held.digest.as_deref().unwrap_or(to)).to_owned(),
                None => short(to).to_owned(),
            }),
            _ => None,
        };
        if let Some(image) = image {
            after.insert("image", Attribute::known(image));
        }
        if decision.what == What::Create {
            if !service.ports.is_empty() {
                after.insert("ports", Attribute::known(service.ports.join(", ")));
            }
            if let Some(replicas) = service.replicas.filter(|replicas| *replicas != 1) {
                after.insert("containers", Attribute::known(replicas.to_string()));
            }
        }
        if let Some(words) = words(&decision.what) {
            after.insert("container", Attribute::known(words));
        }
        after
    }

    fn steps(&self, decisions: &[&Decision], asked: &[Asked], astray: &[Astray<'_>]) -> Vec<Step> {
        let mut steps = Vec::new();
        let images = |obtain: Obtain| decisions.iter().filter(move |one| one.image == obtain);
        let pulled: BTreeSet<String> = images(Obtain::Pull)
            .map(|one| self.situation.image_named(&one.service))
            .chain(asked.iter().map(|one| one.name.clone()))
            .filter(|name| !self.pulled_first.contains(name))
            .collect();
        for image in &pulled {
            steps.push(supervised(
                format!("docker pull {image}"),
                self.changed.back_after(&pull(self.situation.held, image)),
                LONGEST_PULL,
                &self.changed,
            ));
        }
        for Astray { name, to, .. } in astray {
            steps.push(supervised(
                format!("docker image tag {} {name}", short(to)),
                self.changed
                    .back_after(&format!("hl_clean docker image tag {} {}", quote(to), quote(name))),
                LONGEST_UP,
                &self.changed,
            ));
        }
        let built: Vec<&str> = images(Obtain::Build).map(|one| one.service.as_str()).collect();
        if !built.is_empty() {
            let options = self.options.iter().map(String::as_str);
            let words = options
                .chain(["-p", self.situation.project, "build"])
                .chain(self.build_pull.then_some("--pull"))
                .chain(built.iter().copied());
            steps.push(supervised(
                format!("docker compose build {}", built.join(" ")),
                self.changed.back_after(&format!(
                    "cd -- {} && hl_clean docker compose {}",
                    quote(self.directory),
                    quote_all(words)
                )),
                LONGEST_PULL,
                &self.changed,
            ));
        }
        let orders = self.orders(decisions, asked, astray);
        let summary = orders.summary();
        if summary.is_empty() {
            // compose would be asked about new files in every run.
            steps.extend((!self.changed.files.is_empty()).then(|| self.record()));
            return steps;
        }
        steps.push(supervised(
            summary,
            orders.text(),
            self.within + LONGEST_UP,
            &self.changed,
        ));
        steps
    }

    fn orders<'o>(&'o self, decisions: &[&'o Decision], asked: &'o [Asked], astray: &[Astray<'_>]) -> Orders<'o> {
        let mut orders = Orders {
            project: self.situation.project,
            directory: self.directory,
            options: &self.options,
            changed: self.changed.clone(),
            binds: self.binds(decisions, asked),
            mounted: self.mounted(),
            builds: self.builds(decisions),
            inline: self.inline(),
            kept: self.kept(),
            asked,
            renewed: self.renewed,
            within: self.within,
            settle: self.settle,
            ..Orders::default()
        };
        for Astray { name, from, .. } in astray {
            orders.images.extend(from.map(|id| ((*name).to_owned(), id.to_owned())));
        }
        for service in asked.iter().flat_map(|one| &one.services) {
            self.add_images(service, &mut orders.images);
        }
        for decision in decisions {
            let name = decision.service.as_str();
            match &decision.what {
                What::Nothing => {}
                What::Create => orders.created.push(name),
                What::Recreate(_) => {
                    let lives = self.lives_in_restarted(name, decisions);
                    let order = if lives {
                        &mut orders.recreated_later
                    } else {
                        &mut orders.recreated
                    };
                    order.push(name);
                    self.add_images(name, &mut orders.images);
                }
                What::Scale { from, .. } => {
                    orders.started.push(name);
                    orders.scaled.push((name, *from));
                }
                What::Start => {
                    orders.started.push(name);
                    orders.stopped_containers.extend(self.stopped(name));
                }
                What::Restart(_) => {
                    let lives = self.lives_in_restarted(name, decisions);
                    let order = if lives {
                        &mut orders.restarted_later
                    } else {
                        &mut orders.restarted
                    };
                    order.push(name);
                }
                What::Reload { by, .. } => orders.reloaded.push((name, by)),
                What::Remove => {
                    orders.removed.push(name);
                    let of_service = self.containers(name).into_iter().map(|one| Removed {
                        id: &one.id,
                        name: &one.name,
                        runs: one.state == ContainerState::Running,
                    });
                    orders.removed_containers.extend(of_service);
                }
            }
        }
        orders
    }

    /// The containers of a service that do not run.
    fn stopped(&self, service: &str) -> impl Iterator<Item = Stopped<'_>> {
        let all = self.containers(service).into_iter();
        all.filter(|one| one.state != ContainerState::Running)
            .map(|one| Stopped {
                id: &one.id,
                is_paused: one.state == ContainerState::Paused,
            })
    }

    /// Paths of the host that new containers have mounted, and that the stack does not bring.
    fn binds(&self, decisions: &[&Decision], asked: &[Asked]) -> BTreeSet<String> {
        let new = decisions.iter().filter(|one| one.what.renews()).map(|one| &one.service);
        let new = new.chain(asked.iter().flat_map(|one| &one.recreated));
        let services = new.filter_map(|name| self.situation.config.services.get(name));
        let mounted = services.flat_map(|service| &service.mounted);
        let is_own = |path: &String| self.situation.files.keys().any(|file| is_below(file, path));
        mounted.filter(|path| !is_own(path)).cloned().collect()
    }

    /// Whether a service uses the network or processes of one that is restarted.
    fn lives_in_restarted(&self, service: &str, decisions: &[&Decision]) -> bool {
        let shares = self
            .situation
            .config
            .services
            .get(service)
            .map(|service| &service.shares);
        let is_restarted = |other: &String| {
            let of = decisions.iter().find(|one| one.service == *other);
            of.is_some_and(|one| matches!(one.what, What::Restart(_)))
        };
        shares.is_some_and(|shares| shares.iter().any(is_restarted))
    }

    /// The images of a service's containers, by the names that these were created with: an image may have lost its name.
    fn add_images(&self, service: &str, images: &mut BTreeMap<String, String>) {
        let Some(container) = self.containers(service).into_iter().next() else {
            return;
        };
        let name = &container.image_name;
        if !name.is_empty() && !name.contains('@') && !name.starts_with("sha256:") {
            images.insert(name.clone(), container.image.clone());
        }
    }

    /// What compose says, if it was asked.
    fn kept(&self) -> Option<Kept> {
        let (reads, foreign) = self.reads.clone()?;
        let config = self.situation.config;
        if config.services.values().any(|service| service.hash.is_empty()) {
            return None;
        }
        Some(Kept {
            reads,
            foreign,
            config: serde_json::to_string(config).ok()?,
        })
    }

    /// The digests of `content` that services get now, and those of before.
    fn inline(&self) -> Vec<(&str, &str, &str)> {
        let services = self.situation.config.services.iter();
        let with = services.filter_map(|(name, service)| Some((name.as_str(), service.inline.as_deref()?)));
        let digests = with.map(|(name, digest)| {
            let record = self.situation.now.record.as_ref();
            let before = record.and_then(|record| record.services.get(name)?.inline.as_deref());
            (name, digest, before.unwrap_or("-"))
        });
        digests.collect()
    }

    /// What images are built from, to be recorded.
    fn builds<'o>(&'o self, decisions: &[&'o Decision]) -> Vec<BuildOrder<'o>> {
        let known = self.situation.builds.iter().filter(|(name, _)| {
            let service = self.situation.config.services.get(*name);
            // Until compose has read the files, not all of it is known.
            service
                .and_then(|service| service.build.as_ref())
                .is_some_and(|build| !build.digest.is_empty())
        });
        let orders = known.map(|(name, inputs)| {
            let record = self.situation.now.record.as_ref();
            let recorded = record.and_then(|record| record.services.get(name)?.build.as_ref());
            let is_built = decisions
                .iter()
                .any(|one| one.service == *name && one.image == Obtain::Build);
            let before = recorded.map_or("-", |build| build.digest.as_str());
            BuildOrder {
                service: name,
                image: self.situation.image_named(name),
                digest: &inputs.digest,
                before: if is_built { before } else { &inputs.digest },
            }
        });
        orders.collect()
    }

    fn mounted(&self) -> BTreeMap<&str, Vec<String>> {
        let services = self.situation.config.services.iter();
        let of_service = |name: &str, service: &Service| -> Vec<String> {
            let is_of = |path: &&String| self.situation.is_of(path, name, service);
            self.situation.files.keys().filter(is_of).cloned().collect()
        };
        let mounted = services.map(|(name, service)| (name.as_str(), of_service(name, service)));
        mounted.filter(|(_, paths)| !paths.is_empty()).collect()
    }
}

/// What a change of services does to what is known: of `keys`, of all containers, and of what compose makes for them.
pub(super) fn effects(project: &str, keys: [FactKey; 2], made: Vec<Effect>) -> Vec<Effect> {
    let scopes = keys.map(FactScope::Key).into_iter().chain([FactScope::Containers]);
    scopes.map(|scope| forgotten(project, scope)).chain(made).collect()
}

fn forgotten(project: &str, scope: FactScope) -> Effect {
    Effect::Forget(scope, format!("services of `{project}` change"))
}

/// What compose makes beside containers: networks that are not there yet, volumes and images.
pub(super) fn made(situation: &Situation<'_>, decisions: &[Decision]) -> Vec<Effect> {
    let Situation {
        config, now, project, ..
    } = situation;
    let networks = config.networks.values().filter(|network| !network.is_external);
    let networks = networks.filter(|network| !now.networks.contains_key(&network.name));
    let networks = networks.map(|network| {
        let later = || "the engine chooses it".to_owned();
        let made = Network {
            id: Known::No(later()),
            driver: network.settings.driver.clone().unwrap_or_else(|| "bridge".to_owned()),
            subnets: Known::No(later()),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            internal: false,
            attachable: false,
            ipv6: false,
            containers: Vec::new(),
        };
        Effect::Set(
            FactKey::DockerNetwork(network.name.clone()),
            Fact::DockerNetwork(vec![made]),
        )
    });
    let volumes = config.volumes.values().filter(|volume| !volume.is_external);
    let volumes = volumes.map(|volume| FactKey::DockerVolume(volume.name.clone()));
    let volumes = volumes.chain([FactKey::ProjectVolumes((*project).to_owned())]);
    let obtained = decisions.iter().filter(|decision| decision.image != Obtain::Nothing);
    let images = obtained.filter_map(|decision| {
        let image = Reference::parse(&situation.image_named(&decision.service)).ok()?;
        Some(FactKey::DockerImage(image.found_as()))
    });
    let astray = situation.held.astray(config, now).into_iter();
    let astray = astray.map(|one| FactKey::DockerImage(one.held.found_as()));
    let forgotten = volumes
        .chain(images)
        .chain(astray)
        .map(|key| forgotten(project, FactScope::Key(key)));
    networks.chain(forgotten).collect()
}

/// A tag is moved to the image that it is held to.
fn retagged(astray: &Astray<'_>) -> ResourceChange {
    let id = ResourceId::new(ResourceKind::DockerImage, &astray.held.found_as());
    let attributed = |id: &str| [("id", Attribute::known(short(id)))].into_iter().collect();
    let (action, before) = match astray.from {
        Some(id) => (Action::Update, Before::Present(attributed(id))),
        None => (Action::Create, Before::Absent),
    };
    ResourceChange::new(id, action, before, Some(attributed(astray.to)))
}

/// The changes that remove a project, of which the first does all of it.
pub(super) fn removal(project: &str, now: &Project, volumes: &BTreeMap<String, Volume>) -> Vec<ResourceChange> {
    let services: BTreeSet<&str> = now.containers.iter().map(|one| one.service.as_str()).collect();
    let changes = services.into_iter().map(|service| {
        let containers: Vec<&Container> = now.containers.iter().filter(|one| one.service == service).collect();
        let id = service_id(project, service);
        let mut change = ResourceChange::new(id, Action::Remove, Before::Present(before(&containers)), None);
        change.risk = Risk::Removal;
        change
    });
    let networks = now.own_networks.iter().map(|name| {
        let id = ResourceId::new(ResourceKind::DockerNetwork, name);
        ResourceChange::new(id, Action::Remove, Before::Present(Attributed::new()), None)
    });
    let mut changes: Vec<ResourceChange> = changes.chain(networks).chain(removals(volumes)).collect();
    if let Some(first) = changes.first_mut() {
        // compose finds what the project has by its labels; a compose file of another project would be in the way.
        let mut script = format!(
            "{CLEAN}cd / && hl_clean docker compose -p {project} down </dev/null && rm -f -- {record}",
            project = quote(project),
            record = quote(&format!("{RECORDS}/{project}"))
        );
        if !volumes.is_empty() {
            script = format!("{script} && {}", removal_script(volumes));
        }
        let summary = format!("docker compose -p {project} down");
        first.steps = vec![supervised(summary, script, LONGEST_UP, &ChangedPaths::default())];
    }
    changes
}

fn service_id(project: &str, service: &str) -> ResourceId {
    ResourceId {
        kind: ResourceKind::ComposeService,
        name: format!("{project}/{service}"),
    }
}

fn before(containers: &[&Container]) -> Attributed {
    let states: BTreeSet<String> = containers.iter().map(|one| state(one)).collect();
    let states: Vec<String> = states.into_iter().collect();
    let ids: BTreeSet<&str> = containers.iter().map(|one| short(&one.image)).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut before = Attributed::new();
    before.insert("image", Attribute::known(ids.join(", ")));
    before.insert("container", Attribute::known(states.join(", ")));
    before
}

/// Shell text that pulls an image. One that is held is pulled by its digest, and has no tag before it gets one.
fn pull(held: &Held, name: &str) -> String {
    let pulled = |image: &str| format!("hl_clean docker pull -q {}", quote(image));
    match held.get(name).and_then(Reference::pinned) {
        Some(pinned) => format!(
            "{} && hl_clean docker image tag {} {}",
            pulled(&pinned),
            quote(&pinned),
            quote(name)
        ),
        None => pulled(name),
    }
}

/// The step that pulls an image before anything else is done.
pub(super) fn pull_first(held: &Held, name: &str) -> Step {
    let script = format!("{CLEAN}{}", pull(held, name));
    supervised(
        format!("docker pull {name}"),
        script,
        LONGEST_PULL,
        &ChangedPaths::default(),
    )
}

/// A step that goes on without a connection and puts back what is `changed` if it fails.
fn supervised(summary: String, script: String, timeout: Duration, changed: &ChangedPaths) -> Step {
    Step::Run(Command {
        supervised: true,
        timeout,
        puts_back: changed.all(),
        puts_back_surely: changed.files.keys().cloned().collect(),
        ..Command::new(summary, script)
    })
}

/// A digest as Docker shortens it.
fn short(id: &str) -> &str {
    let bare = id.strip_prefix("sha256:").unwrap_or(id);
    bare.get(..12).unwrap_or(bare)
}

fn state(container: &Container) -> String {
    match container.state {
        ContainerState::Created => "created".to_owned(),
        ContainerState::Running => "running".to_owned(),
        ContainerState::Paused => "paused".to_owned(),
        ContainerState::Restarting => "restarting".to_owned(),
        ContainerState::Removing => "being removed".to_owned(),
        ContainerState::Exited | ContainerState::Dead => format!("exited ({})", container.exit_code),
    }
}

/// What happens to the container of a service that has one.
fn words(what: &What) -> Option<String> {
    Some(match what {
        What::Nothing | What::Create | What::Remove => return None,
        What::Recreate(cause) => format!("recreated: {}", reason(cause)),
        What::Restart(cause) => format!("restarted: {}", reason(cause)),
        What::Reload { by, files } => {
            let by: Vec<String> = by.iter().map(Reload::described).collect();
            format!("reloaded by {}: it uses {}", by.join(" and "), named(files))
        }
        What::Start => "started".to_owned(),
        What::Scale { from, to } => format!("{to} instead of {from}"),
    })
}

fn reason(cause: &Cause) -> String {
    match cause {
        Cause::Configuration => "its configuration differs".to_owned(),
        Cause::Image { .. } => "its image is another one".to_owned(),
        Cause::Network(name) => format!("it is not in network `{name}`"),
        Cause::Inline => "the `content` of a secret or config differs".to_owned(),
        Cause::Mount(path) => format!("`{path}` is not mounted into it"),
        Cause::Volume(path) => format!("`{path}` is on another volume"),
        Cause::Shares(other) => format!("it lives in `{other}`"),
        Cause::Outlived(other) => format!("`{other}`, in which it lives, was started since"),
        Cause::DependsOn(other) => format!("`{other}` is restarted"),
        Cause::RenewedVolume(name) => format!("volume `{name}` is created again"),
        Cause::Built => "its image is built anew".to_owned(),
        Cause::Files(paths) => format!("it uses {}", named(paths)),
    }
}

/// The first of some files.
fn named(paths: &BTreeSet<String>) -> String {
    let named: Vec<String> = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}
