//! The link, the tool or the engine is gone while an image is pulled or services are awaited, and a disk that is too small for an image:
//! what ran keeps running, and the next run finishes.

use std::process::{Child, Output, Stdio};
use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

const INVENTORY: &str = "[hosts.alpha]\nlab = { image = 'debian:13-docker', registry = true }\n";

const TASK: &str =
    "[[operation]]\nop = 'docker.compose'\nproject_directory = '/opt/stacks/web'\nstack = 'web'\nwithin = '120s'\n";

/// `app` is healthy once the host has a file.
const COMPOSE: &str = "services:
  app:
    image: IMAGE
    entrypoint: [sh, -c, 'sleep infinity']
    init: true
    restart: unless-stopped
    labels: { of: LABEL }
    volumes: ['/srv/flag:/flag']
    healthcheck: { test: [CMD, test, -e, /flag/ok], interval: 1s, retries: 600 }
  side: { image: 'busybox:1.37', command: [sleep, infinity], init: true, restart: unless-stopped }
";

const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing reaches the registry.
const HOLD: &str = "iptables -I OUTPUT -p tcp -d $(sed -n 's/ .* # homelab lab registry$//p' /etc/hosts) -j DROP";
/// Whether the engine asks the registry in vain. That `docker pull` runs is not enough: it may not have reached the engine yet.
const HELD: &str = "[ \"$(iptables -nvxL OUTPUT 1 | awk '{print $1}')\" -gt 0 ]";
const FREE: &str = "iptables -D OUTPUT -p tcp -d $(sed -n 's/ .* # homelab lab registry$//p' /etc/hosts) -j DROP";

#[derive(Clone, Copy, Debug)]
enum Stop {
    Kill,
    CutLink,
}

fn write(project: &Project, image: &str, label: &str) {
    let compose = COMPOSE.replace("IMAGE", image).replace("LABEL", label);
    project.write("templates/services/web/compose.yaml", compose);
}

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"])
}

fn quiet(project: &Project) {
    let again = deploy(project).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(!again.stdout.contains("earlier run"), "{}", again.stdout);
}

/// The first deploy.
fn begun(project: &Project) -> Host<'_> {
    project.write("inventories/dev.toml", INVENTORY);
    write(project, "busybox:1.37", "one");
    project.up("dev", "alpha")
}

fn start(project: &Project) -> Child {
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn stop(how: Stop, host: &Host<'_>, mut run: Child) -> Output {
    match how {
        Stop::Kill => run.kill().unwrap(),
        Stop::CutLink => {
            host.inside("pkill -KILL -f '^sshd(-session)?: root@notty'");
        }
    }
    run.wait_with_output().unwrap()
}

/// What runs, by service.
fn running(host: &Host<'_>) -> String {
    host.inside("docker ps --no-trunc --format '{{.Label \"com.docker.compose.service\"}} {{.ID}}' | sort")
}

fn side(host: &Host<'_>) -> String {
    host.inside("docker inspect -f '{{.Id}} {{.State.Running}}' web-side-1")
}

fn told(ran: &Output) -> String {
    text(&ran.stdout) + &text(&ran.stderr)
}

#[test]
fn a_run_that_is_cut_off_is_finished_by_the_next() {
    let project = Project::with_task(TASK);
    let host = begun(&project);
    host.inside("mkdir /srv/flag; touch /srv/flag/ok");
    deploy(&project).expect(0);
    quiet(&project);
    for (how, image) in [
        (Stop::Kill, "telegraf:latest"),
        (Stop::CutLink, "traefik/whoami:latest"),
    ] {
        // While an image is pulled.
        let before = running(&host);
        host.inside(HOLD);
        write(&project, image, "one");
        let run = start(&project);
        host.wait_until(HELD, PATIENCE);
        stop(how, &host, run);
        assert_eq!(running(&host), before, "{how:?}");
        host.inside(FREE);
        let next = deploy(&project).expect(0);
        let outcome =
            format!("an earlier run ended during `docker pull {image}`, which has finished successfully since");
        assert!(next.stdout.contains(&outcome), "{how:?}: {}", next.stdout);
        assert_ne!(running(&host), before, "{how:?}");
        quiet(&project);

        // While a service is awaited.
        let (before, beside) = (running(&host), side(&host));
        host.inside("rm /srv/flag/ok");
        write(&project, image, &format!("{how:?}"));
        let run = start(&project);
        let is_new = format!(
            "docker inspect -f '{{{{.Config.Labels.of}}}} {{{{.State.Running}}}}' web-app-1 | grep '{how:?} true'"
        );
        host.wait_until(&is_new, PATIENCE);
        stop(how, &host, run);
        assert_eq!(side(&host), beside, "{how:?}");
        host.inside("touch /srv/flag/ok");
        let next = deploy(&project).expect(0);
        let outcome = "an earlier run ended during `docker compose up app`, which has finished successfully since";
        assert!(next.stdout.contains(outcome), "{how:?}: {}", next.stdout);
        assert_ne!(running(&host), before, "{how:?}");
        assert_eq!(side(&host), beside, "{how:?}");
        quiet(&project);
    }
}

#[test]
fn an_engine_that_is_restarted_meanwhile_ends_no_service() {
    let project = Project::with_task(TASK);
    let host = begun(&project);
    host.inside("mkdir /srv/flag; touch /srv/flag/ok");
    deploy(&project).expect(0);
    let before = running(&host);

    // While an image is pulled: the pull fails.
    host.inside(HOLD);
    write(&project, "telegraf:latest", "one");
    let run = start(&project);
    host.wait_until(HELD, PATIENCE);
    host.inside("systemctl restart docker");
    host.inside(FREE);
    let failed = run.wait_with_output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", told(&failed));
    assert!(
        told(&failed).contains("docker pull telegraf:latest"),
        "{}",
        told(&failed)
    );
    host.wait_until("[ $(docker ps -q | wc -l) = 2 ]", PATIENCE);
    assert_eq!(running(&host), before);
    deploy(&project).expect(0);
    assert_ne!(running(&host), before);
    quiet(&project);

    // While a service is awaited: the same containers start again, and it becomes healthy.
    let beside = side(&host);
    host.inside("rm /srv/flag/ok");
    write(&project, "telegraf:latest", "two");
    let run = start(&project);
    host.wait_until(
        "docker inspect -f '{{.Config.Labels.of}} {{.State.Running}}' web-app-1 | grep 'two true'",
        PATIENCE,
    );
    host.inside("systemctl reset-failed docker; systemctl restart docker");
    host.inside("touch /srv/flag/ok");
    let ran = run.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
    assert_eq!(side(&host), beside);
    quiet(&project);
}

#[test]
fn an_image_that_does_not_fit_stops_nothing() {
    let project = Project::with_task(TASK);
    let host = begun(&project);
    host.inside(
        "mkdir /srv/flag; touch /srv/flag/ok; systemctl stop docker.socket docker; \
         mount -t tmpfs -o size=48m tmpfs /var/lib/docker && systemctl start docker",
    );
    deploy(&project).expect(0);
    let state = "docker ps -q --no-trunc | xargs docker inspect -f '{{.Name}} {{.Id}} {{.State.StartedAt}}' | sort; \
                 cat /opt/stacks/web/compose.yaml";
    let before = host.inside(state);
    write(&project, "debian:13", "one");
    let failed = deploy(&project).expect(1);
    let said = format!("{}{}", failed.stdout, failed.stderr);
    assert!(said.contains("no space left on device"), "{said}");
    assert!(said.contains("went back"), "{said}");
    assert_eq!(host.inside(state), before);
    write(&project, "busybox:1.37", "one");
    quiet(&project);
}
