//! Reads the objects that files of the project describe.
//!
//! Stand-in: plain YAML until `documents` reads it as `kubectl` does.

use serde::Deserialize as _;
use serde_json::Value;

use super::manifest::Manifest;
use crate::change::Stop;
use crate::content::Assets;
use crate::error::{Origin, SourceFile};
use crate::facts::kubernetes::ObjectId;
use crate::operations::PlanContext;
use crate::secret::{MASK, World};
use crate::value::{Known, Text};

/// The objects in these files and folders below `templates/`.
///
/// `Known::No` if a template uses a value that is not known yet.
pub(super) fn read(context: &PlanContext<'_>, sources: &[String]) -> Result<Known<Vec<Manifest>>, Stop> {
    let mut manifests = Vec::new();
    for source in sources {
        for path in files(context, source)? {
            let text = if path.ends_with(Assets::TEMPLATE_SUFFIX) {
                match context.render_asset("src", &path)? {
                    Known::Yes(text) => text,
                    Known::No(why) => return Ok(Known::No(format!("`templates/{path}` uses an unknown value: {why}"))),
                }
            } else {
                let content = context.asset("src", &path)?;
                Text::open(String::from_utf8_lossy(content.bytes().unwrap_or_default()).into_owned())
            };
            manifests.extend(of_text(context, &path, &text)?);
        }
    }
    Ok(Known::Yes(manifests))
}

fn files(context: &PlanContext<'_>, source: &str) -> Result<Vec<String>, Stop> {
    let below = format!("{}/", source.trim_end_matches('/'));
    let is_manifest = |name: &str| {
        let name = name.strip_suffix(Assets::TEMPLATE_SUFFIX).unwrap_or(name);
        [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
    };
    let mut found: Vec<String> = context
        .asset_names()
        .filter(|name| name.strip_prefix(&below).is_some_and(|rest| !rest.contains('/')) && is_manifest(name))
        .map(str::to_owned)
        .collect();
    found.sort();
    if found.is_empty() {
        context.require_asset("src", source)?;
        found.push(source.to_owned());
    }
    Ok(found)
}

fn of_text(context: &PlanContext<'_>, path: &str, text: &Text) -> Result<Vec<Manifest>, Stop> {
    let refuse = |why: String| {
        context
            .refuse("src", format!("`templates/{path}` is no valid YAML"), why)
            .hint("correct the file")
    };
    let mut worlds = Vec::new();
    for world in World::ALL {
        let text = text.in_world(world);
        let mut documents: Vec<Value> = Vec::new();
        for document in serde_saphyr::from_multiple::<Value>(text).map_err(|error| refuse(error.to_string()))? {
            if !document.is_null() {
                documents.push(Value::deserialize(document).map_err(|error| refuse(error.to_string()))?);
            }
        }
        worlds.push(documents);
    }
    let place = Origin::new(
        &SourceFile::new(&format!("templates/{path}"), text.masked().into_owned()),
        0..0,
    );
    let mut manifests = Vec::new();
    for (index, object) in worlds[0].iter().enumerate() {
        let mut masked = object.clone();
        for other in &worlds[1..] {
            hide_differing(&mut masked, object, other.get(index).unwrap_or(&Value::Null));
        }
        manifests.push(
            of_object(object.clone(), masked, place.clone())
                .ok_or_else(|| refuse("an object has no kind or no name".to_owned()))?,
        );
    }
    Ok(manifests)
}

/// The manifest of an object; `None` if it has no kind or no name.
pub(super) fn of_object(object: Value, mut masked: Value, place: Origin) -> Option<Manifest> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let api_version = text("/apiVersion")?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let id = ObjectId {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: text("/kind")?,
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name")?,
    };
    if id.kind == "Secret" && id.group.is_empty() {
        for part in ["data", "stringData"] {
            let fields = masked.get_mut(part).and_then(Value::as_object_mut);
            for value in fields.into_iter().flat_map(serde_json::Map::values_mut) {
                *value = MASK.into();
            }
        }
    }
    Some(Manifest {
        object,
        masked,
        place,
        id,
    })
}

/// Hides what differs between two worlds.
fn hide_differing(masked: &mut Value, real: &Value, other: &Value) {
    match (masked, real, other) {
        (Value::Object(masked), Value::Object(real), Value::Object(other)) => {
            for (name, field) in masked {
                hide_differing(
                    field,
                    real.get(name).unwrap_or(&Value::Null),
                    other.get(name).unwrap_or(&Value::Null),
                );
            }
        }
        (Value::Array(masked), Value::Array(real), Value::Array(other)) if real.len() == other.len() => {
            for (index, item) in masked.iter_mut().enumerate() {
                hide_differing(item, &real[index], &other[index]);
            }
        }
        (masked, real, other) if real != other => *masked = MASK.into(),
        _ => {}
    }
}
