//! The documentation of parameters agrees with what is read.

use super::*;
use crate::error::SourceFile;
use crate::operations::{OPERATIONS, find};
use crate::value::{Kind, Table, parse_toml};

/// The parameters in an operation's example.
fn example(definition: &Definition) -> Table {
    let file = parse_toml(&SourceFile::new("example.toml", definition.example)).expect("valid TOML");
    let entry = file.get("operation").or(file.get("handler"));
    let Some(Kind::List(operations)) = entry.map(|entry| &entry.value.kind) else {
        panic!("{}: no operation", definition.name);
    };
    let [operation] = operations.as_slice() else {
        panic!("{}: one operation", definition.name);
    };
    let mut table = operation.as_table().expect("a table").clone();
    let op = table.shift_remove("op").expect("`op` is there");
    assert_eq!(op.value.as_str(), Some(definition.name));
    if file.contains_key("handler") {
        assert!(table.shift_remove("name").is_some(), "a handler has a name");
    }
    table
}

fn parse(definition: &Definition, table: &Table) -> Result<String, ValueError> {
    let operation = definition.parse(&Value::new(Kind::Table(table.clone())), &RunAs::default())?;
    Ok(format!("{operation:?}"))
}

#[test]
fn examples_are_read_by_their_operations() {
    for definition in OPERATIONS {
        let parsed = parse(definition, &example(definition));
        assert!(parsed.is_ok(), "{}: {parsed:?}", definition.name);
    }
}

#[test]
fn documented_parameters_are_those_that_are_read_in_the_same_order() {
    for definition in OPERATIONS {
        let documented: Vec<String> = definition.parameters().into_iter().map(|one| one.name).collect();
        assert_eq!(documented, definition.keys(), "{}", definition.name);
        let has_main = documented.iter().any(|name| name == definition.main_argument);
        assert!(has_main || documented.is_empty(), "{}", definition.name);
    }
}

#[test]
fn only_required_parameters_must_be_given() {
    for definition in OPERATIONS {
        let whole = example(definition);
        for parameter in definition.parameters() {
            let mut without = whole.clone();
            let was_given = without.shift_remove(&parameter.name).is_some();
            assert!(was_given || !parameter.required, "{}: {parameter:?}", definition.name);
            let parsed = parse(definition, &without);
            assert_eq!(
                parsed.is_err(),
                parameter.required,
                "{}: {parameter:?}",
                definition.name
            );
        }
    }
}

#[test]
fn documented_defaults_are_the_real_ones() {
    let mut compared = 0;
    for definition in OPERATIONS {
        for parameter in definition.parameters() {
            let Some(default) = &parameter.default else { continue };
            let mut without = example(definition);
            without.shift_remove(&parameter.name);
            let line = format!("{} = {default}", parameter.name);
            let given = parse_toml(&SourceFile::new("default.toml", line)).expect("valid TOML");
            let with: Table = without.clone().into_iter().chain(given).collect();
            let parsed = parse(definition, &with).expect("a default is allowed");
            assert_eq!(parsed, parse(definition, &without).expect("may be left out"));
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared} defaults");
}

#[test]
fn every_parameter_is_documented() {
    for definition in OPERATIONS {
        for parameter in definition.parameters() {
            let words = [&parameter.description, &parameter.kind];
            assert!(
                words.iter().all(|words| !words.is_empty()),
                "{}: {parameter:?}",
                definition.name
            );
            assert!(
                !parameter.kind.contains("any value"),
                "{}: {parameter:?}",
                definition.name
            );
            assert!(
                !parameter.description.contains('\n'),
                "{}: {parameter:?}",
                definition.name
            );
        }
    }
}

#[test]
fn types_and_defaults_are_documented_in_words() {
    let documented = |operation: &str, name: &str| {
        let parameters = find(operation).expect("known").parameters();
        let parameter = parameters.into_iter().find(|one| one.name == name).expect("known");
        (parameter.kind, parameter.required, parameter.default)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        documented("apt.packages", "packages"),
        ("a list of strings".to_owned(), true, None)
    );
    assert_eq!(
        documented("apt.packages", "present"),
        ("true or false".to_owned(), false, some("true"))
    );
    let duration = "a duration such as \"30s\"".to_owned();
    assert_eq!(
        documented("apt.packages", "lock_timeout"),
        (duration, false, some("\"5m\""))
    );
    assert_eq!(
        documented("files.put", "mode"),
        ("a mode such as \"0644\"".to_owned(), false, None)
    );
    assert_eq!(documented("files.put", "dest"), ("a string".to_owned(), true, None));
    let states = "\"started\", \"stopped\", \"restarted\" or \"reloaded\"".to_owned();
    assert_eq!(documented("systemd.service", "state"), (states, false, None));
    let port = "a whole number from 0 to 65535".to_owned();
    assert_eq!(documented("verify.tcp", "port"), (port, true, None));
    assert_eq!(documented("verify.tcp", "host").2, some("\"127.0.0.1\""));
    assert_eq!(documented("verify.http", "status").2, some("200"));
    assert_eq!(documented("verify.http", "within").2, some("\"30s\""));
    assert_eq!(documented("server.shell", "within").2, some("\"10m\""));
}
