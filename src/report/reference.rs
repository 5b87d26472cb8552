//! The reference of operations, for people and programs.

use serde_json::{Value, json};

use super::document;
use super::layout::{indented, joined, wrapped};
use super::style::{Tone, paint, width};
use crate::operations::{Definition, Parameter};
use crate::schema::common_keys;

/// Rises when a change could mislead programs that read the format.
const FORMAT_VERSION: u32 = 1;

/// Each operation with its summary, in the families of their names.
pub fn operations(definitions: &[Definition]) -> String {
    let column = definitions
        .iter()
        .map(|definition| width(definition.name))
        .max()
        .unwrap_or_default();
    let mut lines = Vec::new();
    let mut family = "";
    for definition in definitions {
        let own = definition.name.split('.').next().unwrap_or_default();
        if own != family {
            lines.push(paint(Tone::Heading, own));
            family = own;
        }
        lines.push(format!("  {:column$}  {}", definition.name, definition.summary));
    }
    joined(&lines)
}

/// The description of one operation: what it ensures, its parameters, the keys of every operation, an example.
pub fn operation_reference(definition: &Definition, room: usize) -> String {
    let mut lines = vec![format!(
        "{}: {}",
        paint(Tone::Heading, definition.name),
        definition.summary
    )];
    let sections = [
        ("parameters", definition.parameters()),
        ("keys of every operation", common_keys()),
    ];
    for (title, keys) in sections {
        lines.extend([String::new(), paint(Tone::Heading, title)]);
        lines.extend(keys.iter().flat_map(|key| described(key, room)));
    }
    lines.extend([String::new(), paint(Tone::Heading, "example")]);
    lines.extend(indented(definition.example.lines().map(str::to_owned).collect(), 2));
    joined(&lines)
}

fn described(key: &Parameter, room: usize) -> Vec<String> {
    let required = if key.required { ", required" } else { "" };
    let default = key.default.iter().map(|default| format!(", default: {default}"));
    let default: String = default.collect();
    let head = format!("  {}   {}{required}{default}", key.name, paint(Tone::Faint, &key.kind));
    let text = wrapped(&key.description, room.saturating_sub(6));
    std::iter::once(head).chain(indented(text, 6)).collect()
}

/// A part of docs/operations.md: what an operation ensures, its parameters and an example, in Markdown.
pub fn operation_markdown(definition: &Definition) -> String {
    let mut lines = vec![
        format!("### `{}`: {}", definition.name, definition.summary),
        String::new(),
    ];
    let parameters = definition.parameters();
    if !parameters.is_empty() {
        lines.extend(["| Parameter | Value | About |", "|---|---|---|"].map(str::to_owned));
        lines.extend(parameters.iter().map(row));
        lines.push(String::new());
    }
    lines.extend([
        "```toml".to_owned(),
        definition.example.trim_end().to_owned(),
        "```".to_owned(),
    ]);
    joined(&lines)
}

fn row(key: &Parameter) -> String {
    let default = key.default.iter().map(|default| format!(", default: `{default}`"));
    let required = if key.required { ", required" } else { "" };
    let cells = [
        format!("`{}`", key.name),
        format!("{}{required}{}", key.kind, default.collect::<String>()),
        key.description.clone(),
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
    format!("| {} |", cells.join(" | "))
}

/// The same for programs.
pub fn operations_json<'a>(definitions: impl IntoIterator<Item = &'a Definition>) -> String {
    let operations: Vec<Value> = definitions
        .into_iter()
        .map(|definition| {
            json!({
                "name": definition.name,
                "summary": definition.summary,
                "main_argument": definition.main_argument,
                "parameters": documents(&definition.parameters()),
                "example": definition.example,
            })
        })
        .collect();
    let document = json!({
        "format_version": FORMAT_VERSION,
        "operations": operations,
        "common_keys": documents(&common_keys()),
    });
    document::document(&document)
}

fn documents(keys: &[Parameter]) -> Vec<Value> {
    let document = |key: &Parameter| {
        json!({
            "name": key.name,
            "description": key.description,
            "kind": key.kind,
            "required": key.required,
            "default": key.default,
        })
    };
    keys.iter().map(document).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::{OPERATIONS, find};

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn operations_are_listed_by_family() {
        let text = plain(&operations(OPERATIONS));
        assert!(
            text.starts_with("apt\n  apt.deb                      Install a Debian package from a file\n"),
            "{text:.200}"
        );
        assert_eq!(text.matches("\nfiles\n").count(), 1);
        assert!(OPERATIONS.iter().all(|one| text.contains(one.summary)));
    }

    #[test]
    fn one_is_shown_whole_within_its_room() {
        let text = plain(&operation_reference(find("apt.packages").expect("known"), 60));
        let parts = [
            "apt.packages: Install or remove Debian packages\n",
            "  packages   a list of strings, required\n      Names of packages, such as ",
            "  present   true or false, default: true\n",
            "  lock_timeout   a duration such as \"30s\", default: \"5m\"\n",
            "\nkeys of every operation\n  op   a string, required\n",
            "\nexample\n  [[operation]]\n  op = \"apt.packages\"\n",
        ];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(text.lines().all(|line| line.len() <= 72), "{text}");
    }

    #[test]
    fn programs_get_the_same() {
        let document: Value = serde_json::from_str(&operations_json(find("verify.tcp"))).expect("JSON");
        crate::report::schemas::check("operations", &operations_json(OPERATIONS));
        assert_eq!(document["operations"][0]["parameters"][0]["name"], "host");
        assert_eq!(document["operations"][0]["parameters"][0]["default"], "\"127.0.0.1\"");
        assert_eq!(document["operations"][0]["parameters"][1]["required"], true);
        assert_eq!(document["common_keys"][0]["name"], "op");
    }
}
