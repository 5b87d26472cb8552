//! Compose projects on a host with an engine: exactly the services of the review get other containers, and what does not come up goes
//! back to what ran.

use std::collections::BTreeMap;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const TASK: &str =
    "[[operation]]\nop = 'docker.compose'\nproject_directory = '/opt/stacks/web'\nstack = 'web'\nwithin = '15s'\n";

/// `app` with a health check, `side` in its network, `shop` that depends on it, and a one-shot that does too.
const COMPOSE: &str = "services:
  app:
    image: demo:1
    command: [sleep, infinity]
    init: true
    env_file: app.env
    secrets: [token]
    volumes: ['./conf:/conf']
    healthcheck: { test: [CMD, cat, /conf/healthy], interval: 1s, retries: 1 }
  side: { image: 'demo:1', command: [sleep, infinity], init: true, network_mode: 'service:app' }
  shop: { image: 'demo:1', command: [sleep, infinity], init: true, depends_on: [app] }
  job: { image: 'demo:1', command: ['true'], restart: 'no', depends_on: [app] }
secrets: { token: { file: ./secrets/token } }
";

/// Makes an image of a few programs of the host.
const IMAGE: &str = "cd / && tar -ch bin/sh bin/sleep bin/true bin/cat lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 \
                     | docker import - demo:1";

fn project() -> Project {
    let project = Project::with_task(TASK);
    project.write(
        "inventories/dev.toml",
        "[hosts.alpha]\nlab = { image = 'debian:13-docker' }\n",
    );
    write(&project, COMPOSE);
    project.write("templates/services/web/app.env", "PASSWORD='pa$word'\n");
    project.write("templates/services/web/conf/healthy", "yes\n");
    project.write("templates/services/web/secrets/token", "token\n");
    project
}

fn write(project: &Project, compose: &str) {
    project.write("templates/services/web/compose.yaml", compose);
}

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"])
}

/// The ids of containers by service.
fn containers(host: &Host<'_>) -> BTreeMap<String, String> {
    let listed = host.inside(
        "docker ps -a --filter label=com.docker.compose.project=web --format '{{.Label \"com.docker.compose.service\"}} {{.ID}}'",
    );
    let pairs = listed.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(service, id)| (service.to_owned(), id.to_owned())).collect()
}

/// The services whose containers differ.
fn renewed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let other = after.iter().filter(|(service, id)| before.get(*service) != Some(id));
    other.map(|(service, _)| service.clone()).collect()
}

#[test]
fn exactly_the_reviewed_services_get_other_containers() {
    let project = project();
    let host = project.up("dev", "alpha");
    host.inside(IMAGE);
    deploy(&project).expect(0);
    let first = containers(&host);
    assert_eq!(first.len(), 4);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));

    // A service alone, which others depend on.
    write(
        &project,
        &COMPOSE.replace("secrets: [token]\n", "secrets: [token]\n    labels: { a: b }\n"),
    );
    let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    assert!(review.stdout.contains("its configuration differs"), "{}", review.stdout);
    assert_eq!(containers(&host), first, "a dry run changes nothing");
    deploy(&project).expect(0);
    let second = containers(&host);
    assert_eq!(renewed(&first, &second), ["app", "side"]);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));

    // One that depends on another: compose gives its container another label than its files say.
    write(
        &project,
        &COMPOSE
            .replace("secrets: [token]\n", "secrets: [token]\n    labels: { a: b }\n")
            .replace("['true']", "['true', x]"),
    );
    deploy(&project).expect(0);
    let third = containers(&host);
    assert_eq!(renewed(&second, &third), ["job"]);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));

    // A mounted file restarts, and a secret too.
    let started = "docker inspect --format '{{.State.StartedAt}}' web-app-1";
    let before = host.inside(started);
    project.write("templates/services/web/secrets/token", "other\n");
    let ran = deploy(&project).expect(0);
    assert!(ran.stdout.contains("restarted"), "{}", ran.stdout);
    assert_eq!(containers(&host), third);
    assert_ne!(host.inside(started), before);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
}

#[test]
fn a_service_that_does_not_come_up_goes_back_to_what_ran() {
    let project = project();
    let host = project.up("dev", "alpha");
    host.inside(IMAGE);
    deploy(&project).expect(0);
    for broken in [
        // Never healthy, and a process that ends at once.
        COMPOSE.replace("cat, /conf/healthy", "cat, /conf/missing"),
        COMPOSE.replace(
            "network_mode: 'service:app' }",
            "network_mode: 'service:app', restart: always, entrypoint: [cat, /conf/lost] }",
        ),
    ] {
        write(&project, &broken);
        let ran = deploy(&project).expect(1);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains("went back"), "{told}");
        assert!(told.contains("1 put back"), "{told}");
        assert!(!told.contains("changes already applied"), "{told}");
        assert_eq!(host.inside("cat /opt/stacks/web/compose.yaml"), COMPOSE);
        let states = host.inside("docker ps --format '{{.Names}}' | sort");
        assert_eq!(states, "web-app-1\nweb-shop-1\nweb-side-1\n", "{broken}");
        host.inside("docker exec web-app-1 cat /conf/healthy");
        write(&project, COMPOSE);
        deploy(&project).expect(0);
        assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
    }
    // What compose does not read is refused in the review.
    write(&project, "services: { app: { image: 'demo:1', surprise: 1 } }\n");
    let ran = deploy(&project).expect(3);
    assert!(ran.stderr.contains("does not accept the project"), "{}", ran.stderr);
    assert_eq!(host.inside("cat /opt/stacks/web/compose.yaml"), COMPOSE);
}

/// What the stack of [`BUILT`] says of its files.
const STACK: &str = "[files.'conf/*']\nuser = 472\nmode = '0400'\n
[directories.'export/daily']\nuser = 472\nmode = '0700'\n
[on_change.'conf/**']\nreload = ['sh', '-c', 'cat /conf/a >/read']\n
[on_change.'one.conf']\nsignal = 'HUP'\n";

/// A service whose image is built, with a directory and a file.
const BUILT: &str = "services:
  app:
    build: ./app
    command: [sleep, infinity]
    init: true
    volumes: ['./conf:/conf', './one.conf:/one.conf']
";

#[test]
fn files_of_a_stack_are_read_again_and_images_built_again() {
    let project = Project::with_task(TASK);
    project.write(
        "inventories/dev.toml",
        "[hosts.alpha]\nlab = { image = 'debian:13-docker' }\n",
    );
    for (name, text) in [
        ("compose.yaml", BUILT),
        ("stack.toml", STACK),
        ("conf/a", "one\n"),
        ("one.conf", "one\n"),
        ("app/Dockerfile", "FROM demo:1\nCOPY hello /hello\n"),
        ("app/hello", "one\n"),
    ] {
        project.write(&format!("templates/services/web/{name}"), text);
    }
    let host = project.up("dev", "alpha");
    host.inside(IMAGE);
    let quiet = || assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
    deploy(&project).expect(0);
    quiet();
    assert_eq!(
        host.inside("cd /opt/stacks/web && stat -c '%u %a' conf/a export/daily"),
        "472 400\n472 700\n"
    );

    // A command in the container, and no restart.
    let started = "docker inspect --format '{{.State.StartedAt}}' web-app-1";
    let before = host.inside(started);
    project.write("templates/services/web/conf/a", "two\n");
    let ran = deploy(&project).expect(0);
    assert!(ran.stdout.contains("reloaded by"), "{}", ran.stdout);
    assert_eq!(host.inside("docker exec web-app-1 cat /read"), "two\n");
    assert_eq!(host.inside(started), before);
    quiet();

    // A file that is mounted alone needs one.
    project.write("templates/services/web/one.conf", "two\n");
    deploy(&project).expect(0);
    assert_eq!(host.inside("docker exec web-app-1 cat /one.conf"), "two\n");
    assert_ne!(host.inside(started), before);
    quiet();

    // What the image is built from.
    project.write("templates/services/web/app/hello", "two\n");
    let ran = deploy(&project).expect(0);
    assert!(ran.stdout.contains("its image is built anew"), "{}", ran.stdout);
    assert_eq!(host.inside("docker exec web-app-1 cat /hello"), "two\n");
    quiet();

    // A comment changes nothing, and is recorded.
    project.write("templates/services/web/compose.yaml", format!("# ours\n{BUILT}"));
    let ran = deploy(&project).expect(0);
    assert!(!ran.stdout.contains("compose service"), "{}", ran.stdout);
    quiet();

    // What compose said is read from the record, until anything that it reads is different.
    host.inside("sed -i 's/\"replicas\":null/\"replicas\":2/' /var/lib/homelab/compose/web");
    let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    assert!(review.stdout.contains("2 instead of 1"), "{}", review.stdout);
    host.inside("echo A=b >/opt/stacks/web/.env");
    quiet();
}
