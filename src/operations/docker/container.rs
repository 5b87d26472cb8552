//! `docker.container`: a container that is created again whenever it differs.
//!
//! ```toml
//! [[operation]]
//! op = "docker.container"
//! container = "web"
//! image = "caddy:2.10"
//! ports = ["80:80"]
//! ```

mod checks;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::engine;
use super::image::Pull;
use super::resource::Pairs;
use crate::change::{
    Action, Attribute, Attributed, Before, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop,
};
use crate::facts::docker::{self, BUILT_IN_NETWORKS, Details, DetailsKey, ImageKey, Reference};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{InodeKind, PathFact};
use crate::facts::port::Ports;
use crate::facts::{Fact, FactKey};
use crate::operations::operation::{Demand, ImageUse};
use crate::operations::parameters::Span;
use crate::operations::server::names::since;
use crate::operations::{Define, Operation, PlanContext};
use crate::secret::sha256_hex;
use crate::value::{Known, Text};

/// Why it is not known which containers there are.
const CHANGES: &str = "a container is created or removed";

/// The state of a container in which its programs run.
const RUNS: &str = "running";

/// The network of a container that is given none.
const USUAL_NETWORK: &str = "bridge";

/// Parameters of `docker.container`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Container {
    /// Name of the container.
    container: String,
    /// Its image, such as `"caddy:2.10"`; needed unless `present = false`. It is pulled if it is not on the host.
    image: Option<String>,
    /// What it runs, as a list of words; by default what its image says.
    command: Option<Vec<String>>,
    /// User that it runs as; by default that of its image.
    user: Option<String>,
    /// Ports of the host that lead to it, such as `"8080:80"`, `"127.0.0.1:8080:80"` or `"53:53/udp"`.
    #[serde(default)]
    ports: Vec<String>,
    /// Networks that it joins; by default Docker's own `bridge`.
    #[serde(default)]
    networks: Vec<String>,
    /// What is mounted into it, such as `"/srv/www:/www:ro"` or `"data:/data"` for a volume.
    #[serde(default)]
    volumes: Vec<String>,
    /// Variables that it gets. They may be secrets; who may use Docker can read them.
    #[serde(default)]
    env_vars: BTreeMap<String, Text>,
    /// Files of the host with further variables, as `docker run --env-file` reads them.
    #[serde(default)]
    env_files: Vec<String>,
    /// Labels.
    labels: Option<Pairs>,
    /// Addresses of name servers that it asks.
    #[serde(default)]
    dns: Vec<String>,
    /// When Docker starts it again: `"no"`, `"always"`, `"on-failure"`, `"on-failure:3"` or `"unless-stopped"`.
    #[serde(default = "unless_stopped")]
    restart_policy: String,
    /// `false` starts no container: a new one runs only in place of one that ran.
    #[serde(default = "crate::operations::parameters::yes")]
    start: bool,
    /// When to ask the registry for the image: `"missing"`, the default, if it is not on the host; `"always"` each time, which does not
    /// count as a pending change, and another image leads to a new container; `"never"`: then a missing one is an error.
    #[serde(default)]
    pull: Pull,
    /// How long it may take until it runs, and is healthy if its image has a health check.
    #[serde(default = "two_minutes")]
    within: Span,
    /// `false` stops and removes the container. Its volumes stay.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

fn unless_stopped() -> String {
    "unless-stopped".to_owned()
}

fn two_minutes() -> Span {
    Span(Duration::from_secs(120))
}

impl Define for Container {
    const NAME: &'static str = "docker.container";
    const SUMMARY: &'static str = "Run a container, created again whenever it differs";
    const MAIN_ARGUMENT: &'static str = "container";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "docker.container"
container = "web"
image = "caddy:2.10"
ports = ["80:80", "443:443"]
volumes = ["/srv/www:/usr/share/caddy:ro"]
"#;
}

impl Operation for Container {
    fn needs(&self) -> Vec<FactKey> {
        let networks = self.made_networks().cloned().map(FactKey::DockerNetwork);
        let files = self.env_files.iter().cloned().map(FactKey::Path);
        let ports = (self.present && !self.ports.is_empty()).then_some(FactKey::DockerPublished);
        let own = [FactKey::DockerEngine, self.key()].into_iter();
        own.chain(self.image_keys())
            .chain(networks)
            .chain(files)
            .chain(ports)
            .collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let own = [self.key(), FactKey::DockerContainer(self.container.clone())];
        // What networks and volumes are used by changes with it.
        let keys = own.into_iter().chain(self.image_keys()).map(FactScope::Key);
        keys.chain([FactScope::Containers]).collect()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let kind = ResourceKind::DockerContainer;
        let presence = Demand::presence(kind, &self.container, self.present);
        let mut demands = vec![presence];
        if !self.present {
            return demands;
        }
        let only_one = |kind, what: &str| Demand::new(kind, what, "container", self.container.clone());
        let image = self.image.as_ref();
        demands.extend(image.map(|image| Demand::new(kind, &self.container, "image", image)));
        demands.push(only_one(ResourceKind::ContainerName, &self.container));
        let ports = self.ports.iter().filter_map(|port| Ports::published(port));
        demands.extend(ports.map(|port| only_one(ResourceKind::Port, &port.to_string())));
        demands
    }

    fn images(&self, context: &PlanContext<'_>) -> Vec<ImageUse> {
        let image = self.image.as_ref().filter(|_| self.present);
        let asked_at = (self.pull == Pull::Always).then(|| context.origin_of("pull"));
        let used = image.map(|image| ImageUse::of(image, Self::NAME, asked_at));
        used.into_iter().collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        if !engine::runs(context, "container", self.present)? {
            return Ok(Outcome::Unchanged);
        }
        let found = match since(context.get(DetailsKey(&self.container)))? {
            Ok(found) => found,
            Err((operation, why)) => {
                return Err(Stop::NotKnown {
                    key: self.key(),
                    cause: NotKnown::Since(operation, why),
                });
            }
        };
        if let Some(found) = &found {
            self.check_owner(context, found)?;
        }
        match (found, self.present) {
            (None, false) => Ok(Outcome::Unchanged),
            (Some(found), false) => Ok(Outcome::Change(vec![self.remove(&found)])),
            (found, true) => self.plan_present(context, found.as_deref()),
        }
    }
}

/// What is to be done about a container that has to be there.
enum Due<'a> {
    /// There is none.
    Create,
    /// It differs.
    Replace { found: &'a Details, has_newer_image: bool },
    /// The registry is asked, and may have another image.
    Ask(&'a Details),
}

impl Due<'_> {
    fn found(&self) -> Option<&Details> {
        match self {
            Self::Create => None,
            Self::Replace { found, .. } | Self::Ask(found) => Some(found),
        }
    }
}

/// The image of a container that has to be there.
struct Wanted {
    image: Reference,
    /// The name that it is created from, which means this very image if a digest is given.
    name: String,
    /// The one of this name on the host.
    there: Option<docker::Image>,
}

impl Container {
    fn key(&self) -> FactKey {
        FactKey::DockerDetails(self.container.clone())
    }

    /// The names that its image may have on the host.
    fn image_keys(&self) -> Vec<FactKey> {
        let image = self.image.as_ref().and_then(|image| Reference::parse(image).ok());
        let names = image
            .filter(|_| self.present)
            .map(|image| [Some(image.found_as()), image.pinned()]);
        let mut names: Vec<String> = names.into_iter().flatten().flatten().collect();
        names.dedup();
        names.into_iter().map(FactKey::DockerImage).collect()
    }

    /// Its networks but for those that every engine has.
    fn made_networks(&self) -> impl Iterator<Item = &String> {
        let is_built_in = |name: &&String| BUILT_IN_NETWORKS.contains(&name.as_str());
        self.networks.iter().filter(move |name| !is_built_in(name))
    }

    fn wanted_image(&self, context: &PlanContext<'_>) -> Result<Wanted, Stop> {
        let written = self.reference(context)?;
        let image = context.pins().held(written.clone());
        let tagged = image.found_as();
        let Some(pinned) = image.pinned().filter(|_| image.tag.is_some()) else {
            let there = context.get(ImageKey(&tagged))?;
            return Ok(Wanted {
                image: written,
                name: tagged,
                there,
            });
        };
        // The tag may mean another image by now.
        let of_tag = context.get(ImageKey(&tagged))?;
        let digest = image.digest.as_ref();
        let has_digest = |found: &docker::Image| match &found.digests {
            Known::Yes(digests) => digests.iter().any(|one| Some(one) == digest),
            Known::No(_) => false,
        };
        let there = match of_tag.filter(has_digest) {
            Some(found) => Some(found),
            None => context.get(ImageKey(&pinned))?,
        };
        Ok(Wanted {
            image: written,
            name: pinned,
            there,
        })
    }

    fn plan_present(&self, context: &PlanContext<'_>, found: Option<&Details>) -> Result<Outcome, Stop> {
        let wanted = self.wanted_image(context)?;
        self.check_networks(context)?;
        if self.pull == Pull::Never && wanted.there.is_none() {
            let title = format!("Docker image `{}` is not on the host", wanted.image);
            return Err(context
                .refuse("image", title, "`pull = \"never\"`: no registry is asked")
                .hint("load or build it on the host first, or remove `pull`"));
        }
        let wish = self.wish(context, &wanted.image)?;
        let Some(found) = found else {
            self.check_ports(context, None)?;
            return Ok(Outcome::Change(vec![self.put(context, &wanted, &wish, &Due::Create)]));
        };
        let due = match self.difference(context, &wanted, &wish, found)? {
            None if self.pull == Pull::Always => Due::Ask(found),
            None if self.start && found.is_due_to_run() => {
                self.check_ports(context, Some(found))?;
                return Ok(Outcome::Change(vec![self.started(found)]));
            }
            None => return Ok(Outcome::Unchanged),
            Some(has_newer_image) => Due::Replace { found, has_newer_image },
        };
        self.check_ports(context, Some(found))?;
        Ok(Outcome::Change(vec![self.put(context, &wanted, &wish, &due)]))
    }

    /// Whether the container differs, and then whether its name means a newer image.
    fn difference(
        &self,
        context: &PlanContext<'_>,
        wanted: &Wanted,
        wish: &str,
        found: &Details,
    ) -> Result<Option<bool>, Stop> {
        let is_image = match wanted.there.as_ref().map(|image| &image.id) {
            Some(Known::Yes(id)) => *id == found.image_id,
            // It has its image, whatever the name means by now.
            None => true,
            Some(Known::No(why)) => {
                let key = FactKey::DockerImage(wanted.image.found_as());
                match context.predicted_by(&key) {
                    Some(operation) => {
                        return Err(Stop::NotKnown {
                            key,
                            cause: NotKnown::Since(operation, why.clone()),
                        });
                    }
                    None => true,
                }
            }
        };
        let as_asked = self.as_asked(&wanted.name);
        let is_same = is_image
            && !found.is_unfinished
            && found.wish.as_deref() == Some(wish)
            && found.networks == as_asked.networks
            && found.restart == as_asked.restart;
        Ok((!is_same).then_some(!is_image))
    }

    /// The digest of all that is asked for. It depends on secrets, so no command line shows it, and only root can read it on the host.
    fn wish(&self, context: &PlanContext<'_>, image: &Reference) -> Result<String, Stop> {
        let mut files = Vec::new();
        for path in &self.env_files {
            files.push(match context.path(path)? {
                PathFact::Present(inode) => match inode.kind {
                    InodeKind::File {
                        digest: Known::Yes(digest),
                    } => digest,
                    InodeKind::File { digest: Known::No(why) } => {
                        let key = FactKey::Path(path.clone());
                        return Err(match context.predicted_by(&key) {
                            Some(operation) => Stop::NotKnown {
                                key,
                                cause: NotKnown::Since(operation, why),
                            },
                            None => context.refuse_item("env_files", path, format!("`{path}` cannot be read"), why),
                        });
                    }
                    _ => {
                        let title = format!("`{path}` is not a file");
                        return Err(context.refuse_item("env_files", path, title, "another kind of thing"));
                    }
                },
                PathFact::Absent => {
                    let title = format!("`{path}` does not exist");
                    return Err(context
                        .refuse_item("env_files", path, title, "no such file on the host")
                        .hint("create it first with `files.put` or `files.template`"));
                }
            });
        }
        let variables: BTreeMap<&String, &String> =
            self.env_vars.iter().map(|(name, text)| (name, text.expose())).collect();
        let labels: BTreeMap<&String, &String> = self
            .labels
            .iter()
            .flatten()
            .map(|(name, value)| (name, &value.0))
            .collect();
        let wish = json!({
            "image": image.to_string(), "command": self.command, "user": self.user, "ports": self.ports,
            "networks": self.networks, "volumes": self.volumes, "env": variables, "env_files": files, "labels": labels,
            "dns": self.dns, "restart": self.restart_policy,
        });
        Ok(sha256_hex(wish.to_string().as_bytes()))
    }

    /// The container as it is to be.
    fn as_asked(&self, image: &str) -> Details {
        let with_protocol = |port: &String| {
            if port.contains('/') {
                port.clone()
            } else {
                format!("{port}/tcp")
            }
        };
        let mut ports: Vec<String> = self.ports.iter().map(with_protocol).collect();
        ports.sort();
        let mut networks = self.networks.clone();
        if networks.is_empty() {
            networks.push(USUAL_NETWORK.to_owned());
        }
        networks.sort();
        networks.dedup();
        Details {
            image: image.to_owned(),
            command: self.command.clone().unwrap_or_default(),
            user: self.user.clone().unwrap_or_default(),
            ports,
            networks,
            // One without a source is anonymous.
            volumes: self.volumes.iter().filter(|one| one.contains(':')).cloned().collect(),
            dns: self.dns.clone(),
            restart: self.restart_policy.clone(),
            ..Details::default()
        }
    }

    fn change(&self, action: Action, before: Before, after: Option<Attributed>) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::DockerContainer, &self.container);
        ResourceChange::new(id, action, before, after)
    }

    /// What is known after it is created.
    fn effects(&self, runs: bool) -> Vec<Effect> {
        let container = docker::Container {
            name: self.container.clone(),
            state: if runs { RUNS } else { "created" }.to_owned(),
        };
        let own = FactKey::DockerContainer(self.container.clone());
        vec![
            Effect::Set(own, Fact::DockerContainer(Some(container))),
            Effect::Forget(FactScope::Key(self.key()), "it is created again".to_owned()),
            Effect::Forget(FactScope::Containers, CHANGES.to_owned()),
        ]
    }

    /// A container in place of the one that is there, if there is one.
    fn put(&self, context: &PlanContext<'_>, wanted: &Wanted, wish: &str, due: &Due<'_>) -> ResourceChange {
        let mut after = attributed(&self.as_asked(&wanted.name), self);
        let action = match due {
            Due::Create => Action::Create,
            Due::Replace { .. } => Action::Update,
            Due::Ask(_) => Action::Refresh,
        };
        let before = match due.found() {
            None => Before::Absent,
            Some(found) => {
                let before = attributed(found, self);
                if let Due::Replace {
                    has_newer_image: true, ..
                } = due
                {
                    after.insert("image", Attribute::known(format!("{} (a newer one)", wanted.name)));
                }
                if let Due::Ask(_) = due {
                    after.insert("with another image", Attribute::known("created again"));
                }
                if found.is_unfinished {
                    after.insert("earlier run", Attribute::known("was cut off"));
                }
                // What is hidden, or of the image, differs then.
                if matches!(due, Due::Replace { .. }) && before == after {
                    after.insert("variables or labels", Attribute::known("changed"));
                }
                Before::Present(before)
            }
        };
        let ran = due.found().is_some_and(|found| found.state == RUNS);
        let mut change = self.change(action, before, Some(after));
        if ran && action == Action::Update {
            change.risk = Risk::Restart;
        }
        change.effects = self.effects(self.start || ran);
        let pulls = wanted.there.is_none() || self.pull == Pull::Always;
        if pulls {
            let image = FactScope::Key(FactKey::DockerImage(wanted.image.found_as()));
            let why = "the registry says it".to_owned();
            change.effects.push(Effect::Forget(image, why));
        }
        let pull = pulls.then(|| self.pulling(&wanted.name));
        let create = self.creation(context, &wanted.name, wish, due);
        change.steps = pull.into_iter().chain([create]).collect();
        change
    }

    fn started(&self, found: &Details) -> ResourceChange {
        let state = |state: &str| -> Attributed { [("state", Attribute::known(state))].into_iter().collect() };
        let before = Before::Present(state(&found.state));
        let mut change = self.change(Action::Update, before, Some(state(RUNS)));
        change.effects = self.effects(true);
        change.steps = vec![self.start(found)];
        change
    }

    fn remove(&self, found: &Details) -> ResourceChange {
        let before = Before::Present(attributed(found, self));
        let mut change = self.change(Action::Remove, before, None);
        change.risk = Risk::Removal;
        change.effects = vec![
            Effect::Set(
                FactKey::DockerContainer(self.container.clone()),
                Fact::DockerContainer(None),
            ),
            Effect::Set(self.key(), Fact::DockerDetails(None)),
            Effect::Forget(FactScope::Containers, CHANGES.to_owned()),
        ];
        change.steps = vec![self.removal()];
        change
    }
}

/// A container as reviews show it: what is given, or is there. Of variables only the names.
fn attributed(details: &Details, wished: &Container) -> Attributed {
    let mut attributed = Attributed::new();
    attributed.insert("image", Attribute::known(&details.image));
    let lists = [
        ("command", &details.command, wished.command.is_some()),
        ("ports", &details.ports, true),
        ("networks", &details.networks, true),
        ("volumes", &details.volumes, true),
        ("dns", &details.dns, true),
    ];
    for (name, values, is_shown) in lists {
        if is_shown && !values.is_empty() {
            attributed.insert(
                name,
                Attribute::known(values.join(if name == "command" { " " } else { ", " })),
            );
        }
    }
    if wished.user.is_some() && !details.user.is_empty() {
        attributed.insert("user", Attribute::known(&details.user));
    }
    attributed.insert("restart", Attribute::known(&details.restart));
    attributed
}
