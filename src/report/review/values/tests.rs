use proptest::prelude::*;
use serde_json::Value as Json;

use super::compare::{Change, Step};
use super::tree::{Entry, Kind};
use super::*;

/// The lines that a review shows; none if it shows the lines of the text.
fn shown(format: Format, old: &str, new: &str) -> Vec<String> {
    let Some(changed) = ChangedValues::between(format, old, new) else {
        return Vec::new();
    };
    let line = |line: DiffLine| match line {
        DiffLine::Values { with_white_space } => with_white_space.then(|| "white space".to_owned()),
        DiffLine::Line { sign, spans } => {
            let texts = spans.into_iter().map(|span| match span.text {
                SpanText::Shown(text) => text,
                SpanText::LeftOut(_) => unreachable!("nothing is left out"),
            });
            Some(sign.as_str().to_owned() + &texts.collect::<String>())
        }
        other => panic!("{other:?}"),
    };
    changed.lines().into_iter().filter_map(line).collect()
}

const COMPOSE: &str = "\
# The site.
services:
  web:
    image: caddy:2.10  # pinned
    ports:
      - 80:80
      - \"443:443\"
    environment: { TZ: UTC, LEVEL: info }
  db:
    image: 'postgres:16'
    command: |
      one
      two
";

/// What is replaced in a text, and the lines of its review.
type Replaced<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn what_changes_in_yaml_is_shown_by_value() {
    let cases: [Replaced<'_>; 11] = [
        (
            &[("2.10", "2.11")],
            &[r#"~ services.web.image: "caddy:2.10" → "caddy:2.11""#],
        ),
        (
            &[("      - 80:80\n", ""), ("postgres:16", "postgres:17")],
            &[
                "- services.web.ports[0]: 80:80",
                r#"~ services.db.image: "postgres:16" → "postgres:17""#,
            ],
        ),
        (
            &[("      - 80:80\n", "      - 79:79\n      - 80:80\n")],
            &["+ services.web.ports[0]: 79:79"],
        ),
        (
            &[("- 80:80", "- \"80:80\"")],
            &[r#"~ services.web.ports[0]: 80:80 → "80:80""#],
        ),
        (
            &[("LEVEL: info }", "LEVEL: debug, \"a.b\": x }")],
            &[
                r#"~ services.web.environment.LEVEL: "info" → "debug""#,
                r#"+ services.web.environment."a.b": "x""#,
            ],
        ),
        (&[("{ TZ: UTC, ", "{ ")], &[r#"- services.web.environment.TZ: "UTC""#]),
        (
            &[(
                "  db:\n",
                "  cache:\n    image: redis:7\n    ports: [6379:6379, \"a b\"]\n  db:\n",
            )],
            &[r#"+ services.cache: {image: "redis:7", ports: [6379:6379, "a b"]}"#],
        ),
        (
            &[(
                "  db:\n",
                "  cache:\n    image: registry.example.org/mirror/redis:7\n    networks: [one-of-many, another-of-many]\n  db:\n",
            )],
            &[
                r#"+ services.cache.image: "registry.example.org/mirror/redis:7""#,
                r#"+ services.cache.networks: ["one-of-many", "another-of-many"]"#,
            ],
        ),
        (
            &[("  db:\n", "\n  db:\n    tty: true\n")],
            &["white space", "+ services.db.tty: true"],
        ),
        (&[("image: caddy:2.10", "image:")], &[]),
        (&[("tty", "tty")], &[]),
    ];
    for (edits, expected) in cases {
        let new = edits
            .iter()
            .fold(COMPOSE.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
        assert_eq!(shown(Format::Yaml, COMPOSE, &new), expected, "{edits:?}");
    }
}

#[test]
fn what_values_do_not_say_is_shown_by_lines() {
    let change = |text: &str| text.replace("2.10", "2.11");
    // Each changes a value, which is shown by value alone, and something beside it.
    assert!(!shown(Format::Yaml, COMPOSE, &change(COMPOSE)).is_empty());
    for (from, to) in [
        ("# The site.\n", ""),
        ("# The site.", "# Our site."),
        ("  # pinned", "  # pinned, see above"),
        ("'postgres:16'", "postgres:16"),
        ("    ports:\n", "    ports: # of the host\n"),
        ("      two\n", "      three\n"),
        ("command: |", "command: >"),
        ("services:", "---\nservices:"),
        ("{ TZ: UTC, LEVEL: info }", "{ LEVEL: info, TZ: UTC }"),
        ("{ TZ: UTC, LEVEL: info }", "\n      TZ: UTC\n      LEVEL: info"),
        ("  db:", "  # Added with it.\n  cache: {}\n  db:"),
        ("  db:", "  cache: 1 # so many\n  db:"),
    ] {
        assert!(COMPOSE.contains(from), "{from}");
        let new = change(COMPOSE).replacen(from, to, 1);
        assert_eq!(shown(Format::Yaml, COMPOSE, &new), [""; 0], "{from} to {to}");
    }
}

#[test]
fn what_is_read_in_more_than_one_way_is_shown_by_lines() {
    let levels = (0..30).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level + 1));
    let bomb = levels.collect::<Vec<String>>().concat();
    let deep = format!("{}x{}", "[".repeat(70), "]".repeat(70));
    for (format, rest) in [
        (Format::Yaml, "b: &anchor 1\nc: *anchor\n"),
        (Format::Yaml, "b: &anchor 1\n"),
        (Format::Yaml, "b: !tag 1\n"),
        (Format::Yaml, "b: 1\nb: 2\n"),
        (Format::Yaml, "1: b\n"),
        (Format::Yaml, "on: b\n"),
        (Format::Yaml, "~: b\n"),
        (Format::Yaml, "[b]: c\n"),
        (Format::Yaml, "? |\n  b\n: c\n"),
        (Format::Yaml, "<<: {b: 1}\n"),
        (Format::Yaml, "---\nb: 1\n"),
        (Format::Yaml, "b: [\n"),
        (Format::Yaml, bomb.as_str()),
        (Format::Yaml, &format!("b: {deep}\n")),
        (Format::Toml, "b = 1\nb = 2\n"),
        (Format::Toml, "b = \n"),
    ] {
        let sign = if format == Format::Toml { "=" } else { ":" };
        let [old, new] = [1, 2].map(|number| format!("a{sign} {number}\n{rest}"));
        assert_eq!(shown(format, &old, &new), [""; 0], "{rest}");
    }
    let [old, new] = [1, 2].map(|number| format!("a: {number}\nb: \"{}\"\n", "x".repeat(LARGEST)));
    assert_eq!(shown(Format::Yaml, &old, &new), [""; 0]);
    for (old, new) in [
        (r#"{"a": 1, "a": 2}"#, r#"{"a": 1, "a": 3}"#),
        ("{\"a\": 1} // why", "{\"a\": 2} // why"),
        ("a: 1", "a: 2"),
        ("1", "2"),
    ] {
        assert_eq!(shown(Format::Json, old, new), [""; 0], "{old}");
    }
}

#[test]
fn json_is_shown_by_value() {
    let old = "{\n\t\"log-driver\": \"local\",\n\t\"log-opts\": {\n\t\t\"max-size\": \"10m\"\n\t},\n\t\"dns\": [\"1.1.1.1\"]\n}\n";
    for (from, to, expected) in [
        ("10m", "20m", vec![r#"~ log-opts.max-size: "10m" → "20m""#]),
        (
            "\"10m\"",
            "\"10m\",\n\t\t\"max-file\": \"3\"",
            vec![r#"+ log-opts.max-file: "3""#],
        ),
        (
            "\t\"dns\": [\"1.1.1.1\"]",
            "\t\"dns\": [\"1.1.1.1\", \"9.9.9.9\"],\n\t\"a\": {\n\t\t\"b\": [\n\t\t\t1e3\n\t\t]\n\t},\n\t\"c\": null",
            vec![r#"+ dns[1]: "9.9.9.9""#, "+ a: {b: [1e3]}", "+ c: null"],
        ),
        ("\t\"log-driver\": \"local\",\n", "", vec![r#"- log-driver: "local""#]),
        (
            "\"local\"",
            r#""\u202e\n😀""#,
            vec![r#"~ log-driver: "local" → "\u{202e}\n😀""#],
        ),
        // Half a character is no character in YAML.
        ("\"local\"", r#""\ud83d\ude00""#, vec![]),
        ("\t\t\"max-size\"", "\t\t\t\"max-size\"", vec![]),
    ] {
        assert!(old.contains(from), "{from}");
        assert_eq!(
            shown(Format::Json, old, &old.replacen(from, to, 1)),
            expected,
            "{from} to {to}"
        );
    }
}

#[test]
fn toml_is_shown_by_value() {
    let old = "\
# Of the agent.
[agent]
interval = \"10s\"
since = 2026-01-01

[[inputs.disk]]
mounts = [
  \"/\", # the root
]

[[inputs.net]]
name = 'one'
";
    for (from, to, expected) in [
        ("\"10s\"", "\"20s\"", vec![r#"~ agent.interval: "10s" → "20s""#]),
        (
            "2026-01-01",
            "2026-01-02",
            vec!["~ agent.since: 2026-01-01 → 2026-01-02"],
        ),
        (
            "name = 'one'\n",
            "name = 'one'\n[[inputs.net]]\nname = 'two'\nroot.a.b = 0x1f\n",
            vec![r#"+ inputs.net[1, name=two]: {name: "two", root: {a: {b: 0x1f}}}"#],
        ),
        (
            "name = 'one'\n",
            "name = 'one'\n[outputs]\nx = {y = [1]}\n",
            vec!["+ outputs: {x: {y: [1]}}"],
        ),
        (
            "  \"/\", # the root\n",
            "  \"/\", # the root\n  \"/srv\",\n",
            vec![r#"+ inputs.disk[0].mounts[1]: "/srv""#],
        ),
        (
            "[[inputs.net]]\nname = 'one'\n",
            "",
            vec![r#"- inputs.net: [{name: "one"}]"#],
        ),
        ("# the root", "# the first", vec![]),
        ("'one'", "\"\"\"one\ntwo\"\"\"", vec![]),
    ] {
        assert!(old.contains(from), "{from}");
        let found = shown(Format::Toml, old, &old.replacen(from, to, 1));
        let found: Vec<&str> = found
            .iter()
            .map(String::as_str)
            .filter(|line| *line != "white space")
            .collect();
        assert_eq!(found, expected, "{from} to {to}");
    }
}

#[test]
fn items_with_names_are_found_by_them() {
    let old = "jobs:\n- job_name: node\n  port: 1\n- job_name: \"my app\"\n  port: 2\n";
    let new = "jobs:\n- job_name: first\n- job_name: node\n  port: 3\n- job_name: \"my app\"\n  port: 4\n";
    assert_eq!(
        shown(Format::Yaml, old, new),
        [
            "+ jobs[0, job_name=first]: {job_name: \"first\"}",
            "~ jobs[job_name=node].port: 1 → 3",
            "~ jobs[job_name=\"my app\"].port: 2 → 4",
        ]
    );
}

#[test]
fn a_secret_stays_in_its_line() {
    let secret = "canary-of-changed-values";
    crate::secret::remember(secret);
    let (old, new) = ("a: 1\nb: x\n".to_owned(), format!("a: 2\nb: \"{secret}\"\n"));
    assert_eq!(shown(Format::Yaml, &old, &new), [""; 0]);
    for words in [MASK, LATER] {
        let [old, new] = [1, 2].map(|number| format!("a: {number}\nb: {words}\n"));
        assert_eq!(shown(Format::Yaml, &old, &new), [""; 0]);
    }
    // Also if only the value has it, and the line does not.
    let new = format!("a: 2\nb: \"\\x63{}\"\n", &secret[1..]);
    assert_eq!(shown(Format::Yaml, &old, &new), [""; 0]);
}

/// Does to a tree what the changes say.
fn apply(root: &mut Node, changes: &[Change]) {
    let is_nested = |change: &&Change| change.before.is_some() && change.after.is_some();
    for change in changes.iter().filter(is_nested) {
        *at(root, &change.path) = change.after.clone().expect("a value");
    }
    // From the last index to the first: those before it stay what they are.
    for change in changes.iter().rev().filter(|change| change.after.is_none()) {
        let (last, path) = change.path.split_last().expect("a path");
        match (&mut at(root, path).kind, last) {
            (Kind::List(items), Step::Index(index) | Step::NamedAt { index, .. }) => drop(items.remove(*index)),
            (Kind::Table(entries), Step::Key(key)) => entries.retain(|entry| entry.key != *key),
            other => panic!("{other:?}"),
        }
    }
    for change in changes.iter().filter(|change| change.before.is_none()) {
        let (last, path) = change.path.split_last().expect("a path");
        let value = change.after.clone().expect("a value");
        match (&mut at(root, path).kind, last) {
            (Kind::List(items), Step::Index(index) | Step::NamedAt { index, .. }) => items.insert(*index, value),
            (Kind::Table(entries), Step::Key(key)) => entries.push(Entry {
                key: key.clone(),
                place: 0..0,
                value,
            }),
            other => panic!("{other:?}"),
        }
    }
}

fn at<'a>(root: &'a mut Node, path: &[Step]) -> &'a mut Node {
    path.iter().fold(root, |node, step| match (&mut node.kind, step) {
        (Kind::Table(entries), Step::Key(key)) => {
            let entry = entries.iter_mut().find(|entry| entry.key == *key);
            &mut entry.expect("the key").value
        }
        (Kind::List(items), Step::Index(index)) => &mut items[*index],
        (Kind::List(items), Step::Named { key, name }) => {
            let item = items.iter_mut().find(|item| item.string_at(key) == Some(name.as_str()));
            item.expect("the item")
        }
        other => panic!("{other:?}"),
    })
}

fn values() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (0..9i32).prop_map(Json::from),
        "[a-c\\n\"# ]{0,3}".prop_map(Json::from),
    ];
    let any = leaf.prop_recursive(4, 40, 5, |inner| {
        let entries = prop::collection::vec(("[a-d. ]{1,2}", inner.clone()), 0..5);
        let named = prop::collection::btree_map("[a-d]", inner.clone(), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Json::from),
            entries.prop_map(|entries| entries.into_iter().collect::<Json>()),
            named.prop_map(|named| {
                let items = named.into_iter();
                items
                    .map(|(name, value)| serde_json::json!({ "name": name, "value": value }))
                    .collect()
            }),
        ]
    });
    any.prop_map(|any| serde_json::json!({ "root": any, "list": [any] }))
}

/// Another value that has much in common with a first one.
fn edited(value: &Json, choices: &mut dyn Iterator<Item = u8>) -> Json {
    let mut choose = || choices.next().unwrap_or_default();
    match (choose() % 8, value) {
        (1, Json::Number(_)) => Json::from(choose()),
        (1, Json::String(_)) => Json::from(format!("x{}", choose())),
        (2, _) if choose().is_multiple_of(3) => Json::from("other"),
        (choice, Json::Array(items)) => {
            let mut items: Vec<Json> = items.iter().map(|item| edited(item, choices)).collect();
            match choice {
                3 if !items.is_empty() => drop(items.remove(0)),
                4 => items.insert(items.len() / 2, Json::from("new")),
                5 => items.reverse(),
                _ => {}
            }
            items.into()
        }
        (choice, Json::Object(entries)) => {
            let all = entries.iter().map(|(key, value)| (key.clone(), edited(value, choices)));
            let mut all: serde_json::Map<String, Json> = all.collect();
            if choice == 3 {
                all.insert("new".to_owned(), Json::from(vec![1, 2]));
            } else if choice == 4 && !all.is_empty() {
                let first = all.keys().next().cloned().expect("a key");
                all.shift_remove(&first);
            }
            all.into()
        }
        _ => value.clone(),
    }
}

proptest! {
    #[test]
    fn the_changes_make_the_old_values_the_new_ones(
        old in values(), other in values(), choices in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        for new in [edited(&old, &mut choices.into_iter()), other] {
            let text = |value: &Json| serde_json::to_string_pretty(&serde_json::json!([value])).expect("JSON");
            let [old_text, new_text] = [&old, &new].map(text);
            let [mut old, new] = [&old_text, &new_text].map(|text| json::read(text).expect("JSON is read"));
            let changes = compare::changes(&old, &new).expect("few items");
            apply(&mut old, &changes);
            prop_assert_eq!(old.identity(), new.identity());
            // Written the same way, only values and strings that take more than a line differ.
            let is_said = ChangedValues::between(Format::Json, &old_text, &new_text).is_some();
            prop_assert!(!(is_said && changes.is_empty()));
        }
    }

    #[test]
    fn no_other_change_of_a_line_is_kept_quiet(
        old in values(), choices in prop::collection::vec(any::<u8>(), 0..100), line in any::<prop::sample::Index>()
    ) {
        // As YAML in which each line has a comment.
        let commented = |value: &Json| -> Vec<String> {
            let text = serde_json::to_string_pretty(value).expect("JSON");
            text.lines().map(|line| format!("{line} # why")).collect()
        };
        let (old, new) = (commented(&old), commented(&edited(&old, &mut choices.into_iter())));
        let mut noted = new.clone();
        noted[line.index(new.len())].push_str(" not");
        let of = |lines: &[String]| lines.join("\n") + "\n";
        prop_assert_eq!(ChangedValues::between(Format::Yaml, &of(&old), &of(&noted)), None);
    }
}
