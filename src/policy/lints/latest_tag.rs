//! `latest-tag`: an image that is another one after each pull.

use crate::facts::docker::Reference;
use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::planned::{Planned, file_name, line_place};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "latest-tag",
    level: Level::Warning,
    title: "An image without a version",
    why: "What `latest` is changes without a change of the project: a review cannot show it, and nothing leads back.",
    remedy: "Write a version, such as `caddy:2.10`, or hold it to a digest with `homelab images pin`.",
    check,
};

/// Where the image of a line of a Dockerfile is another one after each build.
fn of_dockerfile(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let is_from = words.next().is_some_and(|word| word.eq_ignore_ascii_case("from"));
    words.find(|word| !word.starts_with("--")).filter(|_| is_from)
}

/// Whether an image comes from the project.
fn has_source(planned: &Planned<'_>) -> bool {
    ["src", "build", "archive"]
        .iter()
        .any(|key| planned.argument(key).is_some())
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut images: Vec<(usize, String, Place)> = Vec::new();
    for container in &scene.containers {
        let image = container.image.iter();
        images.extend(image.map(|(image, place)| (container.operation, image.clone(), place.clone())));
    }
    for (number, planned) in scene.numbered().filter(|(_, planned)| planned.name() == "docker.image") {
        let foreign = planned.text("image").filter(|_| !has_source(planned));
        if let Some((text, value)) = foreign.zip(planned.argument("image")) {
            images.push((number, text.to_owned(), planned.place_of(value)));
        }
    }
    for (number, text) in scene.texts().filter(|(_, text)| file_name(&text.path) == "Dockerfile") {
        let stages = text.text.lines().filter_map(|line| {
            let mut words = line.split_whitespace().rev();
            let name = words.next()?;
            words
                .next()
                .filter(|word| word.eq_ignore_ascii_case("as"))
                .map(|_| name)
        });
        let stages: Vec<&str> = stages.chain(["scratch"]).collect();
        for (index, line) in text.text.lines().enumerate() {
            let image = of_dockerfile(line).filter(|image| !stages.contains(image) && !image.contains('$'));
            images.extend(image.map(|image| (number, image.to_owned(), line_place(text, index + 1))));
        }
    }
    let is_own = |planned: &&Planned<'_>| match planned.name() {
        "k3s.image" => true,
        "docker.image" => has_source(planned),
        _ => false,
    };
    let own = scene.operations.iter().filter(is_own);
    // `app` and `app:latest` are the same image.
    let of_project: Vec<Reference> = own
        .filter_map(|planned| Reference::parse(planned.text("image")?).ok())
        .collect();
    let found = images.into_iter().filter_map(|(number, image, place)| {
        if image.contains(['$', '{', ' ', '(']) || image.starts_with("agent:") {
            return None;
        }
        let reference = Reference::parse(&image).ok()?;
        if of_project.contains(&reference) {
            return None;
        }
        let pins = scene.project.pins_of(scene.operations[number].inventory);
        if reference.digest.is_some() || reference.tag.as_deref() != Some("latest") || pins.of(&reference).is_some() {
            return None;
        }
        let title = format!("image `{image}` has no version");
        Some(Finding::new(title, place, "another image after each pull").of(Some(number)))
    });
    found.collect()
}
