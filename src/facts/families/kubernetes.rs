//! Asks the API server of a cluster, by the host's own `kubectl`.
//!
//! One object that the server refuses makes `kubectl` print nothing at all, so what cannot be asked about (no such namespace, no such
//! kind) is left out, and if the rest fails, halves of it are tried, down to the culprit.

mod answered;
mod managed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use answered::{Answered, object_facts};

pub(super) use answered::{digest_key, hidden, hide_data, hide_parts};

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::kubernetes::{
    Answers, Api, AskedObject, Cluster, ClusterKey, DEFAULT_CLASS, Node, ObjectFact, ObjectId, ObjectKey, ServedKind,
    StorageClass, Taint,
};
use crate::quote::{quote, quoted_script};

/// How long one call may take, in seconds.
const LONGEST: u64 = 30;

static KUBERNETES: Family = Family {
    subject: "what Kubernetes says",
    probe,
    allowance: |_| Duration::from_secs(6 * LONGEST),
    parse,
};

impl<'a> Readable<'a> for ClusterKey<'a> {
    const FAMILY: &'static Family = &KUBERNETES;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for ObjectKey<'a> {
    const FAMILY: &'static Family = &KUBERNETES;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// What is read of namespaces, nodes, classes of storage and Services.
const OF_CLUSTER: &str = r#"{{range .items}}{{if eq .kind "Namespace"}}namespace {{.metadata.name}} {{.metadata.uid}} {{.status.phase}}
{{else if eq .kind "Node"}}{{$n := .metadata.name}}node {{$n}} {{.status.nodeInfo.kubeletVersion}}
{{range $k, $v := .metadata.labels}}label {{$n}} {{$k}} {{$v}}
{{end}}{{range .spec.taints}}taint {{$n}} {{.key}} {{.effect}} {{with .value}}{{.}}{{end}}
{{end}}{{range .status.conditions}}{{if eq .type "Ready"}}ready {{$n}} {{.status}}
{{end}}{{end}}{{range $k, $v := .status.allocatable}}allocatable {{$n}} {{$k}} {{$v}}
{{end}}{{else if eq .kind "StorageClass"}}class {{.metadata.name}}{{range $k, $v := .metadata.annotations}}{{if and (eq $k "DEFAULT") (eq $v "true")}} default{{end}}{{end}}
{{else}}{{$s := .}}{{range .spec.ports}}{{with .nodePort}}port {{printf "%v" .}} {{$s.metadata.namespace}}/{{$s.metadata.name}}
{{end}}{{end}}{{end}}{{end}}"#;

/// Shell functions. `hl_ask WORDS NUMBER…` hands the objects of these numbers to `kubectl WORDS`. `hl_other GROUP KIND NAMESPACE` says in
/// `o` in which version a kind is served.
const FUNCTIONS: &str = r#"hl_pack() { gzip -c | base64 | tr -d "\n"; echo; }
hl_why() { tr -s "\n\t" "  " | cut -c 1-262144 | sed "s/ *$//"; }
hl_list() { printf "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["; s=; for i; do eval "printf \"%s%s\" \"\$s\" \"\$b$i\""; s=,; done; printf "]}"; }
hl_ask() (
w=$1; shift; [ $# -gt 0 ] || exit
r=$(hl_list "$@" | hl_kubectl $w -o json --show-managed-fields -f - 2>/dev/null)
case $? in
0) printf "%s " "${w%% *}"; printf "%s\n" "$r" | hl_pack; exit ;;
124|137) for i; do echo "refused $i the API server did not answer within LONGEST s"; done; exit ;;
esac
[ $# -gt 1 ] || { echo "refused $1 $(hl_list "$1" | hl_kubectl $w -f - 2>&1 >/dev/null | hl_why)"; exit; }
n=0 x= y=; for i; do n=$((n + 1)); [ $n -le $(($# / 2)) ] && x="$x $i" || y="$y $i"; done
hl_ask "$w" $x; hl_ask "$w" $y
)
hl_cluster() {
a=$(hl_kubectl get ns,nodes,services,storageclasses -A -o go-template="$t" 2>/dev/null) || { echo "silent $(hl_state)"; return 1; }
k=$(hl_kubectl api-resources --no-headers 2>/dev/null | sed -n "s/^.* \([^ ][^ ]*\)  *\(true\|false\)  *\([^ ]*\) *$/kind \1 \2 \3/p")
v=$(hl_kubectl api-versions 2>/dev/null)
[ -n "$k" ] && [ -n "$v" ] || { echo "silent $(hl_state)"; return 1; }
echo answers; printf "%s\n" "$a" "$k"; printf "%s\n" "$v" | sed "s/^/served /"
hl_kubectl get --raw /version 2>/dev/null | sed -n "s/.*\"gitVersion\": *\"\([^\"]*\)\".*/version \1/p"
spaces=$(printf "%s\n" "$a" | sed -n "s/^\(namespace [^ ]* \).* Active$/\1/p")
}
hl_has() {
case "
$v
" in *"
$1
"*) ;; *) return 1 ;; esac
case "
$k
" in
*"
kind $1 true $2
"*|*"
kind $1 false $2
"*) ;;
*"
kind $1 "*) return 1 ;;
esac
[ -z "$3" ] || case "
$spaces" in *"
namespace $3 "*) ;; *) return 1 ;; esac
}
hl_other() {
o=$(printf "%s\n" "$k" | while read -r w a s n; do case "$w $n $a" in "kind $2 $1/"*) echo "${a#*/}"; break ;; esac; done)
[ -n "$o" ] && hl_has "$1/$o" "$2" "$3"
}
"#;

/// For each cluster a line `api NUMBER`, then `absent`, `silent` or `denied` with the reason, or `answers` and what it has. Then for its
/// objects, by their numbers: `left NUMBER`, `other NUMBER VERSION` if only that one is served, `refused NUMBER WHY`, and with objects as
/// JSON `get …` and `apply …`.
fn probe(keys: &[FactKey]) -> String {
    let functions = FUNCTIONS.replace("LONGEST", &LONGEST.to_string());
    let mut text = format!(
        "(export LC_ALL=C\n{}{functions}t={}\n",
        Api::path(),
        quote(&OF_CLUSTER.replace("DEFAULT", DEFAULT_CLASS))
    );
    for (number, api) in apis(keys).into_iter().enumerate() {
        let _ = writeln!(text, "echo api {number}\n{}", reach(api));
        let mut objects = String::new();
        let (mut bodies, mut checks) = (String::new(), String::new());
        for (index, asked) in asked(keys, api) {
            bodies.push_str(&body(index, asked));
            let namespace = asked.id.namespace.as_deref().unwrap_or_default();
            let words = [asked.id.api_version().as_str(), &asked.id.kind, namespace]
                .map(quote)
                .join(" ");
            let applied = match (asked.digest.as_str(), &asked.manager) {
                ("", _) => String::new(),
                (_, None) => format!("p=\"$p {index}\"; "),
                (_, Some(_)) => format!("h=\"$h {index}\"; "),
            };
            let _ = writeln!(
                checks,
                "if hl_has {words}; then {applied}g=\"$g {index}\"; {}else echo left {index}; fi",
                in_other_version(index, asked)
            );
        }
        if !checks.is_empty() {
            let _ = write!(
                objects,
                "{bodies}g= p= h=\n{checks}hl_ask \"get --ignore-not-found\" $g\n\
                 hl_ask \"apply --server-side --force-conflicts --field-manager=homelab --dry-run=server\" $p\n\
                 hl_ask \"apply --server-side --force-conflicts --field-manager=helm --dry-run=server\" $h\n"
            );
        }
        let _ = writeln!(text, "hl_there && if hl_cluster; then :\n{objects}fi");
    }
    text.push(')');
    text
}

/// All clusters that keys are about.
fn apis(keys: &[FactKey]) -> BTreeSet<&Api> {
    keys.iter()
        .filter_map(|key| match key {
            FactKey::KubernetesCluster(api) => Some(api),
            FactKey::KubernetesObject(question) => Some(&question.0.api),
            _ => None,
        })
        .collect()
}

/// The objects of a cluster, with the positions of their keys.
fn asked<'a>(keys: &'a [FactKey], api: &'a Api) -> impl Iterator<Item = (usize, &'a AskedObject)> {
    let objects = keys.iter().enumerate().filter_map(|(index, key)| {
        let ObjectKey(question) = ObjectKey::of(key)?;
        Some((index, &*question.0))
    });
    objects.filter(move |(_, asked)| asked.api == *api)
}

/// Shell functions that start `kubectl`, say whether there is a cluster, and why it does not answer.
pub(super) fn reach(api: &Api) -> String {
    let (there, state) = match &api.kubeconfig {
        None => (
            "command -v k3s >/dev/null && { [ -e /etc/rancher/k3s/k3s.yaml ] || [ -d /var/lib/rancher/k3s/server/db ]; } || { echo absent; return 1; }\n\
             [ -r /etc/rancher/k3s/k3s.yaml ] || [ \"$(id -u)\" = 0 ] || { echo denied only root can ask k3s; return 1; }"
                .to_owned(),
            "echo \"unit k3s.service is $(systemctl is-active k3s.service)\"".to_owned(),
        ),
        Some(path) => {
            let file = quote(path);
            (
                format!(
                    "command -v kubectl >/dev/null && [ -e {file} ] || {{ echo absent; return 1; }}\n\
                     [ -r {file} ] || {{ echo denied the file cannot be read; return 1; }}"
                ),
                "hl_kubectl get --raw /readyz 2>&1 >/dev/null | tail -n 1 | hl_why".to_owned(),
            )
        }
    };
    format!(
        "hl_kubectl() {{ timeout -k 5 {LONGEST} {} \"$@\"; }}\nhl_there() {{\n{there}\n}}\nhl_state() {{ {state}; }}",
        api.kubectl()
    )
}

/// A shell variable with an object. It is part of the script, which no argument list has.
fn body(index: usize, asked: &AskedObject) -> String {
    let json = asked.body.json.as_ref().map_or_else(
        || named(&asked.id.api_version(), &asked.id),
        |json| json.expose().to_owned(),
    );
    let quoted = quoted_script(&json).map_or_else(|_| quote(&json), std::borrow::Cow::into_owned);
    format!("b{index}={quoted}\n")
}

/// The branch for an object whose kind is served in another version only, as long as its definition has not changed: what there is of it
/// is asked for in that version. Only kinds of definitions change so.
fn in_other_version(index: usize, asked: &AskedObject) -> String {
    let id = &asked.id;
    if !id.group.contains('.') {
        return String::new();
    }
    let words = [id.group.as_str(), &id.kind, id.namespace.as_deref().unwrap_or_default()].map(quote);
    let json = named(&format!("{}/", id.group), id);
    // `{"apiVersion":"example.org/` and the rest.
    let (before, behind) = json.split_once("/\"").unwrap_or_default();
    format!(
        "elif hl_other {}; then echo \"other {index} $o\"; b{index}={}/\"$o\"{}; g=\"$g {index}\"; ",
        words.join(" "),
        quote(before),
        quote(&format!("\"{behind}"))
    )
}

/// An object with nothing but its name, in one line.
fn named(api_version: &str, id: &ObjectId) -> String {
    let mut metadata = serde_json::json!({ "name": id.name });
    if let Some(namespace) = &id.namespace {
        metadata["namespace"] = namespace.as_str().into();
    }
    serde_json::json!({ "apiVersion": api_version, "kind": id.kind, "metadata": metadata }).to_string()
}

/// What was read of one cluster.
#[derive(Default)]
struct Section {
    cluster: Option<Cluster>,
    denied: Option<String>,
    answered: Answered,
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let mut sections: Vec<Section> = Vec::new();
    for line in lines(answer) {
        let unreadable =
            || UnreadableAnswer::new(format!("Kubernetes: `{}`", line.chars().take(200).collect::<String>()));
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if word == "api" {
            sections.push(Section::default());
            continue;
        }
        let section = sections.last_mut().ok_or_else(unreadable)?;
        section.read(word, rest).ok_or_else(unreadable)?;
    }
    let mut facts = Vec::new();
    for (api, section) in apis(keys).into_iter().zip(sections) {
        let key = FactKey::KubernetesCluster(api.clone());
        if let Some(why) = section.denied {
            facts.push((key, Fact::Denied(why.clone())));
            facts.extend(asked(keys, api).map(|(index, _)| (keys[index].clone(), Fact::Denied(why.clone()))));
            continue;
        }
        let Some(cluster) = section.cluster else {
            return Err(UnreadableAnswer::new(format!("no answer of {key}")));
        };
        let answers = matches!(cluster, Cluster::Answers(_));
        facts.push((key, Fact::KubernetesCluster(cluster)));
        let objects: BTreeMap<usize, &AskedObject> = asked(keys, api).collect();
        let found = object_facts(&objects, &section.answered, answers)?;
        let fact = |index: usize| found.get(&index).cloned().unwrap_or(ObjectFact::NotAsked);
        facts.extend(
            objects
                .keys()
                .map(|index| (keys[*index].clone(), Fact::KubernetesObject(fact(*index)))),
        );
    }
    Ok(facts)
}

impl Section {
    /// Takes in a line; `None` if it is not one of the probe.
    fn read(&mut self, word: &str, rest: &str) -> Option<()> {
        match word {
            "absent" => self.cluster = Some(Cluster::Absent),
            "silent" => self.cluster = Some(Cluster::Silent { why: rest.to_owned() }),
            "denied" => self.denied = Some(rest.to_owned()),
            "answers" => {
                let mut answers = Box::<Answers>::default();
                classes(&mut answers);
                self.cluster = Some(Cluster::Answers(answers));
            }
            "left" | "other" | "refused" | "get" | "apply" => self.answered.read(word, rest)?,
            "" => {}
            _ => match &mut self.cluster {
                Some(Cluster::Answers(answers)) => of_cluster(answers, word, rest)?,
                _ => return None,
            },
        }
        Some(())
    }
}

/// Takes in a line about a cluster as a whole.
fn of_cluster(answers: &mut Answers, word: &str, rest: &str) -> Option<()> {
    let fields: Vec<&str> = rest.split(' ').collect();
    match (word, &fields[..]) {
        ("version", [version]) => (*version).clone_into(&mut answers.version),
        ("namespace", [name, uid, phase]) => {
            if *name == "kube-system" {
                answers.uid = Some((*uid).to_owned());
            }
            match *phase {
                "Active" => drop(answers.namespaces.insert((*name).to_owned())),
                "Terminating" => drop(answers.terminating.insert((*name).to_owned())),
                _ => {}
            }
        }
        ("node", [name, version]) => {
            let node = answers.nodes.entry((*name).to_owned()).or_default();
            (*version).clone_into(&mut node.version);
        }
        ("label" | "taint" | "ready" | "allocatable", [name, fields @ ..]) => {
            let node = answers.nodes.get_mut(*name)?;
            of_node(node, word, fields)?;
        }
        ("class", [name, default @ ..]) => {
            let class = StorageClass {
                is_default: *default == ["default"],
            };
            classes(answers).insert((*name).to_owned(), class);
        }
        ("port", [port, service]) => drop(answers.node_ports.insert(port.parse().ok()?, (*service).to_owned())),
        ("served", [version]) => drop(answers.versions.insert((*version).to_owned())),
        ("kind", [api_version, is_namespaced, kind]) => {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            answers.kinds.insert(ServedKind {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: (*kind).to_owned(),
                is_namespaced: *is_namespaced == "true",
            });
        }
        _ => return None,
    }
    Some(())
}

/// The classes of storage, as far as they were read.
fn classes(answers: &mut Answers) -> &mut BTreeMap<String, StorageClass> {
    answers.storage_classes.get_or_insert_default()
}

/// Takes in a line about a node.
fn of_node(node: &mut Node, word: &str, fields: &[&str]) -> Option<()> {
    match (word, fields) {
        ("label", [name, value]) => drop(node.labels.insert((*name).to_owned(), (*value).to_owned())),
        ("taint", [key, effect, value]) => node.taints.push(Taint {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            effect: effect.parse().ok()?,
        }),
        ("ready", [status]) => node.is_ready = *status == "True",
        ("allocatable", [name, quantity]) => drop(node.allocatable.insert((*name).to_owned(), (*quantity).to_owned())),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests;
