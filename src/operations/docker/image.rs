//! `docker.image`: an image of the Docker engine, pulled from a registry or uploaded from the project.
//!
//! ```toml
//! [[operation]]
//! op = "docker.image"
//! image = "caddy:2.10"
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::command::Docker;
use super::engine;
use super::resource::{named, remaining, unless_they_change};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::content::{ArchivedImage, Content, Input};
use crate::facts::docker::{self, ImageKey, Reference};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::operation::{Demand, ImageUse};
use crate::operations::server::names::since;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Known;

/// How long a registry or a slow disk may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Why the digest of an image is not known yet.
const LATER: &str = "the registry says it";

/// Parameters of `docker.image`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Image {
    /// Name of the image, such as `"caddy:2.10"` or `"ghcr.io/gethomepage/homepage:v1.2"`. With a digest, as in
    /// `"caddy:2.10@sha256:…"`, it is this very image.
    image: String,
    /// When to ask the registry: `"missing"`, the default, if the image is not on the host; `"always"` each time, which does not
    /// count as a pending change; or `"never"`.
    #[serde(default)]
    pull: Pull,
    /// Archive of the image below `templates/` of the project, as `docker save` writes it. It is uploaded if the image on the
    /// host is another one; no registry is asked.
    src: Option<String>,
    /// `true` lets `present = false` remove an image that containers were created from. They keep running.
    #[serde(default)]
    force: bool,
    /// `false` removes the image.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

/// When a registry is asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pull {
    #[default]
    Missing,
    Always,
    Never,
}

/// Where the image comes from.
enum Source {
    Registry,
    /// An archive of the project.
    Archive {
        path: String,
        content: Content,
        image: ArchivedImage,
        /// Every other name in it, with the ids that its image may have. Docker loads these too.
        others: BTreeMap<String, Vec<String>>,
    },
}

impl Define for Image {
    const NAME: &'static str = "docker.image";
    const SUMMARY: &'static str = "Pull, upload or remove an image of the Docker engine";
    const MAIN_ARGUMENT: &'static str = "image";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "docker.image"
image = "caddy:2.10"
"#;
}

impl Operation for Image {
    fn needs(&self) -> Vec<FactKey> {
        let image = Reference::parse(&self.image).ok();
        let image = image.map(|image| FactKey::DockerImage(image.found_as()));
        [FactKey::DockerEngine].into_iter().chain(image).collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let own = self.needs().into_iter().skip(1);
        let names = self.archived_names(context).into_iter().map(FactKey::DockerImage);
        let mut keys: Vec<FactKey> = own.chain(names).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().map(FactScope::Key).collect()
    }

    fn demands(&self, context: &PlanContext<'_>) -> Vec<Demand> {
        let Ok(image) = self.reference(context) else {
            return Vec::new();
        };
        let (kind, name) = (ResourceKind::DockerImage, image.found_as());
        let digest = image.digest.map(|digest| Demand::new(kind, &name, "digest", digest));
        let presence = Demand::presence(kind, &name, self.present);
        [presence].into_iter().chain(digest).collect()
    }

    fn images(&self, context: &PlanContext<'_>) -> Vec<ImageUse> {
        if !self.present {
            return Vec::new();
        }
        let asked_at = (self.pull == Pull::Always).then(|| context.origin_of("pull"));
        vec![ImageUse {
            is_uploaded: self.src.is_some(),
            ..ImageUse::of(&self.image, Self::NAME, asked_at)
        }]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let image = self.reference(context)?;
        self.check(context, &image)?;
        if !engine::runs(context, "image", self.present)? {
            return Ok(Outcome::Unchanged);
        }
        let source = self.source(context, &image)?;
        let name = image.found_as();
        let wanted = Wanted {
            key: FactKey::DockerImage(name.clone()),
            name,
            image,
            source,
        };
        match (since(context.get(ImageKey(&wanted.name)))?, self.present) {
            (Ok(None), false) => Ok(Outcome::Unchanged),
            (Ok(Some(found)), false) => self.remove(context, &wanted, &found),
            (Ok(None), true) => self.create(context, &wanted),
            (Ok(Some(found)), true) => self.update(context, &wanted, &found),
            (Err((operation, why)), true) if self.pull != Pull::Never => Ok(Outcome::Ensure {
                changes: vec![wanted.change(Action::Create, Before::Unknown(why))],
                since: vec![operation],
            }),
            (Err((operation, why)), _) => Err(Stop::NotKnown {
                key: wanted.key,
                cause: NotKnown::Since(operation, why),
            }),
        }
    }
}

impl Image {
    fn reference(&self, context: &PlanContext<'_>) -> Result<Reference, Stop> {
        let image = Reference::parse(&self.image).map_err(|label| {
            let title = format!("`{}` is not a valid name for a Docker image", self.image);
            context
                .refuse("image", title, label)
                .hint("write the name as for `docker pull`")
        })?;
        // What comes from the project is held by its archive.
        let is_held = self.present && self.src.is_none();
        Ok(if is_held { context.pins().held(image) } else { image })
    }

    /// Refuses parameters that do not go together.
    fn check(&self, context: &PlanContext<'_>, image: &Reference) -> Result<(), Stop> {
        let refuse = |key: &str, title: &str, label: &str| context.refuse_key(key, title, label);
        let is_given = |key: &str| context.arguments.contains_key(key);
        if !self.present {
            return match ["src", "pull"].into_iter().find(|key| is_given(key)) {
                None => Ok(()),
                Some(key) => {
                    let title = format!("`{key}` and `present = false` cannot be used together");
                    Err(refuse(key, &title, "the image is removed").hint("remove one of the two"))
                }
            };
        }
        if self.force {
            let title = "`force` needs `present = false`";
            return Err(refuse("force", title, "nothing is removed").hint("remove it"));
        }
        if self.src.is_none() {
            return Ok(());
        }
        if is_given("pull") {
            let title = "`src` and `pull` cannot be used together";
            return Err(refuse("pull", title, "the image comes from the project").hint("remove one of the two"));
        }
        if image.digest.is_some() {
            let title = "an image from the project cannot have a digest in its name";
            let label = "only registries give images digests";
            return Err(context.refuse("image", title, label).hint(format!(
                "write `{}`: the archive says which image it is",
                image.found_as()
            )));
        }
        Ok(())
    }

    /// The names of all images in its archive. `plan` says what is wrong with the archive.
    fn archived_names(&self, context: &PlanContext<'_>) -> Vec<String> {
        let content = self.src.as_ref().and_then(|path| context.asset("src", path).ok());
        let images = content.and_then(|content| content.archived_images().ok());
        let names = images.into_iter().flatten().flat_map(|image| image.names);
        names.map(|name| found_as(&name)).collect()
    }

    fn source(&self, context: &PlanContext<'_>, image: &Reference) -> Result<Source, Stop> {
        let Some(path) = &self.src else {
            return Ok(Source::Registry);
        };
        let content = context.asset("src", path)?;
        let images = content.archived_images().map_err(|why| {
            let title = format!("`templates/{path}` cannot be loaded");
            context
                .refuse("src", title, why.to_string())
                .hint(format!("write it with `docker save -o templates/{path} {image}`"))
        })?;
        let has_name = |name: &String| Reference::parse(name).is_ok_and(|name| name == *image);
        let mut names: Vec<String> = images.iter().flat_map(|image| image.names.clone()).collect();
        let others = images.iter().flat_map(|one| {
            let others = one.names.iter().filter(|name| !has_name(name));
            others.map(|name| (found_as(name), one.ids.clone()))
        });
        let others = others.collect();
        if let Some(image) = images.into_iter().find(|image| image.names.iter().any(has_name)) {
            return Ok(Source::Archive {
                path: path.clone(),
                content,
                image,
                others,
            });
        }
        names.sort();
        let label = if names.is_empty() {
            "the image in it has no name".to_owned()
        } else {
            format!("it has {}", named(&names))
        };
        let title = format!("`templates/{path}` does not have the image `{image}`");
        Err(context
            .refuse("src", title, label)
            .hint(format!("write it with `docker save -o templates/{path} {image}`")))
    }

    fn create(&self, context: &PlanContext<'_>, wanted: &Wanted) -> Result<Outcome, Stop> {
        if self.pull == Pull::Never {
            let title = format!("Docker image `{}` is not on the host", wanted.image);
            return Err(context
                .refuse("image", title, "`pull = \"never\"`: no registry is asked")
                .hint("load or build it on the host first, or remove `pull`"));
        }
        Ok(Outcome::Change(vec![wanted.change(Action::Create, Before::Absent)]))
    }

    fn update(&self, context: &PlanContext<'_>, wanted: &Wanted, found: &docker::Image) -> Result<Outcome, Stop> {
        let is_right = match (&wanted.source, &wanted.image.digest) {
            (Source::Archive { image, .. }, _) => {
                is_known(context, wanted, &found.id)?.is_some_and(|id| image.ids.contains(id))
            }
            (Source::Registry, Some(digest)) => {
                is_known(context, wanted, &found.digests)?.is_some_and(|digests| digests.contains(digest))
            }
            (Source::Registry, None) => true,
        };
        let before = Before::Present(attributed(found, &wanted.source));
        if !is_right && self.pull == Pull::Never {
            let title = format!("the host has another Docker image `{}`", wanted.name);
            return Err(context
                .refuse("image", title, "`pull = \"never\"`: no registry is asked")
                .hint("load or build it on the host first, or remove `pull`"));
        }
        Ok(if !is_right {
            Outcome::Change(vec![wanted.change(Action::Update, before)])
        } else if self.pull == Pull::Always && wanted.image.digest.is_none() {
            Outcome::Change(vec![wanted.change(Action::Refresh, before)])
        } else {
            Outcome::Unchanged
        })
    }

    fn remove(&self, context: &PlanContext<'_>, wanted: &Wanted, found: &docker::Image) -> Result<Outcome, Stop> {
        let users = remaining(context, &found.containers);
        if !self.force && !users.is_empty() {
            let title = format!("Docker image `{}` is in use", wanted.name);
            let label = format!("containers: {}", named(&users));
            let refusal = context
                .refuse("image", title, label)
                .hint("remove these containers first, or write `force = true`");
            return Err(unless_they_change(context, wanted.key.clone(), refusal));
        }
        let before = Before::Present(attributed(found, &wanted.source));
        let id = ResourceId::new(ResourceKind::DockerImage, &wanted.name);
        let mut change = ResourceChange::new(id, Action::Remove, before, None);
        change.risk = Risk::Removal;
        change.effects = vec![Effect::Set(wanted.key.clone(), Fact::DockerImage(None))];
        let script = Docker::new(&["image", "rm"])
            .flag("--force", self.force)
            .on(&wanted.name);
        let summary = format!("docker image rm {}", wanted.name);
        change.steps = vec![Step::Run(Command::new(summary, script))];
        Ok(Outcome::Change(vec![change]))
    }
}

/// What an image is known by, where an earlier operation does not leave that open.
fn is_known<'k, T>(context: &PlanContext<'_>, wanted: &Wanted, known: &'k Known<T>) -> Result<Option<&'k T>, Stop> {
    match (known, context.predicted_by(&wanted.key)) {
        (Known::Yes(known), _) => Ok(Some(known)),
        (Known::No(_), None) => Ok(None),
        (Known::No(why), Some(operation)) => Err(Stop::NotKnown {
            key: wanted.key.clone(),
            cause: NotKnown::Since(operation, why.clone()),
        }),
    }
}

/// An image that is to be there.
struct Wanted {
    key: FactKey,
    /// The name under which it is found.
    name: String,
    image: Reference,
    source: Source,
}

impl Wanted {
    fn change(&self, action: Action, before: Before) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::DockerImage, &self.name);
        let after = self.after();
        let mut shown = attributed(&after, &self.source);
        if let Source::Archive { path, .. } = &self.source {
            shown.insert("from", Attribute::known(format!("templates/{path}")));
        }
        let others = self.others();
        if !others.is_empty() {
            let names: Vec<&str> = others.keys().map(String::as_str).collect();
            shown.insert("also loads", Attribute::known(names.join(", ")));
        }
        let mut change = ResourceChange::new(id, action, before, Some(shown));
        change.effects = vec![Effect::Set(self.key.clone(), Fact::DockerImage(Some(after)))];
        let others = others.iter().map(|(name, ids)| {
            let image = Fact::DockerImage(Some(archived(ids)));
            Effect::Set(FactKey::DockerImage(name.clone()), image)
        });
        change.effects.extend(others);
        change.steps = vec![Step::Run(self.command())];
        change
    }

    /// The other names that come with it.
    fn others(&self) -> BTreeMap<String, Vec<String>> {
        match &self.source {
            Source::Archive { others, .. } => others.clone(),
            Source::Registry => BTreeMap::new(),
        }
    }

    /// The image that comes of it.
    fn after(&self) -> docker::Image {
        match &self.source {
            Source::Archive { image, .. } => archived(&image.ids),
            Source::Registry => docker::Image {
                id: Known::No(LATER.to_owned()),
                digests: match &self.image.digest {
                    Some(digest) => Known::Yes(vec![digest.clone()]),
                    None => Known::No(LATER.to_owned()),
                },
                containers: Vec::new(),
            },
        }
    }

    /// A pull or an upload is a job of the host, so a lost connection does not end it.
    fn command(&self) -> Command {
        let (summary, script, input) = match (&self.source, self.image.pinned()) {
            (Source::Archive { content, .. }, _) => (
                format!("docker image load {}", self.name),
                format!("{} >/dev/null", Docker::new(&["image", "load", "--quiet"]).text()),
                Some(Input::Open(content.clone())),
            ),
            (Source::Registry, None) => (
                format!("docker image pull {}", self.name),
                Docker::new(&["image", "pull", "--quiet"]).on(&self.name),
                None,
            ),
            (Source::Registry, Some(pinned)) => {
                let pull = Docker::new(&["image", "pull", "--quiet"]).on(&pinned);
                // What is pulled by its digest has no tag.
                let tag = self.image.tag.as_ref().map(|_| {
                    let tag = Docker::new(&["image", "tag", &pinned]).on(&self.name);
                    format!(" && {tag}")
                });
                (
                    format!("docker image pull {}", self.image),
                    format!("{pull}{}", tag.unwrap_or_default()),
                    None,
                )
            }
        };
        Command {
            input,
            supervised: true,
            timeout: PATIENCE,
            ..Command::new(summary, script)
        }
    }
}

/// An image of an archive, which may have one of these ids.
fn archived(ids: &[String]) -> docker::Image {
    docker::Image {
        id: match ids.first() {
            Some(id) => Known::Yes(id.clone()),
            None => Known::No("the engine says it".to_owned()),
        },
        digests: Known::Yes(Vec::new()),
        containers: Vec::new(),
    }
}

/// The name under which the engine finds the image that an archive names.
fn found_as(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |image| image.found_as())
}

fn attributed(image: &docker::Image, source: &Source) -> Attributed {
    let mut attributed = Attributed::new();
    let has_no_digest = matches!(&image.digests, Known::Yes(digests) if digests.is_empty());
    let is_told_by_id = has_no_digest || matches!(source, Source::Archive { .. });
    match (&image.id, &image.digests) {
        (Known::Yes(id), _) if is_told_by_id => attributed.insert("id", Attribute::known(short(id))),
        (_, Known::No(why)) => attributed.insert("digest", Attribute::Unknown(why.clone())),
        (_, Known::Yes(digests)) => {
            let digests: Vec<&str> = digests.iter().map(|digest| short(digest)).collect();
            attributed.insert("digest", Attribute::known(digests.join(", ")))
        }
    };
    attributed
}

/// The first twelve digits, as Docker shows them.
fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}
