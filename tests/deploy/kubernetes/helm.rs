//! Releases of Helm: what reviews say of them is what the cluster gets, with Helm 3 and with Helm 4.

use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::deploy::canary::{Trace, forms};
use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const PATIENCE: Duration = Duration::from_secs(90);

const INVENTORY: &str = "[hosts.alpha]\nlab = { kubernetes = true, helm = true }\n[hosts.alpha.data]\npassword = \"{{ 'web' | lab_password }}\"\n\
     helm = 'v3.19.5'\n";

const DEPLOY: &str = "hosts = ['*']\ntasks = ['k3s/server', 'shop/release']\n";

const SERVER: &str = r#"
[[operation]]
op = "k3s.server"
version = "v1.34.4+k3s1"
source = "lab"
token = "token-of-a-test"

[[operation]]
op = "files.put"
src = "lab:helm-{{ helm }}"
dest = "/usr/local/bin/helm"
mode = "0755"
"#;

const RELEASE: &str = r#"
[[operation]]
op = "k8s.namespace"
namespace = "shop"

[[operation]]
op = "helm.release"
release = "web"
namespace = "shop"
chart = "web"
values = { level = "info", password = "{{ password }}" }
within = "120s"
"#;

const CHART: &[(&str, &str)] = &[
    (
        "Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 1.2.3\ndependencies: [{ name: common, version: 0.1.0 }, { name: extra, version: 0.1.0, condition: \
         extra.enabled }]\n",
    ),
    (
        "values.yaml",
        "level: warn\npassword: none\nimage: answer:1\nfails: false\nmany: 0\nextra: { enabled: true }\n",
    ),
    (
        "charts/common/Chart.yaml",
        "apiVersion: v2\nname: common\nversion: 0.1.0\ntype: library\n",
    ),
    (
        "charts/common/templates/_labels.tpl",
        "{{- define \"common.labels\" }}{ app: {{ .Release.Name }} }{{ end -}}\n",
    ),
    (
        "charts/extra/Chart.yaml",
        "apiVersion: v2\nname: extra\nversion: 0.1.0\n",
    ),
    (
        "charts/extra/crds/more.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: mores.example.org }\nspec:\n  \
         group: example.org\n  scope: Cluster\n  names: { plural: mores, singular: more, kind: More }\n  versions:\n    - name: v1\n      \
         served: true\n      storage: true\n      schema: { openAPIV3Schema: { type: object, properties: { spec: { type: object, properties: \
         { size: { type: integer } } } } } }\n",
    ),
    (
        "crds/thing.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: things.example.org }\nspec:\n  \
         group: example.org\n  scope: Cluster\n  names: { plural: things, singular: thing, kind: Thing }\n  versions:\n    - name: v1\n      \
         served: true\n      storage: true\n      schema: { openAPIV3Schema: { type: object, properties: { spec: { type: object, properties: \
         { size: { type: integer } } } } } }\n",
    ),
    (
        "templates/thing.yaml",
        "apiVersion: example.org/v1\nkind: Thing\nmetadata: { name: one }\nspec: { size: 1 }\n",
    ),
    (
        "templates/settings.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\ndata: { level: {{ .Values.level }}, version: {{ .Capabilities.KubeVersion.Version }} }\n\
         ---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: address }\ndata: { url: \"db://me:{{ .Values.password }}@db\" }\n",
    ),
    (
        "templates/secret.yaml",
        "{{- $there := lookup \"v1\" \"Secret\" .Release.Namespace \"made\" }}\napiVersion: v1\nkind: Secret\nmetadata: { name: made }\n\
         data: { key: {{ if $there }}{{ index $there.data \"key\" }}{{ else }}{{ randAlphaNum 12 | b64enc }}{{ end }} }\n",
    ),
    (
        "templates/web.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  selector: { matchLabels: {{ include \"common.labels\" . }} }\n  \
         template:\n    metadata: { labels: {{ include \"common.labels\" . }} }\n    spec:\n      containers: [{ name: web, image: \
         \"docker.io/lab/{{ .Values.image }}\", imagePullPolicy: Never }]\n",
    ),
    (
        "templates/hook.yaml",
        "{{- if .Values.fails }}\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations: { helm.sh/hook: pre-upgrade }\n\
         spec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{ name: migrate, image: \
         \"docker.io/lab/answer:1\", imagePullPolicy: Never, args: [lookup, no.such.name.invalid] }]\n{{- end }}\n",
    ),
    (
        "templates/many.yaml",
        "{{- range $i := until (int .Values.many) }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: many-{{ $i }} }\n\
         data: { number: \"{{ $i }}\" }\n{{- end }}\n",
    ),
];

/// A chart whose pods may not start.
const SLOW: &[(&str, &str)] = &[
    ("Chart.yaml", "apiVersion: v2\nname: slow\nversion: 0.1.0\n"),
    (
        "templates/slow.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: {{ .Release.Name }} }\nspec:\n  selector: { matchLabels: { app: {{ \
         .Release.Name }} } }\n  template:\n    metadata: { labels: { app: {{ .Release.Name }} } }\n    spec:\n      containers: [{ name: \
         slow, image: \"docker.io/lab/{{ .Values.image }}\", imagePullPolicy: Never }]\n",
    ),
];

fn deploy(project: &Project, more: &[&str]) -> Ran {
    let ran = project.homelab(&[&["deploy", "dev", "shop"], more].concat());
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains("hunter") && !text.contains("aHVudGVy"), "{text}");
    }
    ran
}

/// Nothing is left to do, and the host is asked twice: for the release, and for its objects.
fn quiet(project: &Project) {
    let again = deploy(project, &["--yes", "-v"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(again.stderr.contains("round trips: 2\n"), "{}", again.stderr);
}

/// Has the release with these values beside the password.
fn values(project: &Project, values: &str) {
    project.write("tasks/shop/release.toml", RELEASE.replace("level = \"info\"", values));
}

fn status(host: &Host<'_>) -> String {
    status_of(host, "web")
}

fn status_of(host: &Host<'_>, release: &str) -> String {
    host.inside(&format!("kubectl -n shop get secrets -l owner=helm,name={release} --sort-by=.metadata.creationTimestamp -o jsonpath='{{.items[-1:].metadata.labels.status}}'"))
        .trim()
        .to_owned()
}

fn level(host: &Host<'_>) -> String {
    host.inside("kubectl -n shop get configmap settings -o jsonpath='{.data.level}'")
        .trim()
        .to_owned()
}

#[test]
#[ignore = "CI has no room for it yet: HOMELAB_TEST_KUBERNETES=1 scripts/test runs it"]
fn a_release_is_what_the_review_shows() {
    let project = &Project::of(&[
        ("inventories/dev.toml", INVENTORY),
        (".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n"),
        ("deploys/shop.toml", DEPLOY),
        ("tasks/k3s/server.toml", SERVER),
        ("tasks/shop/release.toml", RELEASE),
    ]);
    for (path, text) in CHART {
        project.write(&format!("charts/web/{path}"), text);
    }
    let host = &project.up("dev", "alpha");

    // An empty host: the release with its values; its objects are not rendered yet.
    let review = deploy(project, &["--dry-run"]).expect(0);
    for line in [
        "helm release web in shop",
        "web 1.2.3",
        "level: info",
        "password: \"[secret]\"",
    ] {
        assert!(review.stdout.contains(line), "{line}: {}", review.stdout);
    }
    let done = deploy(project, &["--yes"]).expect(0);
    for line in [
        "+ object Deployment/web in shop",
        "+ object Thing/one",
        "+ object CustomResourceDefinition/things.example.org",
        "+ object CustomResourceDefinition/mores.example.org",
    ] {
        assert!(done.stdout.contains(line), "{line}: {}", done.stdout);
    }
    let seen = "kubectl -n shop get deployment web -o jsonpath={.status.readyReplicas}; kubectl get thing one -o jsonpath={.spec.size}";
    assert_eq!(host.inside(seen).trim(), "11", "{}", done.stdout);
    assert!(
        host.inside("kubectl -n shop get configmap address -o jsonpath={.data.url}")
            .contains("db://me:")
    );
    assert!(
        host.inside("kubectl -n shop get configmap settings -o jsonpath={.data.version}")
            .contains("v1.34")
    );
    quiet(project);

    another_value_changes_what_the_review_says(project, host);
    what_others_changed_is_put_back(project, host);
    a_failing_hook_is_told_with_its_log(project, host);
    an_upgrade_that_fails_goes_back(project, host);
    a_run_that_was_cut_off_is_put_right(project, host);
    a_first_installation_that_was_cut_off_is_put_right(project, host, "first");
    an_object_of_another_release_is_refused(project);
    a_secret_is_nowhere_in_clear(project, host);
    many_objects_take_two_rounds(project, host);
    a_definition_that_changes_is_applied_before(project, host);
    a_newer_helm_changes_nothing(project, host);
    another_value_changes_what_the_review_says(project, host);
    what_others_changed_is_put_back(project, host);
    an_upgrade_that_fails_goes_back(project, host);
    a_first_installation_that_was_cut_off_is_put_right(project, host, "second");
    an_object_of_another_release_is_refused(project);
    a_release_installed_by_hand_is_taken_over(project, host);
    a_release_goes(project, host);
}

fn another_value_changes_what_the_review_says(project: &Project, host: &Host<'_>) {
    let key = "kubectl -n shop get secret made -o jsonpath='{.data.key} {.metadata.uid}'; kubectl -n shop get deployment web -o jsonpath='{.metadata.generation}'";
    let before = host.inside(key);
    values(project, "level = \"debug\"");
    let review = deploy(project, &["--dry-run"]).expect(0);
    for line in [
        "~ data.level: \"info\" → \"debug\"",
        "~ object ConfigMap/settings in shop",
    ] {
        assert!(review.stdout.contains(line), "{line}: {}", review.stdout);
    }
    assert_eq!(review.stdout.matches("object ").count(), 1, "{}", review.stdout);
    assert_eq!(level(host), "info");
    deploy(project, &["--yes"]).expect(0);
    assert_eq!((level(host).as_str(), host.inside(key)), ("debug", before));
    quiet(project);
    // Another secret is told without it, and without the one before.
    project.write("inventories/dev.toml", inventory(project).replace("'web'", "'other'"));
    let review = deploy(project, &["--dry-run"]).expect(0);
    assert!(
        review.stdout.contains("~ object ConfigMap/address in shop"),
        "{}",
        review.stdout
    );
    deploy(project, &["--yes"]).expect(0);
    assert!(
        host.inside("kubectl -n shop get configmap address -o jsonpath={.data.url}")
            .contains("db://me:")
    );
    project.write("inventories/dev.toml", inventory(project).replace("'other'", "'web'"));
    values(project, "level = \"info\"");
    deploy(project, &["--yes"]).expect(0);
    quiet(project);
}

/// The inventory as it is now.
fn inventory(project: &Project) -> String {
    fs::read_to_string(project.root().join("inventories/dev.toml")).unwrap()
}

fn what_others_changed_is_put_back(project: &Project, host: &Host<'_>) {
    host.inside("kubectl -n shop patch configmap settings --type=merge -p '{\"data\":{\"level\":\"trace\"}}'");
    host.inside("kubectl -n shop delete configmap address");
    let review = deploy(project, &["--dry-run"]).expect(0);
    for line in [
        "~ data.level: \"trace\" → \"info\"",
        "+ object ConfigMap/address in shop",
    ] {
        assert!(review.stdout.contains(line), "{line}: {}", review.stdout);
    }
    deploy(project, &["--yes"]).expect(0);
    assert_eq!(level(host), "info");
    assert!(host.is("kubectl -n shop get configmap address"));
    quiet(project);
}

fn a_failing_hook_is_told_with_its_log(project: &Project, host: &Host<'_>) {
    values(project, "level = \"info\", fails = true");
    let review = deploy(project, &["--dry-run"]).expect(0);
    assert!(review.stdout.contains("Job/migrate (pre-upgrade)"), "{}", review.stdout);
    let failed = deploy(project, &["--yes"]).expect(1);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(
        told.contains("no.such.name.invalid") && told.contains("pre-upgrade"),
        "{told}"
    );
    values(project, "level = \"info\"");
    deploy(project, &["--yes"]).expect(0);
    assert_eq!(status(host), "deployed");
    quiet(project);
}

fn an_upgrade_that_fails_goes_back(project: &Project, host: &Host<'_>) {
    let image = "kubectl -n shop get deployment web -o jsonpath='{.spec.template.spec.containers[0].image}'";
    values(project, "level = \"info\", image = \"missing:1\"");
    let release = fs::read_to_string(project.root().join("tasks/shop/release.toml")).unwrap();
    project.write("tasks/shop/release.toml", release.replace("120s", "8s"));
    let failed = deploy(project, &["--yes"]).expect(1);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(
        told.contains("ErrImageNeverPull") && told.contains("went back to revision"),
        "{told}"
    );
    assert!(host.inside(image).contains("answer:1"));
    assert_eq!(status(host), "deployed");
    values(project, "level = \"info\"");
    deploy(project, &["--yes"]).expect(0);
    quiet(project);
}

/// A deploy in the background.
fn start(project: &Project) -> Child {
    let mut deploy = project.command(&["deploy", "dev", "shop", "--yes"]);
    deploy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn a_run_that_was_cut_off_is_put_right(project: &Project, host: &Host<'_>) {
    values(project, "level = \"debug\", image = \"missing:1\"");
    let mut run = start(project);
    host.wait_until(
        "kubectl -n shop get secrets -l owner=helm,name=web,status=pending-upgrade -o name | grep -q .",
        PATIENCE,
    );
    cut_off(&mut run, host);
    assert_eq!(status(host), "pending-upgrade");
    values(project, "level = \"debug\"");
    let done = deploy(project, &["--yes"]).expect(0);
    assert!(done.stdout.contains("pending-upgrade"), "{}", done.stdout);
    assert_eq!((level(host).as_str(), status(host).as_str()), ("debug", "deployed"));
    quiet(project);
    // One of another owner is not touched.
    let packed = Command::new("tar")
        .args(["-C", project.root().join("charts").to_str().unwrap(), "-cz", "."])
        .output()
        .unwrap();
    let packed = STANDARD.encode(packed.stdout);
    host.inside(&format!(
        "mkdir -p /root/charts && echo {packed} | base64 -d | tar -C /root/charts -xz"
    ));
    host.start("export KUBECONFIG=/etc/rancher/k3s/k3s.yaml; cd /root/charts && helm upgrade web ./web -n shop --reuse-values --set image=missing:2 --wait");
    let started = Instant::now();
    while status(host) != "pending-upgrade" {
        assert!(started.elapsed() < PATIENCE, "helm does not upgrade");
        thread::sleep(Duration::from_millis(100));
    }
    host.inside("pkill -9 -x helm");
    assert_eq!(status(host), "pending-upgrade");
    let refused = deploy(project, &["--yes"]).expect(3);
    assert!(
        refused.stderr.contains("helm rollback -n shop web"),
        "{}",
        refused.stderr
    );
    host.inside("KUBECONFIG=/etc/rancher/k3s/k3s.yaml helm rollback web -n shop");
    values(project, "level = \"info\"");
    deploy(project, &["--yes"]).expect(0);
    quiet(project);
}

fn many_objects_take_two_rounds(project: &Project, host: &Host<'_>) {
    values(project, "level = \"info\", many = 120");
    let review = deploy(project, &["--dry-run", "-v"]).expect(0);
    assert_eq!(
        review.stdout.matches("+ object ConfigMap/many-").count(),
        120,
        "{}",
        review.stdout
    );
    assert!(review.stderr.contains("round trips: 2\n"), "{}", review.stderr);
    deploy(project, &["--yes"]).expect(0);
    quiet(project);
    values(project, "level = \"info\", many = 1");
    let review = deploy(project, &["--dry-run"]).expect(0);
    assert_eq!(
        review.stdout.matches("- object ConfigMap/many-").count(),
        119,
        "{}",
        review.stdout
    );
    deploy(project, &["--yes"]).expect(0);
    assert_eq!(
        host.inside("kubectl -n shop get configmap -o name | grep -c many-")
            .trim(),
        "1"
    );
    values(project, "level = \"info\"");
    deploy(project, &["--yes"]).expect(0);
    quiet(project);
}

fn a_definition_that_changes_is_applied_before(project: &Project, host: &Host<'_>) {
    // Those of dependencies too.
    for (path, definition) in [
        ("charts/web/crds/thing.yaml", "things.example.org"),
        ("charts/web/charts/extra/crds/more.yaml", "mores.example.org"),
    ] {
        let text = fs::read_to_string(project.root().join(path)).unwrap();
        project.write(
            path,
            text.replace("type: integer }", "type: integer }, color: { type: string }"),
        );
        let review = deploy(project, &["--dry-run"]).expect(0);
        let line = format!("~ object CustomResourceDefinition/{definition}");
        assert!(review.stdout.contains(&line), "{}", review.stdout);
        deploy(project, &["--yes"]).expect(0);
        let schema = format!("kubectl get crd {definition} -o jsonpath='{{.spec.versions[0].schema}}'");
        let fields = host.inside(&schema);
        assert!(fields.contains("color"), "{fields}");
        quiet(project);
    }
}

fn a_newer_helm_changes_nothing(project: &Project, host: &Host<'_>) {
    project.write("inventories/dev.toml", INVENTORY.replace("v3.19.5", "v4.0.5"));
    let done = deploy(project, &["--yes"]).expect(0);
    assert!(!done.stdout.contains("helm release web"), "{}", done.stdout);
    assert!(host.inside("helm version --short").starts_with("v4.0.5"));
    quiet(project);
}

fn a_release_installed_by_hand_is_taken_over(project: &Project, host: &Host<'_>) {
    host.inside("mkdir -p /root/chart/templates && printf 'apiVersion: v2\\nname: hand\\nversion: 0.1.0\\n' >/root/chart/Chart.yaml && printf 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: { name: hand }\\ndata: { a: {{ .Values.a | quote }} }\\n' >/root/chart/templates/a.yaml && KUBECONFIG=/etc/rancher/k3s/k3s.yaml helm install hand /root/chart -n shop --set a=1,old=hunter9");
    project.write("charts/hand/Chart.yaml", "apiVersion: v2\nname: hand\nversion: 0.2.0\n");
    project.write(
        "charts/hand/templates/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: hand }\ndata: { a: {{ .Values.a | quote }} }\n",
    );
    let mut text = RELEASE.to_owned();
    let _ = write!(
        text,
        "\n[[operation]]\nop = \"helm.release\"\nrelease = \"hand\"\nnamespace = \"shop\"\nchart = \"hand\"\nvalues = {{ a = 2 }}\n"
    );
    project.write("tasks/shop/release.toml", &text);
    let review = deploy(project, &["--dry-run"]).expect(0);
    for line in [
        "not installed by homelab",
        "hand 0.1.0",
        "hand 0.2.0",
        "~ object ConfigMap/hand in shop",
    ] {
        assert!(review.stdout.contains(line), "{line}: {}", review.stdout);
    }
    deploy(project, &["--yes"]).expect(0);
    let seen = host.inside("kubectl -n shop get configmap hand -o jsonpath={.data.a}");
    assert_eq!(seen.trim(), "2");
    quiet(project);
}

fn an_object_of_another_release_is_refused(project: &Project) {
    project.write(
        "tasks/shop/release.toml",
        RELEASE.replace("release = \"web\"", "release = \"other\""),
    );
    let refused = deploy(project, &["--yes"]).expect(3);
    assert!(
        refused.stderr.contains("is of the release `web` in `shop`"),
        "{}",
        refused.stderr
    );
    values(project, "level = \"info\"");
    quiet(project);
}

/// Kills homelab, and all that it runs on the host.
fn cut_off(run: &mut Child, host: &Host<'_>) {
    run.kill().unwrap();
    run.wait().unwrap();
    // The host is cut off too, with the shell that would go back: the end of the revision is not written.
    host.inside("pkill -9 -s $(ps -o sid= -C helm | head -n 1)");
}

fn a_first_installation_that_was_cut_off_is_put_right(project: &Project, host: &Host<'_>, release: &str) {
    for (path, text) in SLOW {
        project.write(&format!("charts/slow/{path}"), text);
    }
    let with_image = |image: &str| {
        let more = format!(
            "\n[[operation]]\nop = \"helm.release\"\nrelease = \"{release}\"\nnamespace = \"shop\"\nchart = \"slow\"\nvalues = {{ image = \"{image}\" }}\n"
        );
        project.write("tasks/shop/release.toml", RELEASE.to_owned() + &more);
    };
    with_image("missing:1");
    let mut run = start(project);
    let pending =
        format!("kubectl -n shop get secrets -l owner=helm,name={release},status=pending-install -o name | grep -q .");
    host.wait_until(&pending, PATIENCE);
    let made = format!("kubectl -n shop get deployment {release}");
    host.wait_until(&made, PATIENCE);
    cut_off(&mut run, host);
    assert_eq!(status_of(host, release), "pending-install");
    with_image("answer:1");
    let review = deploy(project, &["--dry-run"]).expect(0);
    for words in ["pending-install", &format!("~ object Deployment/{release} in shop")] {
        assert!(review.stdout.contains(words), "{words}: {}", review.stdout);
    }
    deploy(project, &["--yes"]).expect(0);
    assert_eq!(status_of(host, release), "deployed");
    let ready = format!("kubectl -n shop get deployment {release} -o jsonpath={{.status.readyReplicas}}");
    assert_eq!(host.inside(&ready).trim(), "1");
    quiet(project);
    // Before Helm has written anything there is nothing to put right.
    let gone = format!(
        "{RELEASE}\n[[operation]]\nop = \"helm.release\"\nrelease = \"{release}\"\nnamespace = \"shop\"\npresent = false\n"
    );
    project.write("tasks/shop/release.toml", gone);
    deploy(project, &["--yes"]).expect(0);
    assert!(!host.is(&made));
    values(project, "level = \"info\"");
}

/// A password in a value is in nothing that is printed, kept here or on the host, or seen by other users there.
fn a_secret_is_nowhere_in_clear(project: &Project, host: &Host<'_>) {
    let canary = format!("Kanari{}/Zq9'x+y", std::process::id());
    let forms = forms(&canary);
    let is_clear = |what: &str, text: &str| {
        let form = forms.iter().find(|form| text.contains(form.as_str()));
        assert!(form.is_none(), "{form:?} in {what}: {text}");
    };
    let says = |arguments: &[&str]| {
        let ran = project.homelab_with_key(arguments).expect(0);
        is_clear(&arguments.join(" "), &(ran.stdout.clone() + &ran.stderr));
        ran.stdout
    };
    let before = inventory(project);
    project.begin_secrets();
    project.write(
        ".env",
        format!("HOMELAB_LAB_KEY=the-key-of-a-test-only\nCANARY=\"{canary}\"\n"),
    );
    let with_canary = before.replace("{{ 'web' | lab_password }}", "{{ env('CANARY') }}");
    assert_ne!(with_canary, before);
    project.write("inventories/dev.toml", with_canary);
    for format in ["text", "json", "html", "markdown"] {
        let review = says(&["deploy", "dev", "shop", "--dry-run", "-v", "--format", format]);
        assert!(review.contains("ConfigMap/address"), "{format}: {review}");
    }
    says(&["plan", "dev", "shop", "-o", "shop.plan"]);
    says(&["show", "shop.plan", "-v"]);
    says(&["show", "shop.plan", "--format", "json"]);
    // All that runs on the host, with arguments and environments.
    let trace = Trace::begin(host);
    says(&["apply", "shop.plan", "--yes", "-v"]);
    let calls = trace.end();
    let programs: Vec<&String> = calls.iter().filter(|call| call.contains("execve(")).collect();
    assert!(
        programs.iter().any(|call| call.contains("\"upgrade\"")),
        "{}",
        programs.len()
    );
    for call in programs {
        is_clear("a program", call);
    }
    let seen = host.inside("kubectl -n shop get configmap address -o jsonpath={.data.url}");
    assert_eq!(seen.trim(), format!("db://me:{canary}@db"));
    for arguments in [
        &["history", "dev"][..],
        &["history", "dev", "alpha"],
        &["history", "dev", "--format", "json"],
        &["drift", "dev", "shop", "--format", "json"],
        &["status", "dev", "--format", "json"],
    ] {
        says(arguments);
    }
    // A password that is replaced is not shown either.
    project.write("inventories/dev.toml", &before);
    says(&["deploy", "dev", "shop", "--dry-run", "-v"]);
    says(&["deploy", "dev", "shop", "--yes", "-v"]);
    quiet(project);
    // Files: of the project, but for its own `.env`, and of the host, but for the database of the cluster and what it gives to pods.
    let patterns = project.root().join(".homelab/patterns");
    fs::write(&patterns, forms.join("\n")).unwrap();
    let found = Command::new("grep")
        .args(["-rlF", "--exclude=.env", "--exclude=patterns", "-f"])
        .arg(&patterns)
        .arg(project.root())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    let patterns = STANDARD.encode(forms.join("\n"));
    let on_host = format!(
        "echo {patterns} | base64 -d | grep -rlF -f - --exclude-dir=rancher --exclude-dir=kubelet /etc /root /home /tmp /run /dev/shm /var 2>/dev/null || true"
    );
    assert_eq!(host.inside(&on_host), "");
}

fn a_release_goes(project: &Project, host: &Host<'_>) {
    let gone = |name: &str| {
        format!("\n[[operation]]\nop = \"helm.release\"\nrelease = \"{name}\"\nnamespace = \"shop\"\npresent = false\n")
    };
    project.write("tasks/shop/release.toml", gone("web") + &gone("hand"));
    let review = deploy(project, &["--dry-run"]).expect(0);
    for line in [
        "- helm release web in shop",
        "- object Deployment/web in shop",
        "- object ConfigMap/hand in shop",
    ] {
        assert!(review.stdout.contains(line), "{line}: {}", review.stdout);
    }
    deploy(project, &["--yes"]).expect(0);
    assert!(!host.is("kubectl -n shop get deployment web") && !host.is("kubectl -n shop get secret made"));
    assert!(host.is("kubectl get crd things.example.org"));
    let again = deploy(project, &["--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}
