//! What a failed change of a compose project leaves on a host: nothing that was not there before, or it says what.

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

/// Makes an image of a few programs of the host.
const IMAGE: &str = "cd / && tar -ch bin/sh bin/sleep bin/true bin/false bin/cat lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 \
                     | docker import - demo:1";

/// A service that runs on.
const RUNS: &str = "{ image: 'demo:1', command: [sleep, infinity], init: true }";

fn project(task: &str) -> Project {
    let project = Project::with_task(&format!("[[operation]]\nop = 'docker.compose'\nstack = 'web'\n{task}"));
    project.write(
        "inventories/dev.toml",
        "[hosts.alpha]\nlab = { image = 'debian:13-docker' }\n",
    );
    project
}

fn write(project: &Project, services: &str) {
    project.write("templates/services/web/compose.yaml", format!("services:\n{services}"));
}

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"])
}

fn quiet(project: &Project) {
    let ran = deploy(project).expect(0);
    assert!(ran.stdout.contains("nothing to do"), "{}", ran.stdout);
}

fn told(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

/// The containers of the project and their states.
fn containers(host: &Host<'_>) -> String {
    host.inside("docker ps -a --filter label=com.docker.compose.project=web --format '{{.Names}} {{.State}}' | sort")
}

#[test]
fn a_failed_start_leaves_nothing_and_says_what_failed() {
    let project = project("project_directory = '/opt/stacks/web'\nwithin = '90s'\n");
    write(
        &project,
        "  app: { image: 'demo:1', command: ['false'], restart: always, volumes: ['./made/here:/x'], networks: [own] }\nnetworks: { own: {} }\n",
    );
    let host = project.up("dev", "alpha");
    host.inside(IMAGE);
    let ran = deploy(&project).expect(1);
    let text = told(&ran);
    assert!(text.contains("service app ends again and again"), "{text}");
    assert!(text.contains("went back: the files are as before"), "{text}");
    assert!(text.contains("what this operation changed is as before"), "{text}");
    let left = "docker network ls -q --filter label=com.docker.compose.project; docker ps -aq; ls -d /opt/stacks 2>/dev/null || :";
    assert_eq!(host.inside(left), "", "{text}");

    // What cannot be removed is named.
    write(
        &project,
        "  app:\n    image: demo:1\n    command: [sh, -c, 'echo kept >/x/file; echo no such thing >&2; exit 3']\n    volumes: ['./made:/x', 'data:/data']\nvolumes: { data: {} }\n",
    );
    let text = told(&deploy(&project).expect(1));
    assert!(
        text.contains("service app has ended: container web-app-1 is exited, exit code 3"),
        "{text}"
    );
    assert!(text.contains("log: no such thing"), "{text}");
    assert!(
        text.contains("these stay: volume web_data, /opt/stacks/web/made, which is not empty"),
        "{text}"
    );
    assert!(!text.contains("what this operation changed is as before"), "{text}");
    host.inside("rm -r /opt/stacks; docker volume rm web_data");

    // A service that is unhealthy has used up its retries.
    let unhealthy = "  app: { image: 'demo:1', command: [sleep, infinity], init: true, healthcheck: { test: [CMD, cat, /missing], interval: 1s, retries: 2 } }\n";
    write(&project, unhealthy);
    let text = told(&deploy(&project).expect(1));
    assert!(
        text.contains("service app is unhealthy: container web-app-1 is running, unhealthy"),
        "{text}"
    );
    assert_eq!(text.matches("health check: ").count(), 1, "{text}");

    // A command that fails in a container is not one of compose.
    project.write(
        "templates/services/web/stack.toml",
        "[on_change.'conf/**']\nservice = 'app'\nreload = ['cat', '/missing']\n",
    );
    project.write("templates/services/web/conf/a", "one\n");
    write(&project, &format!("  app: {RUNS}\n"));
    deploy(&project).expect(0);
    quiet(&project);
    project.write("templates/services/web/conf/a", "two\n");
    let text = told(&deploy(&project).expect(1));
    assert!(
        text.contains("service app was not reloaded: `cat /missing` failed in container web-app-1 with exit code 1"),
        "{text}"
    );
    assert!(
        text.contains("failed to run `docker compose exec app cat /missing`"),
        "{text}"
    );
    assert_eq!(host.inside("cat /opt/stacks/web/conf/a"), "one\n");
}

#[test]
fn services_that_were_scaled_or_started_go_back_too() {
    let project = project("project_directory = '/opt/stacks/web'\nwithin = '90s'\n");
    let services = |app: &str| {
        format!(
            "  app: {app}\n  scaled: {}\n  stopped: {}\n",
            RUNS.replace('}', ", scale: 2 }"),
            RUNS.replace('}', ", restart: always }")
        )
    };
    write(&project, &services(RUNS));
    let host = project.up("dev", "alpha");
    host.inside(IMAGE);
    deploy(&project).expect(0);
    quiet(&project);
    host.inside("docker rm -f web-scaled-2; docker stop -t 0 web-stopped-1");
    let before = containers(&host);
    assert_eq!(
        before,
        "web-app-1 running\nweb-scaled-1 running\nweb-stopped-1 exited\n"
    );
    write(&project, &services("{ image: 'demo:1', command: ['false'] }"));
    let text = told(&deploy(&project).expect(1));
    assert!(
        text.contains("went back: the files and services are as before"),
        "{text}"
    );
    assert_eq!(containers(&host), before, "{text}");
    write(&project, &services(RUNS));
    deploy(&project).expect(0);
    quiet(&project);

    // Without an engine nothing goes back, and no message says so.
    let slow = "{ image: 'demo:1', command: [sleep, infinity], init: true, healthcheck: { test: [CMD, cat, /missing], interval: 30s } }";
    write(&project, &services(slow));
    host.inside("(sleep 1; while ! docker ps | grep -q 'health: starting'; do sleep 1; done; systemctl stop docker docker.socket) >/dev/null 2>&1 &");
    let text = told(&deploy(&project).expect(1));
    assert!(text.contains("the Docker engine does not answer any more"), "{text}");
    assert!(
        text.contains("did not go back, since the Docker engine does not answer"),
        "{text}"
    );
    assert!(!text.contains("put back") && !text.contains("as before"), "{text}");
    host.inside("systemctl start docker.socket docker");
    write(&project, &services(RUNS));
    deploy(&project).expect(0);
    quiet(&project);
}

#[test]
fn a_stack_in_the_directory_of_a_user_goes_back() {
    let project = project("project_directory = '/home/bob/web'\nuser = 'bob'\nwithin = '30s'\n");
    let app = |command: &str| format!("  app: {}\n", RUNS.replace("[sleep, infinity]", command));
    write(&project, &app("[sleep, infinity]"));
    project.write("templates/services/web/conf/a", "one\n");
    let host = project.up("dev", "alpha");
    host.inside(IMAGE);
    host.inside("useradd -m bob && install -d -o bob /home/bob/web /home/bob/web/conf");
    deploy(&project).expect(0);
    quiet(&project);
    let compose = host.inside("cat /home/bob/web/compose.yaml");
    write(&project, &app("['false']"));
    project.write("templates/services/web/conf/a", "two\n");
    project.write("templates/services/web/conf/new", "new\n");
    let text = told(&deploy(&project).expect(1));
    assert!(
        text.contains("went back: the files and services are as before"),
        "{text}"
    );
    assert_eq!(host.inside("cat /home/bob/web/compose.yaml"), compose);
    assert_eq!(
        host.inside("cat /home/bob/web/conf/a; ls /home/bob/web/conf"),
        "one\na\n"
    );
    assert_eq!(host.inside("stat -c %U /home/bob/web/compose.yaml"), "bob\n");
    assert_eq!(containers(&host), "web-app-1 running\n");

    // Never through a link that the user puts there meanwhile.
    host.inside("mkdir /srv/other && echo other >/srv/other/a && echo other >/srv/other/new");
    host.inside("(while ! docker ps -a --format '{{.State}}' | grep -q exited; do sleep 0.2; done; runuser -u bob -- sh -c 'mv /home/bob/web/conf /home/bob/web/old && ln -s /srv/other /home/bob/web/conf') >/dev/null 2>&1 &");
    write(&project, &app("[sh, -c, 'sleep 2; exit 1']"));
    let text = told(&deploy(&project).expect(1));
    assert!(!text.contains("what this operation changed is as before"), "{text}");
    assert_eq!(host.inside("cat /srv/other/a /srv/other/new"), "other\nother\n");
}
