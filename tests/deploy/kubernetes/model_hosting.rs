//! Ollama and the Model Manager of this repository's own project: the real Ollama with a tiny model, and a stand-in for the Model Manager.
//! One cluster, and a host beside it from which its port is asked.

use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const PATIENCE: Duration = Duration::from_secs(180);
const KUBECTL: &str = "k3s kubectl --cache-dir=/dev/null/none";
const MODEL: &str = "model-registry.registry:8080/library/tiny:latest";
const INVENTORY: &str = include_str!("../../../inventories/models.toml");

fn inventory(project: &Project, changes: &[(&str, &str)]) {
    let mut own = INVENTORY.to_owned();
    for (old, new) in changes {
        assert!(own.contains(old), "{old}");
        own = own.replace(old, new);
    }
    project.write("inventories/models.toml", own);
}

fn deploy(project: &Project, deploy: &str, more: &[&str]) -> Ran {
    project.homelab(&[&["deploy", "models", deploy], more].concat())
}

fn quiet(project: &Project, name: &str) {
    let again = deploy(project, name, &["--yes", "--prune"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{name}: {}", again.stdout);
}

/// Asks the Model Manager through the port of the node.
fn ask(host: &Host<'_>, address: &str, path: &str, body: Option<&str>) -> String {
    let (method, body) = body.map_or(("GET", ""), |body| ("POST", body));
    let length = body.len();
    host.inside(&format!(
        "timeout 60 bash -c 'exec 3<>/dev/tcp/{address}/30501 && printf \"%s\" \"$1\" >&3 && cat <&3' - '{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}'"
    ))
}

#[test]
#[ignore = "CI has no room for it yet: HOMELAB_TEST_KUBERNETES=1 scripts/test runs it"]
fn models_are_hosted_and_their_statistics_stay() {
    let project = &Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n/.homelab/\n");
    inventory(project, &[]);
    let host = &project.up("models", "models-dev");
    deploy(project, "k3s", &["--yes"]).expect(0);

    from_nothing(project, host);
    the_check_tells_the_truth(project, host);
    statistics_stay(project, host);
    one_value_changes_one_object(project, host);
    gpus_that_nobody_has_are_refused(project, host);
    all_of_it_goes(project, host);
}

fn from_nothing(project: &Project, host: &Host<'_>) {
    let review = deploy(project, "model-hosting", &["--dry-run"]).expect(0);
    for line in [
        "+ object Namespace/model-hosting",
        "+ object Deployment/model-registry in registry",
        "+ object ConfigMap/model-health-script in model-hosting",
        "+ object ConfigMap/model-usage-stats in model-hosting",
        "+ object Deployment/ollama in model-hosting",
        "(stand-in)",
        "tries what changed",
    ] {
        assert!(review.stdout.contains(line), "{line}: {}", review.stdout);
    }
    assert!(!review.stdout.contains("kube-root-ca"), "{}", review.stdout);
    // The run of the health check at its end pulls the model, and asks it.
    deploy(project, "model-hosting", &["--yes"]).expect(0);
    quiet(project, "model-hosting");
    let desk = &Host::of(project, "models", "models-desk-dev");
    let address = host.address();
    let body = format!(r#"{{"model":"{MODEL}","prompt":"hello","stream":false,"options":{{"num_predict":4}}}}"#);
    let said = ask(desk, &address, "/api/ollama/generate", Some(&body));
    assert!(said.contains("\"done\":true"), "{said}");
    let models = ask(desk, &address, "/api/ollama/models", None);
    assert!(
        models.contains(MODEL) && models.contains("\"available\":true"),
        "{models}"
    );
    let report = ask(desk, &address, "/api/health/report", None);
    assert!(
        report.contains("\"available_models\":1") && report.contains("\"status\":0"),
        "{report}"
    );
    let nodes = ask(desk, &address, "/api/nodes", None);
    assert!(nodes.contains("models-dev"), "{nodes}");
    let can = |what: &str| {
        let account = "system:serviceaccount:model-hosting:model-manager";
        host.try_inside(&format!("{KUBECTL} auth can-i {what} -n model-hosting --as={account}"))
            .status
            .success()
    };
    assert!(can("update configmap/model-usage-stats") && !can("get secrets") && !can("update configmap/other"));
}

/// Runs the health check as its CronJob does, and returns what it says and whether it succeeded.
fn check(host: &Host<'_>) -> (bool, String) {
    let job = format!(
        "{KUBECTL} -n model-hosting delete job by-hand --ignore-not-found >/dev/null; {KUBECTL} -n model-hosting create job by-hand --from=cronjob/model-health-check >/dev/null"
    );
    host.inside(&job);
    let state = format!("{KUBECTL} -n model-hosting get job by-hand -o jsonpath='{{.status.conditions[*].type}}'");
    host.wait_until(&format!("{state} | grep -qE 'Complete|Failed'"), PATIENCE);
    let done = host.inside(&state).contains("Complete");
    (
        done,
        host.inside(&format!("{KUBECTL} -n model-hosting logs job/by-hand")),
    )
}

fn the_check_tells_the_truth(project: &Project, host: &Host<'_>) {
    let (done, said) = check(host);
    assert!(done && said.contains("ok: ") && said.contains("answers: "), "{said}");
    host.inside(&format!(
        "{KUBECTL} -n model-hosting scale deployment ollama --replicas=0"
    ));
    let gone = format!("[ -z \"$({KUBECTL} -n model-hosting get pods -l app=ollama -o name)\" ]");
    host.wait_until(&gone, PATIENCE);
    let (done, said) = check(host);
    assert!(!done && said.contains("FAILED: Ollama does not answer"), "{said}");
    host.inside(&format!(
        "{KUBECTL} -n model-hosting scale deployment ollama --replicas=1"
    ));
    host.inside(&format!(
        "{KUBECTL} -n model-hosting rollout status deployment ollama --timeout=120s"
    ));
    // A model that no registry has: the deploy fails, and the next one tries again.
    inventory(project, &[("library/tiny:latest\"]", "library/other:latest\"]")]);
    let failed = deploy(project, "model-hosting", &["--yes"]).expect(1);
    let all = format!("{}{}", failed.stdout, failed.stderr);
    assert!(all.contains("is missing, and cannot be pulled"), "{all}");
    inventory(project, &[]);
    deploy(project, "model-hosting", &["--yes"]).expect(0);
    quiet(project, "model-hosting");
}

fn statistics_stay(project: &Project, host: &Host<'_>) {
    let show = || host.inside("model-statistics show");
    let before = show();
    assert!(before.contains("\"request_count\":1"), "{before}");
    inventory(project, &[("cpu = \"100m\"", "cpu = \"150m\"")]);
    deploy(project, "model-hosting", &["--yes"]).expect(0);
    assert_eq!(show(), before);
    let review = deploy(project, "model-hosting-reset", &["--dry-run"]).expect(0);
    assert!(
        review
            .stdout
            .contains("+ command /usr/local/sbin/model-statistics reset"),
        "{}",
        review.stdout
    );
    deploy(project, "model-hosting-reset", &["--yes"]).expect(0);
    assert_eq!(show().trim(), "{}");
    quiet(project, "model-hosting-reset");
    quiet(project, "model-hosting");
    let saved = host.inside("ls /var/backups/model-hosting");
    assert_eq!(saved.lines().count(), 1, "{saved}");
    assert_eq!(host.inside("stat -c %a /var/backups/model-hosting/*").trim(), "600");
    for wrong in [
        "restore nosuch.json",
        "restore",
        "restore /etc/hostname",
        "restore <(echo '{no}')",
    ] {
        let said = host.inside(&format!("bash -c \"model-statistics {wrong}\" 2>&1; echo $?"));
        assert!(!said.ends_with("0\n"), "{wrong}: {said}");
        assert_eq!(show().trim(), "{}", "{wrong}: {said}");
    }
    host.inside(&format!("model-statistics restore {}", saved.trim()));
    assert_eq!(show(), before);
    host.inside("for i in $(seq 12); do model-statistics save; done");
    assert_eq!(host.inside("ls /var/backups/model-hosting").lines().count(), 10);
}

fn one_value_changes_one_object(project: &Project, host: &Host<'_>) {
    let generations = format!(
        "{KUBECTL} -n model-hosting get deployments,services,cronjobs,pvc,sa,role,rolebinding -o jsonpath='{{range .items[*]}}{{.kind}}/{{.metadata.name}} {{.metadata.generation}} {{.metadata.uid}} {{end}}'"
    );
    let before = host.inside(&generations);
    inventory(project, &[("cpu = \"100m\"", "cpu = \"120m\"")]);
    let review = deploy(project, "model-hosting", &["--dry-run"]).expect(0);
    assert_eq!(review.stdout.matches("~ object").count(), 1, "{}", review.stdout);
    assert!(
        review.stdout.contains("~ object Deployment/ollama in model-hosting"),
        "{}",
        review.stdout
    );
    deploy(project, "model-hosting", &["--yes"]).expect(0);
    quiet(project, "model-hosting");
    let after = host.inside(&generations);
    let differs = before
        .split_whitespace()
        .zip(after.split_whitespace())
        .filter(|(old, new)| old != new);
    assert_eq!(differs.count(), 1, "{before}\n{after}");
}

fn gpus_that_nobody_has_are_refused(project: &Project, host: &Host<'_>) {
    inventory(project, &[("gpus = 0", "gpus = 1")]);
    let refused = deploy(project, "model-hosting", &["--yes"]).expect(3);
    assert!(
        refused.stderr.contains("no node has `nvidia.com/gpu`"),
        "{}",
        refused.stderr
    );
    inventory(project, &[("cpu = \"100m\"", "cpu = \"120m\"")]);
    // The port of the nodes belongs to another Service.
    host.inside(&format!(
        "{KUBECTL} create service nodeport other --tcp=80 --node-port=30999"
    ));
    let port = "[hosts.models-dev.data.model_hosting.model_manager]\nnode_port = 30999\n[hosts.models-desk-dev]";
    inventory(
        project,
        &[("cpu = \"100m\"", "cpu = \"120m\""), ("[hosts.models-desk-dev]", port)],
    );
    let refused = deploy(project, "model-hosting", &["--yes"]).expect(3);
    assert!(
        refused.stderr.contains("Service `default/other` of the cluster has it"),
        "{}",
        refused.stderr
    );
    inventory(project, &[("cpu = \"100m\"", "cpu = \"120m\"")]);
    quiet(project, "model-hosting");
}

fn all_of_it_goes(project: &Project, host: &Host<'_>) {
    let review = deploy(project, "model-hosting-remove", &["--dry-run"]).expect(0);
    assert!(
        review
            .stdout
            .lines()
            .any(|line| line.contains("PersistentVolumeClaim/ollama-pvc") && line.contains("! deletes data")),
        "{}",
        review.stdout
    );
    deploy(project, "model-hosting-remove", &["--yes"]).expect(0);
    let left = host.inside(&format!(
        "{KUBECTL} -n model-hosting get deployments,services,configmaps,pvc,cronjobs -o name"
    ));
    assert_eq!(left.trim(), "configmap/kube-root-ca.crt");
    assert!(host.is("ls /var/backups/model-hosting | grep -q usage-"));
}
