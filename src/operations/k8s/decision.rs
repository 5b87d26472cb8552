//! What happens to one object, from what the API server says of it.

use serde_json::Value;

use super::record::{Record, digest_of};
use super::refusal::is_immutable;
use super::wish::Wish;
use crate::facts::kubernetes::{Answer, Object};

/// Of Argo CD.
const TRACKED: &str = "argocd.argoproj.io/tracking-id";
const ARGO: &str = "argocd-controller";
/// Of Helm.
const RELEASED: &str = "meta.helm.sh/release-name";
/// The manager of what `kubectl apply` wrote without `--server-side`.
pub(in crate::operations) const BY_CLIENT: &str = "kubectl-client-side-apply";

/// What an operation allows.
pub(in crate::operations) struct Rules<'a> {
    /// From whom fields may be taken.
    pub(in crate::operations) adopt: &'a [String],
    /// Objects that may be deleted and made again.
    pub(in crate::operations) recreate: &'a [String],
}

/// What happens to an object.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Unchanged,
    /// Another tool takes care of it, named here.
    Foreign(&'static str),
    Create,
    /// It becomes this.
    Update {
        after: Value,
        /// How many fields are taken over, and from whom.
        takes_over: Option<(usize, Vec<String>)>,
        /// Whether fields have to be taken from their managers.
        force: bool,
        /// Whether homelab owns fields that are left alone.
        gives_up: bool,
    },
    /// It is deleted and made again.
    Recreate,
    /// It was deleted, and is made again when it is gone.
    Going,
    /// Fields belong to others, with their managers.
    Conflict(Vec<(String, String)>),
    /// The server refuses it and says this; whether it would be taken as a new one.
    Refused {
        why: String,
        is_immutable: bool,
    },
}

/// What happens to an object that the server was asked about.
pub(super) fn decide(wish: &Wish, object: &Object, record: Option<&Record>, rules: &Rules<'_>) -> Decision {
    if let Some(other) = object.live.as_ref().and_then(|live| foreign(live, &object.managers)) {
        return Decision::Foreign(other);
    }
    if object.is_going() {
        return Decision::Going;
    }
    if wish.id.kind == "Job" && wish.id.group == "batch" {
        let done = record.and_then(|record| record.digest(&wish.id));
        if done == Some(&digest_of(&wish.manifest.masked)) {
            return Decision::Unchanged;
        }
    }
    match (&object.live, &object.answer) {
        (None, Some(Answer::Refused(why))) => Decision::Refused {
            why: why.clone(),
            is_immutable: false,
        },
        (None, _) => Decision::Create,
        (Some(_), Some(Answer::Refused(why))) => {
            let is_immutable = is_immutable(why);
            let named = rules.recreate.contains(&format!("{}/{}", wish.id.kind, wish.id.name));
            let freely = match wish.id.kind.as_str() {
                "Job" => object.is_finished,
                "RoleBinding" | "ClusterRoleBinding" => true,
                _ => false,
            };
            if is_immutable && (named || freely) {
                Decision::Recreate
            } else {
                Decision::Refused {
                    why: why.clone(),
                    is_immutable,
                }
            }
        }
        (Some(live), Some(Answer::Accepted(answer))) => updated(wish, object, (live, answer), rules),
        (Some(_), None) => Decision::Unchanged,
    }
}

fn updated(wish: &Wish, object: &Object, (live, answer): (&Value, &Value), rules: &Rules<'_>) -> Decision {
    let is_ours = |manager: &String| manager == "homelab" || rules.adopt.contains(manager);
    let conflicts: Vec<(String, String)> = object
        .taken
        .iter()
        .filter(|moved| !is_ours(&moved.manager))
        .map(|moved| (moved.field.clone(), moved.manager.clone()))
        .collect();
    if !conflicts.is_empty() {
        return Decision::Conflict(conflicts);
    }
    let mut after = answer.clone();
    if let Some(applied) = object
        .last_applied
        .as_ref()
        .filter(|_| object.managers.iter().any(|manager| manager == BY_CLIENT))
    {
        // `kubectl` hands the fields of its own earlier apply over, and then those that are not applied any more go.
        without_dropped(&mut after, applied, &wish.manifest.object);
    }
    if let Some(kept) = &wish.kept {
        kept.restore(&mut after, live);
    }
    let gives_up = !object.held.is_empty();
    if after == *live && object.gained == 0 && !gives_up {
        return Decision::Unchanged;
    }
    let mut managers: Vec<String> = object
        .taken
        .iter()
        .chain(&object.shared)
        .map(|moved| moved.manager.clone())
        .collect();
    managers.sort();
    managers.dedup();
    Decision::Update {
        takes_over: (object.gained > 0 && !managers.is_empty()).then_some((object.gained, managers)),
        force: !object.taken.is_empty(),
        gives_up,
        after,
    }
}

/// The tool that takes care of an object by itself, if one does.
pub(super) fn foreign(live: &Value, managers: &[String]) -> Option<&'static str> {
    let annotations = live.pointer("/metadata/annotations");
    let has = |name: &str| annotations.is_some_and(|annotations| annotations.get(name).is_some());
    if has(TRACKED) || managers.iter().any(|manager| manager == ARGO) {
        Some("Argo CD")
    } else if has(RELEASED) {
        Some("Helm")
    } else {
        None
    }
}

/// Takes out of `after` what `applied` has and `wanted` lacks.
pub(in crate::operations) fn without_dropped(after: &mut Value, applied: &Value, wanted: &Value) {
    match (after, applied, wanted) {
        (Value::Object(after), Value::Object(applied), Value::Object(wanted)) => {
            for (name, old) in applied {
                match (after.get_mut(name), wanted.get(name)) {
                    (Some(_), None) => drop(after.shift_remove(name)),
                    (Some(after), Some(wanted)) => without_dropped(after, old, wanted),
                    (None, _) => {}
                }
            }
        }
        (Value::Array(after), Value::Array(applied), Value::Array(wanted)) => {
            let name = |item: &Value| item.get("name").cloned();
            let find = |items: &[Value], wanted: &Value| {
                items.iter().find(|item| name(item).as_ref() == Some(wanted)).cloned()
            };
            for old in applied {
                let Some(own) = name(old) else { continue };
                match find(wanted, &own) {
                    None => after.retain(|item| name(item).as_ref() != Some(&own)),
                    Some(wanted) => {
                        if let Some(item) = after.iter_mut().find(|item| name(item).as_ref() == Some(&own)) {
                            without_dropped(item, old, &wanted);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}
