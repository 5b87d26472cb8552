//! The shape of the code: imports point one way, files stay small, and nothing unfinished is left.

#[path = "structure/filters.rs"]
mod filters;
#[path = "structure/privileges.rs"]
mod privileges;
#[path = "structure/rings.rs"]
mod rings;
#[path = "structure/words.rs"]
mod words;

use std::path::{Path, PathBuf};

/// Modules from the bottom up; one may name itself and what stands before it, in the same line or a line above.
const LAYERS: &[&[&str]] = &[
    &["error", "quote", "secret"],
    &["value", "content"],
    &["template"],
    &["facts", "change"],
    &["operations"],
    &["secrets"],
    // It encrypts its keys as secrets, and a project hands it to templates and operations.
    // So does the agent, with what was built of it.
    &["pki", "agent"],
    &["project"],
    &["plan", "schema", "starter"],
    &["policy", "saved"],
    &["remote", "lab"],
    &["gather"],
    &["rounds"],
    &["apply"],
    &["report"],
];

/// The way to the host is the business of these alone, and of the command line.
const MAY_NAME_REMOTE: &[&str] = &["remote", "gather", "rounds", "apply"];

fn sources() -> Vec<PathBuf> {
    sources_below("src")
}

/// The sources of the program that runs on hosts: a crate of its own, with the same rules but for the layers.
const AGENT: &str = "agent/src";

fn sources_below(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn module(path: &Path) -> String {
    let below = path
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .expect("below src");
    let first = below.components().next().expect("a part").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules that a file names as `crate::module`.
fn named(text: &str) -> Vec<&str> {
    text.match_indices("crate::")
        .filter_map(|(at, prefix)| {
            let rest = &text[at + prefix.len()..];
            let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')?;
            Some(&rest[..end])
        })
        .collect()
}

#[test]
fn the_page_on_architecture_tells_this_order() {
    let layers: Vec<String> = LAYERS.iter().map(|layer| format!("`{}`", layer.join(" "))).collect();
    let page = include_str!("../docs/architecture.md");
    assert!(
        page.contains(&format!("\n{} < `cli`\n", layers.join(" < "))),
        "{layers:?}"
    );
}

#[test]
fn imports_point_one_way() {
    let mut edges = 0;
    for path in sources() {
        let own = module(&path);
        let Some(own_layer) = layer(&own) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).expect("readable");
        for other in named(&text) {
            let Some(other_layer) = layer(other) else {
                continue;
            };
            assert!(
                other_layer <= own_layer,
                "{} names `{other}`, which stands above `{own}`",
                path.display()
            );
            let is_remote = other == "remote" && !MAY_NAME_REMOTE.contains(&own.as_str());
            assert!(!is_remote, "{} names `remote`", path.display());
            edges += 1;
        }
    }
    assert!(edges > 100, "{edges} imports were looked at");
}

#[test]
fn every_module_has_its_layer() {
    for path in sources() {
        let own = module(&path);
        let is_known = layer(&own).is_some() || ["cli", "lib", "main"].contains(&own.as_str());
        assert!(is_known, "{}: `{own}` has no layer", path.display());
    }
}

#[test]
fn files_stay_small_and_whole() {
    let of_agent = [sources_below(AGENT), sources_below("agent/tests")].concat();
    assert!(of_agent.len() > 20, "{of_agent:?}");
    for path in [sources(), of_agent].concat() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let lines = text.lines().count();
        assert!(lines < 800, "{} has {lines} lines", path.display());
        assert!(
            !path.starts_with(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli")) || lines <= 150,
            "{} has {lines} lines",
            path.display()
        );
        for word in ["todo!(", "unimplemented!(", "FIXME", "// XXX", "dbg!("] {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}

/// What writes text, and the files of the command line that may name it: the one place that removes secrets, and two that write
/// what is none of a run.
const WRITERS: &[&str] = &[
    "print!",
    "println!",
    "set_message(",
    "write_all(",
    "fs::write",
    "writeln!",
    "write!(",
    "anstream::",
];
const MAY_WRITE: &[&str] = &["cli/output.rs", "cli/password.rs", "cli/secrets/private_folder.rs"];

#[test]
fn text_leaves_the_program_by_one_place() {
    let sources = sources().into_iter().map(|path| path.to_string_lossy().into_owned());
    let of_cli = sources.filter(|path| path.contains("/src/cli/") || path.ends_with("/src/main.rs"));
    let mut wrong = Vec::new();
    for path in of_cli.filter(|path| !MAY_WRITE.iter().any(|may| path.ends_with(may))) {
        let text = std::fs::read_to_string(&path).expect("readable");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let named = WRITERS.iter().filter(|writer| text.contains(**writer));
        wrong.extend(named.map(|writer| format!("{path} names `{writer}`")));
    }
    wrong.retain(|line| !line.contains("/tests.rs"));
    assert!(
        wrong.is_empty(),
        "write by `cli::output`, which removes secrets:\n{}",
        wrong.join("\n")
    );
    let output =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/output.rs")).expect("readable");
    // Each function that writes text removes secrets, or says that it writes it exactly.
    for function in output.split("\npub(super) ").skip(1) {
        let head = function.lines().next().unwrap_or_default();
        let writes =
            function.contains("write(&mut") || function.contains(".write_all(") || function.contains("set_message(");
        let is_exact = ["fn print_exactly", "fn print_bytes"]
            .iter()
            .any(|exact| head.starts_with(exact));
        let removes = function.contains("redacted(") || function.contains("Redactor");
        assert!(!writes || is_exact || removes, "{head}");
    }
}

#[test]
fn every_public_function_and_type_is_documented() {
    let mut items = 0;
    for path in [sources(), sources_below(AGENT)].concat() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_public_item(line)) {
            // Derives and other attributes stand between an item and its comment, some over several lines.
            let above = lines[..at].iter().rev();
            let comment = above.take_while(|line| !line.is_empty() && !line.ends_with([';', '}']));
            let is_documented = comment.into_iter().any(|line| line.starts_with("///"));
            assert!(is_documented, "{}:{}: {line}", path.display(), at + 1);
            items += 1;
        }
    }
    assert!(items > 400, "{items} items were looked at");
}

fn is_public_item(line: &str) -> bool {
    let Some(item) = line.strip_prefix("pub ") else {
        return false;
    };
    let kinds = [
        "fn ",
        "async fn ",
        "const ",
        "static ",
        "struct ",
        "enum ",
        "trait ",
        "type ",
    ];
    kinds.iter().any(|kind| item.starts_with(kind))
}

/// Rings that are still there. One that is gone is taken from here.
const KNOWN_RINGS: &[&str] = &[];

/// Modules whose own code and these children use each other. A new module keeps what its children share in one of them, and
/// only declares and re-exports.
const MIXED_PARENTS: &[&str] = &[];

#[test]
fn modules_name_each_other_in_no_rings() {
    let found = rings_below("src");
    let mut wrong = Vec::new();
    for (what, found, known) in [
        ("siblings name each other", found.rings, KNOWN_RINGS),
        ("parent and children name each other", found.parents, MIXED_PARENTS),
    ] {
        for (ring, edges) in found.iter().filter(|(ring, _)| !known.contains(&ring.as_str())) {
            wrong.push(format!("{what} in `{ring}`:\n{edges}"));
        }
        for ring in known.iter().filter(|ring| !found.contains_key(**ring)) {
            wrong.push(format!("take `{ring}` from the list: {what} there no longer\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.concat());
}

#[test]
fn modules_of_the_agent_name_each_other_in_no_rings() {
    let found = rings_below(AGENT);
    assert!(found.rings.is_empty(), "{:?}", found.rings);
    assert!(found.parents.is_empty(), "{:?}", found.parents);
}

fn rings_below(folder: &str) -> rings::Found {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let sources: Vec<(String, String)> = sources_below(folder)
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below the folder");
            let text = std::fs::read_to_string(path).expect("readable");
            (name.to_string_lossy().into_owned(), text)
        })
        .collect();
    let sources: Vec<(&str, &str)> = sources.iter().map(|(path, text)| (&**path, &**text)).collect();
    rings::find(&sources)
}

#[test]
fn names_of_tests_in_scripts_and_pages_are_those_of_tests() {
    let (wrong, count) = filters::without_tests(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 12, "only {count} names are found");
}

#[test]
fn what_shows_what_names_tests_that_are_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(top.join("docs/coverage.md")).expect("readable");
    let (wrong, count) = filters::without_tests_on(&page, top);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 35, "only {count} names are found");
    // Each number of the requirements of these machines has its row.
    for number in 5..=21 {
        assert!(page.contains(&format!("\n| 2.{number} ")), "no row for 2.{number}");
    }
}

#[test]
fn no_banned_word_stands_in_pages_messages_and_comments() {
    let sources: Vec<PathBuf> = sources().into_iter().chain(sources_below(AGENT)).collect();
    let found = words::found(Path::new(env!("CARGO_MANIFEST_DIR")), &sources);
    assert!(
        found.is_empty(),
        "docs/style.md names what to write instead:\n{}",
        found.join("\n")
    );
}

#[test]
fn services_may_do_no_more_than_their_page_says() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = privileges::found(top);
    assert!(found.wrong.is_empty(), "{:#?}", found.wrong);
    assert!(found.rows.len() > 18, "{:#?}", found.rows);
    let page = std::fs::read_to_string(top.join("docs/services.md")).expect("readable");
    let missing: Vec<&String> = found
        .rows
        .iter()
        .filter(|row| !page.contains(&format!("\n{row}")))
        .collect();
    assert!(missing.is_empty(), "docs/services.md has no such rows:\n{missing:#?}");
}

#[test]
fn each_fault_that_was_tried_has_a_test() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(top.join("docs/faults.md")).expect("readable");
    let rows: Vec<&str> = page
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| ")?.rsplit_once(" | ")?.1))
        .filter(|tests| tests.contains('`'))
        .collect();
    assert!(rows.len() > 25, "only {} rows", rows.len());
    for test in rows.iter().flat_map(|tests| tests.trim_end_matches('|').split(';')) {
        let quoted: Vec<&str> = test.split('`').skip(1).step_by(2).collect();
        let text = std::fs::read_to_string(top.join(quoted[0])).unwrap_or_else(|error| panic!("{test}: {error}"));
        for name in &quoted[1..] {
            assert!(text.contains(&format!("fn {name}(")), "{test}");
        }
    }
}
