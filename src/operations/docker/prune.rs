//! `docker.prune`: remove what nothing uses any more.
//!
//! ```toml
//! [[operation]]
//! op = "docker.prune"
//! older_than = "7d"
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::command::Docker;
use super::engine;
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::facts::docker::{
    BuildCache, BuildCacheKey, HeldImage, HeldNetwork, HeldVolume, Reference, Usage, UsageKey, UsingContainer,
};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::place::bytes;
use crate::facts::{Fact, FactKey};
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `docker.prune`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Prune {
    /// Images to remove: `"dangling"`, the default, those without a tag, such as a pull of a newer one leaves; `"unused"`, all that
    /// no container was created from; or `"none"`.
    #[serde(default)]
    images: Images,
    /// `true` removes containers that do not run, but for those of services of a compose project.
    #[serde(default)]
    containers: bool,
    /// `true` removes networks that no container uses.
    #[serde(default)]
    networks: bool,
    /// `true` has the engine clear its build cache. This does not count as a pending change.
    #[serde(default)]
    build_cache: bool,
    /// `"anonymous"` removes volumes without a name of their own that no container uses, with their data. Default: `"none"`.
    #[serde(default)]
    volumes: Volumes,
    /// How old something has to be, such as `"12h"` or `"7d"`, the default. An image counts from when it was built or last got a tag
    /// on the host, a container from its end.
    #[serde(default)]
    older_than: Age,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Images {
    #[default]
    Dangling,
    Unused,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Volumes {
    Anonymous,
    #[default]
    None,
}

/// An age in seconds, as it is written: `7d`.
#[derive(Debug)]
struct Age {
    seconds: u64,
    text: String,
}

impl Default for Age {
    fn default() -> Self {
        Self {
            seconds: 7 * 24 * 3600,
            text: "7d".to_owned(),
        }
    }
}

impl Age {
    fn parse(text: &str) -> Option<Self> {
        let span: jiff::Span = text.parse().ok()?;
        let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
        Some(Self {
            seconds: u64::try_from(length.as_secs()).ok()?,
            text: text.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unexpected = de::Unexpected::Str(&text);
        Self::parse(&text)
            .ok_or_else(|| de::Error::invalid_value(unexpected, &"an age such as \"12h\", \"7d\" or \"2w\""))
    }
}

impl JsonSchema for Age {
    fn schema_name() -> Cow<'static, str> {
        "Age".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "an age such as \"7d\"",
            "pattern": r"^\+?(P.+|[0-9].*[A-Za-zµ:].*)$",
        })
    }
}

impl Define for Prune {
    const NAME: &'static str = "docker.prune";
    const SUMMARY: &'static str = "Remove images, containers, networks and volumes that nothing uses";
    const MAIN_ARGUMENT: &'static str = "images";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "docker.prune"
images = "dangling"
older_than = "7d"
"#;
}

impl Operation for Prune {
    fn needs(&self) -> Vec<FactKey> {
        let usage = self.removes_any().then_some(FactKey::DockerUsage);
        let cache = self.build_cache.then_some(FactKey::DockerBuildCache);
        [FactKey::DockerEngine].into_iter().chain(usage).chain(cache).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Docker]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        if !self.removes_any() && !self.build_cache {
            let title = "nothing is to be removed";
            return Err(context
                .refuse("images", title, "`images` is `\"none\"`, and nothing else is given")
                .hint("write `images = \"dangling\"`, `containers = true`, `networks = true` or `volumes = \"anonymous\"`"));
        }
        if !engine::runs(context, "op", false)? {
            return Ok(Outcome::Unchanged);
        }
        let mut changes = Vec::new();
        if self.removes_any() {
            changes.extend(self.removals(context)?);
        }
        if self.build_cache {
            let cache = context.get(BuildCacheKey)?;
            changes.extend((cache.entries > 0).then(|| self.clearing(&cache)));
        }
        Ok(if changes.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Change(changes)
        })
    }
}

impl Prune {
    /// Whether it removes anything that has a name.
    fn removes_any(&self) -> bool {
        self.images != Images::None || self.containers || self.networks || self.volumes != Volumes::None
    }

    fn removals(&self, context: &PlanContext<'_>) -> Result<Vec<ResourceChange>, Stop> {
        let usage = context.get(UsageKey)?;
        // Whatever earlier operations do, what they leave is not older than this run.
        if self.unused(&freed(&usage), context).is_empty() {
            return Ok(Vec::new());
        }
        if let Some(operation) = context.docker_change(&FactKey::DockerUsage) {
            return Err(Stop::NotKnown {
                key: FactKey::DockerUsage,
                cause: NotKnown::Since(operation, "it may change what is used".to_owned()),
            });
        }
        let unused = self.unused(&usage, context);
        let left = Effect::Set(FactKey::DockerUsage, Fact::DockerUsage(unused.without(&usage)));
        let changes = unused.changes();
        Ok(changes
            .into_iter()
            .map(|mut change| {
                // Last, since the others would count as changes after it.
                change.effects.push(left.clone());
                change
            })
            .collect())
    }

    /// What is old enough, and neither used nor named by an operation.
    fn unused<'u>(&self, usage: &'u Usage, context: &PlanContext<'_>) -> Unused<'u> {
        let is_old = |age: u64| age >= self.older_than.seconds;
        let (gone, users): (Vec<&UsingContainer>, Vec<&UsingContainer>) = usage.containers.iter().partition(|one| {
            let is_over = self.containers && !one.is_running && !one.is_service && is_old(one.age);
            let names = [
                FactKey::DockerContainer(one.name.clone()),
                FactKey::DockerDetails(one.name.clone()),
            ];
            is_over && !names.iter().any(|name| context.is_named(name))
        });
        let used_images: BTreeSet<&str> = users.iter().map(|one| one.image.as_str()).collect();
        let used_networks: BTreeSet<&String> = users.iter().flat_map(|one| &one.networks).collect();
        let used_volumes: BTreeSet<&String> = users.iter().flat_map(|one| &one.volumes).collect();
        let is_wanted = |image: &&HeldImage| match self.images {
            Images::Dangling => image.tags.is_empty(),
            Images::Unused => true,
            Images::None => false,
        };
        let images = usage.images.iter().filter(is_wanted);
        let images = images.filter(|image| {
            is_old(image.age) && !used_images.contains(image.id.as_str()) && !is_image_named(image, context)
        });
        let networks = usage.networks.iter().filter(|network| {
            let is_named = || context.is_named(&FactKey::DockerNetwork(network.name.clone()));
            self.networks && is_old(network.age) && !used_networks.contains(&network.name) && !is_named()
        });
        let volumes = usage.volumes.iter().filter(|volume| {
            let is_named = || context.is_named(&FactKey::DockerVolume(volume.name.clone()));
            let is_wanted = self.volumes == Volumes::Anonymous;
            is_wanted && is_old(volume.age) && !used_volumes.contains(&volume.name) && !is_named()
        });
        Unused {
            containers: gone,
            networks: networks.collect(),
            images: images.collect(),
            volumes: volumes.collect(),
        }
    }

    /// The engine knows which entries are that old.
    fn clearing(&self, cache: &BuildCache) -> ResourceChange {
        let attributes = [
            ("entries", Attribute::known(cache.entries.to_string())),
            ("frees up to", Attribute::known(&cache.size)),
        ];
        let id = ResourceId::new(
            ResourceKind::DockerBuildCache,
            &format!("unused for {}", self.older_than.text),
        );
        let shown: Attributed = attributes.into_iter().collect();
        let mut change = ResourceChange::new(id, Action::Refresh, Before::Absent, Some(shown));
        let key = FactScope::Key(FactKey::DockerBuildCache);
        change.effects = vec![Effect::Forget(key, "it is cleared".to_owned())];
        let until = format!("until={}s", self.older_than.seconds);
        let script = Docker::new(&["builder", "prune", "--all", "--force"])
            .option("--filter", Some(&until))
            .text();
        let summary = "docker builder prune";
        change.steps = vec![Step::Run(Command::new(summary, format!("{script} >/dev/null")))];
        change
    }
}

/// All of `usage` as if no container used it and no tag named it.
fn freed(usage: &Usage) -> Usage {
    let images = usage.images.iter().map(|image| HeldImage {
        tags: Vec::new(),
        digests: Vec::new(),
        ..image.clone()
    });
    let containers = usage.containers.iter().map(|container| UsingContainer {
        is_running: false,
        image: String::new(),
        networks: Vec::new(),
        volumes: Vec::new(),
        // Whether it runs decides when its age begins.
        age: if container.is_running { 0 } else { container.age },
        ..container.clone()
    });
    Usage {
        images: images.collect(),
        containers: containers.collect(),
        ..usage.clone()
    }
}

/// Whether an operation names an image, with its tag or with its digest.
fn is_image_named(image: &HeldImage, context: &PlanContext<'_>) -> bool {
    let names = image.tags.iter().chain(&image.digests);
    let mut found = names.filter_map(|name| Some(Reference::parse(name).ok()?.found_as()));
    found.any(|name| context.is_named(&FactKey::DockerImage(name)))
}

/// What is to be removed, in this order.
struct Unused<'u> {
    containers: Vec<&'u UsingContainer>,
    networks: Vec<&'u HeldNetwork>,
    images: Vec<&'u HeldImage>,
    volumes: Vec<&'u HeldVolume>,
}

impl Unused<'_> {
    fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.images.is_empty() && self.volumes.is_empty()
    }

    /// What is left of `usage`.
    fn without(&self, usage: &Usage) -> Usage {
        fn kept<T: Clone + PartialEq>(all: &[T], gone: &[&T]) -> Vec<T> {
            all.iter().filter(|one| !gone.contains(one)).cloned().collect()
        }
        Usage {
            containers: kept(&usage.containers, &self.containers),
            images: kept(&usage.images, &self.images),
            networks: kept(&usage.networks, &self.networks),
            volumes: kept(&usage.volumes, &self.volumes),
        }
    }

    fn changes(&self) -> Vec<ResourceChange> {
        let containers = self.containers.iter().map(|one| {
            let fact = Fact::DockerContainer(None);
            removal(ResourceKind::DockerContainer, &one.name, &one.name, one.size)
                .with_effects([Effect::Set(FactKey::DockerContainer(one.name.clone()), fact)])
                .of("container", [one.name.as_str()])
        });
        let networks = self.networks.iter().map(|one| {
            let fact = Fact::DockerNetwork(Vec::new());
            removal(ResourceKind::DockerNetwork, &one.name, &one.name, None)
                .with_effects([Effect::Set(FactKey::DockerNetwork(one.name.clone()), fact)])
                .of("network", [one.id.as_str()])
        });
        let images = self.images.iter().map(|one| image_removal(one));
        let volumes = self.volumes.iter().map(|one| {
            let fact = Fact::DockerVolume(None);
            removal(ResourceKind::DockerVolume, &one.name, short(&one.name), one.size)
                .with_effects([Effect::Set(FactKey::DockerVolume(one.name.clone()), fact)])
                .of("volume", [one.name.as_str()])
        });
        let all = containers.chain(networks).chain(images).chain(volumes);
        all.map(|removal| removal.change).collect()
    }
}

/// A removal, so far.
struct Removal {
    change: ResourceChange,
    shown: String,
}

fn removal(kind: ResourceKind, name: &str, shown: &str, size: Option<u64>) -> Removal {
    let size = size.map(|size| ("size", Attribute::known(bytes(size.into()))));
    let before: Attributed = size.into_iter().collect();
    let mut change = ResourceChange::new(
        ResourceId::new(kind, name),
        Action::Remove,
        Before::Present(before),
        None,
    );
    change.risk = Risk::Removal;
    Removal {
        change,
        shown: shown.to_owned(),
    }
}

impl Removal {
    fn with_effects(mut self, effects: impl IntoIterator<Item = Effect>) -> Self {
        self.change.effects.extend(effects);
        self
    }

    /// Without `--force`: what is in use by now stays, and this fails.
    fn of<'a>(mut self, command: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let script = Docker::new(&[command, "rm"]).of(names);
        let summary = format!("docker {command} rm {}", self.shown);
        self.change.steps = vec![Step::Run(Command::new(summary, format!("{script} >/dev/null")))];
        self
    }
}

fn image_removal(image: &HeldImage) -> Removal {
    let name = image.tags.first().map_or_else(|| short(&image.id), String::as_str);
    let mut removal = removal(ResourceKind::DockerImage, name, name, Some(image.size));
    if let Before::Present(before) = &mut removal.change.before {
        let others: Vec<&str> = image.tags.iter().skip(1).map(String::as_str).collect();
        if !others.is_empty() {
            before.insert("also", Attribute::known(others.join(", ")));
        }
        if let (true, Some(digest)) = (image.tags.is_empty(), image.digests.first()) {
            let repository = digest.split('@').next().unwrap_or(digest);
            before.insert("was", Attribute::known(repository));
        }
    }
    let tags = image.tags.iter().chain(&image.digests);
    let names = tags.filter_map(|name| Some(Reference::parse(name).ok()?.found_as()));
    let gone = names.map(|name| Effect::Set(FactKey::DockerImage(name), Fact::DockerImage(None)));
    // By its id only one without a tag can be removed.
    let words = if image.tags.is_empty() {
        vec![image.id.as_str()]
    } else {
        image.tags.iter().map(String::as_str).collect()
    };
    removal.with_effects(gone).of("image", words)
}

/// The first twelve digits, as Docker shows them.
fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_with_days_and_weeks() {
        let seconds = |text: &str| Age::parse(text).map(|age| age.seconds);
        assert_eq!(seconds("7d"), Some(604_800));
        assert_eq!(seconds("2w"), Some(1_209_600));
        assert_eq!(seconds("12h"), Some(43_200));
        assert_eq!(seconds("0s"), Some(0));
        assert_eq!(seconds("-1h"), None);
        assert_eq!(seconds("7"), None);
        assert_eq!(Age::default().seconds, 604_800);
    }
}
