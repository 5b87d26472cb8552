//! What the parameters change in objects before anything else sees them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fault::Fault;
use super::object::{Written, group_version};
use crate::error::suggestion;
use crate::facts::kubernetes::FieldPath;
use crate::secret::World;
use crate::value::Varied;

/// Which object, and what of it, a parameter names: `Deployment/web:/spec/replicas`.
struct Target<'t> {
    kind: &'t str,
    name: &'t str,
    pointer: Option<&'t str>,
}

impl<'t> Target<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let (kind, rest) = text.split_once('/')?;
        let (name, pointer) = match rest.find(":/") {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        (!kind.is_empty() && !name.is_empty() && !name.contains('/')).then_some(Self { kind, name, pointer })
    }
}

/// The object that an item of a parameter names, with the pointer.
///
/// Errors: it names none, or several.
fn target<'t>(objects: &[Written], argument: &'static str, item: &'t str) -> Result<(usize, Option<&'t str>), Fault> {
    let Some(target) = Target::parse(item) else {
        let form = if argument == "set_fields" {
            "`Kind/name:/pointer`"
        } else {
            "`Kind/name`"
        };
        return Err(Fault::of(
            argument,
            item,
            format!("`{item}` names no object"),
            format!("must have the form {form}"),
        )
        .hint(format!(
            "write it as {form}, such as `Deployment/web{}`",
            if argument == "set_fields" {
                ":/spec/replicas"
            } else {
                ""
            }
        )));
    };
    let found: Vec<usize> = (0..objects.len())
        .filter(|at| objects[*at].id.kind == target.kind && objects[*at].id.name == target.name)
        .collect();
    match found[..] {
        [at] => Ok((at, target.pointer)),
        [] => {
            let known: BTreeSet<String> = objects
                .iter()
                .map(|one| format!("{}/{}", one.id.kind, one.id.name))
                .collect();
            let wanted = format!("{}/{}", target.kind, target.name);
            let hint = suggestion(&wanted, known.iter().map(String::as_str));
            let title = format!("`{wanted}` in `{argument}` matches no object");
            Err(Fault::of(argument, item, title, "no such object in the files of `src`")
                .hint(hint.unwrap_or_else(|| "write the kind and name of an object, or remove it".to_owned())))
        }
        [first, second, ..] => {
            let title = format!("`{}/{}` in `{argument}` matches two objects", target.kind, target.name);
            Err(Fault::of(argument, item, title, "which one is not clear")
                .also(objects[first].spot(), "one of them")
                .hint(format!(
                    "read {} and {} by two operations, each with its own `set`",
                    objects[first].id, objects[second].id
                )))
        }
    }
}

/// Which of an object is left alone once it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::operations) struct Keep {
    /// All of it.
    pub(in crate::operations) is_whole: bool,
    /// Fields, none if all of it is.
    pub(in crate::operations) fields: Vec<FieldPath>,
}

/// What `keep` says about each object.
///
/// Errors: an item matches no object, or no field of it.
pub(super) fn kept(objects: &[Written], keep: &[String]) -> Result<Vec<Keep>, Fault> {
    let mut all = vec![Keep::default(); objects.len()];
    for item in keep {
        let (at, pointer) = target(objects, "keep", item)?;
        let Some(pointer) = pointer else {
            all[at].is_whole = true;
            continue;
        };
        if IDENTITY.contains(&pointer) {
            let title = format!("`{pointer}` cannot be kept");
            return Err(
                Fault::of("keep", item, title, "it says which object this is").hint(format!(
                    "name a field, or the whole object: `{}`",
                    item.trim_end_matches(pointer).trim_end_matches(':')
                )),
            );
        }
        let object = objects[at].worlds.real();
        let fault = match FieldPath::of(object, pointer) {
            Ok(path) => {
                all[at].fields.push(path);
                continue;
            }
            Err(None) => {
                let title = format!("`{pointer}` in `keep` matches no field of {}", objects[at].id);
                Fault::of("keep", item, title, "the object has no such field").hint(pointer_hint(object, pointer))
            }
            Err(Some(list)) => {
                let title = format!("`{pointer}` of {} cannot be kept by itself", objects[at].id);
                let label = format!("the API server replaces the list `{list}` as a whole");
                Fault::of("keep", item, title, label).hint("name the list in `keep`, or the whole object")
            }
        };
        return Err(fault.also(objects[at].spot(), "this object"));
    }
    for keep in all.iter_mut().filter(|keep| keep.is_whole) {
        keep.fields.clear();
    }
    Ok(all)
}

/// What a pointer probably was to be.
fn pointer_hint(object: &Value, pointer: &str) -> String {
    let mut value = object;
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        let name = unescaped(part);
        let next = match value {
            Value::Object(table) => table.get(&name),
            Value::Array(items) => name.parse().ok().and_then(|at: usize| items.get(at)),
            _ => None,
        };
        let Some(next) = next else {
            let place = if path.is_empty() {
                "the object".to_owned()
            } else {
                format!("`{path}`")
            };
            return match value {
                Value::Object(table) => match suggestion(&name, table.keys().map(String::as_str)) {
                    Some(hint) => format!("in {place}: {hint}"),
                    None => format!("{place} has no key `{name}`"),
                },
                Value::Array(items) => format!("{place} has {} items, counted from 0", items.len()),
                _ => format!("{place} is a value, with nothing below it"),
            };
        };
        value = next;
        path = format!("{path}/{part}");
    }
    "write the path of a field".to_owned()
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// Fields that say which object it is.
const IDENTITY: [&str; 5] = [
    "/apiVersion",
    "/kind",
    "/metadata",
    "/metadata/name",
    "/metadata/namespace",
];

/// Puts values into objects.
///
/// Errors: an item matches no object, or there is no place for the value in it.
pub(super) fn set_fields(objects: &mut [Written], fields: &Varied<Map<String, Value>>) -> Result<(), Fault> {
    for item in fields.expose().keys() {
        let (at, pointer) = target(objects, "set_fields", item)?;
        let Some(pointer) = pointer else {
            let title = format!("`{item}` names no field");
            return Err(Fault::of("set_fields", item, title, "a JSON pointer is missing")
                .hint(format!("write which field, such as `{item}:/spec/replicas`")));
        };
        if IDENTITY.contains(&pointer) {
            let title = format!("`{pointer}` cannot be set");
            return Err(Fault::of("set_fields", item, title, "it says which object this is")
                .hint("change it in the file; `namespace` and `rename_groups` change it for many objects"));
        }
        let value = |world: World| fields.in_world(world).get(item).cloned().unwrap_or_default();
        let is_placed = if fields.is_covered() {
            let cover = if fields.is_later() {
                crate::secret::Cover::Later
            } else {
                crate::secret::Cover::Secret
            };
            objects[at]
                .worlds
                .edit_worlds(cover, |object, world| put(object, pointer, value(world)))
        } else {
            objects[at]
                .worlds
                .edit(|object| put(object, pointer, value(World::Real)))
        };
        if !is_placed {
            let title = format!("`{pointer}` in `set_fields` leads nowhere in {}", objects[at].id);
            let hint = pointer_hint(objects[at].worlds.real(), pointer);
            return Err(
                Fault::of("set_fields", item, title, "what is above the field must be there")
                    .also(objects[at].spot(), "this object")
                    .hint(hint),
            );
        }
    }
    Ok(())
}

/// Puts a value where a pointer leads: into a table that is there, or in the place of an item, or after the last one with `-`.
fn put(object: &mut Value, pointer: &str, value: Value) -> bool {
    let Some((above, last)) = pointer.rsplit_once('/') else {
        return false;
    };
    let last = unescaped(last);
    match object.pointer_mut(above) {
        Some(Value::Object(table)) if !last.is_empty() => {
            table.insert(last, value);
            true
        }
        Some(Value::Array(items)) if last == "-" => {
            items.push(value);
            true
        }
        Some(Value::Array(items)) => match last.parse().ok().and_then(|at: usize| items.get_mut(at)) {
            Some(item) => {
                *item = value;
                true
            }
            None => false,
        },
        _ => false,
    }
}

/// Puts other images in the place of those that containers name.
///
/// Errors: a name has a tag, or no object uses it.
pub(super) fn set_images(objects: &mut [Written], images: &BTreeMap<String, String>) -> Result<(), Fault> {
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut unused: BTreeSet<&String> = images.keys().collect();
    if let Some(name) = images.keys().find(|name| bare_image(name) != name.as_str()) {
        let title = format!("`{name}` in `images` has a tag or a digest");
        return Err(Fault::of("images", name, title, "must be the image's name alone")
            .hint(format!("write `{}`", bare_image(name))));
    }
    for object in objects {
        let mut places = Vec::new();
        images_of(object.worlds.real(), "", &mut places);
        for (pointer, image) in places {
            let name = bare_image(&image).to_owned();
            used.insert(name.clone());
            if let Some(other) = images.get(&name) {
                unused.remove(&name);
                object
                    .worlds
                    .edit(|object| put(object, &pointer, Value::from(other.clone())));
            }
        }
    }
    let Some(name) = unused.into_iter().next() else {
        return Ok(());
    };
    let title = format!("no object uses the image `{name}`");
    let hint = suggestion(name, used.iter().map(String::as_str));
    Err(Fault::of("images", name, title, "no container names it").hint(hint.unwrap_or_else(|| "remove it".to_owned())))
}

/// The name of an image without tag and digest.
fn bare_image(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    match image.rsplit_once(':') {
        // The port of a registry is no tag.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// The images that containers name, wherever they are in an object, with their places.
fn images_of(value: &Value, pointer: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                if let ("containers" | "initContainers" | "ephemeralContainers", Value::Array(items)) =
                    (key.as_str(), value)
                {
                    for (at, item) in items.iter().enumerate() {
                        if let Some(image) = item.get("image").and_then(Value::as_str) {
                            found.push((format!("{pointer}/{at}/image"), image.to_owned()));
                        }
                    }
                } else {
                    images_of(value, &pointer, found);
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                images_of(item, &format!("{pointer}/{at}"), found);
            }
        }
        _ => {}
    }
}

/// Gives objects of a group and version another one.
///
/// Errors: no object has it, or one of them is no group with a version.
pub(super) fn rename_groups(objects: &mut [Written], groups: &BTreeMap<String, String>) -> Result<(), Fault> {
    let mut unused: BTreeSet<&String> = groups.keys().collect();
    for (from, to) in groups {
        for word in [from, to] {
            if group_version(word).is_none() {
                let title = format!("`{word}` in `rename_groups` is not a group with a version");
                return Err(
                    Fault::of("rename_groups", from, title, "must have the form `group/version`")
                        .hint("write it as `apps/v1`, or `v1`"),
                );
            }
        }
    }
    let known: BTreeSet<String> = objects.iter().map(|object| object.id.api_version()).collect();
    for object in objects {
        let Some((from, to)) = groups.get_key_value(&object.id.api_version()) else {
            continue;
        };
        unused.remove(from);
        if let Some((group, version)) = group_version(to) {
            group.clone_into(&mut object.id.group);
            version.clone_into(&mut object.id.version);
        }
        object
            .worlds
            .edit(|object| put(object, "/apiVersion", Value::from(to.clone())));
    }
    let Some(from) = unused.into_iter().next() else {
        return Ok(());
    };
    let title = format!("no object has the `apiVersion` `{from}`");
    let hint = suggestion(from, known.iter().map(String::as_str));
    Err(Fault::of("rename_groups", from, title, "nothing to rename")
        .hint(hint.unwrap_or_else(|| "remove it".to_owned())))
}

#[cfg(test)]
mod tests;
