use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;
use crate::facts::helm::{Beside, Release, ReleaseBody, ReleaseQuestion, Rendering};
use crate::secret::{DigestKey, Secret};

/// Makes JSON of manifests that are JSON already, and has the revisions in `$FOLDER/secrets`.
const KUBECTL: &str = r#"#!/bin/sh
shift 2
case "$*" in
"get secrets "*) cat "$FOLDER/secrets" ;;
"get secret "*) cat "$FOLDER/payload" ;;
"annotate --local"*) grep '^{' ;;
"get --raw /version") echo '{ "gitVersion": "v1.34.4" }' ;;
api-versions) echo v1 ;;
esac
"#;

/// Renders its values, and a text that is new each time.
const HELM: &str = r#"#!/bin/sh
echo "$*" >>"$FOLDER/calls"
case "$*" in
version*) printf v3.19.5 ;;
"get manifest"*) echo '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"old"}}' ;;
"get values"*) cat "$FOLDER/values" ;;
upgrade*)
n=$(cat "$FOLDER/count" 2>/dev/null || echo 0); echo $((n + 1)) >"$FOLDER/count"
[ ! -e "$FOLDER/refuses" ] || { echo "Error: $(cat "$FOLDER/refuses")" >&2; exit 1; }
v=$(cat); cat /dev/fd/3 >"$FOLDER/chart"
printf 'NAME: web\nHOOKS:\n---\n# Source: x\n%s\nMANIFEST:\n---\n%s\n\nNOTES:\n{"not":"this"}\n' \
'{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"migrate","annotations":{"helm.sh/hook":"pre-install,pre-upgrade"}}}' \
'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web"},"data":{"random":"'$n'","same":"x","dsn":"user:hunter2@db"}}' ;;
template*) echo '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web"}}' ;;
esac
"#;

struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("kubectl", KUBECTL), ("helm", HELM)] {
            let program = folder.path().join(name);
            fs::write(&program, text).expect("written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        let host = Self(folder);
        for name in ["config", "secrets", "payload"] {
            host.write(name, "");
        }
        host
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }

    fn key(&self, chart: &str, values: &Value) -> FactKey {
        FactKey::HelmRelease(ReleaseQuestion(Box::new(AskedRelease {
            api: Api {
                kubeconfig: Some(self.0.path().join("config").display().to_string()),
            },
            namespace: "shop".to_owned(),
            release: "web".to_owned(),
            chart: chart.to_owned(),
            values: "x".to_owned(),
            always: false,
            body: Beside(ReleaseBody {
                chart: b"the chart"[..].into(),
                values: Some(Secret::new(values.to_string())),
                secret_values: ["/password".to_owned()].into(),
                key: Some(Secret::new(DigestKey::random().hex())),
            }),
        })))
    }

    fn answer(&self, key: &FactKey) -> Release {
        let keys = std::slice::from_ref(key);
        let path = format!("{}:{}", self.0.path().display(), std::env::var("PATH").expect("a path"));
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(probe(keys))
            .env("PATH", path)
            .env("FOLDER", self.0.path());
        let output = command.output().expect("sh runs");
        match parse(keys, 0, &output.stdout).expect("readable").remove(0).1 {
            Fact::HelmRelease(ReleaseFact::Asked(release)) => *release,
            other => panic!("{other:?}"),
        }
    }

    /// Has a revision, as Helm keeps it.
    fn has(&self, revision: u32, status: &str, values: &Value, description: &str, labels: &str) {
        let payload = json!({
            "name": "web", "version": revision, "namespace": "shop", "config": values,
            "info": { "status": status, "description": description },
            "chart": { "metadata": { "name": "web", "version": "1.2.3" } },
        });
        let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut packing, payload.to_string().as_bytes()).expect("packed");
        self.write("payload", &STANDARD.encode(packing.finish().expect("packed")));
        self.write(
            "secrets",
            &format!("1 superseded sh.helm.release.v1.web.v1 - -\n{revision} {status} sh.helm.release.v1.web.v{revision} {labels}\n"),
        );
    }
}

#[test]
fn a_chart_is_rendered_twice_and_secrets_are_digests() {
    let host = Host::new();
    let release = host.answer(&host.key("c0ffee", &json!({ "password": "hunter2" })));
    assert_eq!(release.program.as_deref(), Some("v3.19.5"));
    assert_eq!(release.last, None);
    let Some(Rendering::Made(made)) = &release.rendering else {
        panic!("{release:?}")
    };
    let object = &made.objects[0];
    assert_eq!(object.random, ["/data/random"]);
    assert_eq!(
        object.object["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "Helm"
    );
    assert!(
        object.object["data"]["dsn"]
            .as_str()
            .is_some_and(|text| text.starts_with("[secret] "))
    );
    assert_eq!(object.object["data"]["same"], "x");
    assert_eq!(made.hooks[0].events, ["pre-install", "pre-upgrade"]);
    let shown = format!("{release:?}{}", serde_json::to_string(&release).expect("stored"));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!host.read("calls").contains("hunter2"));
    assert_eq!(host.read("chart"), "the chart");
}

#[test]
fn a_release_that_has_chart_and_values_is_not_rendered() {
    let host = Host::new();
    let values = json!({ "password": "hunter2" });
    let noted = "deployed by homelab; secret values: [\"/old\"]";
    host.has(
        2,
        "deployed",
        &json!({ "password": "hunter2", "old": "hunter1", "open": 1 }),
        noted,
        "c0ffee 2",
    );
    host.write("values", &values.to_string());
    let release = host.answer(&host.key("c0ffee", &values));
    assert_eq!(release.rendering, None);
    let last = release.last.as_ref().expect("a revision");
    assert!(last.is_ours() && last.has("c0ffee") && !last.has("other"));
    assert_eq!(last.chart, "web 1.2.3");
    assert_eq!(last.values["open"], 1);
    assert_eq!(last.objects.as_ref().expect("said by helm")[0].id.name, "old");
    let shown = format!("{release:?}{}", serde_json::to_string(&release).expect("stored"));
    assert!(!shown.contains("hunter"), "{shown}");
    // What was upgraded by hand has the labels of before.
    host.has(3, "deployed", &values, "Upgrade complete", "c0ffee 2");
    let release = host.answer(&host.key("c0ffee", &values));
    assert!(release.rendering.is_some() && !release.last.expect("a revision").is_ours());
    assert_eq!(release.revisions.into_keys().collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn what_helm_refuses_is_told() {
    let host = Host::new();
    host.write("refuses", "no");
    let release = host.answer(&host.key("c0ffee", &json!({})));
    assert_eq!(release.rendering, Some(Rendering::Refused("Error: no".to_owned())));
}

#[test]
fn what_helm_does_not_try_is_rendered_apart() {
    let host = Host::new();
    for why in [
        "unable to build kubernetes objects from release manifest: resource mapping not found for name: \"a\" namespace: \"\" from \"\": \
         no matches for kind \"A\" in version \"a/v1\"",
        "UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
        "Unable to continue with install: ConfigMap \"web\" in namespace \"shop\" exists and cannot be imported into the current release: \
         invalid ownership metadata; annotation validation error: key \"meta.helm.sh/release-name\" must equal \"web\": current value is \"b\"",
    ] {
        host.write("refuses", why);
        let release = host.answer(&host.key("c0ffee", &json!({})));
        let Some(Rendering::Made(made)) = &release.rendering else {
            panic!("{why}: {release:?}")
        };
        assert!(made.is_apart && made.objects.len() == 1, "{why}: {made:?}");
    }
}
