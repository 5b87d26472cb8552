//! The services box of this repository's own project: an empty host gets updates, an engine and all stacks in one deploy. Then one
//! change of the project is one change of the host.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::registry::Registry;

const PATIENCE: Duration = Duration::from_secs(180);
const INVENTORY: &str = "groups = ['development']\n[hosts.box]\nlab = { registry = true }\ngroups = ['services', 'docker']\ndata = { ftp_scanner.enabled = true }\n";

/// A few of its stacks, on a host with an engine.
const FEW: &str = "groups = ['development']
[hosts.box]
lab = { image = 'debian:13-docker', registry = true }
groups = ['services', 'docker']
[hosts.box.data]
stacks = ['mosquitto', 'recorder', 'hook', 'alertmanager', 'prometheus', 'caddy']
stack_settings.alertmanager.wait = '1s'
[hosts.box.data.alerts]
webhook = 'http://hook:8000/cgi-bin/alerts'
email = { to = 'anna@lab.example', from = 'box@lab.example', server = 'mail.lab.example:587', user = 'box', password = 'geheim' }
";
const FEW_TASKS: &str = "hosts = ['services']
tasks = [
  'docker/networks', 'docker/folder', 'docker/backups',
  { task = 'docker/stack', for_each = 'stacks', vars = { stack = '{{ item }}' } },
  'services/caddy-root',
]
";

/// Keeps what alerts are sent to it. It answers only after it has read all: Go drops a connection that answers before.
const HOOK: &str = r"services:
  hook:
    image: busybox:1.37
    init: true
    networks: [reverse_proxy_net]
    command:
      - sh
      - -c
      - |
        mkdir -p /www/cgi-bin
        printf '%s\n' '#!/bin/sh' 'cat >>/got' 'echo Content-Type: text/plain' 'echo' >/www/cgi-bin/alerts
        chmod +x /www/cgi-bin/alerts
        exec httpd -f -p 8000 -h /www
networks:
  reverse_proxy_net: { external: true }
";

fn project() -> Project {
    let project = Project::of_this_repository();
    project.write("inventories/dev.toml", INVENTORY);
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    project
}

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "services", "--yes"]).expect(0)
}

/// Each container of a compose project with its id and when it was started.
fn containers(host: &Host<'_>) -> BTreeMap<String, (String, String)> {
    let listed = host.inside("docker inspect -f '{{.Name}} {{.Id}} {{.State.StartedAt}}' $(docker ps -aq)");
    let fields = listed.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let entry = |fields: Vec<&str>| (fields[0][1..].to_owned(), (fields[1].to_owned(), fields[2].to_owned()));
    fields.map(entry).collect()
}

/// The containers that were created anew, and those that were only started again.
fn touched(
    before: &BTreeMap<String, (String, String)>,
    after: &BTreeMap<String, (String, String)>,
) -> (Vec<String>, Vec<String>) {
    let same = |name: &String| before.get(name).map(|(id, _)| id) == after.get(name).map(|(id, _)| id);
    let (kept, renewed): (Vec<&String>, Vec<&String>) = after.keys().partition(|name| same(name));
    let restarted = kept.into_iter().filter(|name| before.get(*name) != after.get(*name));
    (renewed.into_iter().cloned().collect(), restarted.cloned().collect())
}

/// The page at the root of a site, by the certificates that the host itself trusts.
fn page(host: &Host<'_>, site: &str) -> String {
    page_with(host, site, "")
}

/// The page at the root of a site for who sends these lines too.
fn page_with(host: &Host<'_>, site: &str, lines: &str) -> String {
    host.inside(&format!(
        "printf 'GET / HTTP/1.1\\r\\nHost: {site}\\r\\n{lines}Connection: close\\r\\n\\r\\n' | openssl s_client -quiet -verify_return_error \
         -CAfile /etc/ssl/certs/ca-certificates.crt -servername {site} -connect 127.0.0.1:443 2>/dev/null"
    ))
}

#[test]
fn an_empty_host_becomes_the_services_box() {
    let project = project();
    let host = project.up("dev", "box");
    let review = project.homelab(&["deploy", "dev", "services", "--dry-run"]).expect(0);
    let open: Vec<&str> = review
        .stdout
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("? "))
        .collect();
    let open: Vec<&str> = open.into_iter().map(|line| line.split("   ").next().unwrap()).collect();
    // Directories that packages might bring, what only a running server can give, and a command that is due if that changes something.
    assert_eq!(
        open,
        [
            "? directory /etc/homelab/backups",
            "? directory /var/backups/stacks",
            "? capture caddy_root",
            "? trust it",
            "? files.template /var/lib/prometheus/node-exporter/homelab-certificates.prom",
        ],
        "{}",
        review.stdout
    );
    // Their files use a token that the same run makes.
    for service in ["telegraf/telegraf", "grafana/grafana"] {
        let line = format!("+ compose service {service}");
        assert!(review.stdout.contains(&line), "no `{line}` in\n{}", review.stdout);
    }
    let deployed = deploy(&project);
    for purpose in [
        "grafana admin",
        "mqtt recorder",
        "paperless database",
        "influxdb2 admin token",
    ] {
        let password = project.homelab(&["secrets", "lab-password", purpose]).expect(0).stdout;
        for shown in [&review.stdout, &deployed.stdout, &deployed.stderr] {
            assert!(!shown.contains(password.trim()), "the password of {purpose} is shown");
        }
    }
    quiet(&project);

    let unwell = host.inside("docker ps -a --format '{{.Names}} {{.Status}}' | grep -v ' Up ' || true");
    assert_eq!(unwell, "", "all containers run");
    for (site, expected) in [
        ("grafana.dev.lab.example", "grafana"),
        ("paperless.dev.lab.example", "paperless"),
        ("dockge.dev.lab.example", "401 Unauthorized"),
        ("dev.lab.example", "homepage"),
        ("prometheus.dev.lab.example", "/classic/graph"),
    ] {
        let page = page(&host, site);
        assert!(page.contains(expected), "{site}: {page}");
    }
    let redirect = plain_page(&host, "grafana.dev.lab.example");
    assert!(redirect.contains("308"), "{redirect}");
    nothing_is_open_that_must_not_be(&host);
    dockge_asks_for_its_password(&project, &host);
    a_scanner_uploads(&project, &host);
    sensors_are_recorded(&project, &host);
    hosts_are_measured(&host);
    expiry_is_measured(&host);
    one_stack_alone_is_deployed(&project, &host);
    what_has_data_comes_back(&project, &host);
    a_stack_is_added_and_removed(&project, &host);
}

/// What comes of a request for a site without TLS.
fn plain_page(host: &Host<'_>, site: &str) -> String {
    host.inside(&format!(
        "bash <<'end'\nexec 3<>/dev/tcp/127.0.0.1/80\n\
         printf 'GET / HTTP/1.1\\r\\nHost: {site}\\r\\nConnection: close\\r\\n\\r\\n' >&3\ncat <&3\nend"
    ))
}

/// A password of the key of the lab.
fn password(project: &Project, purpose: &str) -> String {
    let shown = project.homelab(&["secrets", "lab-password", purpose]).expect(0).stdout;
    shown.trim().to_owned()
}

/// Its first visitor becomes its administrator, so that must be someone with the password of the site.
fn dockge_asks_for_its_password(project: &Project, host: &Host<'_>) {
    let right = password(project, "dockge site");
    for (password, expected) in [(right.as_str(), "dockge"), ("another", "401 Unauthorized")] {
        let line = host.inside(&format!("printf 'admin:{password}' | base64 -w0"));
        let line = format!("Authorization: Basic {line}\\r\\n");
        let page = page_with(host, "dockge.dev.lab.example", &line);
        assert!(page.contains(expected), "{page}");
    }
    let logins = host.inside("stat -c %a /opt/stacks/caddy/conf/logins");
    assert_eq!(logins, "400\n");
}

/// Who may write to a topic is recorded; no other is, with any password.
fn sensors_are_recorded(project: &Project, host: &Host<'_>) {
    let publish = |user: &str, message: &str| {
        let password = password(project, &format!("mqtt {user}"));
        host.inside(&format!(
            "docker exec mosquitto-mosquitto-1 mosquitto_pub -q 1 -u {user} -P {password} -t sensors/kitchen -m {message}"
        ))
    };
    let recorded = "docker exec recorder-recorder-1 sh -c 'cat /records/*'";
    publish("telegraf", "forged");
    publish("sensors", "21.5");
    host.wait_until(&format!("{recorded} | grep -q 'sensors/kitchen 21.5'"), PATIENCE);
    assert!(!host.inside(recorded).contains("forged"));
}

/// Prometheus reads itself, Alertmanager and the host.
fn hosts_are_measured(host: &Host<'_>) {
    let targets = "docker exec prometheus-prometheus-1 wget -qO- 'http://127.0.0.1:9090/api/v1/targets?state=active'";
    let health = "grep -o '\"health\":\"[a-z]*\"' | sort | uniq -c | tr -s ' '";
    let reached = format!("[ \"$({targets} | {health})\" = ' 3 \"health\":\"up\"' ]");
    host.wait_until(&reached, PATIENCE);
    let node = format!("\"instance\":\"{}:9100\",\"job\":\"node\"", host.address());
    let found = host.inside(targets);
    assert!(found.contains(&node), "no {node} in {found}");
}

/// With `--only`, the token that another stack makes is read, and the review names the stacks that were not looked at.
fn one_stack_alone_is_deployed(project: &Project, host: &Host<'_>) {
    for stack in ["grafana", "telegraf"] {
        let run = project
            .homelab(&["deploy", "dev", "services", "--only", stack, "--yes"])
            .expect(0);
        assert!(run.stdout.contains("nothing to do on 1 host"), "{}", run.stdout);
        let skipped = run.stdout.split_once("skipped: ");
        let (_, skipped) = skipped.unwrap_or_else(|| panic!("{}", run.stdout));
        // It takes several lines.
        let skipped = skipped.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(skipped.contains("caddy of docker/stack (--only)"), "{skipped}");
        assert!(!skipped.contains(&format!("{stack},")), "{skipped}");
    }
    let before = containers(host);
    let other = ["--data", "stack_settings.grafana.host_name=graphs.dev.lab.example"];
    let only = [&["deploy", "dev", "services", "--only", "grafana", "--yes"], &other[..]].concat();
    project.homelab(&only).expect(0);
    let (new, again) = touched(&before, &containers(host));
    assert_eq!((new, again), (texts(&["grafana-grafana-1"]), Vec::new()));
    let of_caddy = "grep -rq graphs.dev.lab.example /opt/stacks/caddy";
    assert!(!host.is(of_caddy), "Caddy was not looked at");
    deploy(project);
}

/// A backup of each stack with data, and what was in it comes back after it is gone. `InfluxDB`, Grafana and Paperless are stand-ins, whose
/// commands copy files; Mosquitto and Caddy are the real ones.
fn what_has_data_comes_back(project: &Project, host: &Host<'_>) {
    let backup = |command: &str, stack: &str, more: &[&str]| {
        project
            .homelab(&[&["backup", command, "dev", "box", stack], more].concat())
            .expect(0);
    };
    let sensors = password(project, "mqtt sensors");
    let publish = format!("docker exec mosquitto-mosquitto-1 mosquitto_pub -u sensors -P {sensors} -r -t sensors/kept");
    host.inside(&format!("{publish} -m 7"));
    for (stack, service, file) in [
        ("influxdb2", "influxdb2", "/var/lib/influxdb2/kept"),
        ("grafana", "grafana", "/var/lib/grafana/kept"),
        ("paperless", "webserver", "/usr/src/paperless/media/kept"),
        ("recorder", "recorder", "/records/kept"),
        ("mosquitto", "mosquitto", "/mosquitto/data/kept"),
        ("caddy", "caddy", "/data/kept"),
    ] {
        let inside = format!("docker exec {stack}-{service}-1");
        host.inside(&format!("{inside} sh -c 'echo {stack} >{file}'"));
        backup("run", stack, &[]);
        host.inside(&format!("{inside} rm {file}"));
        if stack == "mosquitto" {
            host.inside(&format!("{publish} -n"));
        }
        backup("restore", stack, &["--yes"]);
        assert_eq!(host.inside(&format!("{inside} cat {file}")), format!("{stack}\n"));
    }
    let recorder = password(project, "mqtt recorder");
    let kept =
        format!("docker exec mosquitto-mosquitto-1 mosquitto_sub -u recorder -P {recorder} -t sensors/kept -C 1 -W 5");
    assert_eq!(host.inside(&kept), "7\n", "a retained message");
    let well = "! docker ps -a --format '{{.Status}}' | grep -v '^Up' && ! docker ps --format '{{.Status}}' | grep -e unhealthy -e starting";
    host.wait_until(well, PATIENCE);
    quiet(project);
}

/// A command adds a stack, and Caddy has its site in the same deploy. Without its word, it is told, and removed without its volume.
fn a_stack_is_added_and_removed(project: &Project, host: &Host<'_>) {
    let new = [
        "new",
        "stack",
        "whoami",
        "--image",
        "traefik/whoami:v1.11",
        "--port",
        "80",
    ];
    project.homelab(&new).expect(0);
    let compose = "templates/services/whoami/compose.yaml.j2";
    let text = std::fs::read_to_string(project.root().join(compose)).unwrap();
    let volume = "    volumes: [\"data:/data\"]\n";
    let text = text.replace("networks:\n  rev", "volumes: { data: }\nnetworks:\n  rev");
    project.write(compose, text.replace("    restart:", &format!("{volume}    restart:")));
    let list = "group_data/services.toml";
    let with_it = std::fs::read_to_string(project.root().join(list)).unwrap();
    deploy(project);
    let page = page(host, "whoami.dev.lab.example");
    assert!(page.contains("Hostname: "), "{page}");
    quiet(project);

    project.write(list, with_it.replace("\"whoami\", ", "").replace(", \"whoami\"", ""));
    let told = deploy(project).stdout;
    assert!(
        told.contains("orphan: compose project whoami is no longer in the configuration"),
        "{told}"
    );
    assert!(told.contains("its volumes stay: whoami_data"), "{told}");
    assert_eq!(host.inside("docker ps -q --filter name=whoami-whoami-1 | wc -l"), "1\n");
    let pruned = project
        .homelab(&["deploy", "dev", "services", "--yes", "--prune"])
        .expect(0)
        .stdout;
    assert!(pruned.contains("compose service whoami/whoami"), "{pruned}");
    assert_eq!(host.inside("docker ps -aq --filter name=whoami-whoami-1"), "");
    assert_eq!(
        host.inside("docker volume ls -q --filter name=whoami_data"),
        "whoami_data\n"
    );
    let again = deploy(project).stdout;
    assert!(again.contains("nothing to do on 1 host"), "{again}");
}

/// With the password of the key of the lab, and with no other, and to Paperless. Without `enabled`, nothing of it is in the plan.
fn a_scanner_uploads(project: &Project, host: &Host<'_>) {
    let right = password(project, "ftp scanner");
    for (password, expected) in [(right.as_str(), "230 227 150 226 "), ("another", "530 530 530 530 ")] {
        let said = host.inside(&format!(
            r#"bash <<'end'
exec 3<>/dev/tcp/127.0.0.1/21
read -r answer <&3
ask() {{ printf '%s\r\n' "$1" >&3; read -r answer <&3; }}
ask 'USER scanner'
ask 'PASS {password}'
printf '%s ' "${{answer%% *}}"
ask PASV
printf '%s ' "${{answer%% *}}"
numbers=${{answer##*(}}
IFS=, read -r _ _ _ _ high low <<<"${{numbers%%)*}}"
[[ $answer != 227* ]] || exec 4<>"/dev/tcp/127.0.0.1/$((high * 256 + low))"
ask 'STOR upload/scan.pdf'
printf '%s ' "${{answer%% *}}"
if [[ $answer == 150* ]]; then
    printf scanned >&4
    exec 4>&-
    read -r answer <&3
fi
printf '%s ' "${{answer%% *}}"
end"#
        ));
        assert_eq!(said, expected);
    }
    let uploaded = "cd /usr/src/paperless/consume && stat -c %u scan.pdf && cat scan.pdf";
    let uploaded = host.inside(&format!("docker exec paperless-webserver-1 sh -c '{uploaded}'"));
    assert_eq!(uploaded, "1001\nscanned");
    assert!(!host.is("su scanner -c true"), "it has no shell");
    let off = [
        "deploy",
        "dev",
        "services",
        "--dry-run",
        "--data",
        "ftp_scanner.enabled=false",
    ];
    let review = project.homelab(&off).expect(0);
    assert!(!review.stdout.contains("vsftpd"), "{}", review.stdout);
}

/// The node exporter says when the certificate of Caddy's authority expires, as OpenSSL reads it.
fn expiry_is_measured(host: &Host<'_>) {
    let end = host.inside(
        "date -d \"$(openssl x509 -noout -enddate -in /usr/local/share/ca-certificates/caddy-root.crt | cut -d= -f2)\" +%s",
    );
    let metric = "homelab_certificate_not_after_timestamp_seconds";
    let line = format!(
        "sed -n 's/^{metric}{{source=\"caddy\".*}} //p' /var/lib/prometheus/node-exporter/homelab-certificates.prom"
    );
    assert_eq!(host.inside(&line), end);
    let metrics = host
        .inside("bash -c 'exec 3<>/dev/tcp/127.0.0.1/9100; printf \"GET /metrics HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3'");
    let expected = format!("{metric}{{kind=\"authority\",name=\"root\",source=\"caddy\"}}");
    assert!(metrics.contains(&expected), "{metrics}");
    assert!(metrics.contains("\nnode_textfile_scrape_error 0\n"), "{metrics}");
}

/// Only the sites, the broker and FTP are reached from outside, the broker takes no client without a password, and only proxies have
/// Docker's socket.
fn nothing_is_open_that_must_not_be(host: &Host<'_>) {
    let published = host.inside("docker ps --format '{{.Ports}}' | grep -o '0.0.0.0:[0-9]*' | sort -u");
    assert_eq!(published, "0.0.0.0:1883\n0.0.0.0:443\n0.0.0.0:80\n");
    let anonymous = host.inside("docker exec mosquitto-mosquitto-1 mosquitto_pub -t sensors/x -m 1 2>&1; echo $?");
    assert!(
        anonymous.contains("not authorised") && anonymous.ends_with("5\n"),
        "{anonymous}"
    );
    let holders = host.inside(
        "docker inspect -f '{{.Config.Image}} {{range .Mounts}}{{.Source}} {{end}}' $(docker ps -aq) | grep docker.sock | cut -d: -f1 | sort -u",
    );
    assert_eq!(holders, "tecnativa/docker-socket-proxy\n");
    let readable = host.inside("find /opt/stacks -name '*.env' -perm /o+r -o -path '*/secrets/*' -type f -perm /o+r");
    let readable = readable.replace("/opt/stacks/homepage/homepage.env\n", "");
    assert_eq!(readable, "", "what has passwords in it is for its owner");
}

#[test]
fn one_change_of_the_project_is_one_change_of_the_host() {
    let project = &project();
    project.write("inventories/dev.toml", FEW);
    project.write("deploys/services.toml", FEW_TASKS);
    project.write("templates/services/hook/compose.yaml", HOOK);
    let host = &project.up("dev", "box");
    deploy(project);
    quiet(project);
    alerts_arrive(host);
    let mut before = containers(host);
    let mut change = |what: &str, renewed: &[&str], restarted: &[&str]| {
        deploy(project);
        let after = containers(host);
        let (new, again) = touched(&before, &after);
        assert_eq!((new, again), (texts(renewed), texts(restarted)), "{what}");
        quiet(project);
        before = after;
    };
    // A line of a mounted configuration.
    let conf = "templates/services/mosquitto/config/mosquitto.conf";
    let text = std::fs::read_to_string(project.root().join(conf)).unwrap();
    project.write(conf, text + "max_keepalive 600\n");
    change("a mounted file", &[], &["mosquitto-mosquitto-1"]);
    // A value of a file of variables.
    let data = "group_data/services.toml";
    let text = std::fs::read_to_string(project.root().join(data)).unwrap();
    let recorder = text.replace(
        "[secrets]",
        "[stack_settings.recorder]\ntopics = [\"sensors/+\"]\n[secrets]",
    );
    project.write(data, &recorder);
    change("a variable", &["recorder-recorder-1"], &[]);
    // A site more is a reload of Caddy, which no container notices.
    project.write(
        data,
        recorder.replace(
            "other_sites = []",
            "other_sites = [{ host = \"x.dev.lab.example\", upstream = \"prometheus:9090\" }, \
             { host = \"plain.dev.lab.example\", upstream = \"prometheus:9090\", tls = false }]",
        ),
    );
    change("sites", &[], &[]);
    assert!(page(host, "x.dev.lab.example").contains("/classic/graph"));
    assert!(plain_page(host, "plain.dev.lab.example").contains("/classic/graph"));
    // The tag means another image.
    let registry = Registry::of(host);
    registry.copy("traefik/whoami", "services/moved");
    project.write(
        "templates/services/prometheus/compose.yaml.j2",
        std::fs::read_to_string(project.root().join("templates/services/prometheus/compose.yaml.j2"))
            .unwrap()
            .replace(
                "  prometheus:\n    image",
                "  moved: { image: 'services/moved:latest', networks: [reverse_proxy_net] }\n  prometheus:\n    image",
            ),
    );
    change("a service more", &["prometheus-moved-1"], &[]);
    registry.move_tag("services/moved", "latest", "library/redis", "8");
    host.inside("docker pull -q services/moved:latest");
    change("another image", &["prometheus-moved-1"], &[]);
    registry.remove("services/moved");
    broken_files_are_refused(project, host);
}

/// What the program that reads a file would not accept is refused by it, in a container of its own, before anything of the stack changes.
fn broken_files_are_refused(project: &Project, host: &Host<'_>) {
    let caddyfile = "templates/services/caddy/conf/Caddyfile.j2";
    let rules = "templates/services/prometheus/config/rules.yml";
    let rule = "  - name: broken\n    rules:\n      - alert: Broken\n        expr: sum(\n";
    for (path, broken, file, said) in [
        (
            caddyfile,
            "\nbroken.test {\n\tno_such_directive\n}\n",
            "caddy/conf/Caddyfile",
            "no_such_directive",
        ),
        (rules, rule, "prometheus/config/rules.yml", "unclosed left parenthesis"),
    ] {
        let text = std::fs::read_to_string(project.root().join(path)).unwrap();
        let file = format!("cat /opt/stacks/{file}");
        let (before, old) = (containers(host), host.inside(&file));
        project.write(path, format!("{text}{broken}"));
        let review = project.homelab(&["deploy", "dev", "services", "--dry-run"]).expect(0);
        assert!(review.stdout.contains("checked at apply by `"), "{}", review.stdout);
        let open = review.stdout.lines().find(|line| line.trim().starts_with("? "));
        assert_eq!(open, None, "{}", review.stdout);
        let refused = project.homelab(&["deploy", "dev", "services", "--yes"]).expect(1);
        let told = refused.stdout + &refused.stderr;
        assert!(
            told.contains(said) && told.contains("nothing of the stack was changed"),
            "{told}"
        );
        assert_eq!(containers(host), before, "nothing was stopped");
        assert_eq!(host.inside(&file), old, "the old one is there");
        assert!(
            page(host, "x.dev.lab.example").contains("/classic/graph"),
            "the old one serves"
        );
        let left = "ls -d /var/lib/homelab/validate 2>/dev/null; docker ps -aq --filter name=homelab-validate";
        assert_eq!(host.inside(left), "");
        project.write(path, format!("{text}\n# right\n"));
        deploy(project);
        assert!(host.inside(&file).ends_with("# right\n"));
        quiet(project);
    }
}

/// The programs accept what they are given, each rule says what it should, and an alert gets to its receiver.
fn alerts_arrive(host: &Host<'_>) {
    let prometheus = "docker exec -i prometheus-prometheus-1";
    host.inside(&format!(
        "{prometheus} promtool check config /etc/prometheus/prometheus.yml"
    ));
    let tests = include_str!("alerts.yml");
    host.inside(&format!(
        "{prometheus} sh -c 'cd /prometheus && cat >alerts.yml && TMPDIR=. promtool test rules alerts.yml && rm alerts.yml' <<'end'\n{tests}end\n"
    ));
    let told = format!("{prometheus} wget -qO- http://127.0.0.1:9090/api/v1/alertmanagers");
    host.wait_until(&format!("{told} | grep -q alertmanager:9093"), PATIENCE);
    let alertmanager = "docker exec alertmanager-alertmanager-1 amtool";
    let checked = host.inside(&format!(
        "{alertmanager} check-config /etc/alertmanager/alertmanager.yml"
    ));
    assert!(checked.contains("1 receivers"), "{checked}");
    host.inside(&format!(
        "{alertmanager} alert add DiskNearlyFull instance=nas --alertmanager.url=http://127.0.0.1:9093"
    ));
    host.wait_until(
        "docker exec hook-hook-1 grep -q '\"alertname\":\"DiskNearlyFull\",\"instance\":\"nas\"' /got",
        PATIENCE,
    );
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Nothing is left to do, and one round trip finds that.
fn quiet(project: &Project) {
    let again = project.homelab(&["deploy", "dev", "services", "--yes", "-v"]).expect(0);
    assert!(again.stdout.contains("nothing to do on 1 host"), "{}", again.stdout);
    assert_eq!(again.stderr.matches("round trips: 1\n").count(), 1, "{}", again.stderr);
}
