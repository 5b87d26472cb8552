//! What this repository's own project runs in a cluster: GPUs by slices, photos and a chat; and images that come by a mirror
//! with a password. One host for all of it.

use std::time::Duration;

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
lab = { memory = 3072 }
groups = ["kubernetes", "k3s_servers", "gpu", "workstations"]
data = { k3s = { source = "lab", server = "kube-dev" }, gpu = { stand_in = true } }
"#;
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
    photoprism_keeps_its_volumes(project, host);
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
    let offered = format!("{KUBECTL} get node kube-dev -o jsonpath='{{.status.allocatable.nvidia\\.com/gpu}}'");
    assert_eq!(host.inside(&offered).trim(), "4");
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
    assert_eq!(host.inside(&offered).trim(), "6");
}

fn photoprism_keeps_its_volumes(project: &Project, host: &Host<'_>) {
    let slices = ("time_slices = 4", "time_slices = 6");
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
    host.inside(&format!("{KUBECTL} apply -f - <<'EOF'\n{OLLAMA}\nEOF"));
    twice(project, "open-webui");
    answers(host, 32000, "/health", "true");
    let asked = "import os, urllib.request; print(urllib.request.urlopen(os.environ['OLLAMA_BASE_URL'], timeout=5).read().decode())";
    let line =
        format!("{KUBECTL} exec -n open-webui deploy/open-webui -- python3 -c \"{asked}\" | grep -q 'ollama answers'");
    host.wait_until(&line, PATIENCE);
    // Pods that only read the key when they start have the new one.
    let pods = format!("{KUBECTL} get pods -n open-webui -o jsonpath='{{.items[*].metadata.uid}}'");
    let before = host.inside(&pods);
    let slices = ("time_slices = 4", "time_slices = 6");
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
