//! Manifests as charts render them and as others write them: read as kubectl reads them, and shown as the cluster takes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::project::{Project, Ran};

const INVENTORY: &str = "[hosts.alpha]\nlab = { kubernetes = true }\n[hosts.alpha.data]\ndomain = 'home.example.org'\n";

const DEPLOY: &str = "hosts = ['*']\ntasks = ['k3s/server', 'charts']\n";

const SERVER: &str = r#"
[[operation]]
op = "k3s.server"
version = "v1.34.4+k3s1"
source = "lab"
token = "token-of-a-test"
"#;

const CHARTS: &str = r#"
[[operation]]
op = "k8s.manifests"
src = "charts"
namespace = "charts"
wait = false
"#;

/// Objects of many kinds, as charts render them.
const FILES: [(&str, &str); 5] = [
    ("templates/charts/batch.yml", include_str!("charts/batch.yml")),
    ("templates/charts/cluster.json", include_str!("charts/cluster.json")),
    ("templates/charts/database.yaml", include_str!("charts/database.yaml")),
    (
        "templates/charts/operator.yaml.j2",
        include_str!("charts/operator.yaml.j2"),
    ),
    ("templates/charts/web.yaml", include_str!("charts/web.yaml")),
];

/// The variable that names a folder with manifests that others wrote, if there is one.
const OF_OTHERS: &str = "HOMELAB_MANIFESTS_OF_OTHERS";

fn project(task: &str, files: &[(&str, &str)]) -> Project {
    let own = [
        ("inventories/dev.toml", INVENTORY),
        ("deploys/charts.toml", DEPLOY),
        ("tasks/k3s/server.toml", SERVER),
        ("tasks/charts.toml", task),
    ];
    Project::of(&[&own[..], files].concat())
}

fn deploy(project: &Project, more: &[&str]) -> Ran {
    project.homelab(&[&["deploy", "dev", "charts"], more].concat())
}

/// What is wrong in manifests is found without a host, at its place.
#[test]
fn mistakes_in_manifests_are_found_without_a_host() {
    project(CHARTS, &FILES).homelab(&["check"]).expect(0);
    for (file, from, to, expected) in [
        (
            "database.yaml",
            "port: 5432\n      targetPort",
            "port: 5432\n\ttargetPort",
            "YAML takes no tabs",
        ),
        ("database.yaml", "value: \"5432\"", "value: 5432", "must be a string"),
        (
            "database.yaml",
            "postgres-password: \"Y2hh",
            "postgres-password: \"%%",
            "is not Base64",
        ),
        (
            "web.yaml",
            "metadata: {name: release-outside-ip}",
            "metadata: {name: release-outside}",
            "duplicate object",
        ),
        (
            "web.yaml",
            "{name: release-template}",
            "{generateName: release-}",
            "would make another object each time",
        ),
        (
            "web.yaml",
            "nodePort: 31480, protocol: TCP",
            "nodePort: 31480}, {port: 81, nodePort: 31480",
            "is taken",
        ),
        (
            "web.yaml",
            "revisionHistoryLimit: 3",
            "revisionHistoryLimt: 3",
            "did you mean `revisionHistoryLimit`?",
        ),
        ("web.yaml", "replicas: 0", "replicas: \"0\"", "must be an integer"),
        (
            "web.yaml",
            "selector: {matchLabels: {app: release-web}}\n      template",
            "selector: {matchLabels: {app: web}}\n      template",
            "does not find its own pods",
        ),
        (
            "web.yaml",
            "targetPort: http",
            "targetPort: htpp",
            "did you mean `http`?",
        ),
        (
            "operator.yaml.j2",
            "mode: incremental",
            "mode: incrementl",
            "did you mean `incremental`?",
        ),
        (
            "operator.yaml.j2",
            "target: release-web, keep: 4",
            "keep: 4",
            "missing `target`",
        ),
        (
            "operator.yaml.j2",
            "metadata: {name: cabin}",
            "metadata: {name: Cabin}",
            "not a valid name",
        ),
        (
            "batch.yml",
            "apiVersion: batch/v1\nkind: Job",
            "kind: Job",
            "missing `apiVersion`",
        ),
    ] {
        let name = format!("templates/charts/{file}");
        let (_, text) = FILES.iter().find(|(one, _)| *one == name).expect("a file");
        assert!(text.contains(from), "{from}");
        let project = project(CHARTS, &FILES);
        project.write(&name, text.replacen(from, to, 1));
        let found = project.homelab(&["check"]).expect(3);
        assert!(found.stderr.contains(expected), "{expected}: {}", found.stderr);
        assert!(found.stderr.contains(&format!("{name}:")), "{name}: {}", found.stderr);
    }
}

/// An object, and what is changed in it.
const CHANGED: [(&str, &str, &str, &str); 20] = [
    (
        "configmap",
        "v1",
        "data: { a: 'x', b: 'y' }",
        "data: { a: 'z', b: 'y' }",
    ),
    ("configmap", "v1", "data: { a: 'x', b: 'y' }", "data: { b: 'y' }"),
    ("configmap", "v1", "data: { a: 'x' }", "data: { a: \"x\\n\" }"),
    ("configmap", "v1", "data: { a: 'x' }", "binaryData: { a: eA== }"),
    (
        "secret",
        "v1",
        "stringData: { a: 'x', b: 'y' }",
        "stringData: { b: 'y' }",
    ),
    (
        "serviceaccount",
        "v1",
        "automountServiceAccountToken: yes",
        "automountServiceAccountToken: off",
    ),
    (
        "service",
        "v1",
        "spec: { clusterIP: None, selector: { a: b }, ports: [{ port: 80, name: web }] }",
        "spec: { clusterIP: None, selector: { a: b }, ports: [{ port: 80, name: web }, { port: 443, name: tls }] }",
    ),
    (
        "service",
        "v1",
        "spec: { clusterIP: None, ports: [{ port: 80, name: a }, { port: 81, name: b }] }",
        "spec: { clusterIP: None, ports: [{ port: 81, name: b }] }",
    ),
    (
        "deployment",
        "apps/v1",
        "spec: { replicas: 0, POD }",
        "spec: { replicas: 0, paused: true, POD }",
    ),
    (
        "deployment",
        "apps/v1",
        "spec: { replicas: 0, POD }",
        "spec: { replicas: 0, minReadySeconds: 010, POD }",
    ),
    (
        "deployment",
        "apps/v1",
        "spec: { replicas: 0, strategy: { type: Recreate }, POD }",
        "spec: { replicas: 0, POD }",
    ),
    (
        "deployment",
        "apps/v1",
        "spec: { replicas: 0, POD }",
        "spec: { replicas: 0, strategy: { rollingUpdate: { maxSurge: 50% } }, POD }",
    ),
    (
        "daemonset",
        "apps/v1",
        "spec: { POD }",
        "spec: { updateStrategy: { type: OnDelete }, POD }",
    ),
    (
        "cronjob",
        "batch/v1",
        "spec: { schedule: '0 3 * * *', suspend: true, jobTemplate: { spec: { JOB } } }",
        "spec: { schedule: '0 4 * * *', suspend: true, jobTemplate: { spec: { JOB } } }",
    ),
    (
        "role",
        "rbac.authorization.k8s.io/v1",
        "rules: [{ apiGroups: [''], resources: [pods], verbs: [get] }]",
        "rules: [{ apiGroups: [''], resources: [pods], verbs: [get, list] }]",
    ),
    (
        "networkpolicy",
        "networking.k8s.io/v1",
        "spec: { podSelector: {}, policyTypes: [Ingress] }",
        "spec: { podSelector: {}, policyTypes: [Ingress], ingress: [{}] }",
    ),
    (
        "poddisruptionbudget",
        "policy/v1",
        "spec: { maxUnavailable: 1, selector: { matchLabels: { a: b } } }",
        "spec: { maxUnavailable: 50%, selector: { matchLabels: { a: b } } }",
    ),
    (
        "ingress",
        "networking.k8s.io/v1",
        "spec: { defaultBackend: { service: { name: a, port: { number: 80 } } } }",
        "spec: { defaultBackend: { service: { name: b, port: { number: 80 } } } }",
    ),
    (
        "horizontalpodautoscaler",
        "autoscaling/v2",
        "spec: { maxReplicas: 2, scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: none } }",
        "spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: none } }",
    ),
    (
        "resourcequota",
        "v1",
        "spec: { hard: { pods: '100', requests.cpu: 100 } }",
        "spec: { hard: { pods: '100', requests.cpu: 100500m } }",
    ),
];

const KINDS: [(&str, &str); 14] = [
    ("configmap", "ConfigMap"),
    ("secret", "Secret"),
    ("serviceaccount", "ServiceAccount"),
    ("service", "Service"),
    ("deployment", "Deployment"),
    ("daemonset", "DaemonSet"),
    ("cronjob", "CronJob"),
    ("role", "Role"),
    ("networkpolicy", "NetworkPolicy"),
    ("poddisruptionbudget", "PodDisruptionBudget"),
    ("ingress", "Ingress"),
    ("horizontalpodautoscaler", "HorizontalPodAutoscaler"),
    ("resourcequota", "ResourceQuota"),
    ("namespace", "Namespace"),
];

const POD: &str = "selector: { matchLabels: { a: b } }, template: { metadata: { labels: { a: b } }, spec: { nodeSelector: { no: where }, containers: [{ name: c, image: 'docker.io/lab/answer:1' }] } }";
const JOB: &str =
    "template: { spec: { restartPolicy: Never, containers: [{ name: c, image: 'docker.io/lab/answer:1' }] } }";

fn kind_of(resource: &str) -> &'static str {
    KINDS
        .iter()
        .find(|(one, _)| *one == resource)
        .map(|(_, kind)| *kind)
        .expect("a kind")
}

/// All objects in one file, before or after they are changed, with this at the end of their names.
fn objects(is_after: bool, end: &str) -> String {
    let mut text = String::new();
    for (at, (resource, version, before, after)) in CHANGED.iter().enumerate() {
        let body = if is_after { after } else { before };
        let body = body.replace("POD", POD).replace("JOB", JOB);
        let kind = kind_of(resource);
        writeln!(
            text,
            "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{ name: m{at}{end}, namespace: default }}\n{body}"
        )
        .expect("text");
    }
    text
}

/// The objects as they are, without what the server gives each of them.
fn live(host: &crate::support::host::Host<'_>, end: &str) -> BTreeMap<usize, Value> {
    let names = CHANGED.iter().enumerate();
    let names: Vec<String> = names
        .map(|(at, (resource, ..))| format!("{resource}/m{at}{end}"))
        .collect();
    let text = host.inside(&format!("kubectl -n default get -o json {}", names.join(" ")));
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let items = list["items"].as_array().expect("objects").iter().cloned().enumerate();
    items
        .map(|(at, mut object)| {
            object["metadata"] = object["metadata"]["labels"].clone();
            object.as_object_mut().expect("an object").remove("status");
            (at, object)
        })
        .collect()
}

/// What others wrote, where it is there: as it is, without the two files that say an object again.
fn of_others() -> Option<Vec<(String, String)>> {
    let files = std::fs::read_dir(Path::new(&std::env::var_os(OF_OTHERS)?)).ok()?;
    let files = files.filter_map(|file| {
        let path = file.ok()?.path();
        let name = path.file_name()?.to_str()?;
        Some((
            format!("templates/model-hosting/{name}"),
            std::fs::read_to_string(&path).ok()?,
        ))
    });
    Some(files.collect())
}

const OTHERS: &str = r#"
[[operation]]
op = "k8s.manifests"
src = ["model-hosting", "what-it-needs"]
exclude = ["model-hosting/model-health-cronjob.yaml", "model-hosting/model-health-script-configmap.yaml"]
wait = false
"#;

/// What those manifests name and do not have.
const NEEDED: &str = r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ollama-pvc, namespace: model-hosting }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: model-manager, namespace: model-hosting }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: model-health-script, namespace: model-hosting }
data: { check-models.sh: "exit 0" }
"#;

#[test]
#[ignore = "CI has no room for it yet: HOMELAB_TEST_KUBERNETES=1 scripts/test runs it"]
fn a_cluster_takes_manifests_as_the_review_shows_them() {
    let mut task = CHARTS.to_owned();
    task.push_str("\n[[operation]]\nop = \"k8s.manifests\"\nsrc = \"changed\"\nwait = false\n");
    let before = objects(false, "");
    let mut others = of_others().unwrap_or_default();
    if !others.is_empty() {
        task.push_str(OTHERS);
        others.push(("templates/what-it-needs/needed.yaml".to_owned(), NEEDED.to_owned()));
    }
    let others: Vec<(&str, &str)> = others
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let changed = [("templates/changed/objects.yaml", before.as_str())];
    let project = &project(&task, &[&FILES[..], &changed, &others].concat());
    let host = &project.up("dev", "alpha");
    deploy(project, &["--yes"]).expect(0);
    let mode = "kubectl -n charts get statefulset release-database -o jsonpath='{.spec.template.spec.volumes[1].configMap.defaultMode}'";
    assert_eq!(host.inside(mode).trim(), "493");
    let again = deploy(project, &["--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    // An independent apply to copies of the objects, and then ours.
    for is_after in [false, true] {
        let text = objects(is_after, "-copy");
        host.inside(&format!(
            "kubectl apply --server-side --field-manager=homelab -f - <<'END-OF-OBJECTS'\n{text}END-OF-OBJECTS"
        ));
    }
    project.write("templates/changed/objects.yaml", objects(true, ""));
    let review = deploy(project, &["--dry-run"]).expect(0);
    for (at, (resource, ..)) in CHANGED.iter().enumerate() {
        let line = format!("~ object {}/m{at} in default", kind_of(resource));
        assert!(review.stdout.contains(&line), "{line}: {}", review.stdout);
    }
    assert_eq!(
        review.stdout.matches("~ object").count(),
        CHANGED.len(),
        "{}",
        review.stdout
    );
    deploy(project, &["--yes"]).expect(0);
    let mut copies = live(host, "-copy");
    // `kubectl` leaves a key in the Secret that left `stringData`.
    let secret = CHANGED.iter().position(|(resource, ..)| *resource == "secret");
    let secret = secret.and_then(|at| copies.get_mut(&at)).expect("a Secret");
    let left = secret["data"].as_object_mut().expect("data").remove("a");
    assert_eq!(left, Some(Value::from("eA==")));
    assert_eq!(live(host, ""), copies);
    let again = deploy(project, &["--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}
