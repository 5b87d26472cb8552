//! The documentation of parameters agrees with what is read.

use super::*;
use crate::error::SourceFile;
use crate::operations::{CAPTURE, OPERATIONS, find};
use crate::secret::Secret;
use crate::value::{Entry, Kind, Table, parse_toml};

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

/// The names of all parameters, those within tables with keys of their own too, as keys of TOML.
fn all_keys(definition: &Definition) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for key in definition.keys() {
        found.push(vec![(*key).to_owned()]);
        let below = definition.keys_below(key).unwrap_or_default();
        found.extend(below.into_iter().map(|inner| vec![(*key).to_owned(), inner]));
    }
    found
}

#[test]
fn a_value_of_a_wrong_type_is_named_and_shown_whatever_parameter_it_is_in() {
    let mut told = 0;
    for definition in OPERATIONS.iter().chain([&CAPTURE]) {
        for keys in all_keys(definition) {
            let name = keys.last().expect("a key");
            let mut is_refused = false;
            for wrong in ["7", "true", "'?'", "[7]", "[['x']]", "{ x = 7 }", "{ x = [7] }"] {
                let text = format!("{} = {wrong}", keys.join("."));
                let given = parse_toml(&SourceFile::new("wrong.toml", text.clone())).expect("valid TOML");
                let table: Table = match keys.as_slice() {
                    [_] if definition.name != CAPTURE.name => example(definition).into_iter().chain(given).collect(),
                    _ => given,
                };
                let parsed = definition.parse(&Value::new(Kind::Table(table.clone())), &RunAs::default());
                let Err(error) = parsed else { continue };
                if error.is_missing() {
                    continue;
                }
                let place = Origin::new(&SourceFile::new("task.toml", "op"), 0..2);
                let mistake = definition.misfit(error, [&table, &table], &RunAs::default(), &place);
                let told_so = format!("{} {text}: {} {:?}", definition.name, mistake.title, mistake.labels);
                assert!(mistake.title.contains(&format!("`{name}`")), "{told_so}");
                let at = mistake.origin().expect("a place");
                let value = text.find(wrong).expect("written");
                assert!(at.file.path == "wrong.toml" && at.span.start >= value, "{told_so}");
                assert!(!mistake.title.contains("any value"), "{told_so}");
                is_refused = true;
                told += 1;
            }
            let is_open = ["want", "body", "value", "json"].contains(&name.as_str());
            assert!(is_refused || is_open, "{} takes anything in {keys:?}", definition.name);
        }
    }
    assert!(told > 500, "{told}");
}

#[test]
fn a_template_that_gives_a_number_is_written_with_a_filter() {
    let definition = find("verify.command").expect("known");
    let table = |text: &str| parse_toml(&SourceFile::new("t.toml", text)).expect("valid TOML");
    let hint = |template: &str, found: &str| {
        let written = table(&format!("command = ['redis-cli', '-p', '{template}']"));
        let rendered = table(&format!("# data\ncommand = ['redis-cli', '-p', {found}]"));
        let value = Value::new(Kind::Table(rendered.clone()));
        let error = definition.parse(&value, &RunAs::default()).expect_err("a number");
        let place = Origin::new(&SourceFile::new("task.toml", "op"), 0..2);
        let mistake = definition.misfit(error, [&rendered, &written], &RunAs::default(), &place);
        assert_eq!(
            mistake.title,
            "item 3 of `command` of `verify.command` must be a string"
        );
        assert_eq!(mistake.labels[0].text, format!("this is the integer `{found}`"));
        assert_eq!(mistake.labels[1].text, "used here");
        mistake.hint.expect("a hint")
    };
    assert_eq!(hint("{{ port }}", "6379"), "write `{{ port | string }}`");
    assert_eq!(hint("{{ ports[0].tcp }}", "1"), "write `{{ ports[0].tcp | string }}`");
    assert_eq!(hint("{{ port + 1 }}", "2"), "write `{{ (port + 1) | string }}`");

    // A filter would make one string of the whole list.
    let written = table("command = '{{ words }}'");
    let rendered = table("# data\ncommand = ['redis-cli', '-p', 6379]");
    let error = definition.parse(&Value::new(Kind::Table(rendered.clone())), &RunAs::default());
    let place = Origin::new(&SourceFile::new("task.toml", "op"), 0..2);
    let mistake = definition.misfit(
        error.expect_err("a number"),
        [&rendered, &written],
        &RunAs::default(),
        &place,
    );
    assert_eq!(mistake.hint.as_deref(), Some("write it in quotes: `\"6379\"`"));
}

#[test]
fn where_a_secret_is_refused_another_way_is_named() {
    for (name, key, way) in [
        ("nftables.rules", "content", "write the file with `files.put`"),
        ("sudo.rule", "run_as", "write the file with `files.put`"),
        ("ssh.server_config", "filename", "write one with `files.put`"),
        ("systemd.timer", "command", "have `command` read it there"),
        ("systemd.tmpfiles", "file", "write the secret to a file of its own"),
        ("server.shell", "unless", "set `env = { NAME = … }`"),
        ("server.script", "arguments", "read `\"$NAME\"` in the script"),
        ("verify.command", "command", "a command that reads it"),
        ("files.download", "src", "pass it in `headers`"),
        ("files.directory", "user", "use secrets in the content of files"),
    ] {
        let definition = find(name).expect("known");
        let secret = Entry {
            key: None,
            value: Value::new(Kind::Secret(Secret::new("x"))),
        };
        let table: Table = example(definition)
            .into_iter()
            .chain([(key.to_owned(), secret)])
            .collect();
        let parsed = definition.parse(&Value::new(Kind::Table(table.clone())), &RunAs::default());
        let place = Origin::new(&SourceFile::new("task.toml", "op"), 0..2);
        let mistake = definition.misfit(
            parsed.expect_err("refused"),
            [&table, &table],
            &RunAs::default(),
            &place,
        );
        assert_eq!(mistake.title, format!("`{key}` of `{name}` cannot be a secret"));
        assert!(
            mistake.hint.as_ref().is_some_and(|hint| hint.contains(way)),
            "{mistake:?}"
        );
    }
}

/// The parameters of an operation and the parameters below them, each with its path and its schema.
fn all_parameters(at: &str, schema: &serde_json::Value, found: &mut Vec<(String, serde_json::Value)>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}.{name}")
        };
        found.push((path.clone(), property.clone()));
        let inner = [
            property.clone(),
            property["items"].clone(),
            property["additionalProperties"].clone(),
        ];
        let choices = property["anyOf"].as_array().cloned().unwrap_or_default();
        for one in inner.iter().chain(&choices) {
            all_parameters(&path, one, found);
        }
    }
}

/// `value` at the end of `path`.
fn table_at(path: &str, value: Value) -> Table {
    let (key, value) = match path.split_once('.') {
        Some((key, rest)) => (key, Value::new(Kind::Table(table_at(rest, value)))),
        None => (path, value),
    };
    [(key.to_owned(), Entry { key: None, value })].into_iter().collect()
}

#[test]
fn every_parameter_that_runs_a_command_is_known_as_text_for_a_shell_or_as_words() {
    // sudo reads these.
    const OTHERS: &[&str] = &["sudo.rule commands"];
    let mut known = 0;
    for definition in OPERATIONS.iter().chain([&CAPTURE]) {
        let mut parameters = Vec::new();
        all_parameters("", definition.schema().as_value(), &mut parameters);
        for (path, schema) in parameters {
            let description = schema["description"].as_str().unwrap_or_default();
            let name = path.rsplit('.').next().unwrap_or_default();
            let is_command = ["command", "commands", "unless", "only_if", "script"].contains(&name)
                || description.starts_with("Command")
                || description.contains("ommands for `sh`");
            let is_text = schema.to_string().contains("\"string\"");
            let what = format!("{} {path}", definition.name);
            if !is_command || !is_text || OTHERS.contains(&what.as_str()) {
                continue;
            }
            known += 1;
            let word = |text: &str| Value::new(Kind::String(text.to_owned()));
            let is_list = schema.to_string().contains("\"array\"");
            let for_shell = !is_list || description.contains("`sh`");
            let value = match (for_shell, is_list) {
                (true, true) => Value::new(Kind::List(vec![word("SCRIPT")])),
                (true, false) => word("SCRIPT"),
                (false, _) => Value::new(Kind::List(vec![word("sh"), word("-c"), word("SCRIPT")])),
            };
            let table = table_at(&path, value);
            let read: Vec<&str> = definition
                .shell_values(&table)
                .into_iter()
                .flat_map(|(_, value)| match &value.kind {
                    Kind::List(items) => items.iter().filter_map(Value::as_str).collect(),
                    _ => value.as_str().into_iter().collect::<Vec<_>>(),
                })
                .collect();
            assert_eq!(read, ["SCRIPT"], "`{what}` is text for a shell: add it to `SHELL_TEXT`");
        }
        for path in definition
            .shell_text
            .iter()
            .chain(definition.script_files)
            .chain(definition.unit_text)
        {
            let mut parameters = Vec::new();
            all_parameters("", definition.schema().as_value(), &mut parameters);
            assert!(
                parameters.iter().any(|(known, _)| known == path),
                "{} {path}",
                definition.name
            );
        }
    }
    assert!(known > 25, "only {known} parameters run commands");
}

/// How an operation keeps other users of the host out of what root does at a path.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// Its steps hold the way: they are the same for all files.
    Steps,
    /// It refuses a directory that others can change, as this case shows.
    Refuses(&'static str),
    /// A script of its own enters each folder before it works there, as this test shows.
    Enters(&'static str),
    /// It only looks.
    Reads,
}

#[test]
fn every_operation_that_takes_a_path_says_how_others_are_kept_out() {
    use Way::{Enters, Reads, Refuses, Steps};
    let table: &[(&str, Way)] = &[
        ("apt.key dest", Steps),
        ("docker.compose project_directory", Steps),
        ("files.block path", Steps),
        ("files.copy dest", Steps),
        ("files.copy src", Reads),
        ("files.directory path", Steps),
        ("files.download dest", Steps),
        ("files.file path", Steps),
        ("files.json path", Steps),
        ("files.line path", Steps),
        ("files.link path", Steps),
        ("files.move dest", Refuses("files.move/open-directory")),
        ("files.move src", Refuses("files.move/open-directory")),
        ("files.put dest", Steps),
        ("files.replace path", Steps),
        ("files.sync dest", Steps),
        ("files.template dest", Steps),
        (
            "files.unarchive dest",
            Enters("what_comes_in_place_of_a_new_folder_is_left_alone"),
        ),
        ("files.unarchive src", Reads),
        ("git.repo dest", Refuses("git.repo/directory-of-others")),
        ("git.repo src", Reads),
        ("k3s.kubeconfig dest", Steps),
        ("nftables.rules file", Steps),
        ("server.mount path", Refuses("server.mount/open-directory")),
        ("server.swap path", Refuses("server.swap/open-directory")),
        ("server.sysctl file", Steps),
        ("server.user home", Refuses("server.user/home-open-directory")),
        ("server.user_authorized_keys file", Steps),
        ("server.wait path", Reads),
        ("systemd.tmpfiles file", Steps),
        ("verify.file path", Reads),
    ];
    let mut found = Vec::new();
    for definition in OPERATIONS {
        for parameter in definition.parameters() {
            let is_path = ["path", "dest", "file", "home", "project_directory"].contains(&parameter.name.as_str())
                || parameter.description.to_lowercase().contains("absolute path");
            if is_path && parameter.kind == "a string" {
                found.push(format!("{} {}", definition.name, parameter.name));
            }
        }
    }
    found.sort();
    let known: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, known);
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, way) in table {
        match way {
            Refuses(case) => {
                let text = std::fs::read_to_string(top.join(format!("tests/operations/{case}.toml")));
                assert!(text.is_ok_and(|text| text.contains("error = ")), "{name}: {case}");
            }
            Enters(test) => {
                let text = std::fs::read_to_string(top.join("src/facts/archive.rs")).expect("readable");
                assert!(text.contains(&format!("fn {test}(")), "{name}: {test}");
            }
            Steps | Reads => {}
        }
    }
}
