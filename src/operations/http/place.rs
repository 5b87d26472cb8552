//! The part of an answer that is compared.

use serde_json::{Map, Value as Json};

use crate::change::Stop;
use crate::operations::PlanContext;

/// Where in an answer the resource is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// A JSON pointer (RFC 6901); empty for the whole.
    pub(super) pointer: &'a str,
    /// The key by which it is found in a list there.
    pub(super) list_key: Option<&'a str>,
}

impl Place<'_> {
    /// What is there; `None` if nothing is.
    ///
    /// Errors: it is no list, and one is searched.
    pub(super) fn find<'j>(&self, whole: &'j Json, want: &Json) -> Result<Option<&'j Json>, String> {
        let part = whole.pointer(self.pointer);
        let (Some(key), Some(part)) = (self.list_key, part) else {
            return Ok(part);
        };
        let Json::Array(items) = part else {
            return Err(match self.pointer {
                "" => "the answer is not a list".to_owned(),
                pointer => format!("`{pointer}` of the answer is not a list"),
            });
        };
        let mut matching = items
            .iter()
            .filter(|item| item.get(key).is_some() && item.get(key) == want.get(key));
        match (matching.next(), matching.next()) {
            (Some(_), Some(_)) => Err(format!("several items of the answer have this `{key}`")),
            (found, _) => Ok(found),
        }
    }

    /// The answer with what is wanted in it.
    pub(super) fn with(&self, mut whole: Json, want: &Json) -> Json {
        let unescaped = |name: &str| name.replace("~1", "/").replace("~0", "~");
        let names: Vec<String> = self.pointer.split('/').skip(1).map(unescaped).collect();
        let at = made(&mut whole, &names);
        match self.list_key {
            None => merge(at, want),
            Some(key) => {
                if !at.is_array() {
                    *at = Json::Array(Vec::new());
                }
                if let Json::Array(items) = at {
                    match items.iter_mut().find(|item| item.get(key) == want.get(key)) {
                        Some(item) => merge(item, want),
                        None => items.push(want.clone()),
                    }
                }
            }
        }
        whole
    }
}

/// What is at the end of a pointer. Tables that are missing on the way are made.
fn made<'j>(at: &'j mut Json, names: &[String]) -> &'j mut Json {
    let Some((name, rest)) = names.split_first() else {
        return at;
    };
    let count = at.as_array().map_or(0, Vec::len);
    if let Some(index) = name.parse::<usize>().ok().filter(|index| *index < count) {
        return made(&mut at[index], rest);
    }
    if !at.is_object() {
        *at = Json::Object(Map::default());
    }
    made(&mut at[name.as_str()], rest)
}

fn merge(old: &mut Json, new: &Json) {
    match (old, new) {
        (Json::Object(old), Json::Object(new)) => {
            for (key, value) in new {
                merge(old.entry(key.clone()).or_insert(Json::Null), value);
            }
        }
        (Json::Array(old), Json::Array(new)) if old.len() == new.len() => {
            old.iter_mut().zip(new).for_each(|(old, new)| merge(old, new));
        }
        (old, new) => *old = new.clone(),
    }
}

/// Refuses what is no JSON pointer.
pub(super) fn check_pointer(context: &PlanContext<'_>, argument: &str, pointer: &str) -> Result<(), Stop> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    let title = format!("`{}` is not a JSON pointer", pointer.escape_debug());
    Err(context
        .refuse(argument, title, "must start with `/`")
        .hint("write the names on the way, such as \"/data/users\"; `~1` stands for `/` in a name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::http::differences;

    #[test]
    fn what_is_put_into_an_answer_is_found_in_it() {
        let want = json!({ "name": "anna", "roles": [{ "id": 1 }], "more": { "a": 1 } });
        for (pointer, list_key, whole, before) in [
            ("", None, json!(null), Some(false)),
            ("", None, json!({ "name": "anna", "id": 7 }), Some(true)),
            ("/data/user", None, json!({ "data": {} }), None),
            ("/data/0", None, json!({ "data": [{ "name": "x" }] }), Some(true)),
            ("", Some("name"), json!([{ "name": "otto" }]), None),
            (
                "/a~1b",
                Some("name"),
                json!({ "a/b": [{ "name": "anna", "roles": [{ "id": 2, "x": 1 }] }] }),
                Some(true),
            ),
        ] {
            let place = Place { pointer, list_key };
            let found = place.find(&whole, &want).expect("a place");
            assert_eq!(found.map(Json::is_object), before, "{whole}");
            let after = place.with(whole, &want);
            let found = place.find(&after, &want).expect("a place").expect("there");
            assert!(differences(&want, found).is_empty(), "{after}");
        }
    }

    #[test]
    fn a_list_is_searched_and_nothing_else() {
        let place = Place {
            pointer: "",
            list_key: Some("name"),
        };
        let want = json!({ "name": "anna" });
        for (whole, why) in [
            (json!({ "users": [] }), "the answer is not a list"),
            (
                json!([{ "name": "anna" }, { "name": "anna" }]),
                "several items of the answer have this `name`",
            ),
        ] {
            assert_eq!(place.find(&whole, &want), Err(why.to_owned()));
        }
        assert_eq!(place.find(&json!([{}, "x", 1]), &want), Ok(None));
    }
}
