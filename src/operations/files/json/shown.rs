//! JSON as reviews show it: a line for each value, with the path to it.

use serde_json::Value;

/// A text of JSON by the paths of its values; any other text as it is.
pub(super) fn by_paths(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    let mut lines = Vec::new();
    add(&value, "", &mut lines);
    lines.concat()
}

fn add(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(table) if !table.is_empty() => {
            // The order of a table says nothing, so it is no difference.
            let mut names: Vec<&String> = table.keys().collect();
            names.sort();
            for name in names {
                let name_in_path = name.replace('~', "~0").replace('/', "~1");
                add(&table[name], &format!("{path}/{name_in_path}"), lines);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                add(item, &format!("{path}/{index}"), lines);
            }
        }
        leaf if path.is_empty() => lines.push(format!("{leaf}\n")),
        leaf => lines.push(format!("{path} = {leaf}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::by_paths;

    #[test]
    fn each_value_has_a_line_with_its_path() {
        let text = "{\"b\": {\"x/y\": [1, \"a\\nb\"], \"e\": {}}, \"a\": null}";
        let expected = "/a = null\n/b/e = {}\n/b/x~1y/0 = 1\n/b/x~1y/1 = \"a\\nb\"\n";
        assert_eq!(by_paths(text), expected);
        assert_eq!(by_paths("true"), "true\n");
        assert_eq!(by_paths("no JSON"), "no JSON");
    }
}
