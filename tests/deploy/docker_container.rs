//! A container of `docker.container`: created again if it differs, and the old one back if the new one does not run.

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const INVENTORY: &str = "[hosts.alpha]\nlab = { image = 'debian:13-docker', registry = true }\n";

const TASK: &str = "[[operation]]
op = 'docker.container'
container = 'web'
image = 'busybox:1.37'
command = ['sh', '-c', 'echo serving; exec sleep infinity']
ports = ['8080:80']
volumes = ['/data']
env_vars = { WORD = '$a \"b\" #c' }
within = '10s'
";

fn write(project: &Project, task: &str) {
    project.write("tasks/test/files.toml", task);
}

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"])
}

/// All containers by name and id, and whether they run.
fn containers(host: &Host<'_>) -> String {
    host.inside("docker ps -a --no-trunc --format '{{.Names}} {{.ID}} {{.State}}' | sort")
}

/// A change of the task, and what is said of it in the review, before anything changes.
const IN_REVIEW: [[&str; 3]; 7] = [
    ["'8080:80'", "'8081:80'", "container `beside` publishes it"],
    ["'8080:80'", "'127.0.0.1:22:80'", "`sshd` listens on it"],
    ["'8080:80'", "'--help'", "is not a valid port"],
    ["'/data'", "'--help'", "is not a valid volume"],
    [
        "within",
        "networks = ['lost']\nwithin",
        "there is no Docker network `lost`",
    ],
    [
        "within",
        "env_files = ['/etc/lost']\nwithin",
        "`/etc/lost` does not exist",
    ],
    ["busybox:1.37'", "lab/missing:1'\npull = 'never'", "is not on the host"],
];

/// A change of the task, and what is said of it at apply: of the first three before the container is stopped.
const AT_APPLY: [[&str; 2]; 8] = [
    ["busybox:1.37'", "lab/missing:1'"],
    ["busybox:1.37'", "lab/damaged:1'"],
    ["'/data'", "'/data:/data:nonsense'"],
    ["['sh', '-c', 'echo serving; exec sleep infinity']", "['/lost']"],
    ["['sh', '-c', 'echo serving; exec sleep infinity']", "['--help']"],
    ["exec sleep infinity']", "exit 3']\nrestart_policy = 'no'"],
    ["exec sleep infinity']", "sleep 1; exit 4']\nrestart_policy = 'always'"],
    ["exec sleep infinity']", "exit 0']"],
];

#[test]
fn what_does_not_come_up_gives_way_to_the_container_of_before() {
    let project = Project::with_task(TASK);
    project.write("inventories/dev.toml", INVENTORY);
    let host = project.up("dev", "alpha");
    deploy(&project).expect(0);
    assert_eq!(host.inside("docker exec web sh -c 'echo \"$WORD\"'"), "$a \"b\" #c\n");
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
    host.inside("docker run -d --name beside -p 8081:80 busybox:1.37 sleep infinity; docker exec web touch /data/kept");
    let first = containers(&host);
    let state = "docker inspect -f '{{.State.StartedAt}}' web";
    let started = host.inside(state);
    for [part, wrong, told] in IN_REVIEW {
        assert!(TASK.contains(part), "{part}");
        write(&project, &TASK.replace(part, wrong));
        let refused = deploy(&project);
        assert!(matches!(refused.code, Some(2 | 3)), "{wrong}: {}", refused.stderr);
        assert!(refused.stderr.contains(told), "{wrong}: {}", refused.stderr);
        assert_eq!(containers(&host), first, "{wrong}");
    }
    for (number, [part, wrong]) in AT_APPLY.into_iter().enumerate() {
        assert!(TASK.contains(part), "{part}");
        write(&project, &TASK.replace(part, wrong));
        let failed = deploy(&project).expect(1);
        let said = format!("{}{}", failed.stdout, failed.stderr);
        assert_eq!(containers(&host), first, "{wrong}: {said}");
        assert_eq!(said.contains("went back"), number >= 3, "{wrong}: {said}");
        if number < 3 {
            assert_eq!(host.inside(state), started, "{wrong}");
        }
        if wrong.contains("exit") {
            assert!(said.contains("serving"), "its log is shown: {said}");
        }
    }
    write(&project, TASK);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));

    // Another container, with what is in the anonymous volume of the old one.
    write(&project, &TASK.replace("8080:80", "8082:80"));
    let ran = deploy(&project).expect(0);
    assert!(ran.stdout.contains("interrupts a running service"), "{}", ran.stdout);
    assert_ne!(containers(&host), first);
    host.inside("docker exec web ls /data/kept");
    assert_eq!(host.inside("docker volume ls -q | wc -l"), "1\n");
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));

    // The variables of a container are compared, and not shown; a run that was cut off is made up for.
    write(&project, &TASK.replace("8080:80", "8082:80").replace("#c", "#d"));
    host.inside(
        "cd /var/lib/homelab/containers && mkdir -p .previous && docker inspect -f '{{.Id}}' web >.previous/web; \
         docker rename web web.homelab-previous; docker create --name web busybox:1.37",
    );
    let ran = deploy(&project).expect(0);
    assert!(!ran.stdout.contains("#d"), "{}", ran.stdout);
    assert_eq!(
        host.inside("docker exec web sh -c 'ls /data; echo \"$WORD\"'"),
        "kept\n$a \"b\" #d\n"
    );
    assert_eq!(
        host.inside("docker ps -a --format '{{.Names}}' | sort"),
        "beside\nweb\n"
    );
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));

    // Containers of others with such names are left alone, and in the way.
    host.inside("for n in previous next; do docker run -d --name web.homelab-$n busybox:1.37 sleep 9999; done");
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
    let before = containers(&host);
    write(&project, &TASK.replace("8080:80", "8083:80"));
    let told = |ran: Ran| format!("{}{}", ran.stdout, ran.stderr);
    let ran = told(deploy(&project).expect(1));
    assert!(ran.contains("web.homelab-next"), "{ran}");
    assert_eq!(containers(&host), before);
    host.inside("docker rm -f web.homelab-next");
    let ran = told(deploy(&project).expect(1));
    assert!(ran.contains("web.homelab-previous"), "{ran}");
    host.inside("docker rm -f web.homelab-previous");
    deploy(&project).expect(0);
    assert!(deploy(&project).expect(0).stdout.contains("nothing to do"));
}
