//! Characters that do not reach a cluster: `kubectl` sends what it applies as JSON, with these as they are, and the API server reads
//! that as YAML.

use serde_json::Value;

use super::fault::Fault;
use super::object::Written;

/// Whether the API server refuses a text with this character, or reads it as a space.
pub(in crate::operations::k8s) fn is_lost(one: char) -> bool {
    matches!(one, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

/// The first text of an object that would not reach the cluster as it is.
pub(super) fn lost_characters(object: &Written) -> Option<Fault> {
    let (pointer, one) = below(object.worlds.real(), "")?;
    let is_data = object.id.kind == "ConfigMap" && pointer.starts_with("/data/");
    let why = if one == '\u{85}' {
        "the API server would store a space instead"
    } else {
        "the API server does not accept it"
    };
    let key = pointer.rsplit('/').next().unwrap_or_default();
    let title = format!(
        "`{}` of {}/{} has the character U+{:04X}",
        key.replace("~1", "/").replace("~0", "~"),
        object.id.kind,
        object.id.name,
        u32::from(one)
    );
    Some(Fault::in_file(object.spot_of(&pointer), title, why).hint(if is_data {
        "write the value as Base64 in `binaryData`, or use `k8s.config_map`"
    } else {
        "remove the character"
    }))
}

/// Where such a character is.
fn below(value: &Value, pointer: &str) -> Option<(String, char)> {
    match value {
        Value::String(text) => Some((pointer.to_owned(), text.chars().find(|one| is_lost(*one))?)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| below(item, &format!("{pointer}/{at}"))),
        Value::Object(fields) => fields.iter().find_map(|(key, field)| {
            let own = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            let in_key = key.chars().find(|one| is_lost(*one)).map(|one| (own.clone(), one));
            in_key.or_else(|| below(field, &own))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::objects;
    use super::super::worlds::encode_text;
    use super::*;
    use crate::value::Text;

    fn wrong(text: &str) -> Option<(String, String)> {
        let (mut all, _) = objects(0, "a.yaml", &Text::open(text.to_owned())).expect("objects");
        for object in all.iter_mut().filter(|object| object.id.kind == "Secret") {
            object.worlds.edit(encode_text);
        }
        let fault = all.iter().find_map(lost_characters)?;
        Some((fault.title, fault.label))
    }

    #[test]
    fn what_the_cluster_would_not_get_is_refused() {
        let map =
            |text: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{k: \"{text}\"}}\n");
        for (text, expected) in [
            ("a\\u0085b", Some(("U+0085", "a space"))),
            ("a\\u007fb", Some(("U+007F", "does not accept"))),
            ("a\\u009fb", Some(("U+009F", "does not accept"))),
            ("a\\ufffeb", Some(("U+FFFE", "does not accept"))),
            // These arrive as they are.
            ("a\\u2028b", None),
            ("a\\u2029b", None),
            ("a\\ufeffb", None),
            ("a\\u0001b", None),
            ("a\\u00a0b", None),
            ("a\\nb", None),
        ] {
            match (wrong(&map(text)), expected) {
                (None, None) => {}
                (Some((title, label)), Some((number, why))) => {
                    assert_eq!(
                        title,
                        format!("`k` of ConfigMap/a has the character {number}"),
                        "{text}"
                    );
                    assert!(label.contains(why), "{text}: {label}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        // The data of a Secret is sent as Base64.
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {k: \"a\\u0085b\"}\n";
        assert_eq!(wrong(secret), None);
    }
}
