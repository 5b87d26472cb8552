//! The Kubernetes of the lab, end to end: installed by hand, as a deploy would do it.
//!
//! `cargo test --test hosts lab::kubernetes -- --ignored` runs it. The first time it needs Go and the network, and a quarter of an
//! hour on two cores.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::Project;
use crate::support::project::text;

const HOSTS: &str = r#"
[lab]
kubernetes = true
[hosts.one]
lab = { image = "debian:12" }
[hosts.two]
lab = true
"#;
const SCRIPTS: [(&str, &str); 3] = [
    ("install.sh", include_str!("kubernetes/install.sh")),
    ("k3s-killall.sh", include_str!("kubernetes/killall.sh")),
    ("k3s-uninstall.sh", include_str!("kubernetes/uninstall.sh")),
];
/// What `lab up` puts into the folder of the lab.
const K3S: &str = "k3s-v1.34.4+k3s1";
const WEB: &str = include_str!("kubernetes/web.yaml");
const GPU: &str = include_str!("kubernetes/gpu.yaml");
const PATIENCE: Duration = Duration::from_secs(90);

/// What the line prints on the host, which reads `input`. It must work.
fn with_input(project: &Project, host: &str, line: &str, input: &[u8]) -> String {
    let mut command = project.command(&["lab", "ssh", host, "--", line]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{host}: {line}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Waits until what the line prints on the host is as `wanted`.
fn wait(project: &Project, host: &str, line: &str, wanted: &str) {
    let started = Instant::now();
    loop {
        let output = project.homelab(&["lab", "ssh", host, "--", line]);
        let said = text(&output.stdout);
        if said.trim() == wanted {
            return;
        }
        let error = text(&output.stderr);
        assert!(started.elapsed() < PATIENCE, "{host}: {line}: {said}{error}");
        thread::sleep(Duration::from_millis(300));
    }
}

fn install(project: &Project, host: &str, role: &str, configuration: &str) {
    let k3s = fs::read(project.lab_folder().join(K3S)).unwrap();
    with_input(project, host, "cat > /usr/local/bin/k3s", &k3s);
    for (name, script) in SCRIPTS {
        with_input(
            project,
            host,
            &format!("cat > /usr/local/bin/{name}"),
            script.as_bytes(),
        );
    }
    project.on(host, "chmod 0755 /usr/local/bin/*");
    let line = format!("sh /usr/local/bin/install.sh {role}");
    with_input(project, host, &line, configuration.as_bytes());
}

#[test]
#[ignore = "CI has no room for it yet: HOMELAB_TEST_KUBERNETES=1 scripts/test runs it"]
fn a_server_and_an_agent_run_pods_that_reach_each_other() {
    let project = Project::new(HOSTS);
    let said = project.stderr(&["lab", "up", "dev"]);
    assert!(said.contains("two: ready for Kubernetes; stand-in: k3s, gpu"), "{said}");
    let digest = fs::read_to_string(project.lab_folder().join(format!("{K3S}.sha256"))).unwrap();

    install(
        &project,
        "one",
        "server",
        "token: secret\nwrite-kubeconfig-mode: \"0640\"\n",
    );
    assert!(
        project
            .on("one", "sha256sum /usr/local/bin/k3s")
            .starts_with(digest.trim())
    );
    assert_eq!(project.on("one", "stat -c %a /etc/rancher/k3s/k3s.yaml"), "640");
    let address = project.on("one", "ip -o -4 address show eth0 | grep -o '[0-9.]*/' | tr -d /");
    let token = project.on("one", "cat /var/lib/rancher/k3s/server/node-token");
    assert!(
        token.starts_with("K10") && token.ends_with("::server:secret"),
        "{token}"
    );
    refused(&project, &address, &token);
    install(
        &project,
        "two",
        "agent",
        &format!("server: https://{address}:6443\ntoken: {token}\n"),
    );
    let ready = "kubectl get node -o jsonpath='{range .items[*]}{.metadata.name} {.status.conditions[?(@.type==\"Ready\")].status} {end}'";
    wait(&project, "one", ready, "one True two True");

    with_input(&project, "one", "kubectl apply -f -", WEB.as_bytes());
    pods_answer(&project);
    let plugin = fs::read(project.lab_folder().join("gpu.tar")).unwrap();
    with_input(&project, "two", "k3s ctr images import -", &plugin);
    with_input(&project, "one", "kubectl apply -f -", GPU.as_bytes());
    gpus_are_counted(&project);

    project.homelab(&["lab", "ssh", "one", "--", "systemctl reboot"]);
    // What the API server knows of the pods of `one` is from before: until they run again, they have other addresses than it says.
    let again = "kubectl get pod -l app=web --field-selector spec.nodeName=one \
        -o jsonpath='{.items[0].status.containerStatuses[0].restartCount} {.items[0].status.containerStatuses[0].ready}'";
    wait(&project, "one", again, "1 true");
    pods_answer(&project);
    for host in ["two", "one"] {
        nothing_is_left(&project, host);
    }
}

/// One with a wrong token, or of another cluster, does not join, and starts nothing.
fn refused(project: &Project, address: &str, token: &str) {
    let k3s = fs::read(project.lab_folder().join(K3S)).unwrap();
    with_input(project, "two", "cat > /root/k3s; chmod 0755 /root/k3s", &k3s);
    let other = token.replacen("K10", "K10f", 1);
    for (token, reason) in [
        ("other", "not authorized"),
        (other.as_str(), "does not match the Cluster CA"),
    ] {
        let line = format!("/root/k3s agent --server https://{address}:6443 --token {token} 2>&1; pgrep -x containerd");
        let said = text(&project.homelab(&["lab", "ssh", "two", "--", &line]).stdout);
        assert!(said.contains(reason), "{said}");
        assert!(!said.contains("Running"), "{said}");
    }
    project.on("two", "rm -r /root/k3s /var/lib/rancher /etc/rancher; true");
}

/// By the name of the service, from a pod of either node, and at the port of either node.
fn pods_answer(project: &Project) {
    project.on("one", "kubectl rollout status deploy/web --timeout=60s");
    let nodes = "kubectl get pod -l app=web -o jsonpath='{range .items[*]}{.spec.nodeName}{\"\\n\"}{end}' | sort";
    assert_eq!(project.on("one", nodes), "one\ntwo");
    let addresses = project.on(
        "one",
        "kubectl get pod -l app=web -o jsonpath='{range .items[*]}{.status.podIP} {end}'",
    );
    for pod in project.on("one", "kubectl get pod -l app=web -o name").lines() {
        for address in addresses.split_whitespace() {
            answers(project, pod, &format!("http://{address}:8080/"));
        }
        answers(project, pod, "http://web.default.svc.cluster.local/");
    }
    for host in ["one", "two"] {
        let line = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/30080 && printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3 && tail -n 1 <&3' | grep -o answers";
        wait(project, host, line, "answers");
    }
}

/// Waits until the pod gets an answer: routes and names follow the pods.
fn answers(project: &Project, pod: &str, url: &str) {
    let line = format!("kubectl exec {pod} -- /answer get {url}");
    let started = Instant::now();
    loop {
        let output = project.homelab(&["lab", "ssh", "one", "--", &line]);
        if text(&output.stdout).contains(" answers 10.42.") {
            return;
        }
        let error = text(&output.stderr);
        assert!(started.elapsed() < PATIENCE, "{pod}: {url}: {error}");
        thread::sleep(Duration::from_millis(300));
    }
}

/// One GPU is offered four times, so the fifth pod waits.
fn gpus_are_counted(project: &Project) {
    let line = "kubectl get node two -o jsonpath='{.status.allocatable.nvidia\\.com/gpu}'";
    wait(project, "one", line, "4");
    let line = "kubectl get pod -l app=compute --no-headers | awk '{print $3}' | sort | uniq -c | xargs";
    wait(project, "one", line, "1 Pending 4 Running");
}

fn nothing_is_left(project: &Project, host: &str) {
    project.on(host, "k3s-uninstall.sh; rm /usr/local/bin/install.sh");
    let line = "pgrep -l 'k3s|containerd|kube|etcd|answer|coredns'; ls /usr/local/bin; ip -o link | grep cni0; \
        iptables-save | grep -c KUBE | grep -v '^0$'; grep -E 'k3s|kubelet' /proc/self/mountinfo; \
        ls -d /etc/rancher /var/lib/rancher /var/lib/kubelet /var/lib/cni /run/k3s 2> /dev/null; systemctl list-unit-files 'k3s*' --no-legend; true";
    assert_eq!(project.on(host, line), "");
}
