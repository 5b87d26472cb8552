//! Names of tests in scripts and in the documentation are those of tests: `cargo test` finds no fault with a name that none has.

use std::collections::BTreeSet;
use std::path::Path;

/// The test binaries whose tests are named in scripts, with the folders and files that they are made of.
const BINARIES: &[(&str, &[&str])] = &[
    ("cases", &["tests/cases.rs", "tests/operations", "tests/wrong_projects"]),
    (
        "hosts",
        &[
            "tests/hosts.rs",
            "tests/ssh.rs",
            "tests/ssh",
            "tests/lab.rs",
            "tests/lab",
            "tests/deploy",
        ],
    ),
    (
        "offline",
        &[
            "tests/offline.rs",
            "tests/hostile",
            "tests/mutations",
            "tests/properties",
            "tests/secrets",
        ],
    ),
];

/// A name of tests, in the binary that it is looked for in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Filter {
    binary: String,
    name: String,
}

/// The names that a line of a script or a page hands to `cargo test`.
fn filters(line: &str) -> Vec<Filter> {
    let mut found = Vec::new();
    for command in line.split("--test ").skip(1) {
        let command = command.split(['`', ';', '|', '#', '"', '(']).next().unwrap_or_default();
        let mut words = command.split_whitespace();
        let Some(binary) = words
            .next()
            .filter(|word| BINARIES.iter().any(|(name, _)| name == word))
        else {
            continue;
        };
        let mut is_value = false;
        for word in words {
            let is_option = word.starts_with('-');
            let is_skipped = std::mem::replace(&mut is_value, ["--test-threads", "--skip"].contains(&word));
            if !is_option && !is_skipped && !word.starts_with(['$', '<', '[']) && !word.chars().all(char::is_uppercase)
            {
                found.push(Filter {
                    binary: binary.to_owned(),
                    name: word.trim_end_matches([',', '.', ':', ')']).to_owned(),
                });
            }
        }
    }
    found
}

/// The words that names of tests are made of, below `path`: folders, files and functions.
fn words_below(path: &Path, words: &mut BTreeSet<String>) {
    if let Some(name) = path.file_name() {
        words.insert(name.to_string_lossy().into_owned());
    }
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("readable").flatten() {
            words_below(&entry.path(), words);
        }
        return;
    }
    words.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    if path.extension().is_some_and(|kind| kind == "rs") {
        let source = std::fs::read_to_string(path).expect("readable");
        for start in ["fn ", "mod "] {
            let names = source.split(start).skip(1);
            words.extend(names.map(|rest| {
                let end = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_');
                rest[..end.unwrap_or(rest.len())].to_owned()
            }));
        }
    }
}

/// The filters of scripts and pages below `top` that no test matches, and how many there are in all.
pub(crate) fn without_tests(top: &Path) -> (Vec<String>, usize) {
    let mut wrong = Vec::new();
    let mut all = BTreeSet::new();
    for folder in ["scripts", "docs"] {
        for entry in std::fs::read_dir(top.join(folder)).expect("readable").flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path()) else {
                continue;
            };
            let own = text.lines().flat_map(filters);
            all.extend(own.map(|filter| (filter, entry.file_name().to_string_lossy().into_owned())));
        }
    }
    for (binary, parts) in BINARIES {
        let mut words = BTreeSet::from(["debian-12".to_owned(), "debian-13".to_owned()]);
        for part in *parts {
            let path = top.join(part);
            if path.exists() {
                words_below(&path, &mut words);
            }
        }
        for (filter, file) in all.iter().filter(|(filter, _)| filter.binary == *binary) {
            let mut parts = filter.name.split("::").filter(|part| !part.is_empty());
            if !parts.all(|part| words.iter().any(|word| word.contains(part))) {
                wrong.push(format!("{file}: no test of `{binary}` is called `{}`", filter.name));
            }
        }
    }
    (wrong, all.len())
}

/// Names of tests on the page that says what shows what, which no test has, and how many there are in all.
pub(crate) fn without_tests_on(page: &str, top: &Path) -> (Vec<String>, usize) {
    let quoted = page.split('`').skip(1).step_by(2);
    let is_name = |text: &&str| {
        text.contains("::")
            && text
                .chars()
                .all(|sign| sign.is_ascii_lowercase() || "_:0123456789".contains(sign))
    };
    let names: BTreeSet<&str> = quoted.filter(is_name).collect();
    let (mut of_hosts, mut of_rest) = (BTreeSet::new(), BTreeSet::new());
    words_below(&top.join("tests/deploy"), &mut of_hosts);
    for folder in ["src", "tests"] {
        words_below(&top.join(folder), &mut of_rest);
    }
    let is_missing = |name: &&&str| {
        let words = if name.starts_with("deploy::") {
            &of_hosts
        } else {
            &of_rest
        };
        !name
            .split("::")
            .filter(|part| !part.is_empty())
            .all(|part| words.contains(part))
    };
    let wrong = names
        .iter()
        .filter(is_missing)
        .map(|name| format!("no test is called `{name}`"));
    (wrong.collect(), names.len())
}

#[test]
fn a_name_on_the_page_that_no_test_has_is_found() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = "| a | `deploy::services`, `deploy::no_such`, units of `facts::no_such` | `docs/x`, `report::` |";
    let (wrong, count) = without_tests_on(page, top);
    assert_eq!(count, 4);
    assert_eq!(
        wrong,
        [
            "no test is called `deploy::no_such`",
            "no test is called `facts::no_such`"
        ]
    );
}

#[test]
fn the_names_that_a_command_hands_over_are_found() {
    let name = |binary: &str, name: &str| Filter {
        binary: binary.to_owned(),
        name: name.to_owned(),
    };
    for (line, expected) in [
        (
            "cargo test --locked --test hosts deploy::swaps -- --nocapture",
            vec![name("hosts", "deploy::swaps")],
        ),
        (
            "exec x --test hosts -- deploy::chaos deploy::cuts --test-threads 1 --nocapture",
            vec![name("hosts", "deploy::chaos"), name("hosts", "deploy::cuts")],
        ),
        (
            "run `cargo test --test cases files.put -- --ignored`.",
            vec![name("cases", "files.put")],
        ),
        (
            "cargo test --test hosts -- lab:: --skip lab::kubernetes",
            vec![name("hosts", "lab")],
        ),
        ("cargo test --lib --test structure", vec![]),
        ("`cargo test --test cases FILTER`", vec![]),
    ] {
        assert_eq!(filters(line), expected, "{line}");
    }
}
