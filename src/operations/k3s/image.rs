//! `k3s.image`: images of an archive, or of this host's Docker engine, for the containerd of k3s.
//!
//! ```toml
//! [[operation]]
//! op = "k3s.image"
//! src = "images/app.tar"      # below templates/
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::source::check_lab;
use super::start::comes_with;
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::content::{ArchivedImage, Content, Input, LAB, lab_archives, lab_file};
use crate::facts::docker::{DOCKER, ImageKey, Reference};
use crate::facts::node_images::{NodeImage, NodeImages, NodeImagesKey};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::{Fact, FactKey};
use crate::operations::docker::engine;
use crate::operations::operation::Demand;
use crate::operations::server::names::since;
use crate::operations::{AGENT, Define, Operation, PlanContext};
use crate::quote::{quote, quote_all};
use crate::value::Known;

/// How long a slow disk may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Why the id of an image is not known yet.
const LATER: &str = "the Docker engine says it";
/// The registry whose images have names without it.
const REGISTRY: &str = "docker.io";

/// Parameters of `k3s.image`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Image {
    /// Archive of images below `templates/` of the project, or `downloads/…`, as `docker save` writes it; `agent:image`,
    /// that of the on-host agent for the architecture of the host, which `homelab agent image` makes; or `"lab:gpu.tar"`, one of
    /// the lab's own, on lab hosts. Give `src` or `docker`.
    src: Option<String>,
    /// Name of an image that the Docker engine of this host has, such as `"app:1"`. Give `src` or `docker`.
    docker: Option<String>,
    /// `false` removes the images from this node. Containers that were created from them keep running.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Image {
    const NAME: &'static str = "k3s.image";
    const SUMMARY: &'static str = "Give a node of k3s images without a registry, or remove them";
    const MAIN_ARGUMENT: &'static str = "src";
    const MAIN_ARGUMENT_OR: Option<&'static str> = Some("docker");
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k3s.image"
docker = "app:1"
"#;
}

/// Where the images come from.
enum Source {
    Archive {
        path: String,
        content: Content,
    },
    /// By its name there.
    Docker(String),
}

/// An image that is to be there, or is not.
struct Wanted {
    name: String,
    /// Each id that it may have; none if only the Docker engine knows.
    ids: Vec<String>,
}

impl Operation for Image {
    fn needs(&self) -> Vec<FactKey> {
        let docker = self.docker.iter().filter(|_| self.present);
        let docker = docker.filter_map(|name| Reference::parse(name).ok());
        let docker = docker.flat_map(|name| [FactKey::DockerEngine, FactKey::DockerImage(name.found_as())]);
        let system = self
            .src
            .iter()
            .filter(|src| src.starts_with(AGENT))
            .map(|_| FactKey::System);
        [FactKey::NodeImages].into_iter().chain(docker).chain(system).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::NodeImages)]
    }

    fn demands(&self, context: &PlanContext<'_>) -> Vec<Demand> {
        let Ok(source) = self.source(context) else {
            return Vec::new();
        };
        let wanted = self.wanted(context, &source).unwrap_or_default();
        let demand = |one: &Wanted| Demand::presence(ResourceKind::NodeImage, &one.name, self.present);
        wanted.iter().map(demand).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let source = self.source(context)?;
        let wanted = self.wanted(context, &source)?;
        let found = since(context.get(NodeImagesKey))?;
        let found = match (found, comes_with(context)) {
            (Ok(NodeImages::NoProgram | NodeImages::Silent(_)), Some(operation)) => {
                Err((operation, "it starts k3s".to_owned()))
            }
            (found, _) => found,
        };
        match found {
            Ok(NodeImages::Answers(found)) if self.present => Self::add(context, &source, &wanted, &found),
            Ok(NodeImages::Answers(found)) => Ok(Self::remove(&wanted, &found)),
            // Without k3s there are no images of it.
            Ok(NodeImages::NoProgram) if !self.present => Ok(Outcome::Unchanged),
            Ok(NodeImages::NoProgram) => Err(context
                .refuse(self.argument(), "there is no k3s on the host", "needs k3s")
                .hint("install it first, with `k3s.server` or `k3s.agent`")),
            Ok(NodeImages::Silent(why)) => Err(Stop::NotKnown {
                key: FactKey::NodeImages,
                cause: NotKnown::Denied(format!("containerd of k3s does not answer: {why}")),
            }),
            Err((operation, why)) if self.present => Ok(Outcome::Ensure {
                changes: vec![Self::addition(&source, &wanted, &BTreeMap::new(), Before::Unknown(why))],
                since: vec![operation],
            }),
            Err((operation, why)) => Err(not_known(operation, why)),
        }
    }
}

fn not_known(operation: OperationId, why: String) -> Stop {
    Stop::NotKnown {
        key: FactKey::NodeImages,
        cause: NotKnown::Since(operation, why),
    }
}

impl Image {
    /// The parameter that says which images these are.
    fn argument(&self) -> &'static str {
        if self.src.is_some() { "src" } else { "docker" }
    }

    fn source(&self, context: &PlanContext<'_>) -> Result<Source, Stop> {
        match (&self.src, &self.docker) {
            (Some(path), None) => Ok(Source::Archive {
                path: place(path),
                content: archive(context, path)?,
            }),
            (None, Some(name)) => match Reference::parse(name) {
                Ok(image) if image.tag.is_some() => Ok(Source::Docker(image.found_as())),
                Ok(_) => Err(context
                    .refuse("docker", "an image of a node needs a tag", "only a digest")
                    .hint("write `NAME:TAG`")),
                Err(label) => {
                    let title = format!("`{name}` is not a valid name for a Docker image");
                    Err(context.refuse("docker", title, label).hint("write `NAME:TAG`"))
                }
            },
            (Some(_), Some(_)) => Err(context
                .refuse_key(
                    "docker",
                    "`src` and `docker` cannot be used together",
                    "the images come from `src`",
                )
                .hint("remove one of the two")),
            (None, None) => Err(context
                .refuse("present", "missing `src` or `docker`", "this names no image")
                .hint("write `src` with an archive, or `docker` with the name of an image")),
        }
    }

    fn wanted(&self, context: &PlanContext<'_>, source: &Source) -> Result<Vec<Wanted>, Stop> {
        match source {
            Source::Archive { path, content } => archived(context, path, content),
            Source::Docker(name) => Ok(vec![Wanted {
                ids: if self.present {
                    of_docker(context, name)?
                } else {
                    Vec::new()
                },
                name: name.clone(),
            }]),
        }
    }

    fn add(
        context: &PlanContext<'_>,
        source: &Source,
        wanted: &[Wanted],
        found: &BTreeMap<String, NodeImage>,
    ) -> Result<Outcome, Stop> {
        let mut missing = None;
        for one in wanted {
            match found.get(&one.name).map(|image| &image.id) {
                Some(Known::Yes(id)) if one.ids.contains(id) => {}
                // Whether it is this one is known once the engine has the image, or an earlier operation has brought it.
                Some(_) if one.ids.is_empty() => {
                    let image = FactKey::DockerImage(one.name.clone());
                    let earlier = context
                        .predicted_by(&image)
                        .unwrap_or_else(|| OperationId(String::new()));
                    return Err(not_known(earlier, LATER.to_owned()));
                }
                Some(Known::No(why)) => {
                    let earlier = context.predicted_by(&FactKey::NodeImages);
                    return Err(not_known(
                        earlier.unwrap_or_else(|| OperationId(String::new())),
                        why.clone(),
                    ));
                }
                Some(Known::Yes(id)) => {
                    let shown = Attributed::from([("id", Attribute::known(short(id)))]);
                    missing.get_or_insert((one, Before::Present(shown)));
                }
                None => {
                    missing.get_or_insert((one, Before::Absent));
                }
            }
        }
        let Some((first, before)) = missing else {
            return Ok(Outcome::Unchanged);
        };
        let rest = wanted.iter().filter(|one| one.name != first.name);
        let ordered: Vec<Wanted> = [first].into_iter().chain(rest).map(Wanted::copied).collect();
        Ok(Outcome::Change(vec![Self::addition(source, &ordered, found, before)]))
    }

    /// The change after which all of `wanted` are there, named after the first.
    fn addition(
        source: &Source,
        wanted: &[Wanted],
        found: &BTreeMap<String, NodeImage>,
        before: Before,
    ) -> ResourceChange {
        let names: Vec<&str> = wanted.iter().map(|one| one.name.as_str()).collect();
        let (first, others) = names
            .split_first()
            .map_or(("", &[][..]), |(first, others)| (*first, others));
        let ids = wanted.first().map(|one| &one.ids[..]).unwrap_or_default();
        let mut shown = Attributed::from([(
            "id",
            match ids.first() {
                Some(id) => Attribute::known(short(id)),
                None => Attribute::Unknown(LATER.to_owned()),
            },
        )]);
        let from = match source {
            Source::Archive { path, .. } => path.clone(),
            Source::Docker(_) => "the Docker engine".to_owned(),
        };
        shown.insert("from", Attribute::known(from));
        if !others.is_empty() {
            shown.insert("also loads", Attribute::known(others.join(", ")));
        }
        let action = match before {
            Before::Present(_) => Action::Update,
            Before::Absent | Before::Unknown(_) => Action::Create,
        };
        let id = ResourceId::new(ResourceKind::NodeImage, first);
        let mut change = ResourceChange::new(id, action, before, Some(shown));
        let mut after = found.clone();
        after.extend(wanted.iter().map(|one| (one.name.clone(), one.image())));
        change.effects = vec![set(after)];
        let summary = format!("k3s ctr images import {}", names.join(" "));
        change.steps = vec![Step::Run(match source {
            Source::Archive { content, .. } => Command {
                input: Some(Input::Open(content.clone())),
                supervised: true,
                timeout: PATIENCE,
                ..Command::new(summary, format!("{PATH}{IMPORT} >/dev/null || exit\n{}", seen(wanted)))
            },
            Source::Docker(name) => Command {
                supervised: true,
                timeout: PATIENCE,
                ..Command::new(summary, from_docker(name))
            },
        })];
        change
    }

    fn remove(wanted: &[Wanted], found: &BTreeMap<String, NodeImage>) -> Outcome {
        let mut after = found.clone();
        let mut changes = Vec::new();
        for one in wanted {
            let Some(image) = after.remove(&one.name) else {
                continue;
            };
            let mut shown = Attributed::new();
            if let Known::Yes(id) = &image.id {
                shown.insert("id", Attribute::known(short(id)));
            }
            let id = ResourceId::new(ResourceKind::NodeImage, &one.name);
            let mut change = ResourceChange::new(id, Action::Remove, Before::Present(shown), None);
            change.risk = Risk::Removal;
            change.effects = vec![set(after.clone())];
            // Without a name of its own, containerd would keep it by its id.
            let is_last = !after.values().any(|other| other.id == image.id);
            let by_id = match &image.id {
                Known::Yes(id) if is_last => Some(id.as_str()),
                _ => None,
            };
            let names = quote_all([image.full_name.as_str()].into_iter().chain(by_id));
            let gone = format!(
                "tries=0; while k3s crictl images -o json | grep -qF {} && [ $tries -lt 20 ]; do tries=$((tries + 1)); sleep 0.5; done",
                quote(&format!("\"{}\"", image.full_name))
            );
            let script = format!("{PATH}k3s ctr images rm --sync {names} >/dev/null || exit\n{gone}");
            let summary = format!("k3s ctr images rm {}", one.name);
            change.steps = vec![Step::Run(Command::new(summary, script))];
            changes.push(change);
        }
        if changes.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Change(changes)
        }
    }
}

impl Wanted {
    fn copied(&self) -> Self {
        Self {
            name: self.name.clone(),
            ids: self.ids.clone(),
        }
    }

    /// As the node has it then.
    fn image(&self) -> NodeImage {
        NodeImage {
            id: match self.ids.first() {
                Some(id) => Known::Yes(id.clone()),
                None => Known::No(LATER.to_owned()),
            },
            full_name: full_name(&self.name),
        }
    }
}

fn set(images: BTreeMap<String, NodeImage>) -> Effect {
    Effect::Set(FactKey::NodeImages, Fact::NodeImages(NodeImages::Answers(images)))
}

/// The folder of a project for large files, which git ignores.
const DOWNLOADS: &str = "downloads/";

/// What a name of an archive of the lab begins with.
const OF_LAB: &str = "lab:";

/// Where an archive is in the project.
fn place(path: &str) -> String {
    if path.starts_with(DOWNLOADS) || path.starts_with(AGENT) {
        path.to_owned()
    } else if let Some(file) = path.strip_prefix(OF_LAB) {
        format!("{LAB}/{file} (stand-in)")
    } else {
        format!("templates/{path}")
    }
}

fn archive(context: &PlanContext<'_>, path: &str) -> Result<Content, Stop> {
    if path.starts_with(AGENT) {
        return context.agent_part("src", path, "image");
    }
    if let Some(file) = path.strip_prefix(OF_LAB) {
        return of_lab(context, path, file);
    }
    let Some(below) = path.strip_prefix(DOWNLOADS) else {
        return context.asset("src", path);
    };
    let name = format!("download:{below}");
    if context.asset_names().any(|one| one == name) {
        return context.asset("src", &name);
    }
    let title = format!("`{path}` does not exist");
    Err(context
        .refuse("src", title, "no such file in the project")
        .hint("put the archive there; git ignores this folder"))
}

/// An archive that the lab made.
fn of_lab(context: &PlanContext<'_>, path: &str, file: &str) -> Result<Content, Stop> {
    if !lab_archives().any(|one| one == file) {
        let title = format!("the lab has no archive `{path}`");
        let all: Vec<String> = lab_archives().map(|one| format!("`{OF_LAB}{one}`")).collect();
        let all = all.join(", ");
        return Err(context
            .refuse("src", title, "unknown archive")
            .hint(format!("write one of its archives: {all}")));
    }
    let hint = "give real hosts the real image, such as with a manifest that names it";
    check_lab(context, "src", &format!("the archive `{path}`"), hint)?;
    if let Some(content) = context.kept("src", &lab_file(file))? {
        return Ok(content);
    }
    // Without a host it is not needed: a project is correct before its lab was ever up.
    context.get(NodeImagesKey)?;
    let title = format!("the lab of this project has no `{file}`");
    Err(context.refuse("src", title, "`homelab lab up` puts it there").hint(
        "run `homelab lab up`; a host of the lab needs `lab = { kubernetes = true }`, and `models = true` for Ollama",
    ))
}

/// The named images of an archive, in its order.
fn archived(context: &PlanContext<'_>, path: &str, content: &Content) -> Result<Vec<Wanted>, Stop> {
    let hint = format!("write it with `docker save -o {path} NAME:TAG`");
    let images = content.archived_images().map_err(|why| {
        let title = format!("`{path}` cannot be loaded");
        context.refuse("src", title, why.to_string()).hint(hint.clone())
    })?;
    let named = |ArchivedImage { names, ids }| {
        let name = |name: String| Wanted {
            name: Reference::parse(&name).map_or(name, |name| name.found_as()),
            ids: ids.clone(),
        };
        names.into_iter().map(name).collect::<Vec<Wanted>>()
    };
    let wanted: Vec<Wanted> = images.into_iter().flat_map(named).collect();
    if wanted.is_empty() {
        let title = format!("`{path}` has no image with a name");
        return Err(context
            .refuse("src", title, "pods find images by their names")
            .hint(hint));
    }
    Ok(wanted)
}

/// The ids that an image of the Docker engine may have; none if an earlier operation brings it.
fn of_docker(context: &PlanContext<'_>, name: &str) -> Result<Vec<String>, Stop> {
    engine::runs(context, "docker", true)?;
    let Some(image) = context.get(ImageKey(name))? else {
        let title = format!("the Docker engine has no image `{name}`");
        return Err(context
            .refuse("docker", title, "not on the host, and no earlier operation brings it")
            .hint("pull or build it first, in an earlier operation"));
    };
    Ok(match image.id {
        Known::Yes(id) => vec![id],
        Known::No(_) => Vec::new(),
    })
}

/// The name that containerd gives an image.
fn full_name(name: &str) -> String {
    let is_registry = |first: &str| first.contains(['.', ':']) || first == "localhost";
    match name.split_once('/') {
        Some((first, _)) if is_registry(first) => name.to_owned(),
        Some(_) => format!("{REGISTRY}/{name}"),
        None => format!("{REGISTRY}/library/{name}"),
    }
}

/// Shell text that finds k3s where it installs itself.
const PATH: &str = "PATH=$PATH:/usr/local/bin\n";
/// Shell text that reads an archive, in the namespace of Kubernetes, which `k3s ctr` takes by itself. The kubelet's side of containerd unpacks an image where it needs it.
const IMPORT: &str = "k3s ctr images import --no-unpack -";

/// Shell text that waits until the kubelet's side of containerd sees all of these.
fn seen(wanted: &[Wanted]) -> String {
    let tests = wanted.iter().map(|one| {
        let ids = one.ids.iter().map(|id| format!(" -e {}", quote(&format!("\"{id}\""))));
        format!("printf %s \"$images\" | grep -qF{}", ids.collect::<String>())
    });
    let tests = tests.collect::<Vec<_>>().join(" && ");
    wait_for(&format!("images=$(k3s crictl images -o json) && {tests}"))
}

fn wait_for(test: &str) -> String {
    format!(
        "tries=0\nuntil {test}; do\n\
         [ $tries -lt 40 ] || {{ echo 'crictl does not list the image after 20 s' >&2; exit 1; }}\n\
         tries=$((tries + 1)); sleep 0.5\ndone"
    )
}

fn from_docker(name: &str) -> String {
    let image = quote(name);
    format!(
        "{PATH}id=$({DOCKER} image inspect -f '{{{{.Id}}}}' {image}) || exit\n\
         pipe=$(mktemp -d) || exit\n\
         trap 'rm -rf -- \"$pipe\"' EXIT\n\
         mkfifo \"$pipe/archive\" || exit\n\
         {DOCKER} image save {image} >\"$pipe/archive\" & save=$!\n\
         {IMPORT} <\"$pipe/archive\" >/dev/null || exit\n\
         wait $save || exit\n{}",
        wait_for("k3s crictl images -o json | grep -qF \"\\\"$id\\\"\"")
    )
}

/// The first twelve digits, as Docker shows them.
fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}
