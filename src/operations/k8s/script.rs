//! The commands that change objects of a cluster.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::change::{Command, Step};
use crate::content::Input;
use crate::facts::kubernetes::{Api, Held, ObjectId, ObjectName, Objects};
use crate::operations::PlanContext;
use crate::quote::{quote, quote_all};

/// The words of `kubectl apply` that every change has.
const APPLY: &str = "apply --server-side --field-manager=homelab";

/// Time for what is asked beside waiting.
const ASIDE: Duration = Duration::from_secs(120);

/// What the resource versions of objects are read with.
const VERSIONS: &str = "{{define \"v\"}}{{.kind}}/{{.metadata.name}} {{.metadata.resourceVersion}}\n{{end}}\
    {{if eq .kind \"List\"}}{{range .items}}{{template \"v\" .}}{{end}}{{else}}{{template \"v\" .}}{{end}}";

/// How long the API server may take until it serves a changed definition, in seconds. It says of one that it serves that it is
/// established, be it the old one.
const SERVED_WITHIN: u32 = 30;

/// What the API server says of objects that fit another definition than the one that it serves.
const OF_OLD_DEFINITION: &str = "*'not declared in schema'*|*'unknown field'*|*' is invalid: '*|*'no matches for kind'*|*'could not find the requested resource'*";

/// What keeps an object that is deleted: what its conditions say, as those of a namespace do, and its finalizers.
const CAUSES: &str =
    r#"'{range .status.conditions[?(@.status=="True")]}{.message}{"\n"}{end}{.metadata.finalizers}{"\n"}'"#;

/// `give_up MANAGER/OPERATION/ PATCH WORDS…`: fields of an object lose this owner. Where its entry is can change at any time, so the
/// patch tests it.
const GIVE_UP: &str = r#"give_up() {
who=$1 patch=$2 said=; shift 2
for try in 1 2 3 4 5; do
at=$(KUBECTL get "$@" --show-managed-fields -o jsonpath='{range .metadata.managedFields[*]}{.manager}/{.operation}/{.subresource}{"\n"}{end}' </dev/null | grep -nxF "$who" | head -n 1 | cut -d : -f 1)
[ -n "$at" ] && said=$(KUBECTL patch "$@" --type=json --field-manager=homelab -p "$(printf '%s' "$patch" | sed "s|/managedFields/@/|/managedFields/$((at - 1))/|g")" 2>&1 </dev/null) && return
sleep 1
done
echo "cannot give up fields of $*: ${said:-no entry of $who}" >&2; return 1
}
"#;

/// Objects that one command applies.
#[derive(Default)]
pub(super) struct Applied<'a> {
    pub(super) objects: Vec<&'a Value>,
    pub(super) has_secrets: bool,
    /// For objects whose fields of other managers are taken: their versions, as the review saw them.
    pub(super) reviewed: Option<Vec<String>>,
    /// Whether the definitions of their kinds were changed just before.
    pub(super) is_redefined: bool,
    /// Objects that are deleted before.
    pub(super) deleted: Vec<&'a ObjectId>,
    /// Objects that were deleted: they are made again when they are gone.
    pub(super) awaited: Vec<&'a ObjectId>,
    /// Fields that homelab gives up before it applies the objects, and after that.
    pub(super) released_before: Vec<(&'a ObjectId, &'a Held)>,
    pub(super) released_after: Vec<(&'a ObjectId, &'a Held)>,
}

/// The step that applies objects.
pub(super) fn apply(context: &PlanContext<'_>, api: &Api, within: Duration, applied: &Applied<'_>) -> Step {
    let kubectl = api.kubectl();
    let mut script = Api::path().to_owned();
    let seconds = within.as_secs();
    for id in &applied.awaited {
        let words = words(id);
        let _ = writeln!(
            script,
            "{kubectl} wait --for=delete --timeout={seconds}s {words} || {{ {kubectl} get {words} -o jsonpath={CAUSES} >&2; \
             echo {} >&2; exit 1; }}",
            quote(&format!("{id} is still being deleted"))
        );
    }
    for id in &applied.deleted {
        let _ = writeln!(
            script,
            "{kubectl} delete --wait --timeout={seconds}s {} || exit",
            words(id)
        );
    }
    let [before, after] = [&applied.released_before, &applied.released_after].map(|all| {
        let texts = all.iter().map(|(id, held)| give_up(id, held));
        texts.collect::<String>()
    });
    if !before.is_empty() || !after.is_empty() {
        script.push_str(&GIVE_UP.replace("KUBECTL", &kubectl));
    }
    if applied.reviewed.is_none() {
        script.push_str(&before);
    }
    match &applied.reviewed {
        None if applied.is_redefined => {
            let _ = write!(
                script,
                "list=$(cat)\n\
                 end=$(($(date +%s) + {SERVED_WITHIN}))\n\
                 until said=$(printf '%s\\n' \"$list\" | {kubectl} {APPLY} -f - 2>&1); do\n\
                 case $said in {OF_OLD_DEFINITION}) [ \"$(date +%s)\" -lt $end ] && sleep 1 && continue ;; esac\n\
                 printf '%s\\n' \"$said\" >&2; exit 1\n\
                 done\n\
                 printf '%s\\n' \"$said\""
            );
        }
        None => {
            let _ = write!(script, "{kubectl} {APPLY} -f -");
        }
        Some(versions) => {
            let _ = write!(
                script,
                "list=$(cat)\n\
             now=$(printf '%s\\n' \"$list\" | {kubectl} get --ignore-not-found -o go-template={template} -f -) || exit\n\
             [ \"$now\" = {versions} ] || {{ printf 'an object was changed since the review:\\n%s\\n' \"$now\" >&2; exit 1; }}\n\
             {before}printf '%s\\n' \"$list\" | {kubectl} {APPLY} --force-conflicts -f -",
                template = quote(VERSIONS),
                versions = quote(&versions.join("\n")),
            );
        }
    }
    if !after.is_empty() {
        let _ = write!(script, " || exit\n{}", after.trim_end());
    }
    let count = applied.objects.len();
    let objects = if count == 1 { "object" } else { "objects" };
    let force = if applied.reviewed.is_some() {
        " --force-conflicts"
    } else {
        ""
    };
    let list = list(applied.objects.iter().copied());
    let input = if applied.has_secrets {
        Input::secret(list.into_bytes(), context.digests())
    } else {
        Input::open(list.into_bytes())
    };
    Step::Run(Command {
        input: Some(input),
        timeout: within * (1 + number(applied.deleted.len() + applied.awaited.len())) + ASIDE,
        ..Command::new(format!("kubectl {APPLY}{force} ({count} {objects})"), script)
    })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX - 1)
}

/// The line that gives up fields of an object.
fn give_up(id: &ObjectId, held: &Held) -> String {
    let entry = |rest: &str| format!("/metadata/managedFields/@/{rest}");
    let mut patch = vec![json!({ "op": "test", "path": entry("manager"), "value": held.manager })];
    let removed = held.pointers.iter();
    patch.extend(removed.map(|pointer| json!({ "op": "remove", "path": entry(&format!("fieldsV1{pointer}")) })));
    format!(
        "give_up {} {} {} || exit\n",
        quote(&format!("{}/{}/", held.manager, held.operation)),
        quote(&Value::from(patch).to_string()),
        words(id)
    )
}

/// The step that waits for CustomResourceDefinitions, so that their objects can be made.
pub(super) fn establish(api: &Api, within: Duration, names: &[&str]) -> Step {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("customresourcedefinition.apiextensions.k8s.io/{name}"))
        .collect();
    let script = format!(
        "{}{} wait --for=condition=Established --timeout={}s {}",
        Api::path(),
        api.kubectl(),
        within.as_secs(),
        quote_all(names.iter().map(String::as_str))
    );
    let summary = "kubectl wait --for=condition=Established";
    Step::Run(Command {
        timeout: within + ASIDE,
        ..Command::new(summary, script)
    })
}

/// The step that deletes objects and waits until they are gone.
pub(super) fn delete(api: &Api, within: Duration, ids: &[&ObjectId]) -> Step {
    let minimal: Vec<Value> = ids.iter().map(|id| minimal(id)).collect();
    let script = format!(
        "{}{} delete --ignore-not-found --wait --timeout={}s -f -",
        Api::path(),
        api.kubectl(),
        within.as_secs()
    );
    let count = ids.len();
    let objects = if count == 1 { "object" } else { "objects" };
    Step::Run(Command {
        input: Some(Input::open(list(&minimal).into_bytes())),
        timeout: within + ASIDE,
        ..Command::new(format!("kubectl delete ({count} {objects})"), script)
    })
}

/// The step that waits until workloads have rolled out and Jobs have ended, and then says `then` to the cluster, which is a record.
pub(super) fn wait(api: &Api, within: Duration, ids: &[&ObjectId], then: Option<&Value>) -> Step {
    let kubectl = api.kubectl();
    let seconds = within.as_secs();
    let mut script = Api::path().to_owned();
    if then.is_some() {
        script.push_str("record=$(cat)\n");
    }
    script.push_str("status=0\n");
    let (mut rolled, mut jobs) = (Vec::new(), Vec::new());
    for id in ids {
        match id.kind.as_str() {
            "Deployment" | "StatefulSet" | "DaemonSet" => rolled.push(minimal(id)),
            "Job" => jobs.push(words(id)),
            kind => {
                let condition = if kind == "APIService" {
                    "Available"
                } else {
                    "Established"
                };
                let _ = writeln!(
                    script,
                    "{kubectl} wait --for=condition={condition} --timeout={seconds}s {} || status=1",
                    words(id)
                );
            }
        }
    }
    if !rolled.is_empty() {
        // Each line of its own: an object name has no quotes.
        let _ = writeln!(
            script,
            "printf '%s\\n' {} | {kubectl} rollout status --timeout={seconds}s -f - || status=1",
            quote(&list(&rolled))
        );
    }
    for words in jobs {
        let _ = write!(
            script,
            "end=$(($(date +%s) + {seconds})); while :; do\n\
             c=$({kubectl} get {words} -o jsonpath='{{.status.conditions[?(@.status==\"True\")].type}}')\n\
             case $c in *Failed*) echo {failed} >&2; status=1; break ;; *Complete*) break ;; esac\n\
             [ $(date +%s) -lt $end ] || {{ echo {late} >&2; status=1; break; }}; sleep 1; done\n",
            failed = quote(&format!("{words} failed")),
            late = quote(&format!("{words} has not ended")),
        );
    }
    script.push_str(&explanation(api, ids));
    if then.is_some() {
        let _ = write!(
            script,
            "printf '%s\\n' \"$record\" | {kubectl} {APPLY} --force-conflicts -f - >/dev/null"
        );
    }
    let summary = if ids.is_empty() {
        "kubectl apply (the record of the set)"
    } else {
        "kubectl rollout status"
    };
    Step::Run(Command {
        input: then.map(|record| Input::open(record.to_string().into_bytes())),
        timeout: within * u32::try_from(ids.len().clamp(1, 60)).unwrap_or(1) + ASIDE,
        ..Command::new(summary, script)
    })
}

/// Shell text that ends a step whose `status` is not 0, and says why workloads are not ready.
fn explanation(api: &Api, ids: &[&ObjectId]) -> String {
    if ids.is_empty() {
        return String::new();
    }
    let mut namespaces: BTreeMap<Option<&str>, Vec<ObjectName>> = BTreeMap::new();
    for id in ids {
        let name = ObjectName {
            kind: id.kind.clone(),
            name: id.name.clone(),
        };
        namespaces.entry(id.namespace.as_deref()).or_default().push(name);
    }
    let texts = namespaces.into_iter().map(|(namespace, names)| {
        let objects = Objects {
            api: api.clone(),
            namespace: namespace.map(str::to_owned),
            names,
        };
        objects.explanation()
    });
    format!(
        "[ $status = 0 ] || {{\n{{\n{}}} >&2\nexit 1; }}\n",
        texts.collect::<String>()
    )
}

/// A list of objects in one line.
fn list<'a>(objects: impl IntoIterator<Item = &'a Value>) -> String {
    let items: Vec<&Value> = objects.into_iter().collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

/// An object with nothing but its name.
fn minimal(id: &ObjectId) -> Value {
    let mut metadata = json!({ "name": id.name });
    if let Some(namespace) = &id.namespace {
        metadata["namespace"] = namespace.as_str().into();
    }
    json!({ "apiVersion": id.api_version(), "kind": id.kind, "metadata": metadata })
}

/// Words of a command line that name an object: `-n shop deployment.v1.apps/web`.
fn words(id: &ObjectId) -> String {
    let kind = match id.group.as_str() {
        "" => id.kind.clone(),
        group => format!("{}.{}.{group}", id.kind, id.version),
    };
    let name = quote(&format!("{kind}/{}", id.name));
    match &id.namespace {
        Some(namespace) => format!("-n {} {name}", quote(namespace)),
        None => name,
    }
}

/// The line by which the version of an object is compared: see [`VERSIONS`].
pub(super) fn version_line(id: &ObjectId, version: &str) -> String {
    format!("{}/{} {version}", id.kind, id.name)
}
