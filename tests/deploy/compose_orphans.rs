//! Compose projects that left the configuration.

use crate::support::project::Project;

#[test]
fn a_stack_that_left_the_list_is_told_and_pruned_without_its_volumes() {
    let inventory = |stacks: &str| {
        format!(
            "[hosts.box]\nlab = {{ image = 'debian:13-docker', registry = true }}\ndata = {{ stacks = [{stacks}], stacks_path = '/opt/stacks' }}\n"
        )
    };
    let project = Project::of(&[
        ("inventories/dev.toml", &inventory("'web', 'shop', 'plain'")),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['all']\n"),
        (
            "tasks/all.toml",
            "[[operation]]\nop = 'docker.compose'\nfor_each = 'stacks'\nstack = '{{ item }}'\n",
        ),
    ]);
    project.write(
        "templates/services/plain/compose.yaml",
        "services:\n  app: { image: 'busybox:1.37', command: [sleep, infinity], init: true, volumes: ['data:/data'] }\nvolumes: { data: {} }\n",
    );
    for stack in ["web", "shop"] {
        project.write(
            &format!("templates/services/{stack}/compose.yaml"),
            "services:\n  app: { image: 'busybox:1.37', command: [sleep, infinity], init: true, volumes: ['data:/data', './export:/export'] }\n\
             volumes: { data: {} }\n",
        );
        project.write(
            &format!("templates/services/{stack}/stack.toml"),
            "[directories.export]\nmode = '0755'\n",
        );
    }
    let host = project.up("dev", "box");
    let run = |arguments: &[&str]| {
        let all: Vec<&str> = ["deploy", "dev", "site"].iter().chain(arguments).copied().collect();
        project.homelab(&all).expect(0).stdout
    };
    run(&["--yes"]);
    assert!(run(&["--yes"]).contains("nothing to do"));

    // What is gone but for its volume is not looked for any more.
    let round_trips = || {
        let ran = project.homelab(&["deploy", "dev", "site", "--dry-run", "-v"]).expect(0);
        assert!(ran.stdout.contains("nothing to do"), "{}", ran.stdout);
        let found = ran
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("box: round trips: "));
        found.unwrap_or_else(|| panic!("{}", ran.stderr)).to_owned()
    };
    let before = round_trips();
    project.write("inventories/dev.toml", inventory("'web', 'shop'"));
    run(&["--prune", "--yes"]);
    assert_eq!(round_trips(), before);
    let volumes = host.inside("docker volume ls -q; ls /opt/stacks");
    assert!(
        volumes.contains("plain_data") && !volumes.contains("plain\n"),
        "{volumes}"
    );

    host.inside("echo kept >/opt/stacks/web/export/report");

    project.write("inventories/dev.toml", inventory("'shop'"));
    let review = run(&["--dry-run"]);
    assert!(
        review.contains("orphan: compose project web is no longer in the configuration"),
        "{review}"
    );
    assert!(review.contains("its volumes stay: web_data"), "{review}");
    assert!(!review.contains("compose project shop"), "{review}");
    assert!(host.inside("docker ps --format '{{.Names}}'").contains("web-app-1"));

    let pruned = run(&["--prune", "--yes"]);
    assert!(pruned.contains("compose service web/app"), "{pruned}");
    let left =
        host.inside("docker ps -a --format '{{.Names}}'; docker network ls --format '{{.Name}}'; docker volume ls -q");
    assert!(!left.contains("web-app-1") && !left.contains("web_default"), "{left}");
    assert!(left.contains("shop-app-1") && left.contains("web_data"), "{left}");
    assert_eq!(host.inside("cd /opt/stacks/web && find . -type f"), "./export/report\n");
    assert!(run(&["--yes"]).contains("nothing to do"));
    let after = run(&["--dry-run"]);
    assert!(!after.contains("compose project web"), "{after}");
}
