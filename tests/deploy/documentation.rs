//! What the documentation and the example project say is accepted.

use std::collections::BTreeSet;

use homelab::facts::system::Machine;
use homelab::operations::OPERATIONS;
use homelab::project::RESERVED;
use homelab::schema::FileKind;
use serde_json::Value;

use crate::support::project::Project;

const PAGE: &str = include_str!("../../docs/language.md");

/// A project without a mistake gets as far as the question for consent, which nobody is there to answer; and no
/// connection has been made until then.
#[track_caller]
fn is_accepted(project: &Project, inventory: &str, deploy: &str) {
    let ran = project.homelab(&["deploy", inventory, deploy]).expect(3);
    assert!(ran.stderr.contains("cannot ask for confirmation"), "{}", ran.stderr);
}

#[test]
fn every_operation_is_on_the_page_in_the_words_of_the_tool() {
    let described: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let known = OPERATIONS.iter();
    let expected: Vec<String> = known.map(|one| format!("`{}`: {}", one.name, one.summary)).collect();
    assert_eq!(described, expected);
}

/// The part of the page below a heading.
fn below(heading: &str) -> &'static str {
    let (_, rest) = PAGE
        .split_once(&format!("\n{heading}"))
        .unwrap_or_else(|| panic!("no {heading}"));
    rest.split_once("\n#").map_or(rest, |(part, _)| part)
}

#[test]
fn every_parameter_is_told_of_where_its_operation_is() {
    for operation in OPERATIONS {
        let part = below(&format!("### `{}`:", operation.name));
        for parameter in operation.parameters() {
            let name = &parameter.name;
            assert!(part.contains(&format!("`{name}`")), "{}: {name}", operation.name);
        }
    }
}

#[test]
fn every_fact_and_every_name_that_data_cannot_have_is_told_of() {
    let part = below("## Templates and expressions");
    for fact in homelab::report::fact_names(&serde_json::to_value(Machine::default()).unwrap()) {
        let is_told = [format!("`.{fact}`"), format!("`facts.{fact}`")]
            .iter()
            .any(|one| part.contains(one));
        assert!(is_told, "{fact}");
    }
    for name in RESERVED {
        let is_told = [format!("`{name}`"), format!("`{name}.")]
            .iter()
            .any(|one| part.contains(one));
        assert!(is_told, "{name}");
    }
}

#[test]
fn every_key_of_every_file_is_told_of_or_shown() {
    for kind in ["inventory", "deploy", "task", "stack"] {
        let schema: Value = serde_json::from_str(&FileKind::named(kind).unwrap().document()).unwrap();
        let mut keys = BTreeSet::new();
        collect_keys(&schema, &mut keys);
        assert!(keys.len() > 3, "{kind}: {keys:?}");
        for key in keys {
            let ways = [
                format!("`{key}`"),
                format!("`{key} ="),
                format!("{key} = "),
                format!("[{key}"),
                format!("[[{key}]]"),
            ];
            assert!(ways.iter().any(|way| PAGE.contains(way)), "{kind}: {key}");
        }
    }
}

fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        keys.extend(properties.keys().cloned());
    }
    let inner: Vec<&Value> = match schema {
        Value::Object(table) => table.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => return,
    };
    for one in inner {
        collect_keys(one, keys);
    }
}

#[test]
fn the_keys_said_not_to_be_in_this_version_are_those_that_are_refused() {
    let (_, last) = PAGE.split_once("## Not supported yet").unwrap();
    let (list, _) = last.split_once("\n```").unwrap();
    let quoted: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
    // Where the keys belong, and what goes with them.
    let others = ["connection"];
    let keys = crate::deploy::not_yet::PLACES.iter().flat_map(|place| place.keys);
    let refused: BTreeSet<&str> = keys.map(|(key, _)| *key).chain(others).collect();
    assert_eq!(quoted, refused);
}

#[test]
fn the_production_example_is_valid_without_a_connection() {
    is_accepted(&Project::of_this_repository(), "prod", "regular");
}

#[test]
fn the_example_of_each_operation_can_be_planned() {
    let examples = OPERATIONS.iter().map(|one| one.example);
    // Two of them are the same file of the host.
    let tasks: Vec<String> = examples
        .enumerate()
        .map(|(index, text)| text.replace("/motd", &format!("/motd{index}")))
        .collect();
    let project = Project::with_task(&tasks.concat());
    for index in 0..tasks.len() {
        project.write(&format!("templates/etc/motd{index}"), "{{ host.name }}\n");
    }
    is_accepted(&project, "dev", "all");
}
