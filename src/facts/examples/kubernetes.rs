//! Examples of clusters and their objects.

use super::text;
use crate::facts::kubernetes::{
    Answer, Answers, Api, AskedObject, Body, Cluster, FieldPath, Held, Moved, Node, Object, ObjectFact, ObjectId,
    ObjectName, Objects, Question, ServedKind, StorageClass, Taint, TaintEffect,
};
use crate::facts::{Fact, FactKey};

pub(super) fn workloads() -> Objects {
    Objects {
        namespace: Some(text("shop")),
        names: vec![ObjectName::parse("Deployment/web").expect("a name")],
        ..Objects::default()
    }
}

pub(super) fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    vec![cluster(), object()]
}

fn cluster() -> (FactKey, Vec<Fact>) {
    let node = Node {
        labels: [(text("gpu"), text("true"))].into(),
        taints: vec![Taint {
            key: text("gpu"),
            value: String::new(),
            effect: TaintEffect::NoSchedule,
        }],
        is_ready: true,
        version: text("v1.34.4+k3s1"),
        allocatable: [(text("cpu"), text("2"))].into(),
    };
    let kind = ServedKind {
        group: text("apps"),
        version: text("v1"),
        kind: text("Deployment"),
        is_namespaced: true,
    };
    let answers = Answers {
        uid: Some(text("2539e575")),
        version: text("v1.34.4+k3s1"),
        is_predicted: false,
        namespaces: [text("default")].into(),
        terminating: [text("old")].into(),
        kinds: [kind].into(),
        versions: [text("v1"), text("apps/v1")].into(),
        redefined: [(text("Thing.example.org"), serde_json::json!([{ "name": "v1" }]))].into(),
        nodes: [(text("one"), node)].into(),
        node_ports: [(30080, text("web/web"))].into(),
        storage_classes: Some([(text("local-path"), StorageClass { is_default: true })].into()),
    };
    let silent = Cluster::Silent {
        why: text("unit k3s.service is inactive"),
    };
    let facts = [Cluster::Absent, silent, Cluster::Answers(Box::new(answers))];
    let key = FactKey::KubernetesCluster(Api {
        kubeconfig: Some(text("/root/config")),
    });
    (key, facts.into_iter().map(Fact::KubernetesCluster).collect())
}

fn object() -> (FactKey, Vec<Fact>) {
    let settings = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "b" } });
    let field = || FieldPath::of(&settings, "/data/a").ok();
    let moved = || Moved {
        field: text("data.a"),
        manager: text("kubectl"),
    };
    let object = Object {
        live: Some(settings.clone()),
        resource_version: Some(text("12")),
        answer: Some(Answer::Accepted(settings.clone())),
        taken: vec![moved()],
        shared: vec![moved()],
        gained: 1,
        is_finished: true,
        last_applied: Some(settings.clone()),
        own: Some(settings.clone()),
        held: vec![Held {
            manager: text("homelab"),
            operation: text("Apply"),
            pointers: vec![text("/f:data")],
        }],
        undivided: field(),
        managers: vec![text("kubectl")],
    };
    let refused = Object {
        answer: Some(Answer::Refused(text("field is immutable"))),
        ..Object::default()
    };
    let key = FactKey::KubernetesObject(Question(Box::new(AskedObject {
        api: Api::default(),
        id: ObjectId {
            group: String::new(),
            version: text("v1"),
            kind: text("ConfigMap"),
            namespace: Some(text("web")),
            name: text("settings"),
        },
        digest: text("74f8"),
        keep: field().into_iter().collect(),
        manager: Some(text("helm")),
        body: Body::default(),
    })));
    let facts = [
        ObjectFact::NotAsked,
        ObjectFact::Asked(Box::new(object)),
        ObjectFact::Asked(Box::new(refused)),
    ];
    (key, facts.into_iter().map(Fact::KubernetesObject).collect())
}
