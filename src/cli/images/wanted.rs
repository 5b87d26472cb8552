//! The images that a command is about.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use homelab::error::{Diagnostic, suggestion};
use homelab::facts::docker::Reference;
use homelab::plan::{UsedImage, images_in_use};
use homelab::project::Project;

use super::super::connection_arguments::ConnectionArguments;
use super::super::{completion, journals, project};

/// Arguments of both.
#[derive(Debug, Args)]
pub(crate) struct ImagesArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    pub(super) inventory: String,
    /// Images, such as `caddy:2.10`; all that the inventory's deploys use if omitted
    pub(super) image: Vec<String>,
    /// Host whose Docker engine asks the registries; by default the first host that uses an image
    #[arg(long, add = completion::hosts())]
    pub(super) host: Option<String>,
    /// Exit with 2 if the lock file differs from what the registries have
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    #[command(flatten)]
    pub(super) connection: ConnectionArguments,
}

/// Images with the hosts to ask, and what they are held to now.
pub(super) struct Wanted {
    pub(super) project: Project,
    pub(super) images: BTreeMap<String, UsedImage>,
    /// Digests by the names of images.
    pub(super) pins: BTreeMap<String, String>,
    /// Pins that nothing uses any more.
    pub(super) unused: BTreeSet<String>,
    /// Words for images that only a host can say.
    pub(super) unknown: BTreeSet<String>,
}

impl Wanted {
    pub(super) fn read(arguments: &ImagesArguments) -> anyhow::Result<Self> {
        let inventory = &arguments.inventory;
        let (project, is_whole) = project::with_images(inventory)?;
        let mut used = images_in_use(&project, inventory)?;
        let pins = project.pins_of(inventory);
        let unused = if is_whole && arguments.image.is_empty() {
            used.unused(&pins)
                .into_iter()
                .map(|(name, _)| name.to_owned())
                .collect()
        } else {
            BTreeSet::new()
        };
        if !arguments.image.is_empty() {
            let all = std::mem::take(&mut used.images);
            for name in &arguments.image {
                let image = named(name, &all, used.is_whole() && is_whole)?;
                let known = all.get(&image.found_as()).cloned();
                let image_used = known.unwrap_or_else(|| UsedImage {
                    image: image.clone(),
                    hosts: hosts(&all, &project, inventory),
                    used_by: BTreeSet::new(),
                    asked_at: Vec::new(),
                });
                used.images.insert(image.found_as(), image_used);
            }
            used.unknown.clear();
        }
        if let Some(host) = &arguments.host {
            let host = journals::known(&project, inventory, host)?;
            for image in used.images.values_mut() {
                image.hosts = vec![host.to_owned()];
            }
        }
        let pins = pins
            .iter()
            .map(|(name, pin)| (name.to_owned(), pin.digest.clone()))
            .collect();
        Ok(Self {
            project,
            images: used.images,
            pins,
            unused,
            unknown: used.unknown,
        })
    }
}

/// The image that someone names.
///
/// Errors: it is no name, or no deploy uses it.
fn named(name: &str, all: &BTreeMap<String, UsedImage>, is_whole: bool) -> Result<Reference, Diagnostic> {
    let image = Reference::parse(name)
        .map_err(|why| Diagnostic::new(format!("`{name}` is not a valid name for a Docker image")).because(why))?;
    if image.digest.is_some() {
        let mistake = Diagnostic::new("a pin names an image by its tag");
        return Err(mistake.hint(format!("write `{}`", image.found_as())));
    }
    if is_whole && !all.contains_key(&image.found_as()) {
        let known = all.keys().map(String::as_str);
        let mistake = Diagnostic::new(format!(
            "no deploy of the inventory uses the image `{}`",
            image.found_as()
        ));
        return Err(mistake.hint_maybe(suggestion(&image.found_as(), known)));
    }
    Ok(image)
}

/// The hosts that use any image, or all.
fn hosts(all: &BTreeMap<String, UsedImage>, project: &Project, inventory: &str) -> Vec<String> {
    let hosts = project
        .inventory(inventory)
        .map(|inventory| inventory.hosts.keys().cloned());
    let hosts: Vec<String> = hosts.into_iter().flatten().collect();
    let uses = |host: &&String| all.values().any(|used| used.hosts.contains(host));
    let using: Vec<String> = hosts.iter().filter(uses).cloned().collect();
    if using.is_empty() { hosts } else { using }
}
