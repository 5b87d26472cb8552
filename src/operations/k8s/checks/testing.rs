//! Objects for the tests of checks.

use serde_json::Value;

use super::run::{Planned, Run};
use crate::error::{Diagnostic, Origin, SourceFile};
use crate::facts::kubernetes::{Answers, Node, ObjectId};
use crate::operations::cluster_objects::Part;

type Place = Box<dyn Fn(&str, Part) -> Origin>;

/// What `ask` says of objects, each given as JSON in a text of YAML's flow style.
pub(super) fn of<T>(objects: &[Value], cluster: Option<&Answers>, ask: impl FnOnce(&Run<'_>) -> T) -> T {
    let ids: Vec<ObjectId> = objects.iter().map(id).collect();
    let places: Vec<Place> = ids
        .iter()
        .map(|id| {
            let name = id.name.clone();
            Box::new(move |pointer: &str, part: Part| {
                let of_key = if part == Part::Key { " (key)" } else { "" };
                let text = format!("{name}{pointer}{of_key}");
                Origin::new(&SourceFile::own(text.clone(), text), 0..0)
            }) as Place
        })
        .collect();
    let planned: Vec<Planned<'_>> = ids
        .iter()
        .zip(objects)
        .zip(&places)
        .map(|((id, object), places)| Planned {
            id,
            object,
            masked: object,
            is_kept: false,
            places,
        })
        .collect();
    ask(&Run {
        objects: &planned,
        is_whole: true,
        cluster,
    })
}

fn id(object: &Value) -> ObjectId {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let api_version = text("/apiVersion").expect("a version");
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    ObjectId {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: text("/kind").expect("a kind"),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name").expect("a name"),
    }
}

/// A cluster with nodes that offer these quantities.
pub(super) fn cluster(nodes: &[&[(&str, &str)]]) -> Answers {
    let node = |offered: &[(&str, &str)]| Node {
        is_ready: true,
        allocatable: offered
            .iter()
            .map(|(name, count)| ((*name).to_owned(), (*count).to_owned()))
            .collect(),
        ..Node::default()
    };
    Answers {
        nodes: nodes
            .iter()
            .enumerate()
            .map(|(at, offered)| (format!("n{at}"), node(offered)))
            .collect(),
        ..Answers::default()
    }
}

/// Mistakes as one line each: places, title, hint.
pub(super) fn told(mistakes: Vec<Diagnostic>) -> Vec<String> {
    mistakes
        .into_iter()
        .map(|mistake| {
            let places: Vec<String> = mistake.labels.iter().map(|label| label.origin.to_string()).collect();
            format!(
                "{}: {}; {}",
                places.join(", "),
                mistake.title,
                mistake.hint.unwrap_or_default()
            )
        })
        .collect()
}
