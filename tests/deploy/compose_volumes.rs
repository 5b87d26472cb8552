//! Volumes of compose projects that are created again, or go with their project.

use crate::support::project::{Project, Ran};

fn project() -> Project {
    Project::of(&[
        (
            "inventories/dev.toml",
            "[hosts.box]\nlab = { image = 'debian:13-docker', registry = true }\n",
        ),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['all']\n"),
    ])
}

fn write(project: &Project, task: &str, size: &str, command: &str) {
    let task = format!(
        "[[operation]]\nop = 'docker.compose'\nproject_directory = '/opt/stacks/web'\nstack = 'web'\nwithin = '10s'\n{task}"
    );
    project.write("tasks/all.toml", task);
    let compose = format!(
        "services:\n  app: {{ image: 'busybox:1.37', command: {command}, init: true, volumes: ['data:/data'] }}\n\
         volumes: {{ data: {{ driver_opts: {{ type: tmpfs, device: tmpfs, o: 'size={size}' }} }}, kept: {{}} }}\n"
    );
    project.write("templates/services/web/compose.yaml", compose);
}

fn deploy(project: &Project, code: i32) -> Ran {
    project.homelab(&["deploy", "dev", "site", "--yes"]).expect(code)
}

#[test]
fn a_volume_is_created_again_if_that_is_allowed() {
    const SLEEPS: &str = "[sleep, infinity]";
    let project = project();
    write(&project, "", "1m", SLEEPS);
    let host = project.up("dev", "box");
    deploy(&project, 0);
    let options = "docker volume inspect -f '{{.Options.o}}' web_data";
    assert_eq!(host.inside(options), "size=1m\n");

    write(&project, "", "2m", SLEEPS);
    let refused = deploy(&project, 3);
    assert!(
        refused.stderr.contains("recreate_volumes = [\"data\"]"),
        "{}",
        refused.stderr
    );

    write(&project, "recreate_volumes = ['data']\n", "2m", SLEEPS);
    host.inside("docker run -d --name other -v web_data:/data busybox:1.37 sleep infinity");
    let refused = deploy(&project, 3);
    assert!(refused.stderr.contains("containers: `other`"), "{}", refused.stderr);
    host.inside("docker rm -f other");

    let ran = deploy(&project, 0);
    assert!(
        ran.stdout.contains("is lost") && ran.stdout.contains("is created again"),
        "{}",
        ran.stdout
    );
    assert_eq!(host.inside(options), "size=2m\n");
    assert_eq!(
        host.inside("docker exec web-app-1 df -k /data | tail -n 1 | awk '{ print $2 }'"),
        "2048\n"
    );
    assert!(deploy(&project, 0).stdout.contains("nothing to do"));

    // A service that does not come up has the volume of before again.
    write(&project, "recreate_volumes = ['data']\n", "3m", "['false']");
    let ran = deploy(&project, 1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        told.contains("went back") && told.contains("web_data is empty"),
        "{told}"
    );
    assert_eq!(host.inside(options), "size=2m\n");
    assert_eq!(
        host.inside("docker inspect -f '{{.State.Running}}' web-app-1"),
        "true\n"
    );
    write(&project, "recreate_volumes = ['data']\n", "2m", SLEEPS);
    assert!(deploy(&project, 0).stdout.contains("nothing to do"));

    write(&project, "present = false\n", "2m", SLEEPS);
    deploy(&project, 0);
    assert!(host.inside("docker volume ls -q").contains("web_data"));
    write(&project, "present = false\nremove_volumes = true\n", "2m", SLEEPS);
    let ran = deploy(&project, 0);
    assert!(ran.stdout.contains("docker volume web_data"), "{}", ran.stdout);
    assert!(!host.inside("docker volume ls -q").contains("web_data"));
    assert!(deploy(&project, 0).stdout.contains("nothing to do"));
}
