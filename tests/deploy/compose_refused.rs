//! What is wrong with a compose project, as far as it can be known: told before anything changes, and what ran keeps running.

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const INVENTORY: &str = "[hosts.box]\nlab = { image = 'debian:13-docker', registry = true }\n";

/// Its network is there.
const TASK: &str =
    "[[operation]]\nop = 'docker.compose'\nproject_directory = '/opt/stacks/web'\nstack = 'web'\nwithin = '20s'\n";

const COMPOSE: &str = "services:
  app:
    image: traefik/whoami:v1.11
    ports: ['8080:80']
    env_file: app.env
    secrets: [token]
    networks: [lan]
networks: { lan: { external: true } }
secrets: { token: { file: ./secrets/token } }
";

fn project() -> Project {
    let project = Project::of(&[
        ("inventories/dev.toml", INVENTORY),
        ("deploys/all.toml", "hosts = ['*']\ntasks = ['all']\n"),
        ("tasks/all.toml", TASK),
        ("templates/services/web/app.env", "NAME=value\n"),
        ("templates/services/web/secrets/token", "token\n"),
    ]);
    write(&project, COMPOSE);
    project
}

fn write(project: &Project, compose: &str) {
    project.write("templates/services/web/compose.yaml", compose);
}

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"])
}

/// What runs, and since when; and the files of the project.
fn state(host: &Host<'_>) -> String {
    host.inside(
        "docker ps -q --no-trunc | xargs docker inspect -f '{{.Name}} {{.Id}} {{.State.StartedAt}}' | sort; \
         find /opt/stacks -type f -exec sha256sum {} + | sort",
    )
}

/// A change of the compose file, what the host has beside, and what the refusal says.
const IN_REVIEW: [[&str; 4]; 8] = [
    [
        "image: traefik/whoami:v1.11",
        "image: traefik/whoami:v1.11\n    surprise: 1",
        "",
        "does not accept the project",
    ],
    [
        "env_file: app.env",
        "env_file: lost.env",
        "",
        "`env_file` of service `app` names a file that the stack does not have",
    ],
    [
        "networks: [lan]",
        "networks: [wan]",
        "",
        "unknown network `wan` of service `app`",
    ],
    [
        "lan: { external: true }",
        "lan: { external: true, name: wan }",
        "",
        "Docker network `wan` does not exist",
    ],
    ["8080:80", "22:80", "", "port 22 of service `app` is taken"],
    ["8080:80", "127.0.0.1:22:80", "", "`sshd` listens on it"],
    [
        "8080:80",
        "8081:80",
        "docker run -d --name beside -p 127.0.0.1:8081:80 traefik/whoami:v1.11",
        "container `beside` publishes it",
    ],
    [
        "    ports",
        "    container_name: beside\n    ports",
        "docker create --name beside busybox:1.37",
        "the name `beside` for the container of service `app` is taken",
    ],
];

#[test]
fn what_can_be_known_before_is_refused_in_the_review() {
    let project = project();
    let host = project.up("dev", "box");
    host.inside("docker network create lan");
    deploy(&project).expect(0);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
    for [part, wrong, beside, refusal] in IN_REVIEW {
        assert!(COMPOSE.contains(part), "{part}");
        host.inside(beside);
        let before = state(&host);
        write(&project, &COMPOSE.replace(part, wrong));
        for dry_run in [true, false] {
            let mode = if dry_run { "--dry-run" } else { "--yes" };
            let refused = project.homelab(&["deploy", "dev", "all", mode]).expect(3);
            assert!(refused.stderr.contains(refusal), "{wrong}: {}", refused.stderr);
            assert_eq!(state(&host), before, "{wrong}");
        }
        host.inside("docker rm -f beside 2>/dev/null; true");
    }
    // A file behind a secret, which compose itself only warns of.
    write(&project, &COMPOSE.replace("./secrets/token", "./secrets/lost"));
    let before = state(&host);
    let refused = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(3);
    assert!(
        refused
            .stderr
            .contains("secret `token` names a file that the stack does not have"),
        "{}",
        refused.stderr
    );
    assert_eq!(state(&host), before);
    write(&project, COMPOSE);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
}

/// A change of the compose file, and the expected message.
const AT_APPLY: [[&str; 3]; 6] = [
    ["traefik/whoami:v1.11", "lab/missing:1", "manifest unknown"],
    ["traefik/whoami:v1.11", "lab/damaged:1", "verification failed"],
    ["traefik/whoami:v1.11", "lab/other-platform:1", "no matching manifest"],
    // A crash loop without health check, one that ends at once, and one that is never healthy.
    [
        "traefik/whoami:v1.11",
        "lab/crash:1\n    restart: always",
        "cannot start",
    ],
    ["traefik/whoami:v1.11", "lab/crash:1", "exit code 3"],
    [
        "    ports",
        "    healthcheck: { test: [CMD, 'false'], interval: 1s, retries: 1 }\n    ports",
        "unhealthy",
    ],
];

#[test]
fn what_shows_only_at_apply_goes_back_to_what_ran() {
    let project = project();
    // On a busy machine a process may need seconds until it ends.
    project.write("tasks/all.toml", format!("{TASK}settle = '8s'\n"));
    let host = project.up("dev", "box");
    host.inside("docker network create lan");
    deploy(&project).expect(0);
    let answer = "docker exec web-app-1 wget -qO- http://127.0.0.1/ | grep -c Hostname";
    for [part, wrong, told] in AT_APPLY {
        assert!(COMPOSE.contains(part), "{part}");
        write(&project, &COMPOSE.replace(part, wrong));
        let failed = deploy(&project).expect(1);
        let said = format!("{}{}", failed.stdout, failed.stderr);
        assert!(said.contains(told), "{wrong}: {said}");
        assert_eq!(host.inside(answer), "1\n", "{wrong}");
        assert_eq!(host.inside("cat /opt/stacks/web/compose.yaml"), COMPOSE, "{wrong}");
        assert_eq!(
            host.inside("docker ps -a --format '{{.Names}}'"),
            "web-app-1\n",
            "{wrong}"
        );
    }
    write(&project, COMPOSE);
    deploy(&project).expect(0);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
}

/// A service gets another name, with the name and port of its container as before, and does not start: the old one serves again.
#[test]
fn a_service_that_was_removed_for_another_comes_back() {
    let project = project();
    let host = project.up("dev", "box");
    host.inside("docker network create lan");
    let named = COMPOSE.replace("    ports", "    container_name: web\n    ports");
    write(&project, &named);
    deploy(&project).expect(0);
    let before = host.inside("docker ps -a --no-trunc --format '{{.Names}} {{.ID}}'");
    let renamed = named.replace("  app:", "  shop:");
    write(&project, &renamed.replace("traefik/whoami:v1.11", "lab/crash:1"));
    let failed = deploy(&project).expect(1);
    assert!(failed.stdout.contains("- compose service web/app"), "{}", failed.stdout);
    assert_eq!(
        host.inside("docker ps -a --no-trunc --format '{{.Names}} {{.ID}}'"),
        before
    );
    host.inside("docker exec web wget -qO- http://127.0.0.1/");

    write(&project, &renamed);
    deploy(&project).expect(0);
    let after = host.inside("docker ps -a --format '{{.Names}} {{.Label \"com.docker.compose.service\"}}'");
    assert_eq!(after, "web shop\n");
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
}

/// compose has only the name of a config in its hash.
#[test]
fn another_content_of_a_config_reaches_the_container() {
    let project = project();
    let host = project.up("dev", "box");
    host.inside("docker network create lan");
    let with = |text: &str| {
        COMPOSE.replace(
            "    ports",
            "    configs: [{ source: greeting, target: /greeting }]\n    ports",
        ) + &format!("configs: {{ greeting: {{ content: '{text}' }} }}\n")
    };
    for text in ["hello", "good evening", "hello"] {
        write(&project, &with(text));
        deploy(&project).expect(0);
        assert_eq!(host.inside("docker exec web-app-1 cat /greeting"), text);
        assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
    }
}
