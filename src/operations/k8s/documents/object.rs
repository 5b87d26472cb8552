//! Objects of files: which one each is, and what is wrong with it by itself.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::fault::{Fault, Spot};
use super::names::wrong_name;
use super::worlds::Worlds;
use super::yaml::{Broken, File, Node, NodeKind, Surprise, parse};
use crate::facts::kubernetes::ObjectId;
use crate::secret::{Cover, World};
use crate::value::Text;

/// An object as it is written.
pub(super) struct Written {
    /// The file that it is in.
    pub(super) file: usize,
    /// As it is written, with places.
    pub(super) node: Arc<Node>,
    pub(super) worlds: Worlds,
    /// The namespace is the one that is written.
    pub(super) id: ObjectId,
}

impl Written {
    /// Where the object begins.
    pub(super) fn spot(&self) -> Spot {
        spot(self.file, head(&self.node))
    }

    /// Where what a pointer names is written, or what is above it.
    pub(super) fn spot_of(&self, pointer: &str) -> Spot {
        spot(self.file, self.node.place_of(pointer))
    }
}

fn spot(file: usize, place: Range<usize>) -> Spot {
    Spot { file, place }
}

/// The first key of a table, or where a value begins.
fn head(node: &Node) -> Range<usize> {
    match &node.kind {
        NodeKind::Table(entries) if !entries.is_empty() => entries[0].place.clone(),
        _ => node.place.start..node.place.start,
    }
}

/// The objects of a file, and words that mean something else than they look like.
///
/// Errors: the file cannot be read, or an object has no name.
pub(super) fn objects(file: usize, name: &str, text: &Text) -> Result<(Vec<Written>, Vec<Surprise>), Fault> {
    let mut real = parse(text.expose()).map_err(|broken| unreadable(file, name, text, broken))?;
    let cover = text.secret().map_or(Cover::default(), |secret| secret.cover());
    let others = text.is_covered().then(|| decoys(text));
    // A word that came from a secret is not told.
    real.surprises.retain(|surprise| match &others {
        None => true,
        Some(None) => false,
        Some(Some(others)) => others
            .iter()
            .all(|other| other.surprises.iter().any(|one| one.word == surprise.word)),
    });
    let others = others.map(|files| files.map(|files| files.map(|file| flattened(&file))));
    let mut written = Vec::new();
    for (at, (node, value)) in flattened(&real).into_iter().enumerate() {
        let worlds = match &others {
            None => Worlds::open(value),
            Some(None) => Worlds::of(value, None, cover),
            Some(Some(others)) => {
                let [first, second] = others.each_ref().map(|all| all.get(at).map(|(_, value)| value.clone()));
                match (first, second) {
                    (Some(first), Some(second))
                        if is_same_object(&value, &first) && is_same_object(&value, &second) =>
                    {
                        Worlds::of(value, Some([first, second]), cover)
                    }
                    _ => return Err(decided(spot(file, head(&node)), cover)),
                }
            }
        };
        let id = identity(file, &node, worlds.real())?;
        written.push(Written { file, node, worlds, id });
    }
    Ok((written, real.surprises))
}

/// A file with other secrets; `None` if it cannot be read then.
fn decoys(text: &Text) -> Option<[File; 2]> {
    let of = |world: World| parse(text.in_world(world)).ok();
    Some([of(World::First)?, of(World::Second)?])
}

/// Whether two values are one object with other content.
fn is_same_object(one: &Value, other: &Value) -> bool {
    ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"]
        .iter()
        .all(|pointer| one.pointer(pointer) == other.pointer(pointer))
}

fn decided(spot: Spot, cover: Cover) -> Fault {
    if cover == Cover::Secret {
        return Fault::in_file(
            spot,
            "which object this is comes from a secret",
            "its kind, namespace or name would show the secret",
        )
        .hint("name the object by a value that is not secret");
    }
    Fault::in_file(
        spot,
        "which object this is depends on a value that is known only after apply",
        "its kind, namespace or name is not known",
    )
    .hint("name the object by a value that is known")
}

/// The objects of a file, those of lists one by one.
fn flattened(file: &File) -> Vec<(Arc<Node>, Value)> {
    let mut all = Vec::new();
    for document in &file.documents {
        match document.get("items").filter(|items| items.items().is_some()) {
            Some(items) => {
                let kind = document.get("kind").and_then(|kind| kind.text()).unwrap_or_default();
                let of_items = kind.strip_suffix("List").filter(|kind| !kind.is_empty());
                let version = document.get("apiVersion").map(|version| version.json());
                for item in items.items().unwrap_or_default() {
                    let mut value = item.json();
                    // A list of one kind need not say it again.
                    if let (Value::Object(table), Some(kind), Some(version)) = (&mut value, of_items, &version)
                        && !table.contains_key("kind")
                    {
                        table.insert("apiVersion".to_owned(), version.clone());
                        table.insert("kind".to_owned(), Value::from(kind));
                    }
                    all.push((Arc::clone(item), value));
                }
            }
            None => all.push((Arc::clone(document), document.json())),
        }
    }
    all
}

/// What the value of a text is, for a label.
pub(in crate::operations) fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "this is nothing",
        Value::Bool(_) => "this is a boolean",
        Value::Number(_) => "this is a number",
        Value::String(_) => "this is a string",
        Value::Array(_) => "this is a list",
        Value::Object(_) => "this is a table",
    }
}

/// Which object a value is.
fn identity(file: usize, node: &Node, value: &Value) -> Result<ObjectId, Fault> {
    let here = || spot(file, head(node));
    if !value.is_object() {
        return Err(Fault::in_file(
            spot(file, node.place.clone()),
            "an object must be a table",
            described(value),
        )
        .hint("write `apiVersion`, `kind` and `metadata`, or leave the file out with `exclude`"));
    }
    let text = |pointer: &str, name: &str| match value.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(Value::String(_)) => Err(Fault::in_file(
            spot(file, node.place_of(pointer)),
            format!("`{name}` is empty"),
            "no text",
        )
        .hint("write a value, or remove the key")),
        Some(other) => Err(Fault::in_file(
            spot(file, node.place_of(pointer)),
            format!("`{name}` must be a string"),
            described(other),
        )
        .hint("put it in quotes")),
    };
    let missing =
        |name: &str, hint: &str| Fault::in_file(here(), format!("missing `{name}`"), "this object has none").hint(hint);
    let left_out = "add it, or leave the file out with `exclude` if it is no manifest";
    let api_version = text("/apiVersion", "apiVersion")?.ok_or_else(|| missing("apiVersion", left_out))?;
    let kind = text("/kind", "kind")?.ok_or_else(|| missing("kind", left_out))?;
    let (group, version) = group_version(&api_version).ok_or_else(|| {
        Fault::in_file(
            spot(file, node.place_of("/apiVersion")),
            format!("`{api_version}` is not a valid `apiVersion`"),
            "must be a version, or a group and a version",
        )
        .hint("write it as `v1` or `apps/v1`")
    })?;
    let name = text("/metadata/name", "metadata.name")?;
    if name.is_none() && value.pointer("/metadata/generateName").is_some() {
        return Err(Fault::in_file(
            spot(file, node.place_of("/metadata/generateName")),
            "`generateName` would make another object each time",
            "the API server would choose a name",
        )
        .hint("write `name`"));
    }
    let name = name.ok_or_else(|| missing("metadata.name", "add it"))?;
    let namespace = text("/metadata/namespace", "metadata.namespace")?;
    if let Some(why) = wrong_name(group, &kind, &name) {
        let title = format!("`{name}` is not a valid name for a {kind}");
        return Err(Fault::in_file(spot(file, node.place_of("/metadata/name")), title, why).hint("rename the object"));
    }
    if let Some(namespace) = &namespace
        && let Some(why) = super::names::wrong_label(namespace)
    {
        let title = format!("`{namespace}` is not a valid name for a Namespace");
        return Err(
            Fault::in_file(spot(file, node.place_of("/metadata/namespace")), title, why).hint("write another one"),
        );
    }
    Ok(ObjectId {
        group: group.to_owned(),
        version: version.to_owned(),
        kind,
        namespace,
        name,
    })
}

/// `apps/v1` as its parts.
pub(super) fn group_version(api_version: &str) -> Option<(&str, &str)> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let is_right = !version.is_empty() && !version.contains('/') && (!group.is_empty() || !api_version.contains('/'));
    is_right.then_some((group, version))
}

/// That a file cannot be read.
fn unreadable(file: usize, name: &str, text: &Text, broken: Broken) -> Fault {
    let whole = text.expose();
    let start = whole[..broken.place.start].rfind('\n').map_or(0, |at| at + 1);
    let line = whole[start..].lines().next().unwrap_or_default();
    let above = whole[..start].lines().next_back().unwrap_or_default();
    let is_rendered = name.strip_suffix(".j2").is_some();
    let hint = if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
        "YAML takes no tabs for indentation: use spaces".to_owned()
    } else if broken.why.contains("is there twice") {
        "remove one of them".to_owned()
    } else if !is_rendered && (line.contains("{{") || above.contains("{{")) {
        format!("call the file `{name}.j2` if it is a template; otherwise put the text in quotes")
    } else {
        "check the indentation, quotes and brackets there and in the line before".to_owned()
    };
    let title = if broken.why.contains("is there twice") {
        format!("`templates/{name}` has a key twice")
    } else {
        format!("`templates/{name}` is not valid YAML")
    };
    Fault::in_file(spot(file, broken.place), title, broken.why).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Secret, Sort};

    fn read(text: &str) -> Result<Vec<String>, String> {
        let read = objects(0, "a.yaml", &Text::open(text.to_owned()));
        read.map(|(all, _)| {
            all.iter()
                .map(|one| format!("{} {}", one.id.api_version(), one.id))
                .collect()
        })
        .map_err(|fault| {
            let super::super::fault::At::File(spot) = &fault.at else {
                return fault.title;
            };
            let line = text[..spot.place.start].matches('\n').count() + 1;
            format!("{line}: {}: {}", fault.title, fault.label)
        })
    }

    #[test]
    fn each_document_and_each_item_of_a_list_is_an_object() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: ns}}\n---\n# nothing\n---\napiVersion: v1\nkind: SecretList\nitems: [{metadata: {name: s}}]\n---\napiVersion: v1\nkind: List\nitems: []\n";
        assert_eq!(
            read(text),
            Ok(vec![
                "v1 ConfigMap/a".to_owned(),
                "apps/v1 Deployment/b in ns".to_owned(),
                "v1 Secret/s".to_owned()
            ])
        );
    }

    #[test]
    fn an_object_says_which_one_it_is() {
        for (text, expected) in [
            ("text\n", "1: an object must be a table: this is a string"),
            ("- a\n", "1: an object must be a table: this is a list"),
            ("kind: X\n", "1: missing `apiVersion`: this object has none"),
            ("# x\napiVersion: v1\n", "2: missing `kind`: this object has none"),
            (
                "apiVersion: 1\nkind: X\n",
                "1: `apiVersion` must be a string: this is a number",
            ),
            (
                "apiVersion: a/b/c\nkind: X\n",
                "1: `a/b/c` is not a valid `apiVersion`: must be a version, or a group and a version",
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n",
                "1: missing `metadata.name`: this object has none",
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\n",
                "1: missing `metadata.name`: this object has none",
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: 12\n",
                "4: `metadata.name` must be a string: this is a number",
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ''\n",
                "4: `metadata.name` is empty: no text",
            ),
            (
                "apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: x-\n",
                "4: `generateName` would make another object each time: the API server would choose a name",
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: A_b\n",
                "4: `A_b` is not a valid name for a ConfigMap: can have only `a` to `z`, digits, `-` and `.`, and must begin and end with a letter or digit",
            ),
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: no}\n",
                "3: `metadata.namespace` must be a string: this is a boolean",
            ),
            (
                "a: 1\na: 2\n",
                "2: `templates/a.yaml` has a key twice: `a` is there twice, with different values",
            ),
            (
                "a: {{ b }}\n",
                "1: `templates/a.yaml` is not valid YAML: a key must be text",
            ),
        ] {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_comes_from_a_secret_is_covered_and_names_nothing() {
        let text = |object: &str, secrets: [&str; 3]| -> Text {
            Secret::of_worlds(secrets.map(|secret| object.replace('$', secret)), Sort::Text).into()
        };
        let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {url: 'http://u:$@h', x: z}\n";
        let (all, _) = objects(0, "a.yaml.j2", &text(config, ["pw", "qx", "ry"])).expect("an object");
        assert_eq!(
            all[0].worlds.masked()["data"],
            serde_json::json!({ "url": "http://u:[secret]@h", "x": "z" })
        );
        // With other secrets it cannot be read: nothing of it is shown.
        let (all, _) = objects(0, "a.yaml.j2", &text(config, ["pw", "'", "'"])).expect("an object");
        assert_eq!(all[0].worlds.masked()["data"], "[secret]");
        let named = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: $}\n";
        let fault = objects(0, "a.yaml.j2", &text(named, ["pw", "qx", "ry"]))
            .err()
            .expect("a mistake");
        assert_eq!(fault.title, "which object this is comes from a secret");
    }
}
