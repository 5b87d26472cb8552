//! The objects of a set: those of all of its files, as the parameters change them, in their order.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::characters::lost_characters;
use super::edits::{Keep, kept, rename_groups, set_fields, set_images};
use super::fault::Fault;
use super::names::{is_namespaced, wrong_name};
use super::object::{Written, objects};
use super::order::turn;
use super::strings::wrong_text;
use super::worlds::{encode_text, is_secret};
use super::yaml::Surprise;
use crate::facts::kubernetes::ObjectId;
use crate::value::{Text, Varied};

/// What the parameters say about all objects.
#[derive(Default)]
pub(super) struct Changes<'p> {
    pub(super) namespace: Option<&'p str>,
    pub(super) images: BTreeMap<String, String>,
    pub(super) fields: Option<&'p Varied<Map<String, Value>>>,
    pub(super) groups: BTreeMap<String, String>,
    pub(super) keep: &'p [String],
}

/// The objects of a set.
pub(super) struct Set {
    /// In the order in which they are made.
    pub(super) objects: Vec<(Written, Keep)>,
    /// Words that mean something else than they look like, with the files that they are in.
    pub(super) surprises: Vec<(usize, Surprise)>,
}

/// The objects of files, each with its path below `templates/`. `scope` says whether objects of a kind are in namespaces.
///
/// Errors: a file cannot be read, two objects are one, or a parameter does not fit them.
pub(super) fn assemble(
    files: &[(&str, &Text)],
    changes: &Changes<'_>,
    scope: &dyn Fn(&ObjectId) -> Option<bool>,
) -> Result<Set, Fault> {
    let mut all = Vec::new();
    let mut surprises = Vec::new();
    for (at, (name, text)) in files.iter().enumerate() {
        let (mut own, words) = objects(at, name, text)?;
        all.append(&mut own);
        surprises.extend(words.into_iter().map(|word| (at, word)));
    }
    rename_groups(&mut all, &changes.groups)?;
    if let Some(fields) = changes.fields {
        set_fields(&mut all, fields)?;
    }
    set_images(&mut all, &changes.images)?;
    for object in &all {
        let fault = wrong_data(object)
            .or_else(|| wrong_text(object))
            .or_else(|| wrong_definition(object));
        fault.map_or(Ok(()), Err)?;
    }
    let defined = scopes(&all);
    for object in &mut all {
        if is_secret(object.worlds.real()) {
            object.worlds.edit(encode_text);
        }
        if let Some(fault) = lost_characters(object) {
            return Err(fault);
        }
        let own = defined.get(&(object.id.group.clone(), object.id.kind.clone())).copied();
        let is_namespaced = own
            .or_else(|| is_namespaced(&object.id.group, &object.id.kind))
            .or_else(|| scope(&object.id));
        place(object, is_namespaced, changes.namespace)?;
    }
    refuse_twice(&all)?;
    let keep = kept(&all, changes.keep)?;
    let mut objects: Vec<(Written, Keep)> = all.into_iter().zip(keep).collect();
    objects.sort_by_key(|(object, _)| turn(&object.id));
    Ok(Set { objects, surprises })
}

/// Puts an object into the namespace of the parameter if it names none.
fn place(object: &mut Written, is_namespaced: Option<bool>, namespace: Option<&str>) -> Result<(), Fault> {
    match (is_namespaced, &object.id.namespace, namespace) {
        (Some(false), Some(_), _) => {
            let title = format!("{}/{} cannot be in a namespace", object.id.kind, object.id.name);
            Err(Fault::in_file(
                object.spot_of("/metadata/namespace"),
                title,
                format!("a {} is in no namespace", object.id.kind),
            )
            .hint("remove `namespace`"))
        }
        (Some(true), None, Some(namespace)) => {
            object.id.namespace = Some(namespace.to_owned());
            object.worlds.edit(|object| {
                if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                    metadata.insert("namespace".to_owned(), Value::from(namespace));
                }
            });
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether objects of the kinds that the set itself defines are in namespaces.
fn scopes(all: &[Written]) -> BTreeMap<(String, String), bool> {
    let definitions = all.iter().filter(|object| object.id.kind == "CustomResourceDefinition");
    let of = |object: &Written| {
        let spec = object.worlds.real().get("spec")?;
        let text = |pointer: &str| spec.pointer(pointer)?.as_str().map(str::to_owned);
        Some(((text("/group")?, text("/names/kind")?), text("/scope")? == "Namespaced"))
    };
    definitions.filter_map(of).collect()
}

/// Two objects of one name: only the last would be there.
fn refuse_twice(all: &[Written]) -> Result<(), Fault> {
    let mut seen: BTreeMap<(&str, &str, &str, &str), &Written> = BTreeMap::new();
    for object in all {
        let id = &object.id;
        // Without a namespace `kubectl` takes this one.
        let namespace = id.namespace.as_deref().unwrap_or("default");
        let key = (id.group.as_str(), id.kind.as_str(), namespace, id.name.as_str());
        if let Some(first) = seen.insert(key, object) {
            return Err(
                Fault::in_file(object.spot(), format!("duplicate object `{id}`"), "written again here")
                    .also(first.spot(), "first written here")
                    .hint("remove one of them, or leave its file out with `exclude`"),
            );
        }
    }
    Ok(())
}

/// Data of a Secret or a `ConfigMap` that is not encoded.
fn wrong_data(object: &Written) -> Option<Fault> {
    let key = match (object.id.group.as_str(), object.id.kind.as_str()) {
        ("", "Secret") => "data",
        ("", "ConfigMap") => "binaryData",
        _ => return None,
    };
    let data = object.worlds.real().get(key)?.as_object()?;
    data.iter().find_map(|(name, value)| {
        let packed: String = value.as_str()?.chars().filter(|one| !"\r\n".contains(*one)).collect();
        STANDARD.decode(packed).err()?;
        let pointer = format!("/{key}/{}", name.replace('~', "~0").replace('/', "~1"));
        let title = format!("`{key}.{name}` of {}/{} is not Base64", object.id.kind, object.id.name);
        let other = if key == "data" { "stringData" } else { "data" };
        Some(
            Fault::in_file(object.spot_of(&pointer), title, "this is plain text")
                .hint(format!("move it to `{other}`, which takes plain text")),
        )
    })
}

/// A definition of a kind that has another name than its kind.
fn wrong_definition(object: &Written) -> Option<Fault> {
    if object.id.kind != "CustomResourceDefinition" {
        return None;
    }
    let spec = object.worlds.real().get("spec")?;
    let plural = spec.pointer("/names/plural")?.as_str()?;
    let wanted = format!("{plural}.{}", spec.get("group")?.as_str()?);
    (object.id.name != wanted).then(|| {
        let title = format!(
            "`{}` is not a valid name for this CustomResourceDefinition",
            object.id.name
        );
        Fault::in_file(
            object.spot_of("/metadata/name"),
            title,
            "must be the plural and the group of the kind",
        )
        .hint(format!("write `{wanted}`"))
    })
}

/// The name of a set: `set`, or the last part of the first `src`.
pub(super) fn set_name(set: Option<&str>, src: &[String]) -> Result<String, Fault> {
    let (argument, item, name) = if let Some(set) = set {
        ("set", set, set.to_owned())
    } else {
        let first = src.first().map(String::as_str).unwrap_or_default();
        let last = first.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let last = last.strip_suffix(".j2").unwrap_or(last);
        let mut endings = [".yaml", ".yml", ".json"].into_iter();
        let bare = endings.find_map(|ending| last.strip_suffix(ending)).unwrap_or(last);
        ("src", first, bare.to_owned())
    };
    match wrong_name("", "ConfigMap", &format!("homelab-set-{name}")) {
        None if !name.is_empty() => Ok(name),
        why => {
            let title = format!("`{name}` is not a valid name for a set");
            let why = why.unwrap_or_else(|| "a name is missing".to_owned());
            Err(Fault::of(argument, item, title, why)
                .hint("add `set = \"NAME\"`, which names the objects for `--prune`"))
        }
    }
}

/// What is said about a word that means something else than it looks like.
pub(super) fn told(surprise: &Surprise) -> String {
    format!(
        "`{}` means `{}`, as kubectl reads it; put it in quotes if it is text",
        surprise.word, surprise.meaning
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fault::At;
    use super::*;

    fn assembled(texts: &[&str], changes: &Changes<'_>) -> Result<Set, Fault> {
        let texts: Vec<Text> = texts.iter().map(|text| Text::open((*text).to_owned())).collect();
        let files: Vec<(&str, &Text)> = texts.iter().map(|text| ("a.yaml", text)).collect();
        assemble(&files, changes, &|id| (id.group == "served.example").then_some(false))
    }

    fn mistake(texts: &[&str], changes: &Changes<'_>) -> Option<String> {
        let fault = assembled(texts, changes).err()?;
        let place = match &fault.at {
            At::File(spot) => {
                let line = texts[spot.file][..spot.place.start].matches('\n').count() + 1;
                format!("{}:{line}", spot.file)
            }
            At::Argument(argument, item) => format!("{argument} {item}"),
        };
        let also = fault.also.map(|also| {
            let spot = also.0;
            let line = texts[spot.file][..spot.place.start].matches('\n').count() + 1;
            format!(" ({}:{line})", spot.file)
        });
        Some(format!(
            "{place}{}: {}; {}",
            also.unwrap_or_default(),
            fault.title,
            fault.hint.unwrap_or_default()
        ))
    }

    const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n";

    #[test]
    fn objects_come_in_order_and_in_their_namespaces() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: own}\nstringData: {a: b}\n---\napiVersion: example.org/v1\nkind: Widget\nmetadata: {name: w}\n---\napiVersion: served.example/v1\nkind: Thing\nmetadata: {name: t}\n---\napiVersion: other.example/v1\nkind: Thing\nmetadata: {name: t}\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.org}\nspec: {group: example.org, scope: Namespaced, names: {kind: Widget, plural: widgets}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
        let changes = Changes {
            namespace: Some("shop"),
            ..Changes::default()
        };
        let set = assembled(&[text], &changes).expect("a set");
        let ids: Vec<String> = set.objects.iter().map(|(object, _)| object.id.to_string()).collect();
        assert_eq!(
            ids,
            [
                "Namespace/shop",
                "CustomResourceDefinition/widgets.example.org",
                "Secret/s in own",
                "Deployment/d in shop",
                "Widget/w in shop",
                "Thing/t",
                "Thing/t",
            ]
        );
        let (deployment, _) = &set.objects[3];
        assert_eq!(
            deployment.worlds.real()["metadata"],
            json!({ "name": "d", "namespace": "shop" })
        );
        assert_eq!(set.objects[2].0.worlds.real()["data"], json!({ "a": "Yg==" }));
    }

    #[test]
    fn mistakes_have_their_places() {
        let namespaced = CONFIG.replace("{name: a}", "{name: a, namespace: default}");
        for (texts, expected) in [
            (
                &[CONFIG, "---\n# x\n", &namespaced][..],
                "2:1 (0:1): duplicate object `ConfigMap/a in default`; remove one of them, or leave its file out with `exclude`",
            ),
            (
                &["apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  pw: hunter2!\n"],
                "0:5: `data.pw` of Secret/a is not Base64; move it to `stringData`, which takes plain text",
            ),
            (
                &["apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  namespace: b\n"],
                "0:5: Namespace/a cannot be in a namespace; remove `namespace`",
            ),
            (
                &[
                    "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\nspec: {group: b.c, names: {plural: as}}\n",
                ],
                "0:3: `a` is not a valid name for this CustomResourceDefinition; write `as.b.c`",
            ),
        ] {
            assert_eq!(mistake(texts, &Changes::default()).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_set_is_called_by_its_first_source() {
        for (set, src, expected) in [
            (None, "shop", Ok("shop")),
            (None, "apps/shop/", Ok("shop")),
            (None, "apps/shop.yaml.j2", Ok("shop")),
            (Some("other"), "shop", Ok("other")),
            (None, "My_Shop", Err("`My_Shop` is not a valid name for a set")),
            (Some(""), "shop", Err("`` is not a valid name for a set")),
        ] {
            let found = set_name(set, &[src.to_owned()]).map_err(|fault| fault.title);
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{src}");
        }
    }
}
