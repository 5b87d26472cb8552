use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::*;
use crate::facts::kubernetes::{Answer, Body, Object, ObjectId, Question, TaintEffect};
use crate::secret::{DigestKey, Secret};

/// Answers as `kubectl` does. It refuses whatever has `bad` in it, and then prints nothing else.
const KUBECTL: &str = r#"#!/bin/sh
shift 2
case "$*" in
"get ns,nodes,services,storageclasses"*) printf 'namespace kube-system 1-2 Active\nnamespace default 3 Active\nnamespace old 4 Terminating\nnode one v1.34.4\nlabel one a b\ntaint one gpu NoSchedule \nready one True\nallocatable one cpu 2\nclass local-path default\nclass slow\nport 30080 web/web\n' ;;
api-resources*) printf 'configmaps   cm   v1   true   ConfigMap\nsecrets   v1   true   Secret\nnamespaces  ns  v1   false  Namespace\nthings  example.org/v1   true   Thing\n' ;;
api-versions) printf 'v1\nexample.org/v1\n' ;;
"get --raw /version") printf '{\n  "gitVersion": "v1.34.4+k3s1",\n}\n' ;;
get*) cat >"$FOLDER/asked"; case $(cat "$FOLDER/asked") in *one*) printf '{"apiVersion":"example.org/v1","kind":"Thing","metadata":{"name":"one","namespace":"default","deletionTimestamp":"x"}}\n' ;; esac ;;
apply*) echo "$*" >>"$FOLDER/calls"; input=$(cat); case $input in *bad*) echo 'error: a bad one' >&2; exit 1 ;; esac; printf '%s\n' "$input" ;;
esac
"#;

fn key(api: &Api, kind: &str, namespace: &str, name: &str, data: Option<&Value>) -> FactKey {
    let id = ObjectId {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    let metadata = json!({ "name": name, "namespace": namespace, "resourceVersion": "7" });
    let body = data.map(|data| json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data }));
    FactKey::KubernetesObject(Question(Box::new(AskedObject {
        api: api.clone(),
        id,
        digest: if data.is_some() { "x" } else { "" }.to_owned(),
        keep: Vec::new(),
        manager: None,
        body: Body {
            json: body.map(|body| Secret::new(body.to_string())),
            secrets: vec![Secret::new("hunter2")],
            parts: Vec::new(),
            key: Some(Secret::new(DigestKey::random().hex())),
        },
    })))
}

/// What the probe says with that `kubectl`, and the folder in which it noted its calls.
fn answer(keys: &[FactKey], folder: &tempfile::TempDir) -> Vec<(FactKey, Fact)> {
    let program = folder.path().join("kubectl");
    fs::write(&program, KUBECTL).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("a path"));
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(probe(keys))
        .env("PATH", path)
        .env("FOLDER", folder.path());
    let output = command.output().expect("sh runs");
    parse(keys, 0, &output.stdout).expect("readable")
}

fn api(folder: &tempfile::TempDir) -> Api {
    let path = folder.path().join("config");
    fs::write(&path, "").expect("written");
    Api {
        kubeconfig: Some(path.display().to_string()),
    }
}

#[test]
fn an_object_that_is_refused_spoils_no_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let api = api(&folder);
    let settings = |name: &str, text: &str| key(&api, "ConfigMap", "default", name, Some(&json!({ "a": text })));
    let mut keys: Vec<FactKey> = ["a", "b", "c", "d", "e", "f", "g"]
        .map(|name| settings(name, "it's $fine"))
        .into();
    keys.push(settings("h", "bad"));
    keys.push(key(&api, "ConfigMap", "old", "i", Some(&json!({}))));
    keys.push(key(&api, "Thing", "default", "j", Some(&json!({}))));
    keys.push(key(&api, "ConfigMap", "default", "k", None));
    let facts = answer(&keys, &folder);
    let object = |at: usize| {
        facts.iter().find_map(|(key, fact)| match fact {
            Fact::KubernetesObject(fact) if *key == keys[at] => Some(fact.clone()),
            _ => None,
        })
    };
    for at in 0..7 {
        let Some(ObjectFact::Asked(object)) = object(at) else {
            panic!("{at}: {facts:?}")
        };
        let Some(Answer::Accepted(object)) = object.answer else {
            panic!("{at}: {object:?}")
        };
        assert_eq!(object["data"]["a"], "it's $fine");
        assert!(object["metadata"].get("resourceVersion").is_none());
    }
    let refused = Object {
        answer: Some(Answer::Refused("error: a bad one".to_owned())),
        ..Object::default()
    };
    assert_eq!(object(7), Some(ObjectFact::Asked(Box::new(refused))));
    assert_eq!(object(8), Some(ObjectFact::NotAsked));
    assert_eq!(object(9), Some(ObjectFact::NotAsked));
    assert_eq!(object(10), Some(ObjectFact::Asked(Box::default())));
    // All, two halves, two quarters, and two of one, of which the culprit is asked why.
    let calls = fs::read_to_string(folder.path().join("calls")).expect("noted");
    assert_eq!(calls.lines().count(), 8, "{calls}");
    assert!(!calls.contains("fine"), "{calls}");
}

#[test]
fn an_object_is_found_in_the_version_that_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let api = api(&folder);
    let thing = |name: &str, group: &str| {
        let FactKey::KubernetesObject(mut question) = key(&api, "Thing", "default", name, Some(&json!({}))) else {
            unreachable!("what the function makes");
        };
        question.0.id.group = group.to_owned();
        question.0.id.version = "v2".to_owned();
        FactKey::KubernetesObject(question)
    };
    let keys = [
        thing("one", "example.org"),
        thing("two", "example.org"),
        thing("one", "example.com"),
    ];
    let facts = answer(&keys, &folder);
    let fact = |at: usize| facts.iter().find(|(key, _)| *key == keys[at]).map(|(_, fact)| fact);
    let Some(Fact::KubernetesObject(ObjectFact::Asked(one))) = fact(0) else {
        panic!("{facts:?}")
    };
    let FactKey::KubernetesObject(question) = &keys[0] else {
        unreachable!("as above");
    };
    assert_eq!(one.other_version(&question.0.id), Some("v1"));
    assert!(one.is_going() && one.answer.is_none());
    assert_eq!(fact(1), Some(&Fact::KubernetesObject(ObjectFact::NotAsked)));
    assert_eq!(fact(2), Some(&Fact::KubernetesObject(ObjectFact::NotAsked)));
    let asked = fs::read_to_string(folder.path().join("asked")).expect("noted");
    assert!(
        asked.contains(r#"{"apiVersion":"example.org/v1","kind":"Thing","metadata":{"name":"two""#),
        "{asked}"
    );
    assert!(!folder.path().join("calls").exists(), "nothing is tried");
}

#[test]
fn a_cluster_is_what_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let api = api(&folder);
    let key = FactKey::KubernetesCluster(api.clone());
    let facts = answer(std::slice::from_ref(&key), &folder);
    let (_, Fact::KubernetesCluster(Cluster::Answers(answers))) = &facts[0] else {
        panic!("{facts:?}")
    };
    assert_eq!(answers.uid.as_deref(), Some("1-2"));
    assert_eq!(answers.version, "v1.34.4+k3s1");
    assert_eq!(
        answers.namespaces.iter().collect::<Vec<_>>(),
        ["default", "kube-system"]
    );
    assert_eq!(answers.terminating.iter().collect::<Vec<_>>(), ["old"]);
    assert_eq!(answers.serves("", "v1", "ConfigMap"), Some(true));
    let node = &answers.nodes["one"];
    assert!(node.is_ready && node.labels["a"] == "b" && node.allocatable["cpu"] == "2");
    assert_eq!(node.taints[0].effect, TaintEffect::NoSchedule);
    assert_eq!(answers.node_ports[&30080], "web/web");
    let classes = answers.storage_classes.as_ref().expect("classes");
    assert!(classes["local-path"].is_default && !classes["slow"].is_default);
    let missing = Api {
        kubeconfig: Some("/nowhere/config".to_owned()),
    };
    let key = FactKey::KubernetesCluster(missing);
    let facts = answer(std::slice::from_ref(&key), &folder);
    assert_eq!(facts[0].1, Fact::KubernetesCluster(Cluster::Absent));
}

#[test]
fn what_is_secret_is_a_digest_before_it_is_a_fact() {
    let folder = tempfile::tempdir().expect("a folder");
    let api = api(&folder);
    let keys = [
        key(
            &api,
            "Secret",
            "default",
            "a",
            Some(&json!({ "password": "aHVudGVyMg==" })),
        ),
        key(
            &api,
            "ConfigMap",
            "default",
            "b",
            Some(&json!({ "url": "hunter2", "other": "open" })),
        ),
    ];
    let facts = format!("{:?}", answer(&keys, &folder));
    assert!(!facts.contains("hunter2") && !facts.contains("aHVudGVyMg"), "{facts}");
    assert!(facts.contains("[secret] ") && facts.contains("open"), "{facts}");
    assert!(
        !fs::read_to_string(folder.path().join("calls"))
            .expect("noted")
            .contains("aHVudGVyMg")
    );
}
