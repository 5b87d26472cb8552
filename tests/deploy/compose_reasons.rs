//! Each reason for which a service of a compose project is touched, with the containers that `docker ps` then shows: others stay.

use std::collections::BTreeMap;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const TASK: &str =
    "[[operation]]\nop = 'docker.compose'\nproject_directory = '/opt/stacks/web'\nstack = 'web'\nwithin = '20s'\n";

/// `app` lives in the network of `vpn`, `desk` is restarted with `shop`, and `job` ends.
const COMPOSE: &str = "x-app: &app { image: 'demo:1', command: [sleep, infinity], init: true }
services:
  vpn: { image: 'vpn:1', command: [sleep, infinity], init: true }
  app: { <<: *app, network_mode: 'service:vpn' }
  shop: { <<: *app, volumes: ['./conf:/conf', 'data:/data'], networks: [lan] }
  desk: { <<: *app, depends_on: { shop: { condition: service_started, restart: true } } }
  job: { image: 'demo:1', command: ['true'], restart: 'no' }
networks: { lan: { external: true } }
volumes: { data: { name: first } }
";

/// Makes images of a few programs of the host.
const IMAGES: &str = "cd / && tar -ch bin/sh bin/sleep bin/true bin/cat lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 \
                      | docker import - demo:1 && docker tag demo:1 vpn:1 && docker network create lan";

/// Gives the tag of the tunnel another image.
const OTHER_VPN: &str = "cd / && tar -ch bin/sh bin/sleep bin/true bin/ls lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 \
                         | docker import - vpn:1";

/// A change, and what comes of it.
struct Step {
    /// What is replaced in the compose file, and by what; it stays so.
    edit: [&'static str; 2],
    /// A line for the host before.
    on_host: &'static str,
    /// What the review says.
    reasons: &'static [&'static str],
    /// The services that get other containers, and those whose containers are started again.
    renewed: &'static [&'static str],
    restarted: &'static [&'static str],
}

const STEPS: &[Step] = &[
    Step {
        edit: ["networks: [lan] }", "networks: [lan], labels: { a: b } }"],
        reasons: &["its configuration differs", "`shop` is restarted"],
        renewed: &["shop"],
        restarted: &["desk"],
        ..EMPTY
    },
    Step {
        on_host: OTHER_VPN,
        reasons: &["its image is another one", "it lives in `vpn`"],
        renewed: &["app", "vpn"],
        ..EMPTY
    },
    Step {
        edit: [
            "network_mode: 'service:vpn' }",
            "network_mode: 'service:vpn', labels: { a: b } }",
        ],
        reasons: &["its configuration differs"],
        renewed: &["app"],
        ..EMPTY
    },
    Step {
        on_host: "docker network disconnect -f lan web-shop-1 && docker network rm lan && docker network create lan",
        reasons: &["it is not in network `lan`", "`shop` is restarted"],
        renewed: &["shop"],
        restarted: &["desk"],
        ..EMPTY
    },
    Step {
        edit: ["name: first", "name: second"],
        reasons: &["`/data` is on another volume"],
        renewed: &["shop"],
        restarted: &["desk"],
        ..EMPTY
    },
    Step {
        on_host: "docker stop -t 1 web-shop-1",
        reasons: &["compose service web/shop"],
        restarted: &["shop"],
        ..EMPTY
    },
    Step {
        on_host: "docker restart -t 1 web-vpn-1",
        reasons: &["`vpn`, in which it lives, was started since"],
        restarted: &["app"],
        ..EMPTY
    },
    Step {
        on_host: "docker rm -f web-app-1 web-job-1",
        reasons: &["+ compose service web/app", "+ compose service web/job"],
        renewed: &["app", "job"],
        ..EMPTY
    },
    Step {
        edit: ["command: ['true'], restart", "command: ['true', x], restart"],
        reasons: &["its configuration differs"],
        renewed: &["job"],
        ..EMPTY
    },
    Step {
        edit: ["  job: {", "  task: {"],
        reasons: &["+ compose service web/task", "- compose service web/job"],
        renewed: &["task"],
        ..EMPTY
    },
];

const EMPTY: Step = Step {
    edit: ["", ""],
    on_host: "",
    reasons: &[],
    renewed: &[],
    restarted: &[],
};

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"])
}

/// The id of the container of each service, and when it was started.
fn containers(host: &Host<'_>) -> BTreeMap<String, (String, String)> {
    let listed = host.inside(
        "docker ps -aq --no-trunc | xargs docker inspect -f '{{index .Config.Labels \"com.docker.compose.service\"}} {{.Id}} {{.State.StartedAt}}'",
    );
    let each = listed.lines().map(|line| line.split(' ').map(str::to_owned));
    each.map(|mut words| {
        let mut word = || words.next().unwrap();
        (word(), (word(), word()))
    })
    .collect()
}

#[test]
fn each_reason_changes_exactly_its_containers() {
    let project = Project::with_task(TASK);
    project.write(
        "inventories/dev.toml",
        "[hosts.alpha]\nlab = { image = 'debian:13-docker' }\n",
    );
    project.write("templates/services/web/conf/a", "one\n");
    let mut compose = COMPOSE.to_owned();
    project.write("templates/services/web/compose.yaml", &compose);
    let host = project.up("dev", "alpha");
    host.inside(IMAGES);
    deploy(&project).expect(0);
    assert_eq!(containers(&host).len(), 5);
    let quiet = |what: &str| {
        let again = deploy(&project).expect(0).stdout;
        assert!(again.contains("nothing to do"), "{what}: {again}");
    };
    quiet("the first deploy");
    for step in STEPS {
        let what = format!("{} {}", step.edit[1], step.on_host);
        if !step.edit[0].is_empty() {
            assert!(compose.contains(step.edit[0]), "{what}");
            compose = compose.replace(step.edit[0], step.edit[1]);
            project.write("templates/services/web/compose.yaml", &compose);
        }
        host.inside(step.on_host);
        let before = containers(&host);
        let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
        for reason in step.reasons {
            assert!(review.contains(reason), "{what}: no `{reason}` in {review}");
        }
        assert_eq!(containers(&host), before, "{what}: a dry run changes nothing");
        deploy(&project).expect(0);
        let after = containers(&host);
        let is_new = |service: &&String| before.get(*service).is_none_or(|then| then.0 != after[*service].0);
        let renewed: Vec<&String> = after.keys().filter(is_new).collect();
        assert_eq!(renewed, step.renewed, "{what}: {review}");
        let is_again = |service: &&String| before.get(*service).is_some_and(|then| then.1 != after[*service].1);
        let mut started: Vec<&String> = after.keys().filter(is_again).collect();
        started.retain(|service| !renewed.contains(service));
        assert_eq!(started, step.restarted, "{what}: {review}");
        quiet(&what);
    }
    assert!(!containers(&host).contains_key("job"));

    // A mounted file.
    let before = containers(&host);
    project.write("templates/services/web/conf/a", "two\n");
    deploy(&project).expect(0);
    let after = containers(&host);
    let restarted: Vec<&String> = after
        .keys()
        .filter(|service| after[*service].1 != before[*service].1)
        .collect();
    assert_eq!(restarted, ["desk", "shop"]);
    assert!(after.keys().all(|service| after[service].0 == before[service].0));
    quiet("a mounted file");
}
