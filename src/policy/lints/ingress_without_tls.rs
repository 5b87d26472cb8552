//! `ingress-without-tls`: a web site in clear.

use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "ingress-without-tls",
    level: Level::Note,
    title: "An Ingress without TLS",
    why: "Passwords cross the network in clear.",
    remedy: "Give `spec.tls` with a Secret, such as one that cert-manager makes.",
    check,
};

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, planned) in scene.numbered() {
        let ingresses = planned
            .rendered
            .objects
            .iter()
            .filter(|object| object.id.kind == "Ingress");
        for object in ingresses.filter(|object| object.object.pointer("/spec/tls/0").is_none()) {
            let title = format!("Ingress `{}` has no TLS", object.id.name);
            let place = Place::at(&object.place("/spec"));
            found.push(Finding::new(title, place, "no `tls`").of(Some(number)));
        }
    }
    found
}
