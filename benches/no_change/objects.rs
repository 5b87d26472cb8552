//! Forty objects of a Kubernetes cluster with nothing to do, beside one `ssh HOST sh` with commands that someone would write by hand to
//! read the same: what the cluster has and serves, the objects as they are, and what the API server would make of them.

use std::fmt::Write as _;

use super::{Lab, Workload, median, ratios, stacks::by_hand, timed};

const OBJECTS: usize = 40;

const SERVER: &str = "[[operation]]
op = 'k3s.server'
version = 'v1.34.4+k3s1'
source = 'lab'
token = 'bench'
";

const MANIFESTS: &str = "[[operation]]
op = 'k8s.manifests'
src = 'bench-objects'
";

/// One round trip by hand.
const CLUSTER: &str = "k() { k3s kubectl --cache-dir=/dev/null/none \"$@\"; }
k get ns,nodes,services,storageclasses -A -o json
k api-resources
k api-versions
k get --raw /version
";

pub(super) fn compare(pairs: usize) {
    let server = Workload::of_task("server", SERVER);
    let lab = Lab::up_with(1, "{ image = 'debian:13', kubernetes = true }", &[server, workload()]);
    let text = format!(
        "{CLUSTER}cat > /tmp/objects <<'END'\n{}END\n\
         k get -f /tmp/objects -o json --show-managed-fields\n\
         k apply --server-side --force-conflicts --field-manager=homelab --dry-run=server -o json --show-managed-fields -f /tmp/objects\n",
        objects()
    );
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        least.push(timed(|| by_hand(&lab, &text)));
        ours.push(timed(|| lab.deploy("objects", &[])));
    }
    println!("| by hand, s | homelab, s | ratio min | median | max |");
    println!("|---|---|---|---|---|");
    println!(
        "| {:.2} | {:.2} | {} |",
        median(least.clone()),
        median(ours.clone()),
        ratios(&ours, &least)
    );
}

fn workload() -> Workload {
    let mut workload = Workload::of_task("objects", MANIFESTS);
    let path = "templates/bench-objects/objects.yaml".to_owned();
    workload.files.push((path, objects()));
    workload
}

/// In two namespaces: Deployments that have no pods, Services and ConfigMaps.
fn objects() -> String {
    let mut text = String::new();
    for space in ["a", "b"] {
        let _ = write!(
            text,
            "apiVersion: v1\nkind: Namespace\nmetadata: {{ name: bench-{space} }}\n---\n"
        );
    }
    for number in 0..OBJECTS - 2 {
        let space = ["a", "b"][number % 2];
        let metadata = format!("metadata: {{ name: n{number}, namespace: bench-{space} }}");
        let object = match number % 3 {
            0 => format!(
                "apiVersion: apps/v1\nkind: Deployment\n{metadata}\nspec:\n  replicas: 0\n  selector: {{ matchLabels: {{ app: n{number} }} }}\n  \
                 template:\n    metadata: {{ labels: {{ app: n{number} }} }}\n    spec:\n      containers:\n      - {{ name: web, image: 'lab/answer:1', ports: [{{ containerPort: 8080 }}] }}\n"
            ),
            1 => format!(
                "apiVersion: v1\nkind: Service\n{metadata}\nspec: {{ selector: {{ app: n{number} }}, ports: [{{ port: 80 }}] }}\n"
            ),
            _ => format!("apiVersion: v1\nkind: ConfigMap\n{metadata}\ndata: {{ text: 'number {number}' }}\n"),
        };
        let _ = writeln!(text, "{object}---");
    }
    text
}
