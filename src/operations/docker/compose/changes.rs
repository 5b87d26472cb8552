//! What a review shows of services, and the steps that do it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::decision::{Cause, Decision, Obtain, Situation, What};
use super::script::{Orders, or_files_back};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, ResourceChange, ResourceId, ResourceKind, Risk, Step,
};
use crate::facts::compose::{CLEAN, Container, ContainerState, Project, RECORDS, Service};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::is_below;
use crate::quote::{quote, quote_all};

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
    /// Files that the plan changes: whether there was one before, by path.
    pub(super) replaced: BTreeMap<String, bool>,
    pub(super) within: Duration,
    pub(super) settle: Duration,
}

impl Services<'_> {
    /// The changes, of which the first does all of it: compose is called once.
    pub(super) fn changes(&self, decisions: &[Decision]) -> Vec<ResourceChange> {
        let pending: Vec<&Decision> = decisions.iter().filter(|one| one.what != What::Nothing).collect();
        let mut changes: Vec<ResourceChange> = pending.iter().map(|decision| self.change(decision)).collect();
        if let Some(first) = changes.first_mut() {
            first.steps = self.steps(&pending);
        }
        changes
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
            Before::Present(before(&containers))
        };
        let after = service.map(|service| self.after(decision, service, &before));
        let mut change = ResourceChange::new(id, action, before, after);
        change.risk = risk;
        change
    }

    fn after(&self, decision: &Decision, service: &Service, before: &Before) -> Attributed {
        let name = self.situation.image_of(&decision.service, service);
        let mut after = match before {
            Before::Present(before) => before.clone(),
            Before::Absent | Before::Unknown(_) => Attributed::new(),
        };
        let image = match (&decision.what, decision.image) {
            (_, Obtain::Pull) => Some(format!("{name} (pulled)")),
            (_, Obtain::Build) => Some(format!("{name} (built)")),
            (What::Create, Obtain::Nothing) => Some(name),
            (What::Recreate(Cause::Image { to: Some(to), .. }), _) => Some(short(to).to_owned()),
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

    fn steps(&self, decisions: &[&Decision]) -> Vec<Step> {
        let mut steps = Vec::new();
        let images = |obtain: Obtain| decisions.iter().filter(move |one| one.image == obtain);
        let pulled: BTreeSet<String> = images(Obtain::Pull)
            .map(|one| self.situation.image_named(&one.service))
            .collect();
        for image in &pulled {
            steps.push(supervised(
                format!("docker pull {image}"),
                or_files_back(&self.replaced, &format!("hl_clean docker pull -q {}", quote(image))),
                LONGEST_PULL,
            ));
        }
        let built: Vec<&str> = images(Obtain::Build).map(|one| one.service.as_str()).collect();
        if !built.is_empty() {
            let options = self.options.iter().map(String::as_str);
            let words = options
                .chain(["-p", self.situation.project, "build"])
                .chain(built.iter().copied());
            steps.push(supervised(
                format!("docker compose build {}", built.join(" ")),
                or_files_back(
                    &self.replaced,
                    &format!(
                        "cd -- {} && hl_clean docker compose {}",
                        quote(self.directory),
                        quote_all(words)
                    ),
                ),
                LONGEST_PULL,
            ));
        }
        let orders = self.orders(decisions);
        let services: Vec<&str> = decisions.iter().map(|one| one.service.as_str()).collect();
        steps.push(supervised(
            format!("docker compose up {}", services.join(" ")),
            orders.text(),
            self.within + LONGEST_UP,
        ));
        steps
    }

    fn orders<'o>(&'o self, decisions: &[&'o Decision]) -> Orders<'o> {
        let mut orders = Orders {
            project: self.situation.project,
            directory: self.directory,
            options: &self.options,
            replaced: self.replaced.clone(),
            mounted: self.mounted(),
            within: self.within,
            settle: self.settle,
            ..Orders::default()
        };
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
                What::Scale { .. } | What::Start => orders.started.push(name),
                What::Restart(_) => {
                    let lives = self.lives_in_restarted(name, decisions);
                    let order = if lives {
                        &mut orders.restarted_later
                    } else {
                        &mut orders.restarted
                    };
                    order.push(name);
                }
                What::Remove => {
                    orders.removed.push(name);
                    let ids = self.containers(name).into_iter().map(|one| one.id.as_str());
                    orders.removed_ids.extend(ids);
                }
            }
        }
        orders
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

    /// The images of a service's containers, by the names that they have in the compose file: an earlier image may have lost its name.
    fn add_images(&self, service: &str, images: &mut BTreeMap<String, String>) {
        let name = self.situation.image_named(service);
        let container = self.containers(service).into_iter().next();
        if let Some(container) = container.filter(|_| !name.contains('@')) {
            images.insert(name, container.image.clone());
        }
    }

    fn mounted(&self) -> BTreeMap<&str, Vec<String>> {
        let services = self.situation.config.services.iter();
        let of_service = |service: &Service| -> Vec<String> {
            let is_mounted = |path: &&String| service.mounted.iter().any(|top| is_below(path, top));
            self.situation.files.keys().filter(is_mounted).cloned().collect()
        };
        let mounted = services.map(|(name, service)| (name.as_str(), of_service(service)));
        mounted.filter(|(_, paths)| !paths.is_empty()).collect()
    }
}

/// What a change of services does to what is known.
pub(super) fn forget(project: &str, scope: FactScope) -> Effect {
    Effect::Forget(scope, format!("services of `{project}` change"))
}

/// The changes that remove a project, of which the first does all of it.
pub(super) fn removal(project: &str, now: &Project) -> Vec<ResourceChange> {
    let services: BTreeSet<&str> = now.containers.iter().map(|one| one.service.as_str()).collect();
    let changes = services.into_iter().map(|service| {
        let containers: Vec<&Container> = now.containers.iter().filter(|one| one.service == service).collect();
        let id = service_id(project, service);
        let mut change = ResourceChange::new(id, Action::Remove, Before::Present(before(&containers)), None);
        change.risk = Risk::Removal;
        change
    });
    let mut changes: Vec<ResourceChange> = changes.collect();
    if let Some(first) = changes.first_mut() {
        // compose finds what the project has by its labels; a compose file of another project would be in the way.
        let script = format!(
            "{CLEAN}cd / && hl_clean docker compose -p {project} down </dev/null && rm -f -- {record}",
            project = quote(project),
            record = quote(&format!("{RECORDS}/{project}"))
        );
        let summary = format!("docker compose -p {project} down");
        first.steps = vec![supervised(summary, script, LONGEST_UP)];
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

fn supervised(summary: String, script: String, timeout: Duration) -> Step {
    Step::Run(Command {
        supervised: true,
        timeout,
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
        What::Start => "started".to_owned(),
        What::Scale { from, to } => format!("{to} instead of {from}"),
    })
}

fn reason(cause: &Cause) -> String {
    match cause {
        Cause::Configuration => "its configuration differs".to_owned(),
        Cause::Image { .. } => "its image is another one".to_owned(),
        Cause::Network(name) => format!("it is not in network `{name}`"),
        Cause::Volume(path) => format!("`{path}` is on another volume"),
        Cause::Shares(other) => format!("it lives in `{other}`"),
        Cause::Outlived(other) => format!("`{other}`, in which it lives, was started since"),
        Cause::DependsOn(other) => format!("`{other}` is restarted"),
        Cause::Files(paths) => {
            let named: Vec<String> = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
            let more = match paths.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("it uses {}{more}", named.join(", "))
        }
    }
}
