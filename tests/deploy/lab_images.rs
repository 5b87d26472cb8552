//! The images of the lab's registry: real programs that answer, stand-ins that refuse to start without what the real ones need, and
//! images that cannot be pulled or started.

use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::Project;
use crate::support::registry::Registry;

const INVENTORY: &str = "[hosts.box]\nlab = { image = 'debian:13-docker', registry = true }\n";
/// Containers start one after the other on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Image, options of `docker run`, what is run in the container, and what it answers.
const REAL: [[&str; 4]; 8] = [
    ["caddy:2.6", "", "caddy version", "2.6.2"],
    ["caddy:2.10", "", "wget -qO- http://127.0.0.1/", "caddy"],
    [
        "eclipse-mosquitto",
        "",
        "mosquitto_pub -t lab -m here && echo sent",
        "sent",
    ],
    [
        "prom/prometheus",
        "",
        "wget -qO- http://127.0.0.1:9090/-/ready",
        "Prometheus Server is Ready.",
    ],
    [
        "prom/alertmanager",
        "",
        "amtool check-config /etc/alertmanager/alertmanager.yml >/dev/null && wget -qO- http://127.0.0.1:9093/-/ready",
        "OK",
    ],
    ["redis:8", "", "redis-cli ping", "PONG"],
    [
        "postgres:17",
        "-e POSTGRES_PASSWORD=secret -e POSTGRES_DB=documents",
        "psql -U postgres -tAc \"select 10 + 7\" documents",
        "17",
    ],
    [
        "tecnativa/docker-socket-proxy",
        "-e CONTAINERS=1 -v /var/run/docker.sock:/var/run/docker.sock:ro",
        "wget -qO- http://127.0.0.1:2375/containers/json >/dev/null && ! wget -qO- http://127.0.0.1:2375/images/json 2>/dev/null && echo containers alone",
        "containers alone",
    ],
];

const STAND_INS: [[&str; 4]; 9] = [
    [
        "traefik/whoami",
        "--hostname me",
        "wget -qO- http://127.0.0.1/",
        "Hostname: me",
    ],
    [
        "grafana/grafana:12.1",
        "",
        "wget -qO- http://127.0.0.1:3000/api/health",
        "{\"database\":\"ok\"}",
    ],
    ["grafana/loki", "", "wget -qO- http://127.0.0.1:3100/ready", "ready"],
    [
        "grafana/alloy",
        "-v /srv/good.conf:/etc/alloy/config.alloy",
        "wget -qO- http://127.0.0.1:12345/-/ready",
        "Alloy is ready.",
    ],
    [
        "ghcr.io/gethomepage/homepage",
        "",
        "wget -qO- http://127.0.0.1:3000/api/healthcheck",
        "up",
    ],
    [
        "louislam/dockge:1",
        "-e DOCKGE_STACKS_DIR=/opt/stacks",
        "wget -qO- http://127.0.0.1:5001/",
        "dockge",
    ],
    [
        "pihole/pihole:2026.04.0",
        "-e FTLCONF_webserver_api_password=secret -e 'FTLCONF_dns_hosts=192.0.2.7 a.lan;192.0.2.8 b.lan'",
        "nslookup -type=a b.lan 127.0.0.1 | grep -o 192.0.2.8",
        "192.0.2.8",
    ],
    ["telegraf", "", "wget -qO- http://127.0.0.1:8080/", "telegraf"],
    [
        "influxdb:2",
        "-e DOCKER_INFLUXDB_INIT_USERNAME=a -e DOCKER_INFLUXDB_INIT_PASSWORD_FILE=/srv/password -v /srv/good.conf:/srv/password \
         -e DOCKER_INFLUXDB_INIT_ORG=o -e DOCKER_INFLUXDB_INIT_BUCKET=b",
        "influx ping",
        "{\"status\":\"pass\"}",
    ],
];

/// Image, options, and why it does not start.
const REFUSED: [[&str; 3]; 10] = [
    ["lab/crash:1", "", "cannot start"],
    [
        "grafana/grafana",
        "--user 5",
        "cannot write to /var/lib/grafana as uid 5",
    ],
    [
        "grafana/grafana",
        "-v /srv/bad.yaml:/etc/grafana/provisioning/bad.yaml",
        "/etc/grafana/provisioning/bad.yaml: while parsing",
    ],
    ["postgres:17", "", "the variable POSTGRES_PASSWORD is missing or empty"],
    [
        "ghcr.io/paperless-ngx/paperless-ngx",
        "-e PAPERLESS_REDIS=redis://a -e PAPERLESS_DBHOST=b -e PAPERLESS_DBPASS=c",
        "the variable PAPERLESS_SECRET_KEY is missing or empty",
    ],
    ["pihole/pihole", "", "there is no password"],
    [
        "pihole/pihole",
        "-e FTLCONF_webserver_api_password=secret -e FTLCONF_dns_host=x",
        "does not know FTLCONF_dns_host",
    ],
    ["grafana/alloy", "", "/etc/alloy/config.alloy: no such file"],
    [
        "telegraf",
        "-v /srv/bad.yaml:/etc/telegraf/telegraf.conf",
        "/etc/telegraf/telegraf.conf: ",
    ],
    [
        "influxdb:2",
        "",
        "the variable DOCKER_INFLUXDB_INIT_USERNAME is missing or empty",
    ],
];

/// What cannot be pulled, and what Docker says of it.
const NOT_PULLED: [[&str; 2]; 3] = [
    ["lab/damaged:1", "filesystem layer verification failed"],
    ["lab/other-platform:1", "no matching manifest"],
    ["lab/missing:1", "manifest unknown"],
];

#[test]
fn images_of_the_lab_answer_or_refuse_as_the_real_ones_do() {
    let project = Project::of(&[
        ("inventories/dev.toml", INVENTORY),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['all']\n"),
        (
            "tasks/all.toml",
            "[[operation]]\nop = 'files.directory'\npath = '/srv/here'\n",
        ),
    ]);
    let host = project.up("dev", "box");
    host.inside("echo 'a: [' >/srv/bad.yaml; echo 'a = 1' >/srv/good.conf");
    for (list, label) in [(&REAL[..], ""), (&STAND_INS[..], "true")] {
        for [image, options, question, answer] in list {
            host.inside(&format!("docker run -d --name one {options} {image}"));
            let asked = format!("test \"$(docker exec one sh -c '{question}' 2>/dev/null)\" = '{answer}'");
            host.wait_until(&asked, PATIENCE);
            let labelled = host.inside("docker inspect -f '{{index .Config.Labels \"homelab.stand-in\"}}' one");
            assert_eq!(labelled.trim(), label, "{image}");
            host.inside("docker rm -fv one");
        }
    }
    for [image, options, reason] in REFUSED {
        let ran = host.try_inside(&format!("docker run --rm {options} {image} 2>&1"));
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(!ran.status.success() && said.contains(reason), "{image}: {said}");
    }
    for [image, reason] in NOT_PULLED {
        let pulled = host.try_inside(&format!("docker pull {image} 2>&1"));
        let said = String::from_utf8_lossy(&pulled.stdout);
        assert!(!pulled.status.success() && said.contains(reason), "{image}: {said}");
    }
    tags_move(&host);
}

/// A tag may mean another image tomorrow; what was pulled by the digest of its index stays what it was.
fn tags_move(host: &Host<'_>) {
    let registry = Registry::of(host);
    registry.copy("library/busybox", "test/moves");
    let digest = "docker inspect -f '{{index .RepoDigests 0}}' test/moves:1.37";
    let pull = || host.inside(&format!("docker pull -q test/moves:1.37 >/dev/null && {digest}"));
    let first = pull();
    assert_eq!(pull(), first);
    registry.move_tag("test/moves", "1.37", "library/redis", "8");
    let second = pull();
    assert_ne!(second, first);
    host.inside(&format!("docker pull -q {}", first.trim()));
    registry.remove("test/moves");
    assert!(!host.is("docker pull -q test/moves:1.37"));
}
