//! What the documentation and the example project say is accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use homelab::facts::system::Machine;
use homelab::operations::OPERATIONS;
use homelab::report::operation_markdown;
use homelab::schema::FileKind;
use homelab::template::RESERVED;
use serde_json::Value;

use crate::support::project::Project;

const PAGE: &str = include_str!("../../docs/language.md");
const OPERATIONS_PAGE: &str = include_str!("../../docs/operations.md");

/// A project without a mistake gets as far as the question for consent, which gets no answer; and no
/// connection has been made until then.
#[track_caller]
fn is_accepted(project: &Project, inventory: &str, deploy: &str) {
    let ran = project.homelab(&["deploy", inventory, deploy]).expect(3);
    assert!(ran.stderr.contains("cannot ask for confirmation"), "{}", ran.stderr);
}

/// What is written by hand below each operation, by its name.
fn notes(page: &str) -> BTreeMap<&str, &str> {
    let parts = page.split("\n### `").skip(1);
    let note = |part| {
        let (name, rest) = str::split_once(part, '`').unwrap();
        let (_, note) = rest.split_once("\n```\n").unwrap();
        (name, note.split_once("\n## ").map_or(note, |(note, _)| note).trim())
    };
    parts.map(note).collect()
}

#[test]
fn the_page_on_operations_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = fs::read_to_string(path).unwrap();
    let (head, _) = page.split_once("\n## ").unwrap_or((&page, ""));
    let notes = notes(&page);
    let mut written = format!("{}\n", head.trim_end());
    let mut family = "";
    for operation in OPERATIONS {
        let (own, _) = operation.name.split_once('.').unwrap();
        if own != family {
            let _ = write!(written, "\n## {own}\n");
            family = own;
        }
        let _ = write!(written, "\n{}", operation_markdown(operation));
        if let Some(note) = notes.get(operation.name).filter(|note| !note.is_empty()) {
            let _ = write!(written, "\n{note}\n");
        }
    }
    if std::env::var_os("HOMELAB_WRITE_TEXTS").is_some() {
        fs::write(path, &written).unwrap();
    } else {
        assert_eq!(page, written, "write it with HOMELAB_WRITE_TEXTS=1");
    }
    let known: BTreeSet<&str> = OPERATIONS.iter().map(|one| one.name).collect();
    assert!(
        notes.keys().all(|name| known.contains(name)),
        "a note of an operation that is gone"
    );
}

/// The part of the page below a heading.
fn below(heading: &str) -> &'static str {
    let (_, rest) = PAGE
        .split_once(&format!("\n{heading}"))
        .unwrap_or_else(|| panic!("no {heading}"));
    rest.split_once("\n#").map_or(rest, |(part, _)| part)
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
            let is_told = |way: &String| PAGE.contains(way) || OPERATIONS_PAGE.contains(way);
            assert!(ways.iter().any(is_told), "{kind}: {key}");
        }
    }
}

fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    keys.extend(properties.into_iter().flat_map(|properties| properties.keys().cloned()));
    // A key of a file may be called `properties` too.
    let below = properties.into_iter().flat_map(|properties| properties.values());
    let inner: Vec<&Value> = match schema {
        Value::Object(table) => table
            .iter()
            .filter(|(name, _)| *name != "properties")
            .map(|(_, value)| value)
            .chain(below)
            .collect(),
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
fn each_defect_of_pyinfra_has_a_test() {
    let page = include_str!("../../docs/pyinfra-defects.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.rsplit_once(" | "));
    let rows: Vec<&str> = rows
        .map(|(_, tests)| tests)
        .filter(|tests| tests.contains('`'))
        .collect();
    assert_eq!(rows.len(), 15);
    for tests in rows {
        for test in tests.trim_end_matches('|').split(';') {
            let quoted: Vec<&str> = test.split('`').skip(1).step_by(2).collect();
            let path = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), quoted[0]);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let is_there = |name: &&str| text.contains(&format!("fn {name}("));
            assert!(quoted[1..].iter().all(is_there), "{test}");
        }
    }
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
    // A folder has no digest; and the cluster comes before its releases.
    let digest = |line: &&str| !line.starts_with("sha256 = \"1310ca2c");
    let mut tasks: Vec<String> = tasks
        .iter()
        .map(|text| text.replace("web-1.2.3.tgz", "web"))
        .map(|text| text.split_inclusive('\n').filter(digest).collect())
        .collect();
    tasks.sort_by_key(|text| text.contains("helm.release"));
    let project = Project::with_task(&tasks.concat());
    project.write("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n");
    for index in 0..tasks.len() {
        project.write(&format!("templates/etc/motd{index}"), "{{ host.name }}\n");
    }
    project.write("templates/scripts/setup.sh", "#!/bin/sh\ntrue\n");
    project.write(
        "group_data/all.toml",
        "registry_token = 't0ken'
database_password = 'pa55word'
k3s = { token = 't0ken', agent_token = 't0ken' }
",
    );
    let manifest = "apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
";
    project.write("templates/shop/settings.yaml", manifest);
    project.write("templates/site/index.html", "<p>hello</p>\n");
    project.write("templates/services/grafana/compose.yaml", "services: {}\n");
    is_accepted(&project, "dev", "all");
}

#[test]
fn the_page_about_coverage_names_tests_and_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = include_str!("../../docs/coverage.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| What"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 12, "{rows:?}");
    for row in rows {
        let [what, whence, shown, missing] = row[..] else {
            panic!("{row:?}")
        };
        assert!(
            !shown.is_empty() || !missing.is_empty(),
            "{what}: neither shown nor not"
        );
        for file in whence.split(", ") {
            assert!(root.join(file).exists(), "{what}: {file}");
        }
        for test in shown.split('`').filter_map(|word| word.strip_prefix("deploy::")) {
            let module = test.split("::").next().unwrap();
            assert!(
                root.join(format!("tests/deploy/{module}.rs")).exists(),
                "{what}: {test}"
            );
        }
    }
}

#[test]
fn the_page_about_kubernetes_says_of_each_operation_what_was_shown() {
    let page = include_str!("../../docs/kubernetes.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `k3s.") || line.starts_with("| `k8s."))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for row in &rows {
        let [operation, what, how, shown] = row[..] else {
            panic!("{row:?}")
        };
        let name = operation.trim_matches('`');
        assert!(
            OPERATIONS.iter().any(|one| one.name == name),
            "unknown operation {operation}"
        );
        assert!(
            ["proven", "stand-in", "unproven"].contains(&how),
            "{operation}: {what}: {how}"
        );
        assert_eq!(shown.is_empty(), how == "unproven", "{operation}: {what}: {shown}");
        let module = shown
            .trim_matches('`')
            .trim_start_matches("deploy::")
            .replace("::", "/");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/deploy/{module}.rs"));
        assert!(shown.is_empty() || file.exists(), "{operation}: {what}: {shown}");
    }
    for operation in OPERATIONS {
        let is_meant = operation.name.starts_with("k3s.") || operation.name.starts_with("k8s.");
        let has_row = rows.iter().any(|row| row[0].trim_matches('`') == operation.name);
        assert!(
            !is_meant || has_row,
            "docs/kubernetes.md lacks a row for {}",
            operation.name
        );
    }
}
