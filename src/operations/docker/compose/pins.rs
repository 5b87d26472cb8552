//! The images of a project that are held to digests. Its compose files name them by their tags all the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::change::{NotKnown, Stop};
use crate::error::Origin;
use crate::facts::FactKey;
use crate::facts::compose::{Config, Image, Project, Service};
use crate::facts::docker::{ImageKey, Pins, Reference};
use crate::operations::{ImageUse, PlanContext};
use crate::value::Known;

/// The images that are held, with their digests, by the names that compose has for them.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<String, Reference>);

/// A tag that means another image than the one that it is held to, which is on the host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Astray<'a> {
    /// As compose calls it.
    pub(super) name: &'a str,
    pub(super) held: &'a Reference,
    /// The id of what the tag means now, if it means anything.
    pub(super) from: Option<&'a str>,
    /// The id of what it is held to.
    pub(super) to: &'a str,
}

impl Held {
    pub(super) fn new(pins: &Pins, config: &Config) -> Self {
        let pulled = config.services.values().filter(|service| service.build.is_none());
        let held = pulled.filter_map(|service| {
            let name = service.image.as_ref()?;
            let image = Reference::parse(name).ok()?;
            pins.of(&image)?;
            Some((name.clone(), pins.held(image)))
        });
        Self(held.collect())
    }

    /// What the image is held to.
    pub(super) fn get(&self, name: &str) -> Option<&Reference> {
        self.0.get(name)
    }

    /// The id of the image that a service with this image is to have, if the host has it.
    pub(super) fn image<'p>(&self, now: &'p Project, name: &str) -> Option<&'p str> {
        match self.get(name).and_then(Reference::pinned) {
            Some(pinned) => now.image(&pinned),
            None => now.image(name),
        }
    }

    /// The tags of services that have to be moved to images that the host has.
    pub(super) fn astray<'a>(&'a self, config: &'a Config, now: &'a Project) -> Vec<Astray<'a>> {
        let is_run = |service: &&Service| service.replicas != Some(0);
        let names: BTreeSet<&String> = config
            .services
            .values()
            .filter(is_run)
            .filter_map(|one| one.image.as_ref())
            .collect();
        let astray = names.into_iter().filter_map(|name| {
            let held = self.get(name)?;
            let to = self.image(now, name).filter(|id| !id.is_empty())?;
            let from = now.image(name);
            (from != Some(to)).then_some(Astray { name, held, from, to })
        });
        astray.collect()
    }

    /// The digest under which a registry has the image of a container, if it is one of those that `name` means.
    pub(super) fn digest_of<'p>(&self, now: &'p Project, name: &str, id: &str) -> Option<&'p str> {
        let held = self.get(name)?;
        let same = now.images.iter().filter(|one| one.id == id);
        let mut known = same.filter_map(|one| {
            let digest = one.digest.as_deref()?;
            one.is_called(&format!("{}@{digest}", held.repository))
                .then_some(digest)
        });
        known.next()
    }
}

/// The image of a service as a compose file names it; `None` in place of what only compose can say.
type Named = (String, Option<Reference>);

/// The images that a compose file names and that are pulled.
fn named(text: &str) -> Option<Vec<Named>> {
    let file: Value = serde_saphyr::from_str(text).ok()?;
    let services: Vec<&Value> = file.get("services")?.as_object()?.values().collect();
    let image = |service: &&Value| service.get("image")?.as_str().map(str::to_owned);
    let built: BTreeSet<String> = services
        .iter()
        .filter(|one| one.get("build").is_some())
        .filter_map(image)
        .collect();
    let names: BTreeSet<String> = services
        .iter()
        .filter_map(image)
        .filter(|name| !built.contains(name))
        .collect();
    let named = names.into_iter().map(|name| {
        let parsed = Reference::parse(&name).ok();
        (name, parsed)
    });
    Some(named.collect())
}

/// The images that compose files with these texts use; `None` is a file that is not known. `used_by` says what uses them, and `asked_at`
/// where the registry is said to be asked each time.
pub(super) fn uses<'t>(
    texts: impl Iterator<Item = Option<&'t str>>,
    used_by: &str,
    asked_at: Option<&Origin>,
) -> Vec<ImageUse> {
    let used = |(name, image): Named| ImageUse {
        name,
        image,
        is_uploaded: false,
        used_by: used_by.to_owned(),
        asked_at: asked_at.cloned(),
    };
    let all: Option<Vec<Vec<Named>>> = texts.map(|text| text.and_then(named)).collect();
    let all: Vec<Named> = all.into_iter().flatten().flatten().collect();
    if all.is_empty() {
        return vec![used(("all images".to_owned(), None))];
    }
    all.into_iter().map(used).collect()
}

/// The images that earlier operations get or remove.
///
/// Errors: only after one of them it is known which image a container of now would have.
pub(super) fn foresee_images(
    context: &PlanContext<'_>,
    name: &str,
    config: &Config,
    project: &mut Project,
) -> Result<(), Stop> {
    for (service_name, service) in &config.services {
        let Ok(image) = Reference::parse(&service.image_on(name, service_name)) else {
            continue;
        };
        let called = image.found_as();
        let key = FactKey::DockerImage(called.clone());
        let Some(operation) = context.predicted_by(&key) else {
            continue;
        };
        let found = context.get(ImageKey(&called))?;
        // One that is held to a digest may be there under this digest.
        let held = context.pins().held(image.clone());
        let there = held
            .pinned()
            .and_then(|pinned| project.image(&pinned).map(str::to_owned));
        project.images.retain(|one| !one.is_called(&called));
        let Some(found) = found else { continue };
        let is_held =
            matches!((&found.digests, &held.digest), (Known::Yes(known), Some(digest)) if known.contains(digest));
        let has_container = project.containers.iter().any(|one| one.service == *service_name);
        let id = match found.id {
            Known::Yes(id) => id,
            Known::No(_) if is_held => there.unwrap_or_default(),
            // A new container gets whatever it is.
            Known::No(_) if !has_container => String::new(),
            Known::No(why) => {
                return Err(Stop::NotKnown {
                    key,
                    cause: NotKnown::Since(operation, why),
                });
            }
        };
        project.images.push(Image {
            repository: image.repository,
            tag: image.tag,
            digest: held.digest.filter(|_| is_held).or(image.digest),
            id,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceFile;
    use crate::facts::docker::Pin;

    fn digest(end: &str) -> String {
        format!("sha256:{}{end}", "0".repeat(63))
    }

    fn pins() -> Pins {
        let mut pins = Pins::default();
        let pin = Pin {
            digest: digest("1"),
            origin: Origin::new(&SourceFile::new("inventories/dev.images.lock", ""), 0..0),
        };
        pins.insert(&Reference::parse("caddy:2").expect("a name"), pin);
        pins
    }

    fn config() -> Config {
        let service = Service {
            image: Some("docker.io/library/caddy:2".to_owned()),
            ..Service::default()
        };
        Config {
            services: [("web".to_owned(), service)].into(),
            ..Config::default()
        }
    }

    fn image(tag: Option<&str>, end: Option<&str>, id: &str) -> Image {
        Image {
            repository: "caddy".to_owned(),
            tag: tag.map(str::to_owned),
            digest: end.map(digest),
            id: id.to_owned(),
        }
    }

    #[test]
    fn a_tag_that_means_another_image_is_astray() {
        let (config, held) = (config(), Held::new(&pins(), &config()));
        let name = "docker.io/library/caddy:2";
        for (images, id, from) in [
            (vec![], None, None),
            (vec![image(Some("2"), Some("1"), "a")], Some("a"), None),
            // Another image has the tag, and the pinned one has none.
            (
                vec![image(Some("2"), Some("2"), "b"), image(None, Some("1"), "a")],
                Some("a"),
                Some(Some("b")),
            ),
            (vec![image(None, Some("1"), "a")], Some("a"), Some(None)),
            (vec![image(Some("2"), None, "b")], None, None),
        ] {
            let now = Project {
                images,
                ..Project::default()
            };
            assert_eq!(held.image(&now, name), id);
            let astray: Vec<Option<&str>> = held.astray(&config, &now).iter().map(|one| one.from).collect();
            assert_eq!(astray, from.into_iter().collect::<Vec<_>>(), "{:?}", now.images);
        }
        let now = Project {
            images: vec![image(Some("2"), Some("2"), "b")],
            ..Project::default()
        };
        assert_eq!(held.digest_of(&now, name, "b"), Some(digest("2").as_str()));
        assert_eq!(held.digest_of(&now, "other", "b"), None);
    }

    #[test]
    fn images_are_named_by_services_that_are_not_built() {
        let text = "services:\n  a: { image: 'caddy:2' }\n  b: { image: own, build: . }\n  c: { image: own }\n  d: { image: 'x:${T}' }\n  e: {}\n";
        let found = named(text).expect("services");
        let names: Vec<(&str, bool)> = found
            .iter()
            .map(|(name, image)| (name.as_str(), image.is_some()))
            .collect();
        assert_eq!(names, [("caddy:2", true), ("x:${T}", false)]);
        assert!(named("services: [").is_none());
    }
}
