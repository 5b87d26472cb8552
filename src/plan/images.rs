//! The Docker images that the deploys of an inventory use.

use std::collections::{BTreeMap, BTreeSet};

use super::{Snapshot, survey};
use crate::error::{Diagnostic, Origin};
use crate::facts::docker::{Pins, Reference};
use crate::operations::ImageUse;
use crate::project::{Filter, Project, select};
use crate::secret::DigestKey;

/// What is known of them without a connection.
#[derive(Debug, Default)]
pub struct ImagesInUse {
    /// Those that come from registries, by the names under which an engine finds them.
    pub images: BTreeMap<String, UsedImage>,
    /// Words for those that only a host can say, such as ``all images of stack web``.
    pub unknown: BTreeSet<String>,
    /// Whether it is not even known what all operations are about.
    is_partial: bool,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedImage {
    pub image: Reference,
    /// The hosts that use it, in the inventory's order.
    pub hosts: Vec<String>,
    /// What uses it: `stack grafana`.
    pub used_by: BTreeSet<String>,
    /// Where registries are said to be asked each time.
    pub asked_at: Vec<Origin>,
}

/// The images that the deploys of the project use on the hosts of an inventory.
///
/// Errors: there is no such inventory.
pub fn images_in_use(project: &Project, inventory: &str) -> Result<ImagesInUse, Diagnostic> {
    let hosts: Vec<&String> = project.inventory(inventory)?.hosts.keys().collect();
    let unread = Snapshot {
        is_offline: true,
        ..Snapshot::default()
    };
    let digests = DigestKey::random();
    let mut by_host: BTreeMap<&str, Vec<ImageUse>> = BTreeMap::new();
    let mut found = ImagesInUse::default();
    for deploy in project.deploys.keys() {
        // A deploy may have hosts of other inventories only.
        let Ok(selection) = select(project, inventory, deploy, &Filter::default()) else {
            continue;
        };
        for host in &hosts {
            let alone = selection.host_alone(host);
            if alone.hosts.is_empty() {
                continue;
            }
            let surveyed = survey(&alone, &unread, &digests);
            found.is_partial |= surveyed.unknown.is_some();
            by_host.entry(host).or_default().extend(surveyed.images);
        }
    }
    let uploaded: BTreeSet<String> = by_host
        .values()
        .flatten()
        .filter(|used| used.is_uploaded)
        .filter_map(|used| Some(used.image.as_ref()?.found_as()))
        .collect();
    for host in hosts {
        for used in by_host.remove(host.as_str()).unwrap_or_default() {
            found.add(host, used);
        }
    }
    found.images.retain(|name, _| !uploaded.contains(name));
    Ok(found)
}

impl ImagesInUse {
    fn add(&mut self, host: &str, used: ImageUse) {
        let Some(image) = used.image else {
            self.unknown.insert(format!("{} of {}", used.name, used.used_by));
            return;
        };
        // One that has a digest of its own is the same everywhere.
        if used.is_uploaded || image.digest.is_some() {
            return;
        }
        let known = self.images.entry(image.found_as()).or_insert_with(|| UsedImage {
            image,
            hosts: Vec::new(),
            used_by: BTreeSet::new(),
            asked_at: Vec::new(),
        });
        if !known.hosts.iter().any(|one| one == host) {
            known.hosts.push(host.to_owned());
        }
        known.used_by.insert(used.used_by);
        known
            .asked_at
            .extend(used.asked_at.filter(|place| !known.asked_at.contains(place)));
    }

    /// Whether all images are known.
    pub fn is_whole(&self) -> bool {
        self.unknown.is_empty() && !self.is_partial
    }

    /// The pins of images that nothing uses, and where they are written. None if not all images are known.
    pub fn unused<'p>(&self, pins: &'p Pins) -> Vec<(&'p str, &'p Origin)> {
        let unused = pins.iter().filter(|(name, _)| !self.images.contains_key(*name));
        let unused = unused.map(|(name, pin)| (name, &pin.origin));
        unused.filter(|_| self.is_whole()).collect()
    }

    /// The pinned images that registries are said to be asked about each time, and where.
    pub fn asked_in_vain<'u>(&'u self, pins: &Pins) -> Vec<(&'u str, &'u Origin)> {
        let pinned = self.images.iter().filter(|(name, _)| pins.get(name).is_some());
        let places = pinned.flat_map(|(name, used)| used.asked_at.iter().map(move |place| (name.as_str(), place)));
        places.collect()
    }
}
