//! nginx in front of models, as this repository's own project deploys it: its list follows the models, models that sleep are started
//! when a client asks them, and nothing that a model is called gets further than its name.

mod models;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::project::{Project, Ran};

use models::Models;

const PATIENCE: Duration = Duration::from_secs(120);
const KUBECTL: &str = "k3s kubectl --cache-dir=/dev/null/none -n inference-manager";
/// Ports that nothing else of this machine has.
const PORTS: [u16; 2] = [39_471, 39_472];
/// What nginx-sync may do, asked for by its name.
const AS_SYNC: &str = "--as=system:serviceaccount:inference-manager:nginx-sync";

fn project(models: &Models) -> Project {
    let project = Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    let gateway = docker(&[
        "network",
        "inspect",
        "-f",
        "{{(index .IPAM.Config 0).Gateway}}",
        "bridge",
    ]);
    let inventory = format!(
        "groups = ['development']\n[lab]\nkubernetes = true\n[hosts.kube-dev]\nlab = true\n\
         groups = ['kubernetes', 'k3s_servers', 'nginx_inference', 'workstations']\n[hosts.kube-dev.data]\n\
         k3s = {{ source = 'lab', server = 'kube-dev' }}\n\
         inference = {{ models_host = 'kube-dev', models_address = '{}', models_port = {}, interval = 1, empty_answers = 2, debounce = 1 }}\n",
        gateway.trim(),
        models.port
    );
    project.write("inventories/kubernetes.toml", inventory);
    project.write("deploys/cluster.toml", "hosts = ['kube-dev']\ntasks = ['k3s/server']\n");
    project
}

fn deploy(project: &Project, name: &str) -> Ran {
    project
        .homelab(&["deploy", "kubernetes", name, "--yes", "-v"])
        .expect(0)
}

/// nginx on its port of the node.
struct Nginx<'a> {
    host: &'a Host<'a>,
    address: String,
}

/// What a server answers, with its head.
fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: models\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn code_of(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

impl Nginx<'_> {
    fn get(&self, path: &str) -> String {
        get(&self.address, path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn code(&self, path: &str) -> String {
        code_of(&self.get(path)).to_owned()
    }

    /// Waits until nginx has loaded a list that `holds` is true of. The kubelet looks at ConfigMaps once a minute, and whenever a pod
    /// changes.
    #[track_caller]
    fn has_loaded(&self, holds: impl Fn(&str) -> bool) {
        let start = Instant::now();
        let read = format!("{KUBECTL} get configmap nginx-config-map -o jsonpath='{{.data.nginx\\.conf}}'");
        loop {
            let text = self.host.inside(&read);
            let generation = text
                .split("return 200 \"")
                .nth(1)
                .and_then(|rest| rest.split('\\').next());
            let loaded = self.get("/-/generation");
            if holds(&text) && generation.is_some_and(|generation| loaded.contains(generation)) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{loaded}\n{text}");
            let nudge = format!(
                "{KUBECTL} annotate pod -l app=nginx nudge={:?} --overwrite",
                start.elapsed()
            );
            self.host.inside(&nudge);
            thread::sleep(Duration::from_secs(1));
        }
    }

    fn number(&self, app: &str, port: u16, name: &str) -> f64 {
        let address = format!("{KUBECTL} get pod -l app={app} -o jsonpath='{{.items[0].status.podIP}}'");
        let text = self.host.inside(&format!(
            "{KUBECTL} exec deploy/nginx-deployment -c nginx -- wget -qO- \"http://$({address}):{port}/metrics\""
        ));
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.and_then(|line| line.rsplit(' ').next())
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("{name} is not in {text}"))
    }
}

/// Waits until the models' agent was asked for something.
#[track_caller]
fn asked(models: &Models, what: &str) -> String {
    let start = Instant::now();
    loop {
        let asked = models.asked();
        if let Some(found) = asked.iter().find(|asked| asked.starts_with(what)) {
            return found.clone();
        }
        assert!(start.elapsed() < Duration::from_secs(30), "nobody asked for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "CI has no room for it yet: HOMELAB_TEST_KUBERNETES=1 scripts/test runs it"]
fn nginx_follows_the_models() {
    let models = &Models::start();
    let project = &project(models);
    let host = &project.up("kubernetes", "kube-dev");
    deploy(project, "cluster");
    let refused = project.homelab(&["deploy", "kubernetes", "nginx-inference", "--dry-run"]);
    assert!(refused.stderr.contains("homelab agent image"), "{}", refused.stderr);
    project.homelab(&["agent", "image"]).expect(0);
    models.list(&[("tiny", PORTS[0])]);
    deploy(project, "nginx-inference");
    let nginx = &Nginx {
        host,
        address: format!("{}:30080", host.address()),
    };
    quiet(project);

    nginx.has_loaded(|text| text.contains("/tiny/"));
    a_model_that_sleeps_is_started(models, nginx);
    a_hostile_name_is_left_out(models, nginx);
    another_port_is_loaded_without_a_lost_request(models, nginx);
    rotated_and_truncated_logs_are_read(models, nginx);
    only_one_config_map(host);
    writes_over_what_changed_are_refused(models, nginx);
    the_last_model_is_removed(models, nginx);
    quiet(project);
}

#[track_caller]
fn quiet(project: &Project) {
    let again = deploy(project, "nginx-inference");
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

fn a_model_that_sleeps_is_started(models: &Models, nginx: &Nginx<'_>) {
    let listed = nginx.get("/tiny/v1/models");
    assert!(
        listed.starts_with("HTTP/1.1 200") && listed.contains("\"id\":\"tiny\""),
        "{listed}"
    );
    models.asked();
    let asleep = nginx.get("/tiny/v1/chat/completions");
    assert!(
        asleep.starts_with("HTTP/1.1 429") && asleep.contains("Retry-After: 60"),
        "{asleep}"
    );
    let started = asked(models, "POST /models/tiny/start");
    assert!(started.contains("Bearer "), "{started}");
    let awake = nginx.get("/tiny/v1/chat/completions?question=1");
    assert!(
        awake.ends_with("tiny says GET /v1/chat/completions?question=1\n"),
        "{awake}"
    );
    asked(models, "POST /models/tiny/report");
    assert_eq!(nginx.code("/other/"), "404");
}

fn a_hostile_name_is_left_out(models: &Models, nginx: &Nginx<'_>) {
    let evil = "x/ { return 200 evil; } location /evil";
    models.list(&[
        ("tiny", PORTS[0]),
        (evil, PORTS[0]),
        ("../tiny", PORTS[0]),
        ("two", PORTS[1]),
        ("zero", 0),
    ]);
    nginx.has_loaded(|text| text.contains("/two/"));
    let held = nginx
        .host
        .inside(&format!("{KUBECTL} get configmap nginx-config-map -o yaml"));
    assert!(
        !held.contains("evil") && !held.contains("..") && !held.contains("zero"),
        "{held}"
    );
    assert_eq!(nginx.code("/evil/"), "404");
    let refused = nginx.number("nginx-sync", 8080, "homelab_agent_sync_refused_models");
    assert!((refused - 3.0).abs() < 0.1, "{refused}");
    models.list(&[("tiny", PORTS[0])]);
    nginx.has_loaded(|text| !text.contains("/two/"));
}

fn another_port_is_loaded_without_a_lost_request(models: &Models, nginx: &Nginx<'_>) {
    let (enough, address) = (Arc::new(AtomicBool::new(false)), nginx.address.clone());
    let asking = thread::spawn({
        let enough = Arc::clone(&enough);
        move || {
            let mut answers = 0;
            while !enough.load(Ordering::Relaxed) {
                let answer = get(&address, "/-/health").unwrap_or_else(|error| panic!("after {answers}: {error}"));
                assert_eq!(code_of(&answer), "200", "after {answers}: {answer}");
                answers += 1;
            }
            answers
        }
    });
    models.list(&[("tiny", PORTS[1])]);
    nginx.has_loaded(|text| text.contains(&format!(":{}/", PORTS[1])));
    models.list(&[("tiny", PORTS[0])]);
    nginx.has_loaded(|text| text.contains(&format!(":{}/", PORTS[0])));
    enough.store(true, Ordering::Relaxed);
    let answers: u32 = asking.join().unwrap();
    assert!(answers > 100, "{answers}");
    // While the models are not listed, the last list stays.
    models.is_silent(true);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(nginx.code("/tiny/v1/models"), "200");
    models.is_silent(false);
}

fn rotated_and_truncated_logs_are_read(models: &Models, nginx: &Nginx<'_>) {
    let within = |line: &str| {
        nginx.host.inside(&format!(
            "{KUBECTL} exec deploy/nginx-deployment -c nginx -- sh -c '{line}'"
        ));
    };
    for line in [
        "mv /var/log/nginx/access.log /var/log/nginx/access.log.1 && kill -USR1 $(cat /tmp/nginx.pid)",
        ": >/var/log/nginx/access.log",
    ] {
        within(line);
        thread::sleep(Duration::from_secs(3));
        models.asked();
        assert_eq!(nginx.code("/tiny/x"), "200", "{line}");
        asked(models, "POST /models/tiny/report");
    }
}

/// The Role lets nginx-sync read and patch its own, and nothing else.
fn only_one_config_map(host: &Host<'_>) {
    let can = |what: &str| {
        let said = host.try_inside(&format!("{KUBECTL} auth can-i {what} {AS_SYNC}"));
        String::from_utf8_lossy(&said.stdout).trim() == "yes"
    };
    assert!(can("get configmaps/nginx-config-map") && can("patch configmaps/nginx-config-map"));
    for what in [
        "get configmaps/nginx-base",
        "patch configmaps/nginx-base",
        "update configmaps/nginx-config-map",
        "delete configmaps/nginx-config-map",
        "create configmaps",
        "list configmaps",
        "watch configmaps",
        "get secrets/models-read",
        "get secrets/models-operate",
        "list pods",
    ] {
        assert!(!can(what), "{what}");
    }
    let patch = format!("{KUBECTL} patch configmap nginx-base {AS_SYNC} -p '{{\"data\":{{\"x\":\"y\"}}}}'");
    let refused = host.try_inside(&patch);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("forbidden"),
        "{refused:?}"
    );
}

/// The API server refuses a write over an older version, and nginx-sync gets its list through while another client keeps writing.
fn writes_over_what_changed_are_refused(models: &Models, nginx: &Nginx<'_>) {
    let host = nginx.host;
    let version = host.inside(&format!(
        "{KUBECTL} get configmap nginx-config-map -o jsonpath='{{.metadata.resourceVersion}}'"
    ));
    host.inside(&format!("{KUBECTL} annotate configmap nginx-config-map by=another"));
    let stale = format!(
        "printf '%s' '{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"nginx-config-map\",\"resourceVersion\":\"{}\"}},\"data\":{{\"nginx.conf\":\"stale\"}}}}' | \
         {KUBECTL} apply --server-side --force-conflicts --field-manager=homelab-nginx-sync {AS_SYNC} -f -",
        version.trim()
    );
    let refused = host.try_inside(&stale);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("has been modified"),
        "{refused:?}"
    );
    host.start(&format!(
        "n=0; while [ ! -e /root/quiet ]; do n=$((n + 1)); {KUBECTL} annotate configmap nginx-config-map by=$n --overwrite; done"
    ));
    models.list(&[("tiny", PORTS[0]), ("two", PORTS[1])]);
    nginx.has_loaded(|text| text.contains("/two/"));
    host.inside("touch /root/quiet");
    // Changes by hand are replaced.
    host.inside(&format!(
        "{KUBECTL} patch configmap nginx-config-map -p '{{\"data\":{{\"nginx.conf\":\"return 200;\"}}}}'"
    ));
    nginx.has_loaded(|text| text.contains("/two/"));
}

fn the_last_model_is_removed(models: &Models, nginx: &Nginx<'_>) {
    models.list(&[]);
    nginx.has_loaded(|text| !text.contains("proxy_pass http"));
    assert_eq!(nginx.code("/tiny/v1/models"), "404");
    let rules = nginx.host.inside(&format!(
        "{KUBECTL} get configmap nginx-config-map -o jsonpath='{{.data.config\\.json}}'"
    ));
    assert_eq!(rules.trim(), "[]");
}
