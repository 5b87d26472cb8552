//! Images that an inventory holds to digests: a tag that moves in its registry changes nothing until it is pinned again.

use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::registry::Registry;

const LOCK: &str = "inventories/dev.images.lock";
/// A repository of this test alone.
const REPOSITORY: &str = "lab/held";

fn project() -> Project {
    let project = Project::of(&[
        (
            "inventories/dev.toml",
            "[hosts.box]\nlab = { image = 'debian:13-docker', registry = true }\n",
        ),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['all']\n"),
        (
            "tasks/all.toml",
            "[[operation]]\nop = 'docker.compose'\nproject_directory = '/opt/stacks/web'\nstack = 'web'\n",
        ),
    ]);
    project.write(
        "templates/services/web/compose.yaml",
        "services:\n  app: { image: 'lab/held:1.37', entrypoint: [sleep, infinity], init: true }\n",
    );
    project
}

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "site", "--yes"]).expect(0)
}

/// The digests under which a registry has the image of the container, and its id.
fn running(host: &Host<'_>) -> (String, String) {
    let image = host.inside("docker image inspect -f '{{.RepoDigests}}' $(docker inspect -f '{{.Image}}' web-app-1)");
    (image, host.inside("docker inspect -f '{{.Id}}' web-app-1"))
}

fn pinned(project: &Project) -> String {
    let text = std::fs::read_to_string(project.root().join(LOCK)).expect("a lock file");
    let line = text
        .lines()
        .find(|line| line.starts_with("\"lab/held:1.37\""))
        .expect("pinned");
    line.rsplit('"').nth(1).expect("a digest").to_owned()
}

#[test]
fn a_tag_that_moves_changes_nothing_until_it_is_pinned_again() {
    let project = project();
    let host = project.up("dev", "box");
    let registry = Registry::of(&host);
    registry.copy("library/busybox", REPOSITORY);

    let dry = project.homelab(&["images", "pin", "dev", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains("+ \"lab/held:1.37\" = \"sha256:"), "{}", dry.stdout);
    assert!(dry.stderr.contains("box: asked"), "{}", dry.stderr);
    assert!(!project.root().join(LOCK).exists());
    project.homelab(&["images", "pin", "dev"]).expect(0);
    let first = pinned(&project);
    let again = project
        .homelab(&["images", "pin", "dev", "--detailed-exitcode"])
        .expect(0);
    assert!(again.stdout.contains("is up to date"), "{}", again.stdout);

    deploy(&project);
    let (image, container) = running(&host);
    assert!(image.contains(&first), "{image} {first}");
    assert!(deploy(&project).stdout.contains("nothing to do"));

    // The registry has another image, and the host gets the pinned one all the same.
    registry.move_tag(REPOSITORY, "1.37", "traefik/whoami", "v1.11");
    let told = project
        .homelab(&["images", "outdated", "dev", "--detailed-exitcode"])
        .expect(2);
    assert!(
        told.stdout.contains("1 outdated") && told.stdout.contains("stack web"),
        "{}",
        told.stdout
    );
    project.homelab(&["images", "outdated", "dev"]).expect(0);
    assert!(deploy(&project).stdout.contains("nothing to do"));
    host.inside("docker rm -f web-app-1 && docker image prune -af");
    deploy(&project);
    assert!(running(&host).0.contains(&first));
    assert!(deploy(&project).stdout.contains("nothing to do"));

    // A user moves the tag on the host.
    let (_, before) = running(&host);
    assert_ne!(before, container);
    host.inside("docker pull -q lab/held:1.37");
    let ran = deploy(&project);
    assert!(ran.stdout.contains("docker image lab/held:1.37"), "{}", ran.stdout);
    assert_eq!(running(&host).1, before, "its container has the right image");
    assert!(deploy(&project).stdout.contains("nothing to do"));

    project.homelab(&["images", "pin", "dev"]).expect(0);
    let second = pinned(&project);
    assert_ne!(first, second);
    let review = project
        .homelab(&["deploy", "dev", "site", "--dry-run"])
        .expect(0)
        .stdout;
    let is_change = |line: &&str| ["+ ", "~ ", "- "].iter().any(|sign| line.starts_with(sign));
    let changes: Vec<&str> = review.lines().map(str::trim_start).filter(is_change).collect();
    assert!(
        matches!(changes[..], [image, service] if image.contains("docker image lab/held:1.37") && service.contains("compose service web/app")),
        "one pull and one container: {review}"
    );
    let ran = deploy(&project);
    assert!(ran.stdout.contains("its image is another one"), "{}", ran.stdout);
    let (image, container) = running(&host);
    assert!(image.contains(&second), "{image}");
    assert_ne!(container, before);
    assert!(deploy(&project).stdout.contains("nothing to do"));

    // What nothing uses any more is told, and goes with the next pin.
    project.write(
        "templates/services/web/compose.yaml",
        "services:\n  app: { image: 'busybox:1.37', entrypoint: [sleep, infinity], init: true }\n",
    );
    let checked = project.homelab(&["check"]).expect(0);
    assert!(
        checked.stdout.contains("nothing uses the pinned image `lab/held:1.37`"),
        "{}",
        checked.stdout
    );
    project.homelab(&["images", "pin", "dev"]).expect(0);
    assert!(
        !std::fs::read_to_string(project.root().join(LOCK))
            .expect("a file")
            .contains("lab/held")
    );

    // A registry without the image.
    project.write(
        "templates/services/web/compose.yaml",
        "services:\n  app: { image: 'lab/nowhere:1' }\n",
    );
    let refused = project.homelab(&["images", "pin", "dev"]).expect(1);
    assert!(
        refused
            .stderr
            .contains("the registry of `lab/nowhere:1` gives no digest"),
        "{}",
        refused.stderr
    );
    registry.remove(REPOSITORY);
}
