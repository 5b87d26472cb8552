use serde_json::json;

use super::super::object::objects;
use super::*;
use crate::value::Text;

const FILE: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  template:
    spec:
      initContainers: [{name: i, image: 'registry.lan:5000/tools:1'}]
      containers: [{name: c, image: caddy}]
---
apiVersion: v1beta1.example.org/v1
kind: Thing
metadata: {name: 'x:y', namespace: a}
data: {a/b: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, namespace: a}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, namespace: b}
";

fn all() -> Vec<Written> {
    let file = FILE.replace("'x:y'", "xy");
    objects(0, "a.yaml", &Text::open(file)).expect("objects").0
}

fn told(fault: Fault) -> String {
    format!("{}; {}", fault.title, fault.hint.unwrap_or_default())
}

fn fields(entries: &[(&str, Value)]) -> Varied<Map<String, Value>> {
    let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    Varied::open(entries.collect())
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
        .collect()
}

#[test]
fn values_are_put_where_pointers_lead() {
    let mut objects = all();
    let wanted = fields(&[
        ("Deployment/web:/spec/replicas", json!(3)),
        (
            "Deployment/web:/spec/template/spec/containers/0/image",
            json!("caddy:2"),
        ),
        (
            "Deployment/web:/spec/template/spec/containers/-",
            json!({ "name": "d" }),
        ),
        ("Deployment/web:/spec/paused", json!(true)),
        ("Thing/xy:/data/a~1b", json!(2)),
    ]);
    set_fields(&mut objects, &wanted).expect("places");
    let spec = &objects[0].worlds.real()["spec"];
    assert_eq!((&spec["replicas"], &spec["paused"]), (&json!(3), &json!(true)));
    let containers = json!([{ "name": "c", "image": "caddy:2" }, { "name": "d" }]);
    assert_eq!(spec["template"]["spec"]["containers"], containers);
    assert_eq!(objects[1].worlds.real()["data"], json!({ "a/b": 2 }));
}

#[test]
fn a_value_without_a_place_is_told() {
    for (item, expected) in [
        (
            "Deployment/wbe:/spec/replicas",
            "`Deployment/wbe` in `set_fields` matches no object; did you mean `Deployment/web`?",
        ),
        (
            "ConfigMap/two:/data",
            "`ConfigMap/two` in `set_fields` matches two objects; read ConfigMap/two in a and ConfigMap/two in b by two operations, each with its own `set`",
        ),
        (
            "web",
            "`web` names no object; write it as `Kind/name:/pointer`, such as `Deployment/web:/spec/replicas`",
        ),
        (
            "Deployment/web",
            "`Deployment/web` names no field; write which field, such as `Deployment/web:/spec/replicas`",
        ),
        (
            "Deployment/web:/sepc/replicas",
            "`/sepc/replicas` in `set_fields` leads nowhere in Deployment/web; in the object: did you mean `spec`?",
        ),
        (
            "Deployment/web:/spec/template/spec/containers/3/image",
            "`/spec/template/spec/containers/3/image` in `set_fields` leads nowhere in Deployment/web; `/spec/template/spec/containers` has 1 items, counted from 0",
        ),
        (
            "Deployment/web:/spec/replicas/x",
            "`/spec/replicas/x` in `set_fields` leads nowhere in Deployment/web; `/spec/replicas` is a value, with nothing below it",
        ),
        (
            "Deployment/web:/metadata/name",
            "`/metadata/name` cannot be set; change it in the file; `namespace` and `rename_groups` change it for many objects",
        ),
    ] {
        let fault = set_fields(&mut all(), &fields(&[(item, json!(1))])).expect_err(item);
        assert_eq!(told(fault), expected);
    }
}

#[test]
fn images_are_replaced_by_their_names() {
    let mut objects = all();
    let wanted = texts(&[("caddy", "caddy:2.10"), ("registry.lan:5000/tools", "tools@sha256:1")]);
    set_images(&mut objects, &wanted).expect("used");
    let pod = &objects[0].worlds.real()["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "caddy:2.10");
    assert_eq!(pod["initContainers"][0]["image"], "tools@sha256:1");
    for (name, expected) in [
        ("cady", "no object uses the image `cady`; did you mean `caddy`?"),
        ("caddy:1", "`caddy:1` in `images` has a tag or a digest; write `caddy`"),
    ] {
        let fault = set_images(&mut all(), &texts(&[(name, "x")])).expect_err(name);
        assert_eq!(told(fault), expected);
    }
}

#[test]
fn groups_get_other_names() {
    let mut objects = all();
    rename_groups(&mut objects, &texts(&[("v1beta1.example.org/v1", "example.org/v2")])).expect("used");
    assert_eq!(objects[1].id.api_version(), "example.org/v2");
    assert_eq!(objects[1].worlds.real()["apiVersion"], "example.org/v2");
    for (from, to, expected) in [
        (
            "app/v1",
            "apps/v1",
            "no object has the `apiVersion` `app/v1`; did you mean `apps/v1`?",
        ),
        (
            "apps/v1",
            "apps/",
            "`apps/` in `rename_groups` is not a group with a version; write it as `apps/v1`, or `v1`",
        ),
    ] {
        let fault = rename_groups(&mut all(), &texts(&[(from, to)])).expect_err(from);
        assert_eq!(told(fault), expected);
    }
}

#[test]
fn what_is_kept_is_there() {
    let keep = |items: &[&str]| {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        kept(&all(), &items).map_err(told)
    };
    let found = keep(&[
        "Thing/xy",
        "Deployment/web:/spec/replicas",
        "Deployment/web:/spec/template",
    ])
    .expect("there");
    assert!(found[1].is_whole && !found[0].is_whole);
    let fields: Vec<String> = found[0].fields.iter().map(ToString::to_string).collect();
    assert_eq!(fields, ["spec.replicas", "spec.template"]);
    for (item, expected) in [
        (
            "Thing",
            "`Thing` names no object; write it as `Kind/name`, such as `Deployment/web`",
        ),
        (
            "Thing/z",
            "`Thing/z` in `keep` matches no object; did you mean `Thing/xy`?",
        ),
        (
            "Deployment/web:/spec/replica",
            "`/spec/replica` in `keep` matches no field of Deployment/web; in `/spec`: did you mean `replicas`?",
        ),
        (
            "Deployment/web:/metadata/name",
            "`/metadata/name` cannot be kept; name a field, or the whole object: `Deployment/web`",
        ),
    ] {
        assert_eq!(keep(&[item]), Err(expected.to_owned()));
    }
}
