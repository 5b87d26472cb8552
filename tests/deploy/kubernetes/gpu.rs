//! What this repository's own project runs in a cluster: GPUs by slices, photos and a chat, by manifests and by charts; and images that
//! come by a mirror with a password. One host for all of it.

mod publisher;

use std::path::Path;
use std::time::Duration;

use publisher::{Publisher, pack};

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const PATIENCE: Duration = Duration::from_secs(180);
const KUBECTL: &str = "k3s kubectl --cache-dir=/dev/null/none";
const INVENTORY: &str = r#"
groups = ["development"]
[lab]
kubernetes = true
registry = true
[hosts.kube-dev]
lab = { memory = 3072, helm = true }
groups = ["kubernetes", "k3s_servers", "gpu", "workstations"]
data = { k3s = { source = "lab", server = "kube-dev" }, gpu = { stand_in = true } }
"#;
const OFFERED: &str =
    r"k3s kubectl --cache-dir=/dev/null/none get node kube-dev -o jsonpath='{.status.allocatable.nvidia\.com/gpu}'";
const REGISTRIES: &str = r#"
[k3s.registries.mirrors."images.example"]
endpoint = ["https://registry.lab:5000"]
[k3s.registries.configs."registry.lab:5000".auth]
username = "lab"
password = "{{ env('LAB_REGISTRY') }}"
"#;
const GREEDY: &str = r"
apiVersion: v1
kind: Pod
metadata: { name: greedy, namespace: default }
spec:
  containers:
    - name: greedy
      image: lab/answer:1
      resources: { limits: { nvidia.com/gpu: 5 } }
";
/// Both are made by other hands in time, so they are told and not refused.
const WAITING: &str = r"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: waiting, namespace: default }
spec: { accessModes: [ReadWriteOnce], storageClassName: fast, resources: { requests: { storage: 1Gi } } }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: waiting, namespace: default }
spec:
  rules:
    - host: waiting.example
      http:
        paths: [{ path: /, pathType: Prefix, backend: { service: { name: nowhere, port: { number: 80 } } } }]
";
const OLLAMA: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: model-hosting}
---
apiVersion: v1
kind: Pod
metadata: {name: ollama, namespace: model-hosting, labels: {app: ollama}}
spec: {containers: [{name: ollama, image: docker.io/lab/answer:1, imagePullPolicy: Never}]}
---
apiVersion: v1
kind: Service
metadata: {name: ollama-service, namespace: model-hosting}
spec: {selector: {app: ollama}, ports: [{port: 11434, targetPort: 8080}]}
";

/// The data of the cluster, with these texts in place of others.
fn data(project: &Project, changes: &[(&str, &str)]) {
    let mut own = include_str!("../../../group_data/kubernetes.toml").replace("registries = {}\n", "");
    for (old, new) in changes {
        assert!(own.contains(old), "{old}");
        own = own.replace(old, new);
    }
    project.write("group_data/kubernetes.toml", format!("{own}{REGISTRIES}"));
}

fn deploy(project: &Project, deploy: &str, more: &[&str]) -> Ran {
    project.homelab(&[&["deploy", "kubernetes", deploy], more].concat())
}

/// Deploys, and then finds nothing more to do.
fn twice(project: &Project, name: &str) -> Ran {
    let done = deploy(project, name, &["--yes"]).expect(0);
    let again = deploy(project, name, &["--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{name}: {}", again.stdout);
    done
}

#[test]
#[ignore = "CI has no room for it yet: HOMELAB_TEST_KUBERNETES=1 scripts/test runs it"]
fn what_a_home_lab_runs_in_a_cluster() {
    let project = &Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\nLAB_REGISTRY=private\n");
    project.write(".gitignore", "/.env\n/.homelab/\n");
    project.write("inventories/kubernetes.toml", INVENTORY);
    for (name, manifest) in [("greedy", GREEDY), ("waiting", WAITING)] {
        project.write(&format!("templates/{name}/{name}.yaml"), manifest);
        let task = format!("[[operation]]\nop = \"k8s.manifests\"\nsrc = \"{name}\"\nwait = false\n");
        project.write(&format!("tasks/test/{name}.toml"), task);
        let deploy = format!("hosts = [\"k3s_servers\"]\ntasks = [\"test/{name}\"]\n");
        project.write(&format!("deploys/{name}.toml"), deploy);
    }
    // A cluster of one host.
    project.write(
        "deploys/k3s.toml",
        "hosts = [\"k3s_servers\"]\ntasks = [\"k3s/server\", \"k3s/verify\"]\n",
    );
    data(project, &[]);
    let host = &project.up("kubernetes", "kube-dev");

    twice(project, "k3s");
    images_come_by_a_mirror_with_a_password(project, host);
    gpus_are_offered_by_slices(project, host);
    let publisher = &Publisher::start();
    let helm = &of_publisher(project, publisher);
    nvidias_operator_gets_what_it_reads(project, host, helm);
    charts_do_what_manifests_do(project, host, helm);
    photoprism_keeps_its_volumes(project, host);
    host.inside(&format!("{KUBECTL} apply -f - <<'EOF'\n{OLLAMA}\nEOF"));
    open_webui_reaches_ollama(project, host);
    let told = deploy(project, "waiting", &["--dry-run"]).expect(0);
    for words in [
        "there is no StorageClass `fast`: without a volume of this class, PersistentVolumeClaim/waiting waits",
        "Ingress/waiting leads nowhere: neither this run nor the cluster has the Service `nowhere` in `default`",
    ] {
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(all.contains(words), "{words}: {all}");
    }
}

/// The name of the image leads nowhere but to the mirror, which wants a login.
fn images_come_by_a_mirror_with_a_password(project: &Project, host: &Host<'_>) {
    let review = deploy(project, "k3s", &["--dry-run", "-v"]).expect(0);
    assert!(!review.stdout.contains("private"), "{}", review.stdout);
    let settings = "/etc/rancher/k3s/registries.yaml";
    assert_eq!(host.inside(&format!("stat -c '%a %U' {settings}")).trim(), "600 root");
    assert!(host.is(&format!("grep -q private {settings}")));
    let anonymous = host.try_inside("k3s ctr images pull registry.lab:5000/library/busybox:1.37 2>&1");
    let said = String::from_utf8_lossy(&anonymous.stdout).into_owned();
    assert!(!anonymous.status.success() && said.contains("401"), "{said}");
    host.inside(&format!(
        "{KUBECTL} run pulled --image=images.example/library/busybox:1.37 --restart=Never -- true"
    ));
    let phase = format!("[ \"$({KUBECTL} get pod pulled -o jsonpath='{{.status.phase}}')\" = Succeeded ]");
    host.wait_until(&phase, PATIENCE);
}

fn gpus_are_offered_by_slices(project: &Project, host: &Host<'_>) {
    let image = "k3s ctr images ls -q | grep -x docker.io/lab/gpu:1";
    assert!(!host.is(image));
    let review = deploy(project, "gpu", &["--dry-run"]).expect(0);
    for words in ["lab/gpu:1", "(stand-in)", "time-slicing-config"] {
        assert!(review.stdout.contains(words), "{words}: {}", review.stdout);
    }
    twice(project, "gpu");
    assert!(host.is(image));
    assert_eq!(host.inside(OFFERED).trim(), "4");
    // Known before anything is applied.
    let refused = deploy(project, "greedy", &["--yes"]).expect(3);
    assert!(
        refused.stderr.contains("no node has 5 of `nvidia.com/gpu`"),
        "{}",
        refused.stderr
    );
    assert!(!host.is(&format!("{KUBECTL} get pod greedy")));
    project.write("templates/greedy/greedy.yaml", GREEDY.replace("gpu: 5", "gpu: 4"));
    twice(project, "greedy");
    let phase = format!("[ \"$({KUBECTL} get pod greedy -o jsonpath='{{.status.phase}}')\" = Running ]");
    host.wait_until(&phase, PATIENCE);

    data(project, &[("time_slices = 4", "time_slices = 6")]);
    let done = twice(project, "gpu");
    assert!(done.stdout.contains("replicas: 6"), "{}", done.stdout);
    assert_eq!(host.inside(OFFERED).trim(), "6");
}

/// Changes of the data, as texts and what stands in their places.
type Changes = Vec<(String, String)>;

/// Has `tasks/helm/program.toml` get Helm as its publisher packs it.
fn of_publisher(project: &Project, publisher: &Publisher) -> Changes {
    let program = project.root().join(".homelab/lab/helm-v3.19.5");
    let digest = publisher.publish_helm(&program, "v3.19.5");
    let place = |digest: &str| format!("[helm.sha256]\namd64 = \"{digest}\"");
    vec![
        ("https://get.helm.sh".to_owned(), publisher.url()),
        (place(&"0".repeat(64)), place(&digest)),
    ]
}

fn with_data(project: &Project, changes: &Changes) {
    let changes: Vec<(&str, &str)> = changes.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    data(project, &changes);
}

/// A chart of the test stands in for NVIDIA's, and refuses values that NVIDIA's does not read.
fn nvidias_operator_gets_what_it_reads(project: &Project, host: &Host<'_>, helm: &Changes) {
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/kubernetes/charts");
    let archive = project.root().join("charts/gpu-operator-v25.3.4.tgz");
    let chart = pack(&archive, &charts, "gpu-operator");
    let place = |digest: &str| format!("version = \"v25.3.4\"\nsha256 = \"{digest}\"");
    let by_data = |slices: u32| {
        let mut changes = helm.clone();
        changes.push(("time_slices = 4".to_owned(), format!("time_slices = {slices}")));
        changes.push((place(&"0".repeat(64)), place(&chart)));
        with_data(project, &changes);
    };
    by_data(6);
    let without_stand_in = INVENTORY.replace("stand_in = true", "stand_in = false");
    project.write("inventories/kubernetes.toml", without_stand_in);
    // A node takes one plugin, and one RuntimeClass of a name.
    host.inside(&format!(
        "{KUBECTL} delete runtimeclass nvidia && {KUBECTL} delete daemonset -n gpu-operator lab-device-plugin"
    ));
    // A chart cannot be rendered without Helm: the release with its values.
    let review = deploy(project, "gpu", &["--dry-run"]).expect(0);
    for words in [
        "helm-v3.19.5-linux-amd64.tar.gz",
        "known after `files.link /usr/local/bin/helm`",
        "gpu-operator v25.3.4",
        "default: slices-6",
        "name: CONTAINERD_SOCKET",
    ] {
        assert!(review.stdout.contains(words), "{words}: {}", review.stdout);
    }
    assert!(!host.is("command -v helm"));
    let done = deploy(project, "gpu", &["--yes"]).expect(0);
    for words in [
        "+ object ClusterPolicy/cluster-policy",
        "+ object CustomResourceDefinition/clusterpolicies.nvidia.com",
        "+ object CustomResourceDefinition/nodefeatures.nfd.k8s-sigs.io",
    ] {
        assert!(done.stdout.contains(words), "{words}: {}", done.stdout);
    }
    assert!(host.inside("helm version --short").starts_with("v3.19.5"));
    assert_eq!(host.inside("readlink -f /usr/local/bin/helm").trim(), "/opt/helm/helm");
    let policy = |path: &str| {
        host.inside(&format!(
            "{KUBECTL} get clusterpolicy cluster-policy -o jsonpath='{{.spec.{path}}}'"
        ))
    };
    assert_eq!(policy("driver.enabled"), "false");
    assert_eq!(
        policy("devicePlugin.config"),
        r#"{"default":"slices-6","name":"time-slicing-config"}"#
    );
    let class = r"get runtimeclass nvidia -o jsonpath='{.handler} {.metadata.labels.app\.kubernetes\.io/managed-by}'";
    assert_eq!(host.inside(&format!("{KUBECTL} {class}")), "nvidia Helm");
    assert_eq!(host.inside(OFFERED).trim(), "6");
    // What the set of the stand-in had and the release has now is the release's.
    let again = deploy(project, "gpu", &["--yes", "--prune"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    // The plugin reads its configuration when it starts, so the operator has to see that it is another one.
    by_data(3);
    let review = deploy(project, "gpu", &["--dry-run"]).expect(0);
    for words in [
        "devicePlugin.config.default: \"slices-6\" → \"slices-3\"",
        "~ object ClusterPolicy/cluster-policy",
        "replicas: 3",
    ] {
        assert!(review.stdout.contains(words), "{words}: {}", review.stdout);
    }
    twice(project, "gpu");
    assert_eq!(host.inside(OFFERED).trim(), "3");
}

/// The same photos and chat, by the charts of this repository. Their volumes stay when the releases go.
fn charts_do_what_manifests_do(project: &Project, host: &Host<'_>, helm: &Changes) {
    let mut changes = helm.clone();
    for (name, chart) in [("photoprism", "photoprism"), ("open_webui", "open-webui")] {
        let place = |chart: &str| format!("chart = \"{chart}\"\n\n[{name}.values]");
        changes.push((place(""), place(chart)));
    }
    with_data(project, &changes);
    for (name, port, path, words) in [
        ("photoprism", 32342, "/api/v1/status", "operational"),
        ("open-webui", 32000, "/health", "true"),
    ] {
        let review = deploy(project, name, &["--dry-run"]).expect(0);
        let at = |words: &str| {
            review
                .stdout
                .find(words)
                .unwrap_or_else(|| panic!("{words}: {}", review.stdout))
        };
        assert!(at(&format!("Secret/{name}")) < at(&format!("+ helm release {name} in {name}")));
        assert!(review.stdout.contains("[secret]"), "{}", review.stdout);
        let done = twice(project, name);
        let object = format!("+ object Deployment/{name} in {name}");
        assert!(done.stdout.contains(&object), "{}", done.stdout);
        answers(host, port, path, words);
    }
    // Another value is that object alone.
    changes.push((
        "http://photoprism.{{ base_domain }}/".to_owned(),
        "http://photos.{{ base_domain }}/".to_owned(),
    ));
    with_data(project, &changes);
    let done = twice(project, "photoprism");
    assert_eq!(done.stdout.matches("~ object ").count(), 1, "{}", done.stdout);
    assert!(
        done.stdout.contains("~ object Deployment/photoprism in photoprism"),
        "{}",
        done.stdout
    );
    // Manifests do not take what a release has.
    data(project, &[]);
    let left = deploy(project, "photoprism", &["--yes"]).expect(0);
    assert!(
        left.stdout
            .contains("Deployment/photoprism in photoprism is left alone: Helm takes care of it"),
        "{}",
        left.stdout
    );
    host.inside(
        "export KUBECONFIG=/etc/rancher/k3s/k3s.yaml\n\
         helm uninstall photoprism -n photoprism --wait >/dev/null && helm uninstall open-webui -n open-webui --wait >/dev/null",
    );
    let claims = format!("{KUBECTL} get pvc -A -o jsonpath='{{.items[*].metadata.name}}'");
    assert_eq!(
        host.inside(&claims),
        "open-webui photoprism-originals photoprism-storage"
    );
    host.inside(&format!(
        "{KUBECTL} delete namespace photoprism open-webui --timeout=120s"
    ));
}

fn photoprism_keeps_its_volumes(project: &Project, host: &Host<'_>) {
    let slices = ("time_slices = 4", "time_slices = 3");
    data(project, &[slices]);
    let review = deploy(project, "photoprism", &["--dry-run"]).expect(0);
    let at = |words: &str| {
        review
            .stdout
            .find(words)
            .unwrap_or_else(|| panic!("{words}: {}", review.stdout))
    };
    assert!(at("Secret/photoprism") < at("Deployment/photoprism"));
    assert!(review.stdout.contains("[secret]"), "{}", review.stdout);
    twice(project, "photoprism");
    let claims = format!("{KUBECTL} get pvc -n photoprism -o jsonpath='{{.items[*].status.phase}}'");
    assert_eq!(host.inside(&claims).trim(), "Bound Bound");
    answers(host, 32342, "/api/v1/status", "operational");
    assert!(host.is(&format!(
        "[ -n \"$({KUBECTL} exec -n photoprism deploy/photoprism -- printenv PHOTOPRISM_ADMIN_PASSWORD)\" ]"
    )));

    let size = "originals = \"100Gi\"";
    data(project, &[slices, (size, "originals = \"50Gi\"")]);
    let refused = deploy(project, "photoprism", &["--yes"]).expect(3);
    assert!(refused.stderr.contains("volumes do not shrink"), "{}", refused.stderr);
    data(project, &[slices, (size, "originals = \"200Gi\"")]);
    let refused = deploy(project, "photoprism", &["--yes"]).expect(3);
    assert!(
        refused.stderr.contains("does not let volumes grow"),
        "{}",
        refused.stderr
    );
    // Where the class allows it, the review shows the growth.
    host.inside(&format!(
        "{KUBECTL} patch storageclass local-path -p '{{\"allowVolumeExpansion\":true}}'"
    ));
    let review = deploy(project, "photoprism", &["--dry-run"]).expect(0);
    assert!(review.stdout.contains("200Gi"), "{}", review.stdout);
    data(project, &[slices]);
    let again = deploy(project, "photoprism", &["--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

fn open_webui_reaches_ollama(project: &Project, host: &Host<'_>) {
    twice(project, "open-webui");
    answers(host, 32000, "/health", "true");
    let asked = "import os, urllib.request; print(urllib.request.urlopen(os.environ['OLLAMA_BASE_URL'], timeout=5).read().decode())";
    let line =
        format!("{KUBECTL} exec -n open-webui deploy/open-webui -- python3 -c \"{asked}\" | grep -q 'ollama answers'");
    host.wait_until(&line, PATIENCE);
    // Pods that only read the key when they start have the new one.
    let pods = format!("{KUBECTL} get pods -n open-webui -o jsonpath='{{.items[*].metadata.uid}}'");
    let before = host.inside(&pods);
    let slices = ("time_slices = 4", "time_slices = 3");
    let key = "{{ 'open-webui sessions' | lab_password }}";
    data(
        project,
        &[slices, (key, "{{ 'open-webui other sessions' | lab_password }}")],
    );
    let done = twice(project, "open-webui");
    assert!(done.stdout.contains("Secret/open-webui"), "{}", done.stdout);
    assert_ne!(host.inside(&pods), before);
}

/// Asks a port of the nodes.
fn answers(host: &Host<'_>, port: u16, path: &str, words: &str) {
    let request = format!(
        "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && printf \"GET {path} HTTP/1.0\\r\\n\\r\\n\" >&3 && grep -q {words} <&3'"
    );
    host.wait_until(&request, PATIENCE);
}
