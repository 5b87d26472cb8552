//! The commands that change a release.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wish::Upgrade;
use crate::change::{Command, Step};
use crate::content::Input;
use crate::facts::helm::{CHART_LABEL, Made, REVISION_LABEL, label};
use crate::facts::kubernetes::{Api, ObjectId, ObjectName, Objects};
use crate::quote::quote;

/// Time for what is asked beside waiting.
const ASIDE: Duration = Duration::from_secs(120);
/// What is read of each revision: its number and its status.
const REVISIONS: &str = "{{range .items}}{{.metadata.labels.version}} {{.metadata.labels.status}}\n{{end}}";
/// Kinds whose pods say why an upgrade failed.
const EXPLAINED: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"];

/// An upgrade as it was reviewed.
pub(super) struct Run<'a> {
    /// Number and status of the last revision, as the review saw it.
    pub(super) reviewed: Option<String>,
    /// The revision to go back to before.
    pub(super) first_back_to: Option<u32>,
    /// The revision to go back to if it fails.
    pub(super) deployed: Option<u32>,
    /// The number of the new revision.
    pub(super) number: u32,
    pub(super) is_server_side: bool,
    pub(super) made: &'a Made,
}

/// Shell text before any other: `hl_helm`, and a check that the release is as it was reviewed.
fn beginning(api: &Api, (release, namespace): (&str, &str), reviewed: Option<&str>) -> String {
    format!(
        "{path}hl_helm() {{ {helm} \"$@\"; }}\n\
         now=$({kubectl} get secrets -n {namespace} -l owner=helm,name={release} -o go-template={template}) || exit\n\
         now=$(printf '%s\\n' \"$now\" | sort -n | tail -n 1)\n\
         [ \"$now\" = {reviewed} ] || {{ echo \"the release was changed since the review: revision $now\" >&2; exit 1; }}\n",
        path = Api::path(),
        helm = api.helm(),
        kubectl = api.kubectl(),
        template = quote(REVISIONS),
        reviewed = quote(reviewed.unwrap_or_default()),
    )
}

/// The step that installs or upgrades a release. Values and chart are its standard input: the first line, and the rest.
pub(super) fn upgrade(upgrade: &Upgrade<'_>, run: &Run<'_>) -> Step {
    let (release, namespace) = (&upgrade.release.release, &upgrade.release.namespace);
    let [name, space] = [release, namespace].map(|text| quote(text));
    let within = upgrade.release.within.0;
    let timeout = format!("{}s", within.as_secs().max(1));
    let mut script = beginning(&upgrade.api, (&name, &space), run.reviewed.as_deref());
    script.push_str(
        "IFS= read -r values\n\
         f=$(mktemp /dev/shm/homelab.XXXXXX) || f=$(mktemp) || exit\n\
         base64 -d >\"$f\"; exec 3<\"$f\"; rm -f \"$f\"\n",
    );
    if let Some(number) = run.first_back_to {
        let _ = writeln!(
            script,
            "hl_helm rollback {name} {number} -n {space} --timeout={timeout} >/dev/null || exit"
        );
    }
    let labels = format!(
        "{CHART_LABEL}={},{REVISION_LABEL}={}",
        label(&upgrade.chart.digest),
        run.number
    );
    let on_server = if run.is_server_side {
        "--server-side=true --force-conflicts"
    } else {
        "--server-side=false"
    };
    let skips = if upgrade.release.skip_crds { " --skip-crds" } else { "" };
    let _ = write!(
        script,
        "more=; case $(hl_helm version --template '{{{{.Version}}}}') in v[4-9].*) more='{on_server}' ;; esac\n\
         said=$(printf '%s' \"$values\" | hl_helm upgrade --install {name} /dev/fd/3 -n {space} -f - --wait --timeout={timeout}{skips} \
         --labels={labels} --description={description} $more 2>&1 >/dev/null) && exit\n\
         printf '%s\\n' \"$said\" | grep -v '^WARNING: \\|^level=' >&2\n",
        labels = quote(&labels),
        description = quote(&upgrade.description()),
    );
    script.push_str(&explanation(upgrade, run.made));
    if let Some(number) = run.deployed {
        let _ = writeln!(
            script,
            "hl_helm rollback {name} {number} -n {space} --wait --timeout={timeout} >/dev/null && echo 'went back to revision {number}' >&2"
        );
    }
    script.push_str("exit 1");
    let mut input = upgrade.values.json().into_bytes();
    input.push(b'\n');
    input.extend_from_slice(STANDARD.encode(&upgrade.chart.packed).as_bytes());
    let input = if upgrade.values.secret.is_empty() {
        Input::open(input)
    } else {
        Input::secret(input, upgrade.context.digests())
    };
    let mut shown = format!("helm upgrade --install {name} -n {space}");
    if let Some(number) = run.first_back_to {
        shown = format!("helm rollback {name} {number} -n {space}; {shown}");
    }
    Step::Run(Command {
        input: Some(input),
        timeout: within * 3 + ASIDE,
        ..Command::new(shown, script)
    })
}

/// The step that uninstalls a release.
pub(super) fn uninstall(api: &Api, (release, namespace): (&str, &str), reviewed: &str, within: Duration) -> Step {
    let [name, space] = [release, namespace].map(quote);
    let mut script = beginning(api, (&name, &space), Some(reviewed));
    let _ = write!(
        script,
        "hl_helm uninstall {name} -n {space} --wait --timeout={}s >/dev/null",
        within.as_secs().max(1)
    );
    Step::Run(Command {
        timeout: within + ASIDE,
        ..Command::new(format!("helm uninstall {name} -n {space}"), script)
    })
}

/// Shell text that says why workloads and hooks are not ready.
fn explanation(upgrade: &Upgrade<'_>, made: &Made) -> String {
    let mut namespaces: BTreeMap<&str, Vec<ObjectName>> = BTreeMap::new();
    let ids = made.objects.iter().map(|object| &object.id);
    let hooks = made.hooks.iter().map(|hook| &hook.id);
    for ObjectId {
        kind, name, namespace, ..
    } in ids.chain(hooks)
    {
        if EXPLAINED.contains(&kind.as_str()) {
            let (kind, name) = (kind.clone(), name.clone());
            let namespace = namespace.as_deref().unwrap_or(&upgrade.release.namespace);
            namespaces.entry(namespace).or_default().push(ObjectName { kind, name });
        }
    }
    let texts = namespaces.into_iter().map(|(namespace, names)| {
        let objects = Objects {
            api: upgrade.api.clone(),
            namespace: Some(namespace.to_owned()),
            names,
        };
        objects.explanation()
    });
    let texts: String = texts.collect();
    if texts.is_empty() {
        texts
    } else {
        format!("{{\n{texts}}} >&2\n")
    }
}
