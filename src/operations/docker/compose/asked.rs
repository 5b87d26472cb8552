//! Images that a registry is asked about each time. What follows if it has another one is known before; whether it has, is not.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::{Decision, Obtain, Situation, What, decide};
use crate::facts::compose::Image;

/// An image that a registry is asked about.
pub(super) struct Asked {
    /// As the compose file names it.
    pub(super) name: String,
    /// The services that have containers of it, and that nothing else gives new ones.
    pub(super) services: Vec<String>,
    /// The services that get new containers if it is another one, those among them.
    pub(super) recreated: Vec<String>,
    /// The services that are restarted then.
    pub(super) restarted: Vec<String>,
}

/// The images of a project that a registry is asked about: all that are there, are not built, and are not fixed by a digest.
pub(super) fn asked(situation: &Situation<'_>, decisions: &[Decision]) -> Vec<Asked> {
    let named = situation.config.services.iter().filter(|(name, service)| {
        let obtains = decisions
            .iter()
            .any(|one| one.service == **name && one.image != Obtain::Nothing);
        service.build.is_none() && service.replicas != Some(0) && !obtains
    });
    let mut by_image: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, service) in named {
        let image = service.image_on(situation.project, name);
        if !image.contains('@') && situation.held.get(&image).is_none() {
            by_image.entry(image).or_default().push(name);
        }
    }
    let asked = by_image.into_iter().map(|(image, services)| {
        let stays = |name: &&str| {
            let own = decisions.iter().find(|one| one.service == **name);
            own.is_none_or(|one| !one.what.renews())
        };
        let after = decided_with_other(situation, &image);
        let of = |is_meant: fn(&What) -> bool| -> Vec<String> {
            let meant = after
                .iter()
                .filter(|one| is_meant(&one.what) && stays(&one.service.as_str()));
            meant.map(|one| one.service.clone()).collect()
        };
        Asked {
            services: services.into_iter().filter(stays).map(str::to_owned).collect(),
            recreated: of(|what| matches!(what, What::Recreate(_))),
            restarted: of(|what| matches!(what, What::Restart(_))),
            name: image,
        }
    });
    asked.collect()
}

/// What would happen to services that nothing happens to now, if this image were another one.
fn decided_with_other(situation: &Situation<'_>, image: &str) -> Vec<Decision> {
    let mut now = situation.now.clone();
    now.images.retain(|one| !one.is_called(image));
    let (repository, tag) = match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    };
    now.images.push(Image {
        repository: repository.to_owned(),
        tag: Some(tag.to_owned()),
        digest: None,
        id: "another one".to_owned(),
    });
    let changed = BTreeSet::new();
    decide(&Situation {
        now: &now,
        changed: &changed,
        removes_orphans: false,
        ..*situation
    })
}
