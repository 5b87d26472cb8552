//! Files of any content are read or refused, and every refusal points between two characters of a file.

use std::fs;
use std::path::{Path, PathBuf};

use homelab::error::{Diagnostic, SourceFile};
use homelab::operations::{OPERATIONS, RunAs};
use homelab::plan::{CheckRequest, check};
use homelab::policy::judge;
use homelab::project::read;
use homelab::report;
use homelab::template::{inspect_expression, inspect_file, inspect_string};
use homelab::value::{Kind, Table, Value, parse_toml};
use proptest::prelude::*;

/// What hands and broken tools put into files.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "=",
    ",",
    ".",
    "#",
    "\n",
    "\r\n",
    "\t",
    "\\",
    "\\u00e4",
    "\u{feff}",
    "ä",
    "日本",
    "🙂",
    "\0",
    "\u{202e}",
    "0",
    "-",
    "1e9",
    "true",
    "nan",
    "item",
    "vars.",
    "facts.os",
    "for x in",
    "endfor",
    "include",
    "op = ",
    "when = ",
    "| lower",
    "is defined",
    "a.b.c = 1",
    "hosts",
];

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong_projects/base")
}

/// Every file of the right project.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A copy of the right project in which `path` has another content.
fn project_with(path: &Path, content: &[u8]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    files(&base(), &mut all);
    for file in all {
        let target = copy.path().join(file.strip_prefix(base()).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if file == path {
            fs::write(target, content).unwrap();
        } else {
            fs::copy(&file, target).unwrap();
        }
    }
    copy
}

/// Whether every label lies between characters of its file.
fn points_well(mistake: &Diagnostic) -> bool {
    mistake.labels.iter().all(|label| {
        let (text, span) = (&label.origin.file.text, &label.origin.span);
        span.start <= span.end && text.is_char_boundary(span.start) && text.is_char_boundary(span.end)
    })
}

fn checked(content: &[u8], file: usize) -> Result<(), TestCaseError> {
    let mut all = Vec::new();
    files(&base(), &mut all);
    let project = project_with(&all[file % all.len()], content);
    let reading = read(project.path());
    let checked = check(&reading, &CheckRequest::default()).unwrap();
    let verdict = judge(&reading.project, &checked, jiff::Timestamp::UNIX_EPOCH);
    for judged in &verdict.found {
        prop_assert!(points_well(&judged.diagnostic), "{:?}", judged.diagnostic);
    }
    for found in &checked.mistakes {
        prop_assert!(points_well(&found.diagnostic), "{:?}", found.diagnostic);
    }
    // What is found can be shown.
    report::found(&checked);
    report::found_json(&checked, &[], &verdict);
    report::found_sarif(&checked, &verdict);
    report::lints(&verdict, true);
    Ok(())
}

/// Some pieces put into, or over, a text.
fn spoilt(text: &str, edits: &[(usize, usize, usize)]) -> String {
    let mut text = text.to_owned();
    for (at, length, piece) in edits {
        let bound = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let start = bound(at % (text.len() + 1));
        let end = bound((start + length).min(text.len())).max(start);
        text.replace_range(start..end, PIECES[piece % PIECES.len()]);
    }
    text
}

fn edits() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    prop::collection::vec((any::<usize>(), 0..4_usize, any::<usize>()), 1..4)
}

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Kind::Bool),
        any::<i64>().prop_map(Kind::Integer),
        any::<f64>().prop_map(Kind::Float),
        "[a-z0-9/~.: -]{0,8}".prop_map(Kind::String),
        Just(Kind::Unknown("not yet".into())),
    ];
    let kind = leaf.prop_recursive(2, 8, 3, |inner| {
        let value = inner.prop_map(Value::new);
        prop_oneof![
            prop::collection::vec(value.clone(), 0..3).prop_map(Kind::List),
            prop::collection::vec(("[a-z]{1,4}", value), 0..3).prop_map(|entries| Kind::Table(table(entries))),
        ]
    });
    kind.prop_map(Value::new)
}

fn table(entries: Vec<(String, Value)>) -> Table {
    let entry = |value| homelab::value::Entry { key: None, value };
    entries.into_iter().map(|(key, value)| (key, entry(value))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(content in prop::collection::vec(any::<u8>(), 0..200), file in any::<usize>()) {
        checked(&content, file)?;
    }

    #[test]
    fn spoilt_files_are_read_or_refused(edits in edits(), file in any::<usize>()) {
        let mut all = Vec::new();
        files(&base(), &mut all);
        let right = fs::read_to_string(&all[file % all.len()]).unwrap();
        checked(spoilt(&right, &edits).as_bytes(), file)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mistakes_in_toml_point_into_it(text in pieces()) {
        let file = SourceFile::new("t.toml", text);
        if let Err(mistakes) = parse_toml(&file) {
            prop_assert!(!mistakes.is_empty());
            for mistake in mistakes {
                prop_assert!(points_well(&mistake), "{mistake:?}");
                prop_assert!(mistake.hint.is_some(), "{mistake:?}");
            }
        }
    }

    #[test]
    fn mistakes_in_templates_point_into_them(text in pieces(), quote in prop::sample::select(vec!["\"", "'", "\"\"\"", "'''"])) {
        let mut mistakes = Vec::new();
        mistakes.extend(inspect_file("templates/t.j2", &text).err());
        let file = SourceFile::new("t.toml", format!("a = {quote}{text}{quote}"));
        if let Ok(table) = parse_toml(&file)
            && let Some(value) = table.get("a").map(|entry| &entry.value)
            && let Some(text) = value.as_str()
        {
            let origin = value.origin.as_ref();
            mistakes.extend(inspect_expression(text, origin).err());
            match inspect_string(text, origin) {
                Ok(Some(names)) => {
                    for name in &names.used {
                        let place = names.place(name).unwrap();
                        prop_assert!(file.text.get(place.span).is_some());
                    }
                }
                Ok(None) => {}
                Err(mistake) => mistakes.push(mistake),
            }
        }
        for mistake in mistakes {
            prop_assert!(points_well(&mistake), "{mistake:?}");
        }
    }

    #[test]
    fn any_parameters_are_read_or_refused(operation in any::<usize>(), values in prop::collection::vec(value(), 0..6)) {
        let definition = &OPERATIONS[operation % OPERATIONS.len()];
        let keys = definition.keys().iter().chain(["become", "become_user", "nope"].iter());
        let entries = keys.zip(values).map(|(key, value)| ((*key).to_owned(), value)).collect();
        let mut arguments = table(entries);
        let file = SourceFile::new("t.toml", "op = 'x'");
        let place = homelab::error::Origin::new(&file, 5..8);
        let run_as = RunAs::take(&mut arguments);
        if let Err(error) = definition.parse(&Value::new(Kind::Table(arguments.clone())), &run_as) {
            let mistake = definition.misfit(error, [&arguments, &arguments], &run_as, &place);
            prop_assert!(points_well(&mistake) && !mistake.title.is_empty());
        }
    }
}
