//! The cluster of this repository's own project: two empty hosts become one, are upgraded while a client asks a service, and what
//! would lose something is refused.
//!
//! `scripts/verify-real-k3s BINARY` runs this with a real k3s.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

const PATIENCE: Duration = Duration::from_secs(90);
const INVENTORY: &str = include_str!("../../../inventories/kubernetes.toml");
/// Two pods that leave slowly, of which one has to run.
const WEB: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 10
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}]
      containers:
        - name: web
          image: lab/answer:1
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
          lifecycle: {preStop: {sleep: {seconds: 4}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, type: NodePort, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
";

/// Where k3s comes from, and in which version.
struct Source {
    version: String,
    /// For data of the hosts.
    source: String,
    sha256: String,
    is_real: bool,
}

impl Source {
    /// The lab's, or the program that the user names.
    fn of(project: &Project) -> Self {
        let Some(program) = env::var_os("HOMELAB_REAL_K3S") else {
            return Self {
                version: "v1.34.4+k3s1".to_owned(),
                source: "lab".to_owned(),
                sha256: "0".repeat(64),
                is_real: false,
            };
        };
        let said = |command: &mut Command| text(&command.output().unwrap().stdout);
        let version = said(Command::new(&program).arg("--version"));
        let sum = said(Command::new("sha256sum").arg(&program));
        project.write("downloads/k3s", fs::read(Path::new(&program)).unwrap());
        Self {
            version: version.split(' ').nth(2).unwrap().to_owned(),
            source: "downloads/k3s".to_owned(),
            sha256: sum.split(' ').next().unwrap().to_owned(),
            is_real: true,
        }
    }
}

/// The data of the cluster, in this version and with further settings of servers.
fn data(project: &Project, source: &Source, version: &str, config: &str) {
    let own = include_str!("../../../group_data/kubernetes.toml");
    let own = own
        .replace("version = \"v1.34.4+k3s1\"", &format!("version = \"{version}\""))
        .replace("config = {}", &format!("config = {config}"))
        .replace(&"0".repeat(64), &source.sha256);
    project.write("group_data/kubernetes.toml", own);
    project.write(
        "inventories/kubernetes.toml",
        INVENTORY.replace("source = \"lab\"", &format!("source = \"{}\"", source.source)),
    );
}

fn deploy(project: &Project, more: &[&str]) -> Ran {
    project.homelab(&[&["deploy", "kubernetes", "k3s"], more].concat())
}

/// Nothing is left to do.
fn quiet(project: &Project) -> Ran {
    let again = deploy(project, &["--yes", "-v"]).expect(0);
    assert!(again.stdout.contains("nothing to do on 2 hosts"), "{}", again.stdout);
    again
}

#[test]
#[ignore = "CI has no room for it yet: HOMELAB_TEST_KUBERNETES=1 scripts/test runs it"]
fn two_empty_hosts_become_a_cluster() {
    let project = &Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    let source = &Source::of(project);
    data(project, source, &source.version, "{}");
    let server = &project.up("kubernetes", "kube-dev");
    let agent = &Host::of(project, "kubernetes", "kube-worker-dev");
    let review = deploy(project, &["--dry-run"]).expect(0);
    assert!(review.stdout.contains("+ k3s node kube-dev"), "{}", review.stdout);
    assert!(!server.is("test -e /usr/local/bin/k3s"));

    let done = deploy(project, &["--yes"]).expect(0);
    assert_eq!(done.stdout.contains("(stand-in)"), !source.is_real, "{}", done.stdout);
    for host in [server, agent] {
        let modes =
            host.inside("stat -c '%a %U' /usr/local/bin/k3s /etc/rancher/k3s/config.yaml /etc/rancher/k3s/token");
        assert_eq!(modes.trim(), "755 root\n600 root\n600 root");
    }
    let nodes = "kubectl get nodes --no-headers | awk '{ print $1, $2, $5 }' | sort";
    let both = |version: &str| format!("kube-dev Ready {version}\nkube-worker-dev Ready {version}");
    assert_eq!(server.inside(nodes).trim(), both(&source.version));
    assert!(server.is("systemctl is-enabled k3s") && agent.is("systemctl is-enabled k3s-agent"));
    let again = quiet(project);
    assert_eq!(again.stderr.matches("round trips: 1\n").count(), 2, "{}", again.stderr);

    what_a_cluster_keeps_is_not_changed(project, source);
    // A change of the settings restarts the server alone.
    data(project, source, &source.version, "{ kubelet-arg = [\"max-pods=60\"] }");
    deploy(project, &["--yes"]).expect(0);
    let most = "kubectl get node kube-dev -o jsonpath={.status.capacity.pods}";
    assert_eq!(server.inside(most).trim(), "60");
    quiet(project);
    if !source.is_real {
        upgrades_while_a_client_asks(project, source, server, agent);
        assert_eq!(server.inside(nodes).trim(), both("v1.34.5+k3s1"));
        a_budget_that_holds_ends_the_drain(project, source, server, agent);
    }
    nothing_is_left(project, agent);
}

/// Each is refused before anything is changed.
fn what_a_cluster_keeps_is_not_changed(project: &Project, source: &Source) {
    for (config, said) in [
        (
            "{ cluster-cidr = \"10.52.0.0/16\" }",
            "`cluster-cidr` of a cluster cannot be changed",
        ),
        (
            "{ cluster-init = true }",
            "`cluster-init` of a cluster cannot be changed",
        ),
        ("{ node-name = \"x\" }", "`node-name` cannot be set in `config`"),
    ] {
        data(project, source, &source.version, config);
        let refused = deploy(project, &["--yes"]).expect(3);
        assert!(refused.stderr.contains(said), "{config}: {}", refused.stderr);
    }
    data(project, source, &source.version, "{}");
    project.write(".env", "HOMELAB_LAB_KEY=another-key-of-a-test\n");
    let refused = deploy(project, &["--yes"]).expect(3);
    assert!(
        refused.stderr.contains("the cluster on the host has another token"),
        "{}",
        refused.stderr
    );
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
}

/// A run is killed while the server is restarted, and the next one goes on. No request of a client fails.
fn upgrades_while_a_client_asks(project: &Project, source: &Source, server: &Host<'_>, agent: &Host<'_>) {
    server.inside(&format!(
        "cat >/root/web.yaml <<'EOF'\n{WEB}\nEOF\nkubectl apply -f /root/web.yaml"
    ));
    server.wait_until("kubectl rollout status deploy/web --timeout=5s", PATIENCE);
    let request = "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/30080 && printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3 && grep -q answers <&3'";
    server.wait_until(request, PATIENCE);
    server.inside(&format!(
        "printf '%s\\n' \"{}\" >/root/ask",
        request.replace('"', "\\\"").replace("\\r\\n", "\\\\r\\\\n")
    ));
    server.start("while [ ! -e /root/stop ]; do if sh /root/ask; then echo >>/root/answered; else date >>/root/failed; fi; sleep 0.1; done");

    data(project, source, "v1.34.5+k3s1", "{ kubelet-arg = [\"max-pods=60\"] }");
    let mut run = project
        .command(&["deploy", "kubernetes", "k3s", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_until("test -e /var/lib/rancher/k3s/server/db-before-v1.34.5+k3s1", PATIENCE);
    run.kill().unwrap();
    run.wait().unwrap();
    let done = deploy(project, &["--yes"]).expect(0);
    assert!(done.stdout.contains("moved away before the restart"), "{}", done.stdout);
    thread::sleep(Duration::from_secs(1));
    server.inside("touch /root/stop");
    let answered = server.inside("wc -l </root/answered");
    assert_ne!(answered.trim(), "0");
    assert!(
        !server.is("test -e /root/failed"),
        "{}",
        server.inside("cat /root/failed")
    );
    let cordoned = server.inside("kubectl get node kube-worker-dev -o jsonpath='{.spec.unschedulable}{.metadata.annotations.homelab\\.dev/drained}'");
    assert_eq!(cordoned.trim(), "");
    assert!(agent.is("kubectl version --client | grep -q v1.34.5"));
    quiet(project);
    data(project, source, "v1.34.4+k3s1", "{ kubelet-arg = [\"max-pods=60\"] }");
    let refused = deploy(project, &["--yes"]).expect(3);
    assert!(
        refused
            .stderr
            .contains("`v1.34.4+k3s1` is older than what the host has"),
        "{}",
        refused.stderr
    );
    data(project, source, "v1.34.5+k3s1", "{ kubelet-arg = [\"max-pods=60\"] }");
    quiet(project);
}

/// Nothing is restarted, and the node is used again.
fn a_budget_that_holds_ends_the_drain(project: &Project, source: &Source, server: &Host<'_>, agent: &Host<'_>) {
    server.inside("kubectl patch pdb web --type=merge -p '{\"spec\":{\"minAvailable\":2}}'; kubectl rollout restart deploy/web; kubectl rollout status deploy/web --timeout=60s");
    let before = agent.inside("systemctl show -p InvocationID k3s-agent");
    let task = include_str!("../../../tasks/k3s/agent.toml");
    let task = task.replace(
        "drain = true",
        "drain = true\ndrain_within = \"5s\"\nconfig = { kubelet-arg = [\"max-pods=50\"] }",
    );
    project.write("tasks/k3s/agent.toml", &task);
    let failed = deploy(project, &["--yes"]).expect(1);
    let all = format!("{}{}", failed.stdout, failed.stderr);
    assert!(all.contains("pods did not leave kube-worker-dev within 5 s"), "{all}");
    assert!(all.contains("disruption budget"), "{all}");
    assert_eq!(agent.inside("systemctl show -p InvocationID k3s-agent"), before);
    let cordoned = server.inside("kubectl get node kube-worker-dev -o jsonpath='{.spec.unschedulable}'");
    assert_eq!(cordoned.trim(), "");
    // The next run goes on with what this one owes.
    server.inside("kubectl delete pdb web");
    project.write("tasks/k3s/agent.toml", task.replace("\"5s\"", "\"2m\""));
    deploy(project, &["--yes"]).expect(0);
    assert_ne!(agent.inside("systemctl show -p InvocationID k3s-agent"), before);
    let _ = source;
    quiet(project);
}

fn nothing_is_left(project: &Project, host: &Host<'_>) {
    let task = fs::read_to_string(project.root().join("tasks/k3s/agent.toml")).unwrap();
    project.write("tasks/k3s/agent.toml", format!("{task}present = false\n"));
    deploy(project, &["--yes", "--limit", "kube-worker-dev"]).expect(0);
    let left = "pgrep -l 'k3s|containerd|kube|answer'; ls /usr/local/bin; ip -o link | grep cni0; iptables-save | grep -c KUBE | grep -v '^0$'; \
        grep -E 'k3s|kubelet' /proc/self/mountinfo; ls -d /etc/rancher /var/lib/rancher /var/lib/kubelet /var/lib/cni /run/k3s 2>/dev/null; \
        systemctl list-unit-files 'k3s*' --no-legend; true";
    assert_eq!(host.inside(left).trim(), "");
    let again = deploy(project, &["--yes", "--limit", "kube-worker-dev"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}
